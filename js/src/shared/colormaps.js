// Colour maps of the evidence, safe for colour-blind readers. Diverging: one ramp for the evidence for the target (orange)
// and one for the evidence against it (blue), each lighter with strength. Sequential: one ramp from violet to pale yellow
// over the whole range shown.

/** @typedef {number[][]} Ramp colours from the weakest evidence to the strongest; sRGB, 0..255 */

/** Evidence for the target: red-brown, orange, pale yellow. @type {Ramp} */
export const FOR = [
  [176, 50, 14],
  [243, 140, 10],
  [255, 236, 130],
];

/** Evidence against it: deep blue, blue, pale cyan. @type {Ramp} */
export const AGAINST = [
  [36, 66, 200],
  [48, 152, 246],
  [168, 232, 255],
];

/** All evidence on one scale: violet to pale yellow. @type {Ramp} */
export const SEQUENTIAL = [
  [96, 48, 156],
  [154, 58, 152],
  [206, 78, 122],
  [240, 122, 82],
  [250, 182, 88],
  [252, 244, 168],
];

/** Background of the pictures in light and dark themes, so that the ramps look the same; --ne-stage in the style sheet. */
export const BACKGROUND = [20, 23, 28];

/** Number of colours per ramp in the shader. */
export const STOPS = 5;

/**
 * Colour of a ramp at a strength, interpolated.
 * @param {Ramp} ramp
 * @param {number} strength 0..1
 * @returns {number[]} red, green, blue 0..255
 */
export function colourAt(ramp, strength) {
  const position = Math.min(Math.max(strength, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(position), ramp.length - 2);
  return ramp[low].map((from, channel) => Math.round(from + (ramp[low + 1][channel] - from) * (position - low)));
}

/** The colours of a ramp between two strengths. @param {Ramp} ramp @param {number} from @param {number} to @returns {Ramp} */
const subRamp = (ramp, from, to) =>
  Array.from({ length: STOPS }, (_, k) => colourAt(ramp, from + ((to - from) * k) / (STOPS - 1)));

/**
 * The ramps of the evidence for and against.
 * @param {string} colours
 * @param {string} sign
 * @returns {{positive: Ramp, negative: Ramp}}
 */
export function rampsOf(colours, sign) {
  if (colours === "diverging") return { positive: subRamp(FOR, 0, 1), negative: subRamp(AGAINST, 0, 1) };
  // The ramp spans the values shown: from strongest against to strongest for, or from weakest to strongest.
  const middle = sign === "both" ? 0.5 : 0;
  return { positive: subRamp(SEQUENTIAL, middle, 1), negative: subRamp(SEQUENTIAL, middle, sign === "both" ? 0 : 1) };
}

/** Alpha (0..1) of the overlay for a strength (0..1); the frame stays readable at the default opacity. */
export const alphaAt = (/** @type {number} */ strength, /** @type {number} */ opacity) =>
  Math.min(opacity * (0.47 + 0.7 * strength), 1);

/** Entries of `overlayTable` on each side of 0. */
export const LEVELS = 255;

/**
 * Lookup table of the overlay's RGBA colours: value k/LEVELS is entry k + LEVELS, for k from -LEVELS to LEVELS.
 * @param {{colours: string, sign: string, opacity: number}} view
 */
export function overlayTable({ colours, sign, opacity }) {
  const { positive, negative } = rampsOf(colours, sign);
  const table = new Uint8ClampedArray((2 * LEVELS + 1) * 4);
  for (let k = -LEVELS; k <= LEVELS; k++) {
    const strength = Math.abs(k) / LEVELS;
    const colour = colourAt(k < 0 ? negative : positive, strength);
    table.set([...colour, 255 * alphaAt(strength, opacity)], (k + LEVELS) * 4);
  }
  return table;
}

/** Factor of each sign: 1 if its evidence is shown, else 0. @param {string} sign */
export const signsOf = (sign) => ({ positive: sign === "negative" ? 0 : 1, negative: sign === "positive" ? 0 : 1 });

/** CSS gradient from left to right over ramps side by side, each over an equal part of the width. @param {Ramp[]} ramps */
export function cssGradient(ramps) {
  const stops = ramps.flatMap((ramp, part) =>
    ramp.map((colour, k) => `${cssColour(colour)} ${(100 * (part + k / (ramp.length - 1))) / ramps.length}%`),
  );
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** @param {number[]} colour @param {number} [alpha] */
export const cssColour = (colour, alpha = 1) => `rgba(${colour.join(",")},${alpha})`;
