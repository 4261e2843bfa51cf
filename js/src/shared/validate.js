// Validation of the traits that Python sends: what the tube viewer and the pyramid viewer have in common.

/** The state cannot be drawn. The message is shown to the user. */
export class StateError extends Error {}

/**
 * Throw a StateError unless a condition holds.
 * @param {unknown} condition
 * @param {string} expected the requirement as a sentence, "`size` must be ..."
 * @param {unknown} value the value received
 * @returns {asserts condition}
 */
export function need(condition, expected, value) {
  if (!condition) throw new StateError(`${expected}, got ${shown(value)}`);
}

/** Short form of a value for an error message. @param {unknown} value */
export function shown(value) {
  if (value === undefined) return "nothing";
  const parts = [value].flat();
  if (parts.length && parts.every(ArrayBuffer.isView))
    return `${parts.map(({ byteLength }) => byteLength).join(" and ")} bytes`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Length of a list, or the value itself if it is none. @param {unknown} value */
export const lengthOf = (value) => (Array.isArray(value) ? value.length : value);

/** @param {unknown} value @param {number} length @returns {value is number[]} */
export const isNumbers = (value, length) =>
  Array.isArray(value) && value.length === length && value.every((entry) => Number.isFinite(entry));
/** @param {unknown} value @returns {value is string[]} */
export const isTexts = (value) => Array.isArray(value) && value.every((entry) => typeof entry === "string");
/** @param {unknown} value @returns {value is number[]} */
export const isShape = (value) => isNumbers(value, 3) && value.every((entry) => Number.isInteger(entry) && entry > 0);

/** @param {unknown} value @param {number} length @returns {value is number[]} */
export const isIncreasing = (value, length) =>
  isNumbers(value, length) && value.every((entry, k) => k === 0 || entry > value[k - 1]);

/** Bytes of a buffer; a view into a larger ArrayBuffer keeps its offset. @param {unknown} value @param {string} name */
export function bytesOf(value, name) {
  need(ArrayBuffer.isView(value), `\`${name}\` must be bytes`, value);
  return new Uint8Array(/** @type {ArrayBuffer} */ (value.buffer), value.byteOffset, value.byteLength);
}

/**
 * @param {{shape: number[], geometry: import("./interpolate.js").Geometry}} map
 * @param {string} which name of the map in error messages
 */
export function checkGeometry({ shape, geometry }, which) {
  const { rows, origin, step } = geometry ?? {};
  need(isIncreasing(rows, shape[0]), `${which}: geometry.rows must be ${shape[0]} increasing numbers`, rows);
  need(isNumbers(origin, 2), `${which}: geometry.origin must be two numbers (y, x)`, origin);
  need(
    isNumbers(step, 2) && step[0] > 0 && step[1] > 0,
    `${which}: geometry.step must be two numbers above 0 (y, x)`,
    step,
  );
}

/**
 * @param {{get: (name: "times") => unknown}} model
 * @param {number} length frames of the clip
 * @returns {number[]} seconds of each frame; empty if unknown
 */
export function readTimes(model, length) {
  const times = model.get("times") ?? [];
  need(
    isNumbers(times, 0) || isNumbers(times, length),
    `\`times\` must be empty or hold the seconds of each of the ${length} frames`,
    times,
  );
  return times;
}

/**
 * @param {{get: (name: "frames") => unknown}} model
 * @param {number} length frames of the clip
 * @returns {Uint8Array<ArrayBuffer>[]} one JPEG per frame
 */
export function readFrames(model, length) {
  const frames = model.get("frames");
  need(
    Array.isArray(frames) && frames.length === length,
    `\`frames\` must hold ${length} images, one per frame of \`size\``,
    lengthOf(frames),
  );
  return frames.map((frame, index) => bytesOf(frame, `frames[${index}]`));
}
