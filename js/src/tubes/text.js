// Sentences of the tube viewer: one place, so that what is shown and what is read aloud agree. Those on a class and its
// evidence are those of notebook_explain/explanations/text.py; both are tested with the same examples.
import { capitalised, percent, quoted, seconds, wholePercent } from "../shared/text.js";
import { frameSignalAt, frameSignalName } from "./frame_signal.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").TargetState} TargetState */
/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("./threshold.js").Kept} Kept */
/** @typedef {Pick<TargetState, "name" | "probability" | "rival" | "against">} Explained a class; with `against`, a difference of two */

export { percent };
export const whole = wholePercent;

/** Whether two probabilities are nearly the same: both their difference and their ratio. @param {number} a @param {number} b */
const isNarrow = (a, b) => Math.abs(a - b) < 0.1 && Math.min(a, b) >= 0.8 * Math.max(a, b);
const DIFFERENCE = " − "; // between the names of the two classes of a difference

/** "frame 5 of 16 · 0.33 s" @param {Content} content @param {number} frame */
export const frameWords = ({ size, times }, frame) =>
  `frame ${frame + 1} of ${size[0]}${times.length ? ` · ${seconds(times[frame])}` : ""}`;

/** Name of a layer's values. @param {Pick<Content, "layers">} content @param {number} [layer] */
export const quantityOf = ({ layers }, layer = 0) => layers[layer].quantity ?? "evidence";

/**
 * "layer3.1 · block · 2×7×7 cells · 96 % of the score"
 * @param {Content} content
 * @param {number} layer
 * @param {number} [target]
 */
export function layerWords({ layers }, layer, target = 0) {
  const { name, kind, pathway, shape, share } = layers[layer];
  const parts = [name, ...(kind === "named" ? [] : [kind]), `${shape.join("×")} cells`];
  if (pathway !== null && layers.some((other) => other.pathway !== pathway)) parts.push(`pathway ${pathway}`);
  const part = share?.[target];
  if (part != null) parts.push(`${part < 0 ? "−" : ""}${percent(Math.abs(part))} of the score`);
  return parts.join(" · ");
}

/** "wave · 93 %", "'wave' rather than 'kick' · logits differ by 1.20" @param {TargetState} target */
export const targetWords = (target) =>
  target.probability === null
    ? `${quotedTarget(target)} · logits differ by ${target.logit.toFixed(2)}`
    : `${target.name} · ${percent(target.probability)}`;

/**
 * The class explained, or the difference of two classes.
 * @param {Content} content
 * @param {Pick<Position, "target" | "against">} position
 * @returns {Explained}
 */
export function explained({ targets }, { target, against }) {
  if (against === null) return targets[target];
  const other = targets[against].name;
  return { name: targets[target].name + DIFFERENCE + other, against: other, probability: null, rival: null };
}

/** "'wave'", or "'wave' rather than 'kick'" for a difference. @param {Pick<Explained, "name" | "against">} explained */
export const quotedTarget = ({ name, against }) =>
  quoted(against ? name.slice(0, -against.length - DIFFERENCE.length) : name, against);

/**
 * "'wave' 93 %, ahead of 'clap' 4.0 %"; "'wave' rather than 'kick'" for a difference.
 * @param {Explained} explained
 */
export function verdict(explained) {
  const { probability, rival } = explained;
  if (probability === null) return quotedTarget(explained);
  const head = `${quotedTarget(explained)} ${percent(probability)}`;
  if (!rival) return head;
  const close = isNarrow(probability, rival.probability) ? "narrowly " : "";
  const order = probability >= rival.probability ? "ahead of" : "behind";
  return `${head}, ${close}${order} ${quoted(rival.name)} ${percent(rival.probability)}`;
}

/**
 * "frame 5", "frames 5 to 11", and their times: "frames 5 to 11 (0.16 to 0.40 s)"
 * @param {number} first
 * @param {number} last
 * @param {number[]} times empty if they are unknown
 */
function frameRange(first, last, times) {
  const [number, start] =
    first === last
      ? [`frame ${first + 1}`, ""]
      : [`frames ${first + 1} to ${last + 1}`, `${times[first]?.toFixed(2)} to `];
  return times.length ? `${number} (${start}${seconds(times[last])})` : number;
}

/** "mostly frames 7 to 9", "in all 16 frames", "in frame 2" @param {Kept} found @param {Pick<Content, "size" | "times">} clip */
function when({ frames: range, core }, { size: [frames], times }) {
  const [first, last] = range ?? [0, 0];
  const length = last - first + 1;
  if (core && length >= 4 && core[1] - core[0] + 1 <= 0.6 * length)
    return `mostly ${frameRange(core[0], core[1], times)}`;
  return length > 1 && length === frames ? `in all ${frames} frames` : `in ${frameRange(first, last, times)}`;
}

/**
 * Sentences on what the threshold keeps, when and where.
 * @param {Kept} found
 * @param {Pick<Content, "size" | "times">} clip
 * @param {"for" | "against"} side
 * @param {Pick<Explained, "name" | "against">} explained
 * @param {string} [quantity] of the map
 */
export function keptWords(found, clip, side, explained, quantity = "evidence") {
  const target = explained.against ? "this difference" : quoted(explained.name);
  const opposite = side === "for" ? "against" : "for";
  const most = found.against > 0.5 ? ` Most of the ${quantity} is ${opposite} ${target}.` : "";
  const shared = quantity === "attention"; // the same for every class
  const whose = shared ? "" : ` ${side} ${target}`;
  if (!found.frames) return `No ${quantity}${whose} at this threshold.${most}`;
  return (
    `${capitalised(percent(found.volume))} of the clip, ${found.place}, ${when(found, clip)}, ` +
    `holds ${percent(found.evidence)} of the ${quantity}${shared ? ", whatever the class" : whose}.${most}`
  );
}

/** The whole state, for the live region. @param {Content} content @param {Position} position @param {string} sentence */
export function positionWords(content, position, sentence) {
  const frameSignal = position.frame_signal === null ? null : content.frame_signals[position.frame_signal];
  const signal = frameSignal ? `, ${frameSignalName(frameSignal)}, ${frameSignalAt(frameSignal, position.frame)}` : "";
  const layer = layerWords(content, position.layer);
  return `${frameWords(content, position.frame)}, layer ${layer}, threshold ${whole(position.threshold)}${signal}. ${sentence}`;
}
