// Values on the CPU against brute force: the whole clip upsampled, and tiny steps along each line of sight.
import { describe, expect, test } from "vitest";
import { plan, rowsToFrames, slice } from "../../src/shared/interpolate.js";
import { basisOf, halfBox, Orbit } from "../../src/tubes/volume/camera.js";
import { castRay, sampleAt } from "../../src/tubes/volume/ray.js";
import { even } from "../helpers.js";

const SIZE = [9, 24, 32];
/** Reproducible numbers from 0 to 1. */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}
/** A smooth map with evidence of either sign. */
function fieldOf(shape, geometry, seed = 1) {
  const random = randomNumbers(seed);
  const blobs = Array.from({ length: 4 }, (_, k) => ({
    centre: shape.map((cells) => random() * cells),
    sign: k % 2 ? -1 : 1,
  }));
  const values = new Float32Array(shape[0] * shape[1] * shape[2]);
  for (let t = 0, at = 0; t < shape[0]; t++)
    for (let y = 0; y < shape[1]; y++)
      for (let x = 0; x < shape[2]; x++, at++)
        for (const { centre, sign } of blobs) {
          const far = [t, y, x].reduce((sum, cell, axis) => sum + ((cell - centre[axis]) / shape[axis]) ** 2, 0);
          values[at] += sign * Math.exp(-far / 0.03);
        }
  const peak = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { key: "", shape, geometry, peak, weights: null, values: values.map((value) => value / peak) };
}
const UNEVEN = { rows: [0, 1, 5, 8], origin: [1.5, -2], step: [4, 6] };
const FIELDS = [
  fieldOf([4, 6, 8], even([4, 6, 8], SIZE)),
  fieldOf([9, 24, 32], even([9, 24, 32], SIZE), 2),
  fieldOf([1, 1, 1], even([1, 1, 1], SIZE), 3),
  fieldOf([4, 6, 7], UNEVEN, 4),
];

describe("the value at a pixel of a frame", () => {
  test.each(FIELDS.map((field, k) => [k, field]))("is that of the upsampled map %i", (_, field) => {
    const planned = plan(SIZE, field.shape, field.geometry);
    const picture = new Float32Array(SIZE[1] * SIZE[2]);
    let worst = 0;
    for (let f = 0; f < SIZE[0]; f++) {
      slice(planned, field.values, f, picture);
      for (let y = 0; y < SIZE[1]; y++)
        for (let x = 0; x < SIZE[2]; x++)
          worst = Math.max(worst, Math.abs(sampleAt(SIZE[0], field, x, y, f) - picture[y * SIZE[2] + x]));
    }
    expect(worst).toBeLessThan(1e-6);
  });

  test("between two frames is between theirs, and beyond the clip that of its edge", () => {
    const [, , , field] = FIELDS;
    const at = (frame, x = 9) => sampleAt(SIZE[0], field, x, 5, frame);
    expect(at(2.25)).toBeCloseTo(0.75 * at(2) + 0.25 * at(3), 6);
    expect([at(-0.5), at(8.5), at(4, -9), at(4, 99)]).toEqual([at(0), at(8), at(4, -2), at(4, 34)]);
  });
});

/** The texture unit's value in box coordinates: trilinear between the cells of the map at each frame. */
function textureOf(field) {
  const [, h, w] = field.shape;
  const frames = rowsToFrames(plan(SIZE, field.shape, field.geometry), field.values);
  const clamp = (position, count) => Math.min(Math.max(position, 0), count - 1);
  return ([x, y, time]) => {
    const { origin, step } = field.geometry;
    const cell = [
      clamp(time * SIZE[0] - 0.5, SIZE[0]),
      clamp((y * SIZE[1] - 0.5 - origin[0]) / step[0], h),
      clamp((x * SIZE[2] - 0.5 - origin[1]) / step[1], w),
    ];
    let sum = 0;
    for (let corner = 0; corner < 8; corner++) {
      const index = cell.map((part, axis) => Math.floor(part) + ((corner >> axis) & 1));
      const weight = cell.reduce((product, part, axis) => product * Math.max(0, 1 - Math.abs(part - index[axis])), 1);
      if (weight) sum += weight * frames[(index[0] * h + index[1]) * w + index[2]];
    }
    return sum;
  };
}

