import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSharpness } from "../../src/tubes/volume/resolution.js";

const AREA = 300 * 200;
let asked;
let doneAt;
let life;
let sharpness;
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("requestAnimationFrame", (step) => setTimeout(step, 16));
  asked = 0;
  doneAt = 0;
  life = new AbortController();
  sharpness = createSharpness(
    () => asked++,
    () => performance.now() < doneAt,
    life.signal,
  );
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** One draw that takes the graphics `cost` ms. */
function draw(cost) {
  const how = sharpness.next(AREA);
  doneAt = performance.now() + cost;
  if (how.sharp) sharpness.drew();
  return how;
}

test("slow graphics draw at half the size while it moves, and once more sharply at rest", () => {
  expect(draw(100)).toEqual({ ratio: 1, sharp: true });
  vi.advanceTimersByTime(200);
  expect(asked).toBe(1); // the first draw compiled the shaders; another one tells how slow they are
  expect(draw(100)).toEqual({ ratio: 1, sharp: true });
  vi.advanceTimersByTime(1000);
  draw(100);
  asked = 0;
  for (let k = 0; k < 5; k++) {
    vi.advanceTimersByTime(100);
    expect(draw(30)).toEqual({ ratio: 0.5, sharp: false });
  }
  expect(asked).toBe(0);
  vi.advanceTimersByTime(160);
  expect(asked).toBe(1);
  expect(draw(100)).toEqual({ ratio: 1, sharp: true });
  vi.advanceTimersByTime(5000);
  expect(asked).toBe(1);
});

test("quick graphics draw finely all the time", () => {
  draw(300);
  vi.advanceTimersByTime(400);
  draw(10);
  vi.advanceTimersByTime(100);
  expect(asked).toBe(2);
  expect(draw(10)).toEqual({ ratio: 2, sharp: true });
  vi.advanceTimersByTime(20);
  expect(draw(10)).toEqual({ ratio: 2, sharp: false });
});

test("a large place is not drawn at more pixels than software can bear", () => {
  expect(sharpness.next(4 * 900_000).ratio).toBe(0.5);
});

test("after the end nothing is asked", () => {
  draw(100);
  draw(100);
  life.abort();
  vi.advanceTimersByTime(1000);
  expect(asked).toBe(0);
});
