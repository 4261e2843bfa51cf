import { expect, test } from "vitest";
import { kept, summarise } from "../src/evidence.js";
import { plan, slice } from "../src/stretch.js";
import { even } from "./helpers.js";

const SIZE = [6, 10, 12];
const SHAPE = [3, 4, 5];
const VALUES = Int8Array.from({ length: 60 }, (_, k) => (k === 31 ? 127 : ((k * 97) % 251) - 125));
const MADE = plan(SIZE, SHAPE, even(SHAPE, SIZE));

/** All voxels of the stretched map, frame by frame. */
function stretched() {
  return Array.from({ length: SIZE[0] }, (_, frame) => {
    const out = new Float32Array(SIZE[1] * SIZE[2]);
    slice(MADE, VALUES, frame, out);
    return [...out];
  });
}

test("shares and frames agree with counting every voxel", () => {
  const summary = summarise(MADE, VALUES);
  const frames = stretched();
  const positive = frames.flat().filter((value) => value > 0);
  const total = positive.reduce((sum, value) => sum + value, 0);
  for (let percent = 0; percent <= 90; percent += 1) {
    const over = (value) => value > 0 && value >= percent / 100;
    const chosen = positive.filter(over);
    const found = kept(summary, percent / 100);
    expect(found.evidence).toBeCloseTo(chosen.reduce((sum, value) => sum + value, 0) / total, 6);
    expect(found.volume).toBeCloseTo(chosen.length / 720, 10);
    const holding = frames.map((frame) => frame.some(over));
    expect(found.frames).toEqual(chosen.length ? [holding.indexOf(true), holding.lastIndexOf(true)] : null);
  }
});

test("between two bins it interpolates", () => {
  const summary = summarise(MADE, VALUES);
  const [low, middle, high] = [0.3, 0.3004, 0.301].map((threshold) => kept(summary, threshold).evidence);
  expect(middle).toBeCloseTo(0.6 * low + 0.4 * high, 9);
});

test("everything positive is kept at 0, the peak alone at 1", () => {
  const flat = plan([1, 1, 4], [1, 1, 4], even([1, 1, 4], [1, 1, 4]));
  const summary = summarise(flat, Int8Array.from([127, 50, 0, -127]));
  expect(kept(summary, 0)).toEqual({ evidence: 1, volume: 0.5, frames: [0, 0] });
  expect(kept(summary, 1)).toEqual({ evidence: expect.closeTo(127 / 177, 6), volume: 0.25, frames: [0, 0] });
});

test("a map without positive evidence keeps nothing, even at 0", () => {
  const flat = plan([1, 1, 2], [1, 1, 2], even([1, 1, 2], [1, 1, 2]));
  expect(kept(summarise(flat, Int8Array.from([0, -127])), 0)).toEqual({ evidence: 0, volume: 0, frames: null });
});
