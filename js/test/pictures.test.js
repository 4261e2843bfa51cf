import { describe, expect, test } from "vitest";
import { basisOf, boxEdges, dot, halfBox, isBehind, project, scaleToFit, turn, VIEWS } from "../src/camera.js";
import { AGAINST, alphaAt, colourAt, FOR, LEVELS, overlayTable } from "../src/colours.js";
import { project as projectFlat } from "../src/flat_canvas.js";
import { paintEvidence } from "../src/frame_canvas.js";
import { beatOf } from "../src/player.js";
import { plan } from "../src/stretch.js";
import { even } from "./helpers.js";

/** Relative luminance of an sRGB colour. */
const luminance = (colour) =>
  colour
    .map((part) => (part <= 10 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);

describe("colours", () => {
  test.each([
    ["for", FOR],
    ["against", AGAINST],
  ])("the ramp %s grows lighter throughout", (_, ramp) => {
    const course = Array.from({ length: 101 }, (_, k) => luminance(colourAt(ramp, k / 100)));
    expect(course.every((value, k) => k === 0 || value > course[k - 1])).toBe(true);
  });
});

test("evidence is painted from the threshold on, for and against, and nothing below", () => {
  const pixels = new Uint8ClampedArray(5 * 4);
  paintEvidence(pixels, Float32Array.from([0.5, 0.49, -0.5, 0, 1]), 5, 0.5, overlayTable());
  expect([3, 7, 11, 15, 19].map((at) => pixels[at] > 0)).toEqual([true, false, true, false, true]);
  expect([...pixels.slice(16, 19)]).toEqual(FOR[2]);
  expect([...pixels.slice(8, 11)]).toEqual(colourAt(AGAINST, Math.round(0.5 * LEVELS) / LEVELS));
  paintEvidence(pixels, new Float32Array(5), 5, 0, overlayTable());
  expect([3, 7, 11, 15, 19].map((at) => pixels[at])).toEqual([0, 0, 0, 0, 0]);
  expect(alphaAt(1)).toBeLessThan(0.75); // the frame stays readable
});

test("flat projections keep the strongest value along each line of sight, with its sign", () => {
  const size = [2, 2, 2];
  const made = plan(size, size, even(size, size));
  const [front, side, top] = projectFlat(made, Int8Array.from([127, 0, 0, -127, 0, 64, 0, 0]));
  const rounded = ({ values }) => [...values].map((value) => Math.round(value * 127));
  expect(rounded(front)).toEqual([127, 64, 0, -127]); // [y, x]
  expect(rounded(side)).toEqual([127, 64, -127, 0]); // [y, time]
  expect(rounded(top)).toEqual([127, 0, -127, 64]); // [x, time]
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

  test("three of the twelve edges lie behind in general, and nobody turns over the pole", () => {
    const camera = { ...VIEWS.reset };
    const behind = boxEdges().filter((edge) => isBehind(basisOf(camera), edge));
    expect(behind).toHaveLength(3);
    for (const edge of behind) expect(edge).toContainEqual([-1, -1, 1]); // left, below, last: the farthest corner
    turn(camera, 0, 99);
    expect(camera.pitch).toBeCloseTo(Math.PI / 2);
  });
});

test("frames stand as long as in the clip, within what the eye can follow", () => {
  expect([0, 1, 2].map((frame) => beatOf([0, 0.2, 0.5], frame))).toEqual(
    [200, 300, 300].map((ms) => expect.closeTo(ms, 6)),
  );
  expect([beatOf([0, 0.01], 0), beatOf([0, 9], 0), beatOf([], 3), beatOf([1], 0)]).toEqual([100, 500, 125, 125]);
});
