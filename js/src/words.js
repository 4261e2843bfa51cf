// What the view says in words: one place, so that what is read and what is read aloud agree.

/** @typedef {import("./state.js").Content} Content */
/** @typedef {import("./state.js").Position} Position */

/**
 * "93 %", "8.4 %", "under 0.1 %", as Python says it. The space does not break: a line never begins with "%".
 * @param {number} share
 */
export function percent(share, digits = 0) {
  if (share > 0 && share < 0.001) return "under 0.1\u00a0%";
  return `${(100 * share).toFixed(Math.max(digits, share > 0 && share < 0.0995 ? 1 : 0))}\u00a0%`;
}

/** A threshold, which moves in whole percents. @param {number} share */
export const whole = (share) => `${Math.round(100 * share)}\u00a0%`;

/** "frame 5 of 16 · 0.33 s" @param {Content} content @param {number} frame */
export function frameWords({ size, times }, frame) {
  const seconds = times.length ? ` · ${times[frame].toFixed(2)} s` : "";
  return `frame ${frame + 1} of ${size[0]}${seconds}`;
}

/** "layer3.1 · block · 2×7×7" @param {Content} content @param {number} layer */
export function layerWords({ layers }, layer) {
  const { name, kind, pathway, shape } = layers[layer];
  const parts = [name, ...(kind === "named" ? [] : [kind]), shape.join("×")];
  if (pathway !== null && layers.some((other) => other.pathway !== pathway)) parts.push(`pathway ${pathway}`);
  return parts.join(" · ");
}

/** "wave · 93 %" @param {import("./state.js").TargetState} target */
export function targetWords({ name, logit, probability }) {
  return `${name} · ${probability === null ? `logits differ by ${logit.toFixed(2)}` : percent(probability)}`;
}

/**
 * "keeps 71 % of the evidence for 'wave' in 8.0 % of the clip, frames 5 to 11"
 * @param {string} name
 * @param {{evidence: number, volume: number, frames: [number, number] | null}} found
 */
export function keptWords(name, { evidence, volume, frames }) {
  if (!frames) return `no evidence for ‘${name}’ at this threshold`;
  const [first, last] = frames.map((frame) => frame + 1);
  const when = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  return `${percent(evidence)} of the evidence for ‘${name}’ in ${percent(volume, 1)} of the clip, ${when}`;
}

/** Everything about a position, for the live region. @param {Content} content @param {Position} at @param {string} kept */
export function positionWords(content, at, kept) {
  const parts = [
    frameWords(content, at.frame),
    `layer ${layerWords(content, at.layer)}`,
    `threshold ${whole(at.threshold)}`,
  ];
  if (content.targets.length > 1) parts.unshift(targetWords(content.targets[at.target]));
  return `${parts.join(", ")}. ${kept}`;
}
