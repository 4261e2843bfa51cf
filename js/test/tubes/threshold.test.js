import { describe, expect, test } from "vitest";
import { plan, slice } from "../../src/shared/interpolate.js";
import { curves, kept, summarise } from "../../src/tubes/threshold.js";
import { even } from "../helpers.js";

const SIZE = [6, 10, 12];
const SHAPE = [3, 4, 5];
const VALUES = Float32Array.from({ length: 60 }, (_, k) => (k === 31 ? 1 : (((k * 97) % 251) - 125) / 127));
const MADE = plan(SIZE, SHAPE, even(SHAPE, SIZE));
const field = (values, weights = null) => ({ values: Float32Array.from(values), weights });

/** All voxels of the upsampled map, frame by frame. */
function upsampled() {
  return Array.from({ length: SIZE[0] }, (_, frame) => {
    const out = new Float32Array(SIZE[1] * SIZE[2]);
    slice(MADE, VALUES, frame, out);
    return [...out];
  });
}
const sum = (values) => values.reduce((whole, value) => whole + value, 0);

test("fractions and frames agree with counting every voxel", () => {
  const summary = summarise(MADE, field(VALUES));
  const frames = upsampled();
  const positive = frames.flat().filter((value) => value > 0);
  for (let percent = 0; percent <= 90; percent += 1) {
    const over = (value) => value > 0 && value >= percent / 100;
    const chosen = positive.filter(over);
    const found = kept(summary, percent / 100);
    expect(found.evidence).toBeCloseTo(sum(chosen) / sum(positive), 6);
    expect(found.volume).toBeCloseTo(chosen.length / 720, 10);
    const holding = frames.map((frame) => frame.some(over));
    expect(found.frames).toEqual(chosen.length ? [holding.indexOf(true), holding.lastIndexOf(true)] : null);
  }
});

test("the curves are the sums per frame, in total and above the threshold, for and against", () => {
  const summary = summarise(MADE, field(VALUES));
  const frames = upsampled();
  for (const threshold of [0, 0.3, 0.6]) {
    const { counted, opposite } = curves(summary, threshold);
    for (const [f, values] of frames.entries()) {
      const total = (sign, least) => sum(values.map((value) => sign * value).filter((v) => v > 0 && v >= least));
      expect(counted.all[f]).toBeCloseTo(total(1, 0), 4);
      expect(counted.kept[f]).toBeCloseTo(total(1, threshold), 4);
      expect(opposite.all[f]).toBeCloseTo(total(-1, 0), 4);
      expect(opposite.kept[f]).toBeCloseTo(total(-1, threshold), 4);
    }
  }
});

test("the other sign is counted like this one", () => {
  const turned = VALUES.map((value) => -value);
  const [one, other] = [summarise(MADE, field(VALUES), -1), summarise(MADE, field(turned))];
  for (const threshold of [0, 0.2, 0.5]) expect(kept(one, threshold)).toEqual(kept(other, threshold));
  expect(kept(summarise(MADE, field(VALUES)), 0).against + kept(one, 0).against).toBeCloseTo(1, 9);
});

test("the scale of a frame weights its evidence", () => {
  const made = plan([2, 1, 2], [2, 1, 2], even([2, 1, 2], [2, 1, 2]));
  const found = kept(summarise(made, field([1, 0.5, 1, 0.2], Float32Array.of(0.25, 1))), 0.6);
  expect(found).toMatchObject({ evidence: expect.closeTo(1.25 / 1.575, 6), volume: 0.5, frames: [0, 1], core: [1, 1] });
});

test("the scale of a frame weights the evidence of the other sign", () => {
  const made = plan([2, 1, 2], [2, 1, 2], even([2, 1, 2], [2, 1, 2]));
  const summary = summarise(made, field([1, -1, 1, -1], Float32Array.of(0.25, 1)));
  expect(curves(summary, 0.5).opposite).toEqual({ all: [0.25, 1], kept: [0.25, 1] });
});

test("between two bin edges the sum is interpolated", () => {
  const summary = summarise(MADE, field(VALUES));
  const [low, middle, high] = [0.3, 0.30008, 0.3002].map((threshold) => kept(summary, threshold).evidence);
  expect(middle).toBeCloseTo(0.6 * low + 0.4 * high, 9);
});

test("threshold 0 keeps everything positive, threshold 1 only the peak", () => {
  const flat = plan([1, 1, 4], [1, 1, 4], even([1, 1, 4], [1, 1, 4]));
  const summary = summarise(flat, field([1, 0.5, 0, -1]));
  expect(kept(summary, 0)).toMatchObject({ evidence: 1, volume: 0.5, frames: [0, 0], against: 0.4 });
  expect(kept(summary, 1)).toMatchObject({ evidence: expect.closeTo(2 / 3, 6), volume: 0.25, frames: [0, 0] });
});

test("a map without positive evidence keeps nothing, even at threshold 0", () => {
  const flat = plan([1, 1, 2], [1, 1, 2], even([1, 1, 2], [1, 1, 2]));
  expect(kept(summarise(flat, field([0, -1])), 0)).toEqual({
    evidence: 0,
    volume: 0,
    frames: null,
    core: null,
    place: "",
    against: 1,
  });
  expect(kept(summarise(flat, field([0, 0])), 0).against).toBe(0);
});

describe("among the shortest runs of frames that hold most of the evidence", () => {
  /** The core of a clip whose frames hold these weights. @param {number[]} weights */
  const coreOf = (weights) => {
    const shape = [weights.length, 1, 1];
    return kept(summarise(plan(shape, shape, even(shape, shape)), field(weights)), 0).core;
  };

  test.each([
    ["is the heaviest", [1, 2, 4, 4, 4, 4], [2, 5]],
    ["is the first of equal ones", [1, 1, 1, 1], [0, 2]],
    ["is the first if the others differ by rounding only", [3, 5, 3 + 1e-6, 0], [0, 1]],
    ["may be a single frame", [9, 1, 1, 1], [0, 0]],
  ])("the core %s", (_, weights, core) => {
    const largest = Math.max(...weights);
    expect(coreOf(weights.map((weight) => weight / largest))).toEqual(core);
  });
});

test("a band across the picture that rises from the bottom ends in the middle", () => {
  const shape = [3, 5, 4];
  const values = Array.from({ length: 60 }, (_, k) => Number(Math.floor(k / 4) % 5 === 4 - Math.floor(k / 20)));
  const found = kept(summarise(plan(shape, shape, even(shape, shape)), field(values)), 0.5);
  expect(found.place).toBe("moving from the bottom to the middle");
});
