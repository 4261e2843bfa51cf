// The map to draw for a view state: a layer's values for a class, or for a class minus another, as fractions of a scale.

import { plan, rowsToFrames } from "../shared/interpolate.js";
import { createLruCache } from "../shared/lru_cache.js";
import { edgesOf } from "./extrapolation.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").ViewState} ViewState */

/**
 * @typedef {Object} Field
 * @property {string} key - identifies the field within its content
 * @property {Float32Array} values - [time, height, width], -1..1
 * @property {number[]} shape
 * @property {import("../shared/interpolate.js").Geometry} geometry
 * @property {number} peak - the value that is 1, in the map's units
 * @property {import("./extrapolation.js").Edge[]} edges - where the map begins and ends, along x, y and time
 * @property {Float32Array | null} weights - with a scale per frame: the frame's scale as a fraction of the largest one
 */

const CACHED = 6; // fields: a layer at full resolution takes some MB

/** Largest absolute value. @param {Float32Array} values @param {number} [from] @param {number} [to] */
function peakOf(values, from = 0, to = values.length) {
  let peak = 0;
  for (let k = from; k < to; k++) peak = Math.max(peak, Math.abs(values[k]));
  return peak;
}

/** Map of one class minus that of another, as fractions of its own peak. @param {Content} content @param {number} layer @param {number} target @param {number} against */
function difference(content, layer, target, against) {
  const { scale } = content.layers[layer];
  const subtrahend = content.mapOf(layer, against);
  const values = content.mapOf(layer, target).map((value, k) => value * scale[target] - subtrahend[k] * scale[against]);
  const peak = peakOf(values) || 1;
  return { peak, values: values.map((value) => value / peak) };
}

/** Rescale every frame by its own peak. @param {Content} content @param {Omit<Field, "weights">} field @returns {Field} */
function scalePerFrame(content, { key, values, shape, geometry, peak, edges }) {
  const frames = content.size[0];
  const cells = shape[1] * shape[2];
  const scaled = rowsToFrames(plan(content.size, shape, geometry), values);
  const weights = new Float32Array(frames);
  for (let f = 0; f < frames; f++) {
    const [from, to] = [f * cells, (f + 1) * cells];
    weights[f] = peakOf(scaled, from, to);
    if (weights[f] > 0) for (let k = from; k < to; k++) scaled[k] /= weights[f];
  }
  const rows = Array.from(weights.keys());
  const perFrame = { ...geometry, rows };
  return { key, values: scaled, shape: [frames, shape[1], shape[2]], geometry: perFrame, peak, edges, weights };
}

/** @param {Content} content @returns {(view: Pick<ViewState, "layer" | "target" | "against" | "scale">) => Field} */
export function createFields(content) {
  /** @type {ReturnType<typeof createLruCache<Field>>} */
  const cache = createLruCache(CACHED);
  return ({ layer, target, against, scale }) => {
    const key = `${layer} ${target} ${against} ${scale}`;
    const cached = cache.get(key);
    if (cached) return cached;
    const { shape, geometry, scale: peaks } = content.layers[layer];
    const map =
      against === null
        ? { values: content.mapOf(layer, target), peak: peaks[target] }
        : difference(content, layer, target, against);
    const edges = edgesOf(content.size, { shape, geometry });
    const plain = { key, shape, geometry, edges, ...map };
    const field = scale === "frame" ? scalePerFrame(content, plain) : { ...plain, weights: null };
    cache.set(key, field);
    return field;
  };
}
