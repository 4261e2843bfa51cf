import { describe, expect, test } from "vitest";
import { cellAt, plan, rowAt, rowsToFrames, slice } from "../../src/shared/interpolate.js";
import { even } from "../helpers.js";

const sliceOf = (size, shape, geometry, values, frame, zoom) => {
  const planned = plan(size, shape, geometry, zoom);
  const out = new Float32Array(planned.width * planned.height);
  slice(planned, Float32Array.from(values), frame, out);
  return [...out];
};

/** The definition, one voxel at a time, without shared code. */
function byDefinition(shape, { rows, origin, step }, values, f, y, x) {
  const clamp = (value, top) => Math.min(Math.max(value, 0), top);
  let r = f <= rows[0] ? 0 : shape[0] - 1;
  for (let k = 0; k + 1 < rows.length; k++) {
    if (rows[k] <= f && f < rows[k + 1]) r = k + (f - rows[k]) / (rows[k + 1] - rows[k]);
  }
  const position = [r, clamp((y - origin[0]) / step[0], shape[1] - 1), clamp((x - origin[1]) / step[1], shape[2] - 1)];
  let sum = 0;
  for (let corner = 0; corner < 8; corner++) {
    let weight = 1;
    const cell = position.map((coordinate, axis) => {
      const up = (corner >> axis) & 1;
      const low = Math.floor(coordinate);
      weight *= up ? coordinate - low : 1 - (coordinate - low);
      return Math.min(low + up, shape[axis] - 1);
    });
    sum += weight * values[(cell[0] * shape[1] + cell[1]) * shape[2] + cell[2]];
  }
  return sum;
}

describe("rowAt", () => {
  test("inverts uneven rows and is clamped at the ends", () => {
    const rows = [1, 2, 6];
    expect([0, 1, 1.5, 2, 4, 6, 9].map((frame) => rowAt(rows, frame))).toEqual([0, 0, 0.5, 1, 1.5, 2, 2]);
  });
  test("is 0 for a single row", () => {
    expect([0, 7, 15].map((frame) => rowAt([7.5], frame))).toEqual([0, 0, 0]);
  });
});

test("cellAt counts from the first cell's centre and is clamped to the cells", () => {
  expect([-3, 3.5, 7.5, 11.5, 99].map((pixel) => cellAt(pixel, 3.5, 8, 2))).toEqual([0, 0, 0.5, 1, 1]);
});

describe("slice", () => {
  test("one cell per pixel is the map itself", () => {
    const values = [0, 1, 2, 3, 4, 5, -6, -7, -127, 127, 10, 11];
    const size = [2, 2, 3];
    expect(sliceOf(size, size, even(size, size), values, 1)).toEqual(
      values.slice(6).map((value) => expect.closeTo(value, 6)),
    );
  });

  test("half-pixel centres: two cells over four pixels give 0, 1/4, 3/4, 1", () => {
    const size = [1, 1, 4];
    const found = sliceOf(size, [1, 1, 2], even([1, 1, 2], size), [0, 1], 0);
    expect(found).toEqual([0, 0.25, 0.75, 1].map((value) => expect.closeTo(value, 6)));
  });

  test("time: two rows over four frames give 0, 1/4, 3/4, 1", () => {
    const geometry = even([2, 1, 1], [4, 1, 1]);
    expect(geometry.rows).toEqual([0.5, 2.5]);
    const found = [0, 1, 2, 3].map((frame) => sliceOf([4, 1, 1], [2, 1, 1], geometry, [0, 1], frame)[0]);
    expect(found).toEqual([0, 0.25, 0.75, 1].map((value) => expect.closeTo(value, 6)));
  });

  test("agrees with the definition on uneven rows, an origin outside the clip and steps that do not divide it", () => {
    const [size, shape] = [
      [7, 9, 11],
      [3, 4, 2],
    ];
    const geometry = { rows: [0.5, 1.25, 6], origin: [-1.5, 2], step: [2.75, 5.5] };
    const values = Array.from({ length: 24 }, (_, k) => (((k * 89) % 255) - 127) / 127);
    for (let f = 0; f < 7; f++) {
      const found = sliceOf(size, shape, geometry, values, f);
      for (let y = 0; y < 9; y++) {
        for (let x = 0; x < 11; x++) {
          expect(found[y * 11 + x]).toBeCloseTo(byDefinition(shape, geometry, values, f, y, x), 5);
        }
      }
    }
  });

  test("zoom samples between the pixels' centres", () => {
    const [size, shape] = [
      [1, 2, 4],
      [1, 2, 3],
    ];
    const geometry = even(shape, size);
    const values = [0, 0.8, -0.4, 0.2, 1, 0.03];
    const found = sliceOf(size, shape, geometry, values, 0, 3);
    expect(found).toHaveLength(2 * 4 * 9);
    for (const [p, value] of found.entries()) {
      const [y, x] = [Math.floor(p / 12), p % 12].map((sample) => (sample + 0.5) / 3 - 0.5);
      expect(value).toBeCloseTo(byDefinition(shape, geometry, values, 0, y, x), 5);
    }
  });
});

test("a zoom that does not divide the frame gives whole samples that span it", () => {
  const size = [1, 30, 30];
  const planned = plan(size, [1, 2, 2], even([1, 2, 2], size), 0.35);
  expect([planned.width, planned.height]).toEqual([11, 11]);
  const out = new Float32Array(121);
  slice(planned, Float32Array.from([0, 1, 0, 1]), 0, out);
  expect([out[0], out[5], out[10]]).toEqual([0, expect.closeTo(0.5, 6), 1]);
});

test("rowsToFrames interpolates in time only", () => {
  const planned = plan([4, 5, 5], [2, 1, 2], even([2, 1, 2], [4, 5, 5]));
  expect([...rowsToFrames(planned, Float32Array.from([0, 100, 40, -100]))]).toEqual([
    0, 100, 10, 50, 30, -50, 40, -100,
  ]);
});