/** Follow a line of sight in tiny steps from far before the box to far behind it. */
function march(field, view, camera, right, up, steps = 6000) {
  const [basis, half, texture] = [basisOf(camera), halfBox(SIZE), textureOf(field)];
  const signs = [view.sign !== "negative", view.sign !== "positive"];
  let before;
  for (let k = 0; k <= steps; k++) {
    const depth = 1.5 - (3 * k) / steps; // towards the viewer
    const world = [0, 1, 2].map((a) => right * basis.right[a] + up * basis.up[a] + depth * basis.back[a]);
    const box = [world[0] / half[0] / 2 + 0.5, 0.5 - world[1] / half[1] / 2, 0.5 - world[2] / half[2] / 2];
    const isInside = box.every((part) => part >= 0 && part <= 1);
    if (isInside) {
      const value = texture(box);
      const slab = (view.frame + 0.5) / SIZE[0];
      if (before !== undefined && (before - slab) * (box[2] - slab) <= 0) return { box, isFrame: true };
      if ((value > 0 ? signs[0] && value : signs[1] && -value) >= view.threshold) return { box, value };
      before = box[2];
    }
  }
  return null;
}

describe("a line of sight", () => {
  const random = randomNumbers(7);
  const cases = Array.from({ length: 160 }, (_, k) => ({
    field: FIELDS[k % FIELDS.length],
    camera: { yaw: 6 * random() - 3, pitch: 3 * random() - 1.5, zoom: 1 },
    point: [random() - 0.5, random() - 0.5],
    view: {
      frame: Math.floor(random() * SIZE[0]),
      threshold: 0.1 + 0.6 * random(),
      sign: ["both", "positive", "negative"][k % 3],
    },
  }));

  test("meets what tiny steps meet first", () => {
    const seen = { surface: 0, frame: 0, nothing: 0 };
    for (const { field, camera, point, view } of cases) {
      const wanted = march(field, view, camera, ...point);
      const got = castRay(SIZE, field, view, camera, ...point);
      if (!wanted) {
        // The steps may pass beside a corner that the line just touches.
        if (got) expect(got.value ?? view.threshold).toBeCloseTo(view.threshold, 1);
        seen.nothing++;
        continue;
      }
      expect(got).not.toBeNull();
      const pixel = [2, 1, 0].map((axis, k) => wanted.box[k] * SIZE[axis]);
      expect(Math.abs(got.x + 0.5 - pixel[0])).toBeLessThan(0.75);
      expect(Math.abs(got.y + 0.5 - pixel[1])).toBeLessThan(0.75);
      if (wanted.isFrame) {
        expect([got.frame, got.value]).toEqual([view.frame, undefined]);
        seen.frame++;
      } else {
        expect(Math.abs(got.frame + 0.5 - pixel[2])).toBeLessThan(0.75);
        expect(got.value).toBeCloseTo(wanted.value, 1);
        expect(Math.abs(got.peak)).toBeGreaterThanOrEqual(Math.abs(got.value));
        expect(Math.sign(got.peak)).toBe(Math.sign(got.value));
        seen.surface++;
      }
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });

  test("from the front it goes through the same pixel of every frame", () => {
    const front = { yaw: 0, pitch: 0, zoom: 1 };
    const field = { ...FIELDS[0], values: FIELDS[0].values.map(() => 0) };
    const at = (right, up) => castRay(SIZE, field, { frame: 3, threshold: 0.4, sign: "both" }, front, right, up);
    expect(at(-0.499, 0.374)).toEqual({ x: 0, y: 0, frame: 3 });
    expect(at(0.499, -0.374)).toEqual({ x: 31, y: 23, frame: 3 });
    expect([at(0.51, 0), at(0, 0.38)]).toEqual([null, null]);
  });
});

test("the strongest value is that of the surface that is met, not of another one behind it", () => {
  const field = { ...fieldOf([4, 1, 1], even([4, 1, 1], SIZE)), values: Float32Array.of(0.6, 0, 1, 0) };
  const front = { yaw: 0, pitch: 0, zoom: 1 };
  const met = castRay(SIZE, field, { frame: 8, threshold: 0.3, sign: "both" }, front, 0, 0);
  expect([met.frame, met.peak]).toEqual([0, expect.closeTo(0.6, 2)]);
});

test("a camera starts where it is told to, within its limits, and ignores anything else", () => {
  const of = (camera) => new Orbit(camera);
  expect([of([0.5, 9, 99]).camera, of([0.5, 9, 99]).view]).toEqual([{ yaw: 0.5, pitch: Math.PI / 2, zoom: 8 }, "free"]);
  for (const camera of [undefined, "x", [1, 2], [1, 2, Number.NaN]])
    expect([of(camera).camera, of(camera).view]).toEqual([of().camera, "reset"]);
});
