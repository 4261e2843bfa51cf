import { expect, test } from "vitest";
import { LEVELS, overlayTable } from "../../src/shared/colormaps.js";
import { beyond, edgesOf, fadeAt } from "../../src/tubes/extrapolation.js";
import { paintEvidence } from "../../src/tubes/overlay.js";
import { layerPhrase, layerWords } from "../../src/tubes/text.js";

// The map of tests/explanations/test_geometry.py: 16 frames of 32x64 pixels, cells of 16x8 pixels, uneven rows.
const SIZE = [16, 32, 64];
const MAP = { shape: [3, 2, 8], geometry: { rows: [4, 6, 10], origin: [7.5, 3.5], step: [16, 8] } };
const [across, down, time] = edgesOf(SIZE, MAP);

test("positions beyond the outer cell centres are measured in cells, as in Python", () => {
  const at = (edge, pixel, pixels) => beyond(edge, (pixel + 0.5) / pixels);
  expect([-0.5, 7.5, 20, 31.5].map((pixel) => at(down, pixel, 32))).toEqual(
    [0.5, 0, 0, 0.5].map((v) => expect.closeTo(v, 6)),
  );
  expect([1.5, 30, 59.5, 63.5].map((pixel) => at(across, pixel, 64))).toEqual(
    [0.25, 0, 0, 0.5].map((v) => expect.closeTo(v, 6)),
  );
  expect([3, 5, 12].map((frame) => at(time, frame, 16))).toEqual([0.5, 0, 0.5].map((v) => expect.closeTo(v, 6)));
});

test("nothing lies beyond a single cell", () => {
  const single = { shape: [1, 1, 1], geometry: { rows: [7.5], origin: [15.5, 31.5], step: [32, 64] } };
  for (const edge of edgesOf(SIZE, single)) for (const at of [0, 0.5, 1]) expect(beyond(edge, at)).toBe(0);
});

test("the opacity falls to 30 % half a cell beyond, and the colour stays", () => {
  expect([0, 0.25, 0.5, 4].map(fadeAt)).toEqual([1, 0.65, 0.3, 0.3].map((v) => expect.closeTo(v, 9)));
  const table = overlayTable({ colours: "diverging", sign: "both", opacity: 0.6 });
  const paint = { table, threshold: 0.2, opacity: 0.6, positive: 1, negative: 1 };
  const values = new Float32Array(9).fill(0.8);
  const [plain, faded] = [new Uint8ClampedArray(36), new Uint8ClampedArray(36)];
  paintEvidence(plain, values, 3, paint);
  paintEvidence(faded, values, 3, paint, () => 0.3);
  expect([...faded.subarray(16, 19)]).toEqual([...plain.subarray(16, 19)]);
  expect(plain[19]).toBe(table[(Math.round(0.8 * LEVELS) + LEVELS) * 4 + 3]);
  expect(faded[19]).toBe(Math.round(0.3 * plain[19]));
});

test("no word stands twice in the name of a layer", () => {
  const layers = [
    { name: "stem", kind: "stem", pathway: null, shape: [2, 7, 7] },
    { name: "layer4.1", kind: "block", pathway: null, shape: [2, 7, 7] },
    { name: "RISE", kind: "detail", pathway: null, shape: [16, 64, 64] },
  ];
  const words = layers.map((layer, index) => layerPhrase(layer, layerWords(/** @type {any} */ ({ layers }), index)));
  expect(words).toEqual([
    "layer stem · 2×7×7 cells",
    "layer4.1 · block · 2×7×7 cells",
    "RISE · detail · 16×64×64 cells",
  ]);
});
