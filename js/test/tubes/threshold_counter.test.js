import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCounter } from "../../src/tubes/threshold_counter.js";
import { even } from "../helpers.js";

const SIZE = [4, 2, 2];
const AT = { layer: 0, target: 0, against: null, scale: "clip", sign: "both" };
let life;
let counted;
let asked;
let counter;
beforeEach(() => {
  vi.useFakeTimers();
  life = new AbortController();
  counted = 0;
  asked = [];
  const fields = (at) => {
    asked.push(at.layer);
    return { values: Float32Array.from({ length: 16 }, (_, k) => k / 15), shape: SIZE, geometry: even(SIZE, SIZE) };
  };
  counter = createCounter(SIZE, fields, () => counted++, life.signal);
});
afterEach(() => vi.useRealTimers());

test("a map is counted once, when the hand rests; then it is at hand", () => {
  expect(counter(AT)).toBeUndefined();
  vi.advanceTimersByTime(60);
  counter(AT); // asked again meanwhile: no second count, and no later one
  vi.advanceTimersByTime(80);
  expect([counted, asked]).toEqual([1, [0]]);
  expect(counter(AT).evidence[0]).toBeCloseTo(8, 5);
  expect(counter({ ...AT, threshold: 0.9 })).toBe(counter(AT));
});

test("a hand that goes on is not waited for", () => {
  for (const layer of [0, 1, 2]) {
    counter({ ...AT, layer });
    vi.advanceTimersByTime(50);
  }
  vi.advanceTimersByTime(500);
  expect([counted, asked]).toEqual([1, [2]]);
  counter(AT); // and a map passed over is counted when it is shown again
  vi.advanceTimersByTime(500);
  expect(asked).toEqual([2, 0]);
});

test("many frames are counted a few at a time, and given up when something else is shown", () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (now += 10));
  counter(AT);
  vi.advanceTimersByTime(120);
  expect(counted).toBe(0); // one or two frames of four
  counter({ ...AT, layer: 1 });
  vi.advanceTimersByTime(1000);
  expect([counted, asked]).toEqual([1, [0, 1]]);
  expect(counter(AT)).toBeUndefined();
});

test("for and against are counted apart, and after the end nothing is", () => {
  counter({ ...AT, sign: "negative" });
  vi.advanceTimersByTime(500);
  expect(counter({ ...AT, sign: "negative" }).evidence[0]).toBe(0);
  counter({ ...AT, sign: "positive" });
  life.abort();
  vi.advanceTimersByTime(500);
  expect(counted).toBe(1);
});
