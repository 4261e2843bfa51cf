// Sentences of the tube viewer: one place, so that what is shown and what is read aloud agree. Those on a class and its
// evidence are those of notebook_explain/explanations/text.py; both are tested with the same examples.
import { capitalised, percent, quoted, seconds, wholePercent } from "../shared/text.js";
import { frameSignalAt, frameSignalName } from "./frame_signal.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").TargetState} TargetState */
/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("./threshold.js").Kept} Kept */
/** @typedef {Pick<TargetState, "name" | "probability" | "rival" | "against" | "kind" | "value" | "region">} Explained a class or a value; with `against`, a difference of two */

export { percent };
export const whole = wholePercent;

/** Whether two probabilities are nearly the same: both their difference and their ratio. @param {number} a @param {number} b */
const isNarrow = (a, b) => Math.abs(a - b) < 0.1 && Math.min(a, b) >= 0.8 * Math.max(a, b);
const DIFFERENCE = " − "; // between the names of the two classes of a difference

/** "frame 5 of 16 · 0.33 s"; with the index, as Python counts: "frame 5 (index 4) of 16" @param {Pick<Content, "size" | "times">} content @param {number} frame @param {boolean} [withIndex] */
export const frameWords = ({ size, times }, frame, withIndex) =>
  `frame ${frame + 1}${withIndex ? ` (index ${frame})` : ""} of ${size[0]}${times.length ? ` · ${seconds(times[frame])}` : ""}`;

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
  const parts = [
    name,
    ...(kind === "named" || kind === name || name.startsWith(`${kind} `) ? [] : [kind]),
    `${shape.join("×")} cells`,
  ];
  if (pathway !== null && layers.some((other) => other.pathway !== pathway)) parts.push(`pathway ${pathway}`);
  const part = share?.[target];
  if (part != null) parts.push(`${part < 0 ? "−" : ""}${percent(Math.abs(part))} of the score`);
  return parts.join(" · ");
}

const UNNAMED_VALUE = "value"; // name of the only output of a regression without labels
/** Whether what is explained is the value of a regression. @param {Pick<Explained, "kind">} explained */
export const isValue = ({ kind }) => kind === "regression";
/** @param {Pick<Explained, "name" | "kind">} explained */
const isUnnamed = (explained) => isValue(explained) && explained.name === UNNAMED_VALUE;

/** "wave · 93 %", "'wave' rather than 'kick' · logits differ by 1.20", "ESV · 55.6 ml" @param {TargetState} target */
export function targetWords(target) {
  const { name, probability, value, region } = target;
  const place = region ? ` · ${region}` : "";
  if (value) return (isUnnamed(target) ? value : `${target.against ? quotedTarget(target) : name} · ${value}`) + place;
  const score = probability === null ? `logits differ by ${target.logit.toFixed(2)}` : percent(probability);
  return `${probability === null ? quotedTarget(target) : name} · ${score}${place}`;
}

/**
 * What positive and negative evidence does: "for" and "against"; "raises" and "lowers" for values; "for 'fake'" and "for
 * 'real'" for a binary head with two names.
 * @param {Explained} explained
 */
export function sides({ name, kind, rival }) {
  if (kind === "regression") return ["raises", "lowers"];
  return kind === "binary" && rival ? [`for ${quoted(name)}`, `for ${quoted(rival.name)}`] : ["for", "against"];
}

/**
 * The class explained, or the difference of two classes.
 * @param {Content} content
 * @param {Pick<Position, "target" | "against">} position
 * @returns {Explained}
 */
export function explained({ targets }, { target, against }) {
  if (against === null) return targets[target];
  const both = [targets[target], targets[against]];
  const [{ name, kind, region }, { name: other, region: otherRegion }] = both;
  const places = both.map((one) => one.region || "the whole clip").join(" against ");
  const place = region === otherRegion ? region : places;
  return { name: name + DIFFERENCE + other, against: other, probability: null, rival: null, kind, region: place };
}

/** "'wave'", "'wave' rather than 'kick'" for a difference, "the value" @param {Pick<Explained, "name" | "against" | "kind">} explained */
export function quotedTarget(explained) {
  const { name, against } = explained;
  if (isUnnamed(explained)) return "the value";
  return quoted(against ? name.slice(0, -against.length - DIFFERENCE.length) : name, against, isValue(explained));
}

/**
 * "'wave' 93 %, ahead of 'clap' 4.0 %"; "'wave' rather than 'kick'" for a difference; "'ESV' 55.6 ml" for a value.
 * @param {Explained} explained
 */
