// What the view says in words: one place, so that what is read and what is read aloud agree. The sentence about the
// evidence is that of notebook_explain/explanations/threshold.py; both are held to the same examples.
import { courseAt, courseName } from "./frame_signal.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").TargetState} TargetState */
/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("./threshold.js").Kept} Kept */

const NARROW = 0.1;

/**
 * "93 %", "8.4 %", "under 0.1 %", as Python says it. The space does not break: a line never begins with "%".
 * @param {number} share
 */
export function percent(share, digits = 0) {
  if (share > 0 && share < 0.001) return "under 0.1\u00a0%";
  const shown = Math.max(digits, share > 0 && share < 0.0995 ? 1 : 0);
  return `${(Math.floor(100 * share * 10 ** shown + 0.5) / 10 ** shown).toFixed(shown)}\u00a0%`;
}

/** A threshold, which moves in whole percents. @param {number} share */
export const whole = (share) => `${Math.round(100 * share)}\u00a0%`;

/** "frame 5 of 16 · 0.33 s" @param {Content} content @param {number} frame */
export function frameWords({ size, times }, frame) {
  const seconds = times.length ? ` · ${times[frame].toFixed(2)}\u00a0s` : "";
  return `frame ${frame + 1} of ${size[0]}${seconds}`;
}

/** What a layer's values are, in a word. @param {Pick<Content, "layers">} content @param {number} [layer] */
export const quantityOf = ({ layers }, layer = 0) => layers[layer].quantity ?? "evidence";

/** "layer3.1 · block · 2×7×7 cells" @param {Content} content @param {number} layer */
export function layerWords({ layers }, layer) {
  const { name, kind, pathway, shape } = layers[layer];
  const parts = [name, ...(kind === "named" ? [] : [kind]), `${shape.join("×")} cells`];
  if (pathway !== null && layers.some((other) => other.pathway !== pathway)) parts.push(`pathway ${pathway}`);
  return parts.join(" · ");
}

/** "wave · 93 %" @param {TargetState} target */
export function targetWords({ name, logit, probability }) {
  return `${name} · ${probability === null ? `logits differ by ${logit.toFixed(2)}` : percent(probability)}`;
}

/**
 * What is explained: a class, or one class rather than another.
 * @param {Content} content
 * @param {Pick<Position, "target" | "against">} at
 * @returns {Pick<TargetState, "name" | "probability" | "rival">}
 */
export function explained({ targets }, { target, against }) {
  if (against === null) return targets[target];
  return { name: `${targets[target].name} − ${targets[against].name}`, probability: null, rival: null };
}

/**
 * "'wave' 93 %, ahead of 'clap' 4.0 %": the class, how sure, and what comes next.
 * @param {Pick<TargetState, "name" | "probability" | "rival">} target
 */
export function verdict({ name, probability, rival }) {
  if (probability === null) return `'${name}'`;
  const head = `'${name}' ${percent(probability)}`;
  if (!rival) return head;
  const close = Math.abs(probability - rival.probability) < NARROW ? "narrowly " : "";
  const order = probability >= rival.probability ? "ahead of" : "behind";
  return `${head}, ${close}${order} '${rival.name}' ${percent(rival.probability)}`;
}

/** "frames 5 to 11 of 16 (mostly 7 to 9)" @param {Kept} found @param {number} frames */
function when({ frames: range, core }, frames) {
  const [first, last] = range ?? [0, 0];
  const length = last - first + 1;
  const words = length === 1 ? `frame ${first + 1}` : `frames ${first + 1} to ${last + 1}`;
  if (!core || length < 4 || core[1] - core[0] + 1 > 0.6 * length) return `${words} of ${frames}`;
  const mostly = core[0] === core[1] ? `${core[0] + 1}` : `${core[0] + 1} to ${core[1] + 1}`;
  return `${words} of ${frames} (mostly ${mostly})`;
}

/**
 * What the threshold keeps, when and where.
 * @param {Kept} found
 * @param {number} frames
 * @param {"for" | "against"} side
 * @param {string} [what] is kept
 */
export function keptWords(found, frames, side, what = "evidence") {
  const other = side === "for" ? "against" : "for";
  const most = found.against > 0.5 ? `; most of the ${what} is ${other} it` : "";
  if (!found.frames) return `no ${what} ${side} it at this threshold${most}`;
  return (
    `${percent(found.evidence)} of the ${what} ${side} it in ${percent(found.volume)} of the clip, ` +
    `${when(found, frames)}, ${found.place}${most}`
  );
}

/** Everything about a position, for the live region. @param {Content} content @param {Position} at @param {string} sentence */
export function positionWords(content, at, sentence) {
  const course = at.course === null ? null : content.courses[at.course];
  const also = course ? `, ${courseName(course)}, ${courseAt(course, at.frame)}` : "";
  return `${frameWords(content, at.frame)}, layer ${layerWords(content, at.layer)}, threshold ${whole(at.threshold)}${also}. ${sentence}`;
}
