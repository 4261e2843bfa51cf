// The evidence of a frame as a picture to lay over it.
import { alphaAt, LEVELS, overlayTable, signsOf } from "../shared/colormaps.js";
import { contextOf, h } from "../shared/dom.js";
import { plan, slice } from "../shared/interpolate.js";

/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("./layer_values.js").Field} Field */

/** Colours and signs of what is shown; made anew only when the person chooses others. */
export function createPaint() {
  let key = "";
  let table = new Uint8ClampedArray();
  return (/** @type {Position} */ at) => {
    const wanted = `${at.colours} ${at.sign} ${at.opacity}`;
    if (key !== wanted) table = overlayTable(at);
    key = wanted;
    return { table, threshold: at.threshold, opacity: at.opacity, ...signsOf(at.sign) };
  };
}

/** @typedef {ReturnType<ReturnType<typeof createPaint>>} Paint */

/**
 * @param {number[]} size clip: [time, height, width]
 * @param {number} zoom samples per pixel of the clip
 */
export function createOverlay(size, zoom) {
  const [height, width] = [size[1], size[2]].map((pixels) => Math.max(1, Math.round(pixels * zoom)));
  const canvas = h("canvas", { width, height });
  const context = contextOf(canvas, { willReadFrequently: true });
  const image = context.createImageData(width, height);
  const stretched = new Float32Array(width * height);
  const paint = createPaint();
  let planned = "";
  /** @type {import("../shared/interpolate.js").Plan} */
  let made;
  return {
    width,
    height,
    /** The picture of one frame, good until the next is asked for. @param {Position} at @param {Field} field @param {number} frame */
    picture(at, field, frame) {
      if (planned !== field.key) made = plan(size, field.shape, field.geometry, zoom);
      planned = field.key;
      slice(made, field.values, frame, stretched);
      paintEvidence(image.data, stretched, width, paint(at));
      context.putImageData(image, 0, 0);
      return canvas;
    },
  };
}

/**
 * Colours where the evidence reaches the threshold, with a firmer line along the border; nothing elsewhere.
 * @param {Uint8ClampedArray} pixels RGBA, written
 * @param {Float32Array} values fractions of the scale
 * @param {number} width
 * @param {Paint} paint
 */
export function paintEvidence(pixels, values, width, { table, threshold, opacity, positive, negative }) {
  const least = Math.max(threshold - 1e-6, 1e-6);
  const [top, bottom] = [positive ? least : Number.POSITIVE_INFINITY, negative ? -least : Number.NEGATIVE_INFINITY];
  const rim = 255 * Math.min(1, alphaAt(1, opacity) + opacity / 3);
  /** @param {number} value */
  const sideOf = (value) => (value >= top ? 1 : value <= bottom ? -1 : 0);
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