export function verdict(explained) {
  const { probability, rival, value, region } = explained;
  const place = region ? `, in ${region}` : "";
  if (value) return (isUnnamed(explained) ? value : `${quotedTarget(explained)} ${value}`) + place;
  if (probability === null) return quotedTarget(explained) + place;
  const head = `${quotedTarget(explained)} ${percent(probability)}`;
  if (!rival) return head + place;
  const close = isNarrow(probability, rival.probability) ? "narrowly " : "";
  const order = probability >= rival.probability ? "ahead of" : "behind";
  return `${head}, ${close}${order} ${quoted(rival.name)} ${percent(rival.probability)}${place}`;
}

/**
 * "frame 5", "frames 5 to 11", and their times: "frames 5 to 11 (0.16 to 0.40 s)"
 * @param {number} first
 * @param {number} last
 * @param {number[]} times empty if they are unknown
 */
function frameRange(first, last, times) {
  const one = first === last;
  const time = times.length ? ` (${one ? "" : `${times[first].toFixed(2)} to `}${seconds(times[last])})` : "";
  return `frame${one ? "" : `s ${first + 1} to`} ${last + 1}${time}`;
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
 * @param {Explained} explained
 * @param {string} [quantity] of the map
 */
export function keptWords(found, clip, side, explained, quantity = "evidence") {
  const [value, isFor] = [isValue(explained), side === "for"];
  const target = explained.against ? "this difference" : isUnnamed(explained) ? "it" : quoted(explained.name);
  const isNamed = explained.kind === "binary" && explained.rival; // evidence against is evidence for the other name
  const words = sides(explained).map((words) => (isNamed ? words : `${words} ${target}`));
  const [own, opposite] = isFor ? words : [words[1], words[0]];
  const most = found.against > 0.5 ? ` Most of the ${quantity} ${value ? "" : "is "}${opposite}.` : "";
  const shared = quantity === "attention"; // the same for every class
  const whose = shared ? "" : ` ${value ? "that " : ""}${own}`;
  if (!found.frames) return `No ${quantity}${whose} at this threshold.${most}`;
  const [volume, share] = [percent(found.volume), percent(found.evidence)];
  const where = `of the clip, ${found.place}, ${when(found, clip)}`;
  if (value && !shared)
    return `${isFor ? "Raised" : "Lowered"} by ${volume} ${where}: ${share} of the ${quantity}${whose}.${most}`;
  return (
    `${capitalised(volume)} ${where}, ` +
    `holds ${share} of the ${quantity}${shared ? ", whatever the class" : whose}.${most}`
  );
}

/** "8.4 %" of the maximum: the slider moves in whole percents, what a share stands for is any number. @param {number} threshold */
export const levelWords = (threshold) =>
  Math.abs(100 * threshold - Math.round(100 * threshold)) < 1e-6 ? whole(threshold) : percent(threshold);

/** "40 %", "50 % of the evidence, from 8.4 % of the maximum" @param {Content} content @param {Position} position */
export const thresholdWords = (content, { threshold, setting, threshold_by: unit, layer }) =>
  unit === "evidence"
    ? `${whole(setting)} of the ${quantityOf(content, layer)}, from ${levelWords(threshold)} of the maximum`
    : levelWords(threshold);

/** "+1.87", or "+62 %" for the text of its size @param {number} value @param {string} [size] */
export const signed = (value, size = String(Number(Math.abs(value).toPrecision(3)))) =>
  (value > 0 ? "+" : value < 0 ? "−" : "") + size;

const OF_CLIP = ["sharp", "detail"]; // kinds of maps that belong to no layer
/**
 * A map's name in a sentence, no word twice: "layer stem", "layer4.1", "sharp map"
 * @param {Pick<import("./traits.js").Layer, "name" | "kind">} layer @param {string} [words] that start with the name
 */
export const layerPhrase = ({ name, kind }, words = name) =>
  OF_CLIP.includes(kind) || /^layer/i.test(name) ? words : `layer ${words}`;

/** The whole state, for the live region. @param {Content} content @param {Position} position @param {string} sentence */
export function positionWords(content, position, sentence) {
  const frameSignal = position.frame_signal === null ? null : content.frame_signals[position.frame_signal];
  const signal = frameSignal ? `, ${frameSignalName(frameSignal)}, ${frameSignalAt(frameSignal, position.frame)}` : "";
  const words = layerWords(content, position.layer);
  const layer = quantityOf(content) === "activity" ? words : layerPhrase(content.layers[position.layer], words); // maps of single units are no layers
  const threshold = thresholdWords(content, position);
  return `${frameWords(content, position.frame, true)}, ${layer}, threshold ${threshold}${signal}. ${sentence}`;
}
