// The frame, and over it what the layer found there.
import { alphaAt, LEVELS, overlayTable } from "./colours.js";
import { h } from "./dom.js";
import { plan, slice } from "./stretch.js";

const SIDE = 448; // the canvas' longer side, about: sharp at any width a notebook gives, and still drawn in a few ms

/**
 * Decode all frames. Rejects with words when one is no picture.
 * @param {Uint8Array<ArrayBuffer>[]} frames
 * @returns {Promise<ImageBitmap[]>}
 */
export async function decodeFrames(frames) {
  const settled = await Promise.allSettled(
    frames.map(async (bytes) => createImageBitmap(new Blob([bytes], { type: "image/jpeg" }))),
  );
  const bad = settled.findIndex(({ status }) => status === "rejected");
  const bitmaps = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (bad < 0) return bitmaps;
  for (const bitmap of bitmaps) bitmap.close();
  throw new Error(`\`frames[${bad}]\` could not be read as a JPEG picture`);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./state.js").Content} content
 * @param {ImageBitmap[]} bitmaps
 */
export function createFrameView(canvas, content, bitmaps) {
  const [, height, width] = content.size;
  const zoom = Math.max(1, Math.round(SIDE / Math.max(height, width)));
  canvas.width = width * zoom;
  canvas.height = height * zoom;
  const context = canvas.getContext("2d");
  const overlay = h("canvas", { width: canvas.width, height: canvas.height });
  const layered = overlay.getContext("2d");
  if (!context || !layered) throw new Error("this browser cannot draw on a canvas");
  const image = layered.createImageData(canvas.width, canvas.height);
  const stretched = new Float32Array(canvas.width * canvas.height);
  const table = overlayTable();
  let planned = -1;
  /** @type {import("./stretch.js").Plan} */
  let made;

  return {
    /** @param {import("./state.js").Position} at @param {Int8Array} values map of layer and target */
    draw(at, values) {
      if (planned !== at.layer) {
        const { shape, geometry } = content.layers[at.layer];
        made = plan(content.size, shape, geometry, zoom);
        planned = at.layer;
      }
      slice(made, values, at.frame, stretched);
      paintEvidence(image.data, stretched, canvas.width, at.threshold, table);
      layered.putImageData(image, 0, 0);
      context.drawImage(bitmaps[at.frame], 0, 0, canvas.width, canvas.height);
      context.drawImage(overlay, 0, 0);
    },
  };
}

/**
 * Colours where the evidence reaches the threshold, with a firmer line along the border; nothing elsewhere.
 * @param {Uint8ClampedArray} pixels RGBA, written
 * @param {Float32Array} values fractions of the scale
 * @param {number} width
 * @param {number} threshold
 * @param {Uint8ClampedArray} table of `overlayTable`
 */
export function paintEvidence(pixels, values, width, threshold, table) {
  const least = Math.max(threshold - 1e-6, 1e-6);
  const rim = 255 * Math.min(1, alphaAt(1) + 0.2);
  /** @param {number} value */
  const sideOf = (value) => (value >= least ? 1 : value <= -least ? -1 : 0);
  for (let p = 0; p < values.length; p++) {
    const value = values[p];
    const side = sideOf(value);
    const at = p * 4;
    if (side === 0) {
      pixels[at + 3] = 0;
      continue;
    }
    const entry = (Math.round(value * LEVELS) + LEVELS) * 4;
    pixels[at] = table[entry];
    pixels[at + 1] = table[entry + 1];
    pixels[at + 2] = table[entry + 2];
    const inside =
      sideOf(values[p - 1] ?? value) === side &&
      sideOf(values[p + 1] ?? value) === side &&
      sideOf(values[p - width] ?? value) === side &&
      sideOf(values[p + width] ?? value) === side;
    pixels[at + 3] = inside ? table[entry + 3] : rim;
  }
}
