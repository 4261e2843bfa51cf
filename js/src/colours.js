// Two ramps that colour-blind eyes tell apart (orange and blue), each growing lighter with the strength of the evidence.

/** Evidence for the target, from the weakest to the strongest: red-brown, orange, pale yellow. sRGB, 0..255. */
export const FOR = [
  [176, 50, 14],
  [243, 140, 10],
  [255, 236, 130],
];

/** Evidence against it: deep blue, blue, pale cyan. */
export const AGAINST = [
  [36, 66, 200],
  [48, 152, 246],
  [168, 232, 255],
];

/**
 * @param {number[][]} ramp
 * @param {number} strength 0..1
 * @returns {number[]} red, green, blue 0..255
 */
export function colourAt(ramp, strength) {
  const at = Math.min(Math.max(strength, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  return ramp[low].map((from, channel) => Math.round(from + (ramp[low + 1][channel] - from) * (at - low)));
}

/** How opaque evidence of some strength (0..1) lies over the frame: the frame must stay readable beneath. */
export const alphaAt = (/** @type {number} */ strength) => 0.28 + 0.42 * strength;

/** Entries on either side of 0 in `overlayTable`. */
export const LEVELS = 255;

/** RGBA of the overlay for value k/LEVELS at entry k + LEVELS, k from -LEVELS to LEVELS. */
export function overlayTable() {
  const table = new Uint8ClampedArray((2 * LEVELS + 1) * 4);
  for (let k = -LEVELS; k <= LEVELS; k++) {
    const strength = Math.abs(k) / LEVELS;
    table.set([...colourAt(k < 0 ? AGAINST : FOR, strength), 255 * alphaAt(strength)], (k + LEVELS) * 4);
  }
  return table;
}

/**
 * @param {number[][]} ramp
 * @param {string} direction
 */
export function cssGradient(ramp, direction) {
  return `linear-gradient(${direction}, ${ramp.map((colour) => `rgb(${colour.join(",")})`).join(", ")})`;
}
