// A course: what a part of the network says of each moment of the clip, beside the evidence. Where its line runs, what it
// is at a frame, and how its numbers read. notebook_explain/explanations/blocks/frame_signal.py is what it comes from.

/** @typedef {import("./traits.js").CourseState} CourseState */

const DIGITS = 6; // more behind the point than these, and a number is written with its power of ten
const LARGE = 1e6;

/** Yes and no, as 1 and 0, never between the two; what has a value that does nothing is an amount. @param {CourseState} course */
export const isBinary = ({ values, neutral }) =>
  neutral === null &&
  values.every((value) => value === 0 || value === 1) &&
  values.some((value) => value !== values[0]);

/** The smallest and the largest of its values. @param {Pick<CourseState, "values">} course @returns {[number, number]} */
export const extremes = ({ values }) =>
  values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [values[0], values[0]]);

/**
 * Its value at a frame: between two of its rows on a straight line (the nearer one's, where it is yes or no), beyond the
 * outer rows theirs.
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
 * The ends of its own scale, which reaches from its lowest to its highest value and to the neutral one.
 * @param {CourseState} course
 */
export const scaleOf = ({ values, neutral }) => extremes({ values: neutral === null ? values : [...values, neutral] });

/**
 * How high a value lies on its scale, 0..1.
 * @param {CourseState} course
 * @returns {(value: number) => number}
 */
export function heightOf(course) {
  const [low, high] = scaleOf(course);
  return (value) => (isSame(low, high) ? 0.5 : (value - low) / (high - low)); // a flat line has no scale
}

/** But for rounding. @param {number} one @param {number} other */
const isSame = (one, other) => Math.abs(one - other) <= 1e-6 * Math.max(Math.abs(one), Math.abs(other));

/**
 * Its line, which goes in steps where it is yes or no.
 * @param {CourseState} course
 * @param {number} frames
 * @returns {[number, number][]} share of the timeline's width, where a frame lies in the middle of its stretch, and of
 *   its height from below
 */
export function lineOf(course, frames) {
  const { values, rows } = course;
  const high = heightOf(course);
  const across = rows.map((row) => (row + 0.5) / frames);
  const last = values.length - 1;
  const steps = isBinary(course);
  /** @type {[number, number][]} */
  const points = [[Math.min(0, across[0]), high(values[0])]];
  for (let k = 0; k <= last; k++) {
    if (!steps) points.push([across[k], high(values[k])]);
    else if (k && values[k] !== values[k - 1]) {
      const middle = (across[k - 1] + across[k]) / 2;
      points.push([middle, high(values[k - 1])], [middle, high(values[k])]);
    }
  }
  points.push([Math.max(1, across[last]), high(values[last])]);
  return points;
}

/**
 * How its numbers are written: with enough digits to tell its values apart.
 * @param {CourseState} course
 * @returns {(value: number) => string}
 */
export function writerOf(course) {
  const [low, high] = extremes(course);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const span = high - low;
  const flat = isSame(low, high);
  const digits = flat ? 0 : Math.max(Math.ceil(1.5 - Math.log10(span)), 0);
  return (value) => {
    if (isBinary(course)) return `${value} (${value ? "yes" : "no"})`;
    if (flat) return signed(String(Number(value.toPrecision(3))));
    if (digits > DIGITS || largest >= LARGE) return signed(value.toExponential(2));
    return signed(value.toFixed(digits));
  };
}

/** With a true minus, and none before a zero. @param {string} text */
const signed = (text) => (Number(text) === 0 ? text.replace("-", "") : text.replaceAll("-", "−"));

/** Which part tells it: "layer2.1 (SRTG)" @param {CourseState} course */
const whereOf = ({ name, kind }) => (name ? `${name} (${kind})` : kind);

/** What it is before whose: a narrow menu cuts the end. "factor on each frame · layer2.1 (SRTG)" @param {CourseState} course */
export const courseName = (course) => `${course.what} · ${whereOf(course)}`;

/** "told by layer2.1 (SRTG), whichever layer is shown" @param {CourseState} course */
export const courseTeller = (course) =>
  `told by ${course.name ? whereOf(course) : `the network (${course.kind})`}, whichever layer is shown`;

/** "frame 7: 0.83" @param {CourseState} course @param {number} frame */
export const courseAt = (course, frame) => `frame ${frame + 1}: ${writerOf(course)(valueAt(course, frame))}`;

/** "factor on each frame: 0.71 to 1.12" @param {CourseState} course */
export function courseRange(course) {
  const { what } = course;
  if (isBinary(course)) return `${what}; filled: 1 (yes)`;
  const [low, high] = extremes(course).map(writerOf(course));
  if (low !== high) return `${what}: ${low} to ${high}`;
  return `${what}: ${low} throughout${isNeutral(course) ? ": neutral" : ""}`;
}

/** Whether it lies on its neutral value all along. @param {CourseState} course */
const isNeutral = (course) => course.neutral !== null && isSame(...scaleOf(course));

/** What the dashes mean, where there are any: "dashed: 1, neutral" @param {CourseState} course */
export const courseDashes = (course) =>
  course.neutral === null || isNeutral(course) ? "" : `dashed: ${Number(course.neutral.toPrecision(6))}, neutral`;
