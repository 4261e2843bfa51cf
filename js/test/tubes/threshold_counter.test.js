import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCounter } from "../../src/tubes/threshold_counter.js";
import { even } from "../helpers.js";

const SIZE = [4, 2, 2];
const VIEW = { layer: 0, target: 0, against: null, scale: "clip", sign: "both" };
let lifetime;
let counted;
let counting;
let counter;
beforeEach(() => {
  vi.useFakeTimers();
  lifetime = new AbortController();
  counted = 0;
  counting = [];
  const fields = (view) => {
    counting.push(view.layer);
    return { values: Float32Array.from({ length: 16 }, (_, k) => k / 15), shape: SIZE, geometry: even(SIZE, SIZE) };
  };
  counter = createCounter(SIZE, fields, () => counted++, lifetime.signal);
});
afterEach(() => vi.useRealTimers());

test("a map is counted once, after a rest; then its summary is cached", () => {
  expect(counter(VIEW)).toBeUndefined();
  vi.advanceTimersByTime(60);
  counter(VIEW); // a second request neither restarts nor delays the count
  vi.advanceTimersByTime(80);
  expect([counted, counting]).toEqual([1, [0]]);
  expect(counter(VIEW).evidence[0]).toBeCloseTo(8, 5);
  expect(counter({ ...VIEW, threshold: 0.9 })).toBe(counter(VIEW));
});

test("maps passed over quickly are not counted", () => {
  for (const layer of [0, 1, 2]) {
    counter({ ...VIEW, layer });
    vi.advanceTimersByTime(50);
  }
  vi.advanceTimersByTime(500);
  expect([counted, counting]).toEqual([1, [2]]);
  counter(VIEW); // a map passed over is counted when it is shown again
  vi.advanceTimersByTime(500);
  expect(counting).toEqual([2, 0]);
});

test("counting runs in slices and stops when another map is shown", () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (now += 10));
  counter(VIEW);
  vi.advanceTimersByTime(120);
  expect(counted).toBe(0); // one or two frames of four
  counter({ ...VIEW, layer: 1 });
  vi.advanceTimersByTime(1000);
  expect([counted, counting]).toEqual([1, [0, 1]]);
  expect(counter(VIEW)).toBeUndefined();
});

test("for and against are counted separately; nothing is counted after the signal aborts", () => {
  counter({ ...VIEW, sign: "negative" });
  vi.advanceTimersByTime(500);
  expect(counter({ ...VIEW, sign: "negative" }).evidence[0]).toBe(0);
  counter({ ...VIEW, sign: "positive" });
  lifetime.abort();
  vi.advanceTimersByTime(500);
  expect(counted).toBe(1);
});
