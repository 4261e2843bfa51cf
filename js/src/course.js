// A course: what a part of the network says of each moment of the clip, beside the evidence. Where its line runs, what it
// is at a frame, and how its numbers read. notebook_explain/explanations/courses.py is what it comes from.

/** @typedef {import("./state.js").CourseState} CourseState */

const DIGITS = 6; // more behind the point than these, and a number is written with its power of ten
const LARGE = 1e6;

/** Yes and no, as 1 and 0: it goes in steps, and is never between the two. @param {CourseState} course */
export const isBinary = ({ values }) =>
  values.every((value) => value === 0 || value === 1) && values.some((value) => value !== values[0]);

/** The smallest and the largest of its values. @param {CourseState} course @returns {[number, number]} */
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
 * Its line on its own scale, which reaches from its lowest to its highest value and to the neutral one.
 * @param {CourseState} course
 * @param {number} frames
 * @returns {{points: [number, number][], neutral: number | null}} points: share of the timeline's width, where a frame
 *   lies in the middle of its stretch, and of its height from below; the height of the neutral value
 */
export function lineOf(course, frames) {
  const { values, rows, neutral } = course;
  const scale = neutral === null ? extremes(course) : extremes({ ...course, values: [...values, neutral] });
  const high = (/** @type {number} */ value) =>
    scale[1] > scale[0] ? (value - scale[0]) / (scale[1] - scale[0]) : 0.5; // a flat line has no scale
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
  return { points, neutral: neutral === null ? null : high(neutral) };
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
  const flat = span <= 1e-6 * largest;
  const digits = flat ? 0 : Math.max(Math.ceil(1.5 - Math.log10(span)), 0);
  return (value) => {
    if (isBinary(course)) return String(value);
    if (flat) return signed(String(Number(value.toPrecision(3))));
    if (digits > DIGITS || largest >= LARGE) return signed(value.toExponential(2));
    return signed(value.toFixed(digits));
  };
}

/** With a true minus, and none before a zero. @param {string} text */
const signed = (text) => (Number(text) === 0 ? text.replace("-", "") : text.replaceAll("-", "−"));

/** "layer2.1 (SRTG): each frame is multiplied by" @param {CourseState} course */
export const courseName = ({ name, kind, what }) => `${name ? `${name} (${kind})` : kind}: ${what}`;

/** "frame 7: 0.83" @param {CourseState} course @param {number} frame */
export const courseAt = (course, frame) => `frame ${frame + 1}: ${writerOf(course)(valueAt(course, frame))}`;

/** "each frame is multiplied by: 0.71 to 1.12" @param {CourseState} course */
export function courseRange(course) {
  const [low, high] = extremes(course).map(writerOf(course));
  return `${course.what}: ${low === high ? `${low} throughout` : `${low} ${isBinary(course) ? "or" : "to"} ${high}`}`;
}
