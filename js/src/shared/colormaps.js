// Colours of the evidence, safe for colour-blind eyes. Diverging: two ramps, orange for and blue against, each growing
// lighter with strength. Sequential: one ramp from violet to pale yellow, lighter throughout, over all that is shown.

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

/** @type {Ramp} */
export const SEQUENCE = [
  [96, 48, 156],
  [154, 58, 152],
  [206, 78, 122],
  [240, 122, 82],
  [250, 182, 88],
  [252, 244, 168],
];

/** What the tube stands on, in either theme, so that the ramps look the same; --ne-stage in the style sheet. */
export const STAGE = [20, 23, 28];

/** Colours of a ramp that the graphics card gets. */
export const STOPS = 5;

/**
 * @param {Ramp} ramp
 * @param {number} strength 0..1
 * @returns {number[]} red, green, blue 0..255
 */
export function colourAt(ramp, strength) {
  const at = Math.min(Math.max(strength, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  return ramp[low].map((from, channel) => Math.round(from + (ramp[low + 1][channel] - from) * (at - low)));
}

/** @param {Ramp} ramp @param {number} from @param {number} to @returns {Ramp} */
const part = (ramp, from, to) =>
  Array.from({ length: STOPS }, (_, k) => colourAt(ramp, from + ((to - from) * k) / (STOPS - 1)));

/**
 * The ramps of the evidence for and against.
 * @param {string} colours
 * @param {string} sign
 * @returns {{positive: Ramp, negative: Ramp}}
 */
export function rampsOf(colours, sign) {
  if (colours === "diverging") return { positive: part(FOR, 0, 1), negative: part(AGAINST, 0, 1) };
  // What is shown spans the ramp: from the strongest against to the strongest for, or from the weakest to the strongest.
  const middle = sign === "both" ? 0.5 : 0;
  return { positive: part(SEQUENCE, middle, 1), negative: part(SEQUENCE, middle, sign === "both" ? 0 : 1) };
}

/** How opaque evidence of some strength (0..1) lies over the frame, which stays readable at the usual opacity. */
export const alphaAt = (/** @type {number} */ strength, /** @type {number} */ opacity) =>
  Math.min(opacity * (0.47 + 0.7 * strength), 1);

/** Entries on either side of 0 in `overlayTable`. */
export const LEVELS = 255;

/**
 * RGBA of the overlay for value k/LEVELS at entry k + LEVELS, k from -LEVELS to LEVELS.
 * @param {{colours: string, sign: string, opacity: number}} at
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

/** Whether evidence of either sign is shown, as factors. @param {string} sign */
export const signsOf = (sign) => ({ positive: sign === "negative" ? 0 : 1, negative: sign === "positive" ? 0 : 1 });

/**
 * @param {Ramp} ramp
 * @param {string} direction
 */
export function cssGradient(ramp, direction) {
  return `linear-gradient(${direction}, ${ramp.map(cssColour).join(", ")})`;
}

/** @param {number[]} colour @param {number} [alpha] */
export const cssColour = (colour, alpha = 1) => `rgba(${colour.join(",")},${alpha})`;
