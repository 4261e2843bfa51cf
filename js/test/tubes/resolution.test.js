import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { adaptiveResolution } from "../../src/tubes/volume/resolution.js";

const AREA = 300 * 200;
let requested;
let doneAt;
let lifetime;
let resolution;
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("requestAnimationFrame", (step) => setTimeout(step, 16));
  requested = 0;
  doneAt = 0;
  lifetime = new AbortController();
  resolution = adaptiveResolution(
    () => requested++,
    () => performance.now() < doneAt,
    lifetime.signal,
  );
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** One draw that takes the GPU `cost` ms. */
function draw(cost) {
  const drawn = resolution.next(AREA);
  doneAt = performance.now() + cost;
  if (drawn.sharp) resolution.drawn();
  return drawn;
}

test("a slow GPU draws at half the size during movement and once more sharply at rest", () => {
  expect(draw(100)).toEqual({ ratio: 1, sharp: true });
  vi.advanceTimersByTime(200);
  expect(requested).toBe(1); // the first draw compiled the shaders; the second one is measured
  expect(draw(100)).toEqual({ ratio: 1, sharp: true });
  vi.advanceTimersByTime(1000);
  draw(100);
  requested = 0;
  for (let k = 0; k < 5; k++) {
    vi.advanceTimersByTime(100);
    expect(draw(30)).toEqual({ ratio: 0.5, sharp: false });
  }
  expect(requested).toBe(0);
  vi.advanceTimersByTime(160);
  expect(requested).toBe(1);
  expect(draw(100)).toEqual({ ratio: 1, sharp: true });
  vi.advanceTimersByTime(5000);
  expect(requested).toBe(1);
});

test("a sharp draw that takes longer than a movement's pause is not followed by another one during the movement", () => {
  draw(500);
  vi.advanceTimersByTime(520);
  expect(draw(500).sharp).toBe(true);
  vi.advanceTimersByTime(400);
  expect(draw(30).sharp, "while the GPU still draws").toBe(false);
  vi.advanceTimersByTime(1000);
  expect(draw(500).sharp).toBe(true);
  vi.advanceTimersByTime(520);
  expect(draw(30).sharp, "right after it has drawn").toBe(false);
  vi.advanceTimersByTime(600);
  expect(draw(500).sharp, "after a pause").toBe(true);
});

test("a fast GPU always draws at full resolution", () => {
  draw(300);
  vi.advanceTimersByTime(400);
  draw(10);
  vi.advanceTimersByTime(100);
  expect(requested).toBe(2);
  expect(draw(10)).toEqual({ ratio: 2, sharp: true });
  vi.advanceTimersByTime(20);
  expect(draw(10)).toEqual({ ratio: 2, sharp: false });
});

test("the number of pixels is limited in a large container", () => {
  expect(resolution.next(4 * 900_000).ratio).toBe(0.5);
});

test("no draw is requested after the signal aborts", () => {
  draw(100);
  draw(100);
  lifetime.abort();
  vi.advanceTimersByTime(1000);
  expect(requested).toBe(0);
});
