import { describe, expect, test } from "vitest";
import {
  AGAINST,
  alphaAt,
  colourAt,
  FOR,
  LEVELS,
  overlayTable,
  rampsOf,
  SEQUENTIAL,
} from "../../src/shared/colormaps.js";
import { plan } from "../../src/shared/interpolate.js";
import { barsOf } from "../../src/tubes/layer_picker.js";
import { montageLayout } from "../../src/tubes/montage.js";
import { paintEvidence } from "../../src/tubes/overlay.js";
import { frameDuration } from "../../src/tubes/player.js";
import {
  basisOf,
  boxEdges,
  dot,
  halfBox,
  isBehind,
  project,
  scaleToFit,
  turn,
  VIEWS,
} from "../../src/tubes/volume/camera.js";
import { projectVolume } from "../../src/tubes/volume/projections.js";
import { even } from "../helpers.js";

/** Relative luminance of an sRGB colour. */
const luminance = (colour) =>
  colour
    .map((part) => (part <= 10 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);

/** Colours as seen without red-sensitive (protan) or green-sensitive (deutan) cones, in linear light (Viénot 1999). */
const BLIND = {
  protan: [
    [0.11238, 0.88762, 0],
    [0.11238, 0.88762, 0],
    [0.00401, -0.00401, 1],
  ],
  deutan: [
    [0.29275, 0.70725, 0],
    [0.29275, 0.70725, 0],
    [-0.02234, 0.02234, 1],
  ],
};
const linear = (colour) => colour.map((part) => (part / 255) ** 2.2);
const seen = (matrix, colour) =>
  matrix.map(
    (row) =>
      Math.max(
        row.reduce((sum, part, k) => sum + part * linear(colour)[k], 0),
        0,
      ) **
      (1 / 2.2),
  );
const far = (one, other) => Math.hypot(...one.map((part, k) => part - other[k]));

describe("colours", () => {
  test.each([
    ["for", FOR],
    ["against", AGAINST],
    ["sequential", SEQUENTIAL],
  ])("the ramp %s gets lighter throughout", (_, ramp) => {
    const ramped = Array.from({ length: 101 }, (_, k) => luminance(colourAt(ramp, k / 100)));
    expect(ramped.every((value, k) => k === 0 || value > ramped[k - 1])).toBe(true);
  });

  test.each(Object.keys(BLIND))("%s eyes can tell for and against apart at every strength", (kind) => {
    for (let k = 0; k <= 100; k++) {
      const [one, other] = [FOR, AGAINST].map((ramp) => seen(BLIND[kind], colourAt(ramp, k / 100)));
      expect(far(one, other)).toBeGreaterThan(0.25);
    }
  });

  test.each(Object.keys(BLIND))("the sequential ramp gets lighter for %s eyes too", (kind) => {
    const ramped = Array.from({ length: 21 }, (_, k) =>
      luminance(seen(BLIND[kind], colourAt(SEQUENTIAL, k / 20)).map((part) => part * 255)),
    );
    expect(ramped.every((value, k) => k === 0 || value > ramped[k - 1])).toBe(true);
  });

  test("the sequential ramp spans the values shown", () => {
    const both = rampsOf("sequential", "both");
    expect([both.negative.at(-1), both.positive.at(-1)]).toEqual([SEQUENTIAL[0], SEQUENTIAL.at(-1)]);
    expect(both.negative[0]).toEqual(both.positive[0]);
    const one = rampsOf("sequential", "negative");
    expect([one.negative[0], one.negative.at(-1)]).toEqual([SEQUENTIAL[0], SEQUENTIAL.at(-1)]);
  });
});

const USUAL = { colours: "diverging", sign: "both", opacity: 0.6 };
const paintOf = (threshold, more = {}) => {
  const how = { ...USUAL, ...more };
  const [positive, negative] = { both: [1, 1], positive: [1, 0], negative: [0, 1] }[how.sign];
  return { table: overlayTable(how), threshold, opacity: how.opacity, positive, negative };
};
const painted = (values, paint) => {
  const pixels = new Uint8ClampedArray(values.length * 4);
  paintEvidence(pixels, Float32Array.from(values), values.length, paint);
  return pixels;
};
const alphas = (pixels) => Array.from({ length: pixels.length / 4 }, (_, k) => pixels[4 * k + 3]);

test("evidence at or above the threshold is painted, for and against, and nothing below", () => {
  const values = [0.5, 0.49, -0.5, 0, 1];
  const pixels = painted(values, paintOf(0.5));
  expect(alphas(pixels).map((alpha) => alpha > 0)).toEqual([true, false, true, false, true]);
  expect([...pixels.slice(16, 19)]).toEqual(FOR[2]);
  const nearest = colourAt(AGAINST, Math.round(0.5 * LEVELS) / LEVELS);
  for (const k of [0, 1, 2]) expect(Math.abs(pixels[8 + k] - nearest[k])).toBeLessThanOrEqual(1);
  expect(alphas(painted([0, 0, 0, 0, 0], paintOf(0)))).toEqual([0, 0, 0, 0, 0]);
  expect(alphaAt(1, 0.6)).toBeLessThan(0.75); // the frame stays readable
});

test("a hidden sign is not painted", () => {
  const values = [0.9, -0.9, 0.2];
  const shown = (sign) => alphas(painted(values, paintOf(0.5, { sign }))).map((alpha) => alpha > 0);
  expect([shown("both"), shown("positive"), shown("negative")]).toEqual([
    [true, true, false],
    [true, false, false],
    [false, true, false],
  ]);
});

test("opacity 0 paints nothing, opacity 1 hides the frame", () => {
  const inside = (opacity) => alphas(painted([1, 1, 1], paintOf(0.5, { opacity })))[1];
  expect([inside(0), inside(1)]).toEqual([0, 255]);
  expect(inside(0.3)).toBeLessThan(inside(0.6));
});

describe("the montage", () => {
  const shapeOf = (frames, width, shape = [112, 112]) => montageLayout([frames, ...shape], width);
  test("fills the width with tiles of at least the minimum size", () => {
    for (const [frames, width] of [
      [16, 560],
      [16, 320],
      [32, 900],
      [7, 500],
      [64, 450],
      [1, 400],
    ]) {
      const { columns, tileWidth, height } = shapeOf(frames, width);
      expect(columns * (tileWidth + 4) - 4).toBeCloseTo(width, 6);
      expect(tileWidth).toBeGreaterThanOrEqual(56);
      expect(height).toBeGreaterThanOrEqual(Math.ceil(frames / columns) * tileWidth);
    }
  });

  test("is about as high as the tube, with few empty tiles", () => {
    expect([16, 64, 2].map((frames) => shapeOf(frames, 450).columns)).toEqual([4, 7, 2]);
    expect([320, 450, 640].map((width) => shapeOf(16, width).columns)).toEqual([4, 4, 4]);
    expect(shapeOf(64, 450).height).toBeLessThan(700);
    expect(shapeOf(16, 450, [72, 128]).columns).toBe(4);
    expect(shapeOf(16, 450, [128, 72]).columns).toBe(4);
  });
});

test("layer bars: taller for finer maps, one lane per pathway", () => {
  const layer = (side, pathway) => ({ shape: [4, side, side], pathway });
  const plain = barsOf([layer(56, null), layer(28, null), layer(7, null)]);
  expect(plain.map(({ height }) => height)).toEqual(
    [1, Math.SQRT1_2, Math.sqrt(1 / 8)].map((h) => expect.closeTo(h, 6)),
  );
  expect(plain.map(({ bottom }) => bottom)).toEqual([0, 0, 0]);
  const two = barsOf([layer(56, 0), layer(56, 1), layer(14, 0)]);
  expect(two.map(({ bottom }) => bottom)).toEqual([0.5, 0, 0.5]);
  for (const { bottom, height } of two) expect(bottom + height).toBeLessThanOrEqual(1);
});

test("projections keep the value of largest magnitude along each line of sight, with its sign", () => {
  const size = [2, 2, 2];
  const made = plan(size, size, even(size, size));
  const [front, side, top] = projectVolume(made, Float32Array.from([1, 0, 0, -1, 0, 0.5, 0, 0]));
  const rounded = ({ values }) => [...values].map((value) => value);
  expect(rounded(front)).toEqual([1, 0.5, 0, -1]); // [y, x]
  expect(rounded(side)).toEqual([1, 0.5, -1, 0]); // [y, time]
  expect(rounded(top)).toEqual([1, 0, -1, 0.5]); // [x, time]
});

describe("camera", () => {
  const half = halfBox([16, 60, 120]);
  const to = (view, point) => project(basisOf(VIEWS[view]), half, point);

  test("is a right-handed set of unit vectors", () => {
    const { right, up, back } = basisOf({ yaw: 0.7, pitch: -0.3, zoom: 1 });
    expect([dot(right, right), dot(up, up), dot(back, back)]).toEqual([1, 1, 1].map((one) => expect.closeTo(one, 12)));
    expect([dot(right, up), dot(up, back), dot(back, right)]).toEqual(
      [0, 0, 0].map((zero) => expect.closeTo(zero, 12)),
    );
    expect(right[0] * up[1] - right[1] * up[0]).toBeCloseTo(back[2], 12);
  });

  test("front: x to the right, y up, time out of sight; side and top: time to the right", () => {
    const at = (view, point) => to(view, point).map((part) => expect.closeTo(part, 12));
    expect(to("front", [1, 0, 0])).toEqual([0.5, 0].map((part) => expect.closeTo(part, 12)));
    expect([0, 0]).toEqual(at("front", [0, 0, 1]));
    expect(to("side", [0, 1, 1])).toEqual([0.75, 0.25].map((part) => expect.closeTo(part, 12)));
    expect([0.75, 0]).toEqual(at("top", [0, 0, 1]));
    expect(to("reset", [0, 0, 1])[0]).toBeGreaterThan(0.3);
  });

  test("fits the box into the picture from any side", () => {
    for (let k = 0; k < 50; k++) {
      const basis = basisOf({ yaw: k * 0.37, pitch: Math.sin(k) * 1.5, zoom: 1 });
      const scale = scaleToFit(basis, half, 400, 300, 30);
      for (const edge of boxEdges()) {
        const [x, y] = project(basis, half, edge[0]);
        expect(Math.abs(x * scale)).toBeLessThanOrEqual(170 + 1e-9);
        expect(Math.abs(y * scale)).toBeLessThanOrEqual(120 + 1e-9);
      }
    }
  });

  test("three of the twelve edges are hidden in general, and the pitch stops at the pole", () => {
    const camera = { ...VIEWS.reset };
    const behind = boxEdges().filter((edge) => isBehind(basisOf(camera), edge));
    expect(behind).toHaveLength(3);
    for (const edge of behind) expect(edge).toContainEqual([-1, -1, 1]); // left, below, last: the farthest corner
    turn(camera, 0, 99);
    expect(camera.pitch).toBeCloseTo(Math.PI / 2);
  });
});

test("frames last as long as in the clip, within limits", () => {
  expect([0, 1, 2].map((frame) => frameDuration([0, 0.2, 0.5], frame))).toEqual(
    [200, 300, 300].map((ms) => expect.closeTo(ms, 6)),
  );
  expect([frameDuration([0, 0.01], 0), frameDuration([0, 9], 0), frameDuration([], 3), frameDuration([1], 0)]).toEqual([
    100, 500, 125, 125,
  ]);
});
