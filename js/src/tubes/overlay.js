// The evidence of one frame as a transparent image to draw over it.
import { alphaAt, LEVELS, overlayTable, signsOf } from "../shared/colormaps.js";
import { contextOf, h } from "../shared/dom.js";
import { plan, slice } from "../shared/interpolate.js";
import { beyond, fadeAt } from "./extrapolation.js";

/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./layer_values.js").Field} Field */

/** Colouring of a view; the colour table is recomputed only when colours, sign or opacity have changed. */
function createPaint() {
  let key = "";
  let table = new Uint8ClampedArray();
  return (/** @type {ViewState} */ view) => {
    const viewKey = `${view.colours} ${view.sign} ${view.opacity}`;
    if (key !== viewKey) table = overlayTable(view);
    key = viewKey;
    return { table, threshold: view.threshold, opacity: view.opacity, ...signsOf(view.sign) };
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
  const samples = new Float32Array(width * height);
  const paint = createPaint();
  let plannedKey = "";
  /** @type {import("../shared/interpolate.js").Plan} */
  let planned;
  const outside = new Float32Array(width * height); // cells beyond the outer centres of the map, in the picture
  /** @param {Field} field */
  const prepare = ({ shape, geometry, edges: [across, down] }) => {
    planned = plan(size, shape, geometry, zoom);
    for (let y = 0, p = 0; y < height; y++) {
      const above = beyond(down, (y + 0.5) / height);
      for (let x = 0; x < width; x++, p++) outside[p] = Math.max(above, beyond(across, (x + 0.5) / width));
    }
  };
  return {
    width,
    height,
    /** Overlay of one frame; valid until the next call. @param {ViewState} view @param {Field} field @param {number} frame */
    picture(view, field, frame) {
      if (plannedKey !== field.key) prepare(field);
      plannedKey = field.key;
      slice(planned, field.values, frame, samples);
      const inTime = beyond(field.edges[2], (frame + 0.5) / size[0]);
      paintEvidence(image.data, samples, width, paint(view), (p) => fadeAt(Math.max(outside[p], inTime)));
      context.putImageData(image, 0, 0);
      return canvas;
    },
  };
}

/**
 * Colour the pixels that reach the threshold, with a more opaque line along the border; clear all others.
 * @param {Uint8ClampedArray} pixels RGBA, written
 * @param {Float32Array} values fractions of the scale
 * @param {number} width
 * @param {Paint} paint
 * @param {(pixel: number) => number} fade factor of the opacity
 */
export function paintEvidence(
  pixels,
  values,
  width,
  { table, threshold, opacity, positive, negative },
  fade = () => 1,
) {
  const min = Math.max(threshold - 1e-6, 1e-6);
  const [top, bottom] = [positive ? min : Number.POSITIVE_INFINITY, negative ? -min : Number.NEGATIVE_INFINITY];
  const borderAlpha = 255 * Math.min(1, alphaAt(1, opacity) + opacity / 3);
  /** @param {number} value */
  const signOf = (value) => (value >= top ? 1 : value <= bottom ? -1 : 0);
  for (let p = 0; p < values.length; p++) {
    const value = values[p];
    const sign = signOf(value);
    const red = p * 4;
    if (sign === 0) {
      pixels[red + 3] = 0;
      continue;
    }
    const entry = (Math.round(value * LEVELS) + LEVELS) * 4;
    pixels[red] = table[entry];
    pixels[red + 1] = table[entry + 1];
    pixels[red + 2] = table[entry + 2];
    const isInside =
      signOf(values[p - 1] ?? value) === sign &&
      signOf(values[p + 1] ?? value) === sign &&
      signOf(values[p - width] ?? value) === sign &&
      signOf(values[p + width] ?? value) === sign;
    pixels[red + 3] = (isInside ? table[entry + 3] : borderAlpha) * fade(p);
  }
}
