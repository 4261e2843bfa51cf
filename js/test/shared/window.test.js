// @vitest-environment jsdom
// Windows of grey clips: decoding of the values, and the grey level of each between two limits.
import { deflateSync } from "node:zlib";
import { afterEach, expect, test, vi } from "vitest";
import { createWindowedFrames } from "../../src/shared/window.js";

// Node's streams and buffers; those of jsdom know neither.
vi.stubGlobal("Blob", (await import("node:buffer")).Blob);

/** Values as Python sends them: differences of the codes, their low bytes before their high bytes, compressed. */
function packed(codes) {
  const differences = codes.map((code, k) => (code - (codes[k - 1] ?? 0) + 65536) % 65536);
  const bytes = [...differences.map((code) => code % 256), ...differences.map((code) => code >> 8)];
  return new Uint8Array(deflateSync(Uint8Array.from(bytes)));
}

/** Contexts that record what is drawn; image data are kept as bytes. */
function stubCanvas() {
  const drawn = [];
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function () {
    return {
      createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
      putImageData: ({ data }) => {
        this.greys = [...data].filter((_, k) => k % 4 === 0);
        this.alphas = [...data].filter((_, k) => k % 4 === 3);
      },
      drawImage: (source, x, y, width, height) => {
        drawn.push({ canvas: this, source, greys: source.greys, alphas: source.alphas, box: [x, y, width, height] });
      },
    };
  });
  return drawn;
}

afterEach(() => vi.restoreAllMocks());

const BITMAPS = [0, 1].map((name) => ({ name, width: 4, height: 2 }));
const CODES = [0, 1000, 1040, 2115, 65535, 3, 0, 65534]; // two frames of 1 x 4
const PICTURE = {
  kind: "grey",
  range: [-1000, 1115],
  low: -1000,
  high: 64535,
  step: 1,
  size: [1, 4],
  data: packed(CODES),
};

test("a window turns each value into its grey level, clamped and rounded", async () => {
  const drawn = stubCanvas();
  const { pictures, show } = await createWindowedFrames(BITMAPS, PICTURE);
  expect(pictures.map(({ width, height }) => [width, height])).toEqual([
    [4, 2],
    [4, 2],
  ]);
  show([-160, 240]);
  const grey = (code) => Math.round(Math.min(Math.max((255 * (code - 1000 + 160)) / 400, 0), 255));
  expect(drawn.map(({ greys }) => greys)).toEqual([CODES.slice(0, 4).map(grey), CODES.slice(4).map(grey)]);
  expect(drawn[0].greys).toEqual([0, 102, 128, 255]);
  expect(drawn.flatMap(({ alphas }) => alphas)).toEqual(Array(8).fill(255));
  expect(drawn.map(({ canvas }) => canvas)).toEqual(pictures);
  expect(drawn[0].box).toEqual([0, 0, 4, 2]);
});

test("without a window the frames are the pictures that Python made, and the same window is drawn once", async () => {
  const drawn = stubCanvas();
  const { show } = await createWindowedFrames(BITMAPS, PICTURE);
  show(null);
  expect(drawn.map(({ source }) => source.name)).toEqual([0, 1]);
  for (const window of [[0, 50], [0, 50], null, null]) show(window);
  expect(drawn).toHaveLength(6);
  expect(drawn.slice(4).map(({ source }) => source.name)).toEqual([0, 1]);
});

test("steps other than 1 count", async () => {
  const drawn = stubCanvas();
  const picture = { ...PICTURE, low: 0.5, step: 0.25, data: packed([0, 2, 4, 8, 0, 0, 0, 0]) };
  const { show } = await createWindowedFrames(BITMAPS, picture);
  show([0.5, 2.5]);
  expect(drawn[0].greys).toEqual([0, 64, 128, 255]);
});

test("pictures of other clips stay as they are", async () => {
  for (const picture of [undefined, {}, { kind: "flow", range: [0, 1] }]) {
    const { pictures, show } = await createWindowedFrames(BITMAPS, picture);
    show([0, 1]);
    expect(pictures).toBe(BITMAPS);
  }
});

test("damaged values are an error", async () => {
  stubCanvas();
  await expect(createWindowedFrames(BITMAPS, { ...PICTURE, data: new Uint8Array([1, 2, 3]) })).rejects.toThrow();
});
