// A course: a per-frame signal that a module of the network reports, beside the evidence. Its value at a frame, its line on
// the timeline, and its numbers as text. Python's side is notebook_explain/explanations/blocks/frame_signal.py.

/** @typedef {import("./traits.js").CourseState} CourseState */

const MAX_DIGITS = 6; // after the decimal point; beyond, numbers are written in scientific notation
const LARGE = 1e6;

/** Whether all values are 0 or 1, and both occur. With a neutral value they are amounts, not yes and no. @param {CourseState} course */
export const isBinary = ({ values, neutral }) =>
  neutral === null &&
  values.every((value) => value === 0 || value === 1) &&
  values.some((value) => value !== values[0]);

/** Smallest and largest value. @param {Pick<CourseState, "values">} course @returns {[number, number]} */
export const extremes = ({ values }) =>
  values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [values[0], values[0]]);

/**
 * Value at a frame: linear between two rows (the nearer row if the course is binary), constant beyond the outer rows.
 * @param {CourseState} course
 * @param {number} frame
 */
export function valueAt(course, frame) {
  const { values, rows } = course;
  const next = rows.findIndex((row) => row > frame);
  if (next <= 0) return values[next < 0 ? values.length - 1 : 0];
  const share = (frame - rows[next - 1]) / (rows[next] - rows[next - 1]);
  if (isBinary(course)) return values[share < 0.5 ? next - 1 : next];
  return values[next - 1] + share * (values[next] - values[next - 1]);
}

/**
 * Lower and upper end of its scale, which spans its values and the neutral value.
 * @param {CourseState} course
 */
export const scaleOf = ({ values, neutral }) => extremes({ values: neutral === null ? values : [...values, neutral] });

/**
 * Height 0..1 of a value on the course's scale.
 * @param {CourseState} course
 * @returns {(value: number) => number}
 */
export function heightOf(course) {
  const [low, high] = scaleOf(course);
  return (value) => (isSame(low, high) ? 0.5 : (value - low) / (high - low)); // a constant course has no scale
}

/** Equal up to rounding. @param {number} a @param {number} b */
const isSame = (a, b) => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));

/**
 * Points of its line; a binary course moves in steps.
 * @param {CourseState} course
 * @param {number} frames
 * @returns {[number, number][]} x as a fraction of the timeline's width, with each frame at the middle of its stretch; y
 *   as a fraction of the height, from below
 */
export function lineOf(course, frames) {
  const { values, rows } = course;
  const height = heightOf(course);
  const x = rows.map((row) => (row + 0.5) / frames);
  const last = values.length - 1;
  const hasSteps = isBinary(course);
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
 * Formatter of its numbers, with enough digits to distinguish its values.
 * @param {CourseState} course
 * @returns {(value: number) => string}
 */
export function formatterOf(course) {
  const [low, high] = extremes(course);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const isConstant = isSame(low, high);
  const digits = isConstant ? 0 : Math.max(Math.ceil(1.5 - Math.log10(high - low)), 0);
  return (value) => {
    if (isBinary(course)) return `${value} (${value ? "yes" : "no"})`;
    if (isConstant) return withMinus(String(Number(value.toPrecision(3))));
    if (digits > MAX_DIGITS || largest >= LARGE) return withMinus(value.toExponential(2));
    return withMinus(value.toFixed(digits));
  };
}

/** Replace hyphens by minus signs, and "-0" by "0". @param {string} text */
const withMinus = (text) => (Number(text) === 0 ? text.replace("-", "") : text.replaceAll("-", "−"));

/** The module that reports it: "layer2.1 (SRTG)" @param {CourseState} course */
const moduleOf = ({ name, kind }) => (name ? `${name} (${kind})` : kind);

/** "factor on each frame · layer2.1 (SRTG)": the quantity comes first, because a narrow menu cuts the end. @param {CourseState} course */
export const courseName = (course) => `${course.what} · ${moduleOf(course)}`;

/** "reported by layer2.1 (SRTG), independent of the layer shown" @param {CourseState} course */
export const courseSource = (course) =>
  `reported by ${course.name ? moduleOf(course) : `the network (${course.kind})`}, independent of the layer shown`;

/** "frame 7: 0.83" @param {CourseState} course @param {number} frame */
export const courseAt = (course, frame) => `frame ${frame + 1}: ${formatterOf(course)(valueAt(course, frame))}`;

/** "factor on each frame: 0.71 to 1.12" @param {CourseState} course */
export function courseRange(course) {
  const { what } = course;
  if (isBinary(course)) return `${what}; filled: 1 (yes)`;
  const [low, high] = extremes(course).map(formatterOf(course));
  if (low !== high) return `${what}: ${low} to ${high}`;
  return `${what}: ${low} throughout${isNeutral(course) ? " (neutral)" : ""}`;
}

/** Whether it has its neutral value on all frames. @param {CourseState} course */
const isNeutral = (course) => course.neutral !== null && isSame(...scaleOf(course));

/** Legend of the dashed line: "dashed: neutral value 1"; empty without one. @param {CourseState} course */
export const courseDashes = (course) =>
  course.neutral === null || isNeutral(course) ? "" : `dashed: neutral value ${Number(course.neutral.toPrecision(6))}`;
