// What is shown, as one map: a layer's values for a class, or for a class less another, as fractions of a scale.

import { plan, rowsToFrames } from "../shared/interpolate.js";
import { createRecent } from "../shared/lru_cache.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").Position} Position */

/**
 * @typedef {Object} Field
 * @property {string} key - two fields of one content with the same key are the same
 * @property {Float32Array} values - [time, height, width], -1..1
 * @property {number[]} shape
 * @property {import("../shared/interpolate.js").Geometry} geometry
 * @property {Float32Array | null} weights - where each frame has its own scale: that scale, as a share of the largest
 */

const KEPT = 6; // fields at hand: a layer at full resolution takes some MB

/** A byte's value: weak evidence is told apart more finely, so that it keeps its sign and its share in a large map. */
const VALUES = Float32Array.from({ length: 256 }, (_, byte) => {
  const part = ((byte << 24) >> 24) / 127;
  return Math.sign(part) * Math.abs(part) ** 2.5;
});

/**
 * A layer's map for a target, as notebook_explain/widgets/wire/tubes.py packs it: small maps have two bytes for each value.
 * @param {Content} content
 * @param {number} layer
 * @param {number} target
 */
export function decoded({ layers, maps }, layer, target) {
  const { offset, shape, bytes } = layers[layer];
  const packed = maps[target].subarray(offset, offset + bytes * shape[0] * shape[1] * shape[2]);
  if (bytes === 1) return Float32Array.from(packed, (byte) => VALUES[byte]);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return Float32Array.from({ length: packed.length / 2 }, (_, k) => view.getInt16(2 * k, true) / 32767);
}

/** @param {Float32Array} values @param {number} [from] @param {number} [to] */
function largest(values, from = 0, to = values.length) {
  let most = 0;
  for (let k = from; k < to; k++) most = Math.max(most, Math.abs(values[k]));
  return most;
}

/** What speaks for one class rather than for another, on a scale of its own. @param {Content} content @param {number} layer @param {number} target @param {number} against */
function difference(content, layer, target, against) {
  const { scale } = content.layers[layer];
  const values = decoded(content, layer, target);
  const others = decoded(content, layer, against);
  for (let k = 0; k < values.length; k++) values[k] = values[k] * scale[target] - others[k] * scale[against];
  const peak = largest(values) || 1;
  return values.map((value) => value / peak);
}

/** Every frame on its own scale. @param {Content} content @param {Omit<Field, "weights">} field @returns {Field} */
function perFrame(content, { key, values, shape, geometry }) {
  const frames = content.size[0];
  const cells = shape[1] * shape[2];
  const spread = rowsToFrames(plan(content.size, shape, geometry), values);
  const weights = new Float32Array(frames);
  for (let f = 0; f < frames; f++) {
    const [from, to] = [f * cells, (f + 1) * cells];
    weights[f] = largest(spread, from, to);
    if (weights[f] > 0) for (let k = from; k < to; k++) spread[k] /= weights[f];
  }
  const rows = Array.from(weights.keys());
  return { key, values: spread, shape: [frames, shape[1], shape[2]], geometry: { ...geometry, rows }, weights };
}

/** @param {Content} content @returns {(at: Position) => Field} */
export function createFields(content) {
  /** @type {ReturnType<typeof createRecent<Field>>} */
  const made = createRecent(KEPT);
  return ({ layer, target, against, scale }) => {
    const key = `${layer} ${target} ${against} ${scale}`;
    const known = made.get(key);
    if (known) return known;
    const { shape, geometry } = content.layers[layer];
    const values = against === null ? decoded(content, layer, target) : difference(content, layer, target, against);
    const plain = { key, values, shape, geometry };
    const field = scale === "frame" ? perFrame(content, plain) : { ...plain, weights: null };
    made.set(key, field);
    return field;
  };
}
