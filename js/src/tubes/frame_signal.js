// A frame signal: a number per frame that a module of the network reports, beside the evidence. Its value at a frame, its
// line on the timeline, and its values as text. Python's side is notebook_explain/explanations/blocks/frame_signal.py.

/** @typedef {import("./traits.js").FrameSignalState} FrameSignalState */

const MAX_DIGITS = 6; // after the decimal point; beyond, numbers are written in scientific notation
const LARGE = 1e6;

/** Whether all values are 0 or 1, and both occur. With a neutral value they are amounts, not yes and no. @param {FrameSignalState} frameSignal */
export const isBinary = ({ values, neutral }) =>
  neutral === null &&
  values.every((value) => value === 0 || value === 1) &&
  values.some((value) => value !== values[0]);

/** Smallest and largest value. @param {Pick<FrameSignalState, "values">} frameSignal @returns {[number, number]} */
export const extremes = ({ values }) =>
  values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [values[0], values[0]]);

/**
 * Value at a frame: linear between two rows (the nearer row if the signal is binary), constant beyond the outer rows.
 * @param {FrameSignalState} frameSignal
 * @param {number} frame
 */
export function valueAt(frameSignal, frame) {
  const { values, rows } = frameSignal;
  const next = rows.findIndex((row) => row > frame);
  if (next <= 0) return values[next < 0 ? values.length - 1 : 0];
  const share = (frame - rows[next - 1]) / (rows[next] - rows[next - 1]);
  if (isBinary(frameSignal)) return values[share < 0.5 ? next - 1 : next];
  return values[next - 1] + share * (values[next] - values[next - 1]);
}

/**
 * Lower and upper end of its scale, which spans its values and the neutral value.
 * @param {FrameSignalState} frameSignal
 */
export const scaleOf = ({ values, neutral }) => extremes({ values: neutral === null ? values : [...values, neutral] });

/**
 * Height 0..1 of a value on the signal's scale.
 * @param {FrameSignalState} frameSignal
 * @returns {(value: number) => number}
 */
export function heightOf(frameSignal) {
  const [low, high] = scaleOf(frameSignal);
  return (value) => (isSame(low, high) ? 0.5 : (value - low) / (high - low)); // a constant signal has no scale
}

/** Equal up to rounding. @param {number} a @param {number} b */
const isSame = (a, b) => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));

/**
 * Points of its line; a binary signal moves in steps.
 * @param {FrameSignalState} frameSignal
 * @param {number} frames
 * @returns {[number, number][]} x as a fraction of the timeline's width, with each frame at the middle of its stretch; y
 *   as a fraction of the height, from below
 */
export function lineOf(frameSignal, frames) {
  const { values, rows } = frameSignal;
  const height = heightOf(frameSignal);
  const x = rows.map((row) => (row + 0.5) / frames);
  const last = values.length - 1;
  const hasSteps = isBinary(frameSignal);
  /** @type {[number, number][]} */
  const points = [[Math.min(0, x[0]), height(values[0])]];
  for (let k = 0; k <= last; k++) {
    if (!hasSteps) points.push([x[k], height(values[k])]);
    else if (k && values[k] !== values[k - 1]) {
      const middle = (x[k - 1] + x[k]) / 2;
      points.push([middle, height(values[k - 1])], [middle, height(values[k])]);
    }
  }
  points.push([Math.max(1, x[last]), height(values[last])]);
  return points;
}

/**
 * Formatter of its numbers, with enough digits to tell its values apart.
 * @param {FrameSignalState} frameSignal
 * @returns {(value: number) => string}
 */
export function formatterOf(frameSignal) {
  const [low, high] = extremes(frameSignal);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const isConstant = isSame(low, high);
  const digits = isConstant ? 0 : Math.max(Math.ceil(1.5 - Math.log10(high - low)), 0);
  return (value) => {
    if (isBinary(frameSignal)) return `${value} (${value ? "yes" : "no"})`;
    if (isConstant) return withMinus(String(Number(value.toPrecision(3))));
    if (digits > MAX_DIGITS || largest >= LARGE) return withMinus(value.toExponential(2));
    return withMinus(value.toFixed(digits));
  };
}

/** Replace hyphens by minus signs, and "-0" by "0". @param {string} text */
const withMinus = (text) => (Number(text) === 0 ? text.replace("-", "") : text.replaceAll("-", "−"));

/** The module that reports it: "layer2.1 (SRTG)" @param {FrameSignalState} frameSignal */
const moduleOf = ({ name, kind }) => (name ? `${name} (${kind})` : kind);

/** "factor on each frame · layer2.1 (SRTG)": the quantity comes first, because a narrow menu cuts the end. @param {FrameSignalState} frameSignal */
export const frameSignalName = (frameSignal) => `${frameSignal.what} · ${moduleOf(frameSignal)}`;

/** "reported by layer2.1 (SRTG), independent of the layer shown" @param {FrameSignalState} frameSignal */
export const frameSignalSource = (frameSignal) =>
  `reported by ${frameSignal.name ? moduleOf(frameSignal) : `the network (${frameSignal.kind})`}, independent of the layer shown`;

/** "frame 7: 0.83" @param {FrameSignalState} frameSignal @param {number} frame */
export const frameSignalAt = (frameSignal, frame) =>
  `frame ${frame + 1}: ${formatterOf(frameSignal)(valueAt(frameSignal, frame))}`;

/** "factor on each frame: 0.71 to 1.12" @param {FrameSignalState} frameSignal */
export function frameSignalRange(frameSignal) {
  const { what } = frameSignal;
  if (isBinary(frameSignal)) return `${what}; filled: 1 (yes)`;
  const [low, high] = extremes(frameSignal).map(formatterOf(frameSignal));
  if (low !== high) return `${what}: ${low} to ${high}`;
  return `${what}: ${low} throughout${isNeutral(frameSignal) ? " (neutral)" : ""}`;
}

/** Whether it has its neutral value on all frames. @param {FrameSignalState} frameSignal */
const isNeutral = (frameSignal) => frameSignal.neutral !== null && isSame(...scaleOf(frameSignal));

/** Legend of the dashed line: "dashed: neutral value 1"; empty without one. @param {FrameSignalState} frameSignal */
export const frameSignalDashes = (frameSignal) =>
  frameSignal.neutral === null || isNeutral(frameSignal)
    ? ""
    : `dashed: neutral value ${Number(frameSignal.neutral.toPrecision(6))}`;
