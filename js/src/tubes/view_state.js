// The view state: the traits that the user moves (frame, layer, threshold, ...), clamped to what can be drawn.

import { isNumbers } from "../shared/validate.js";
import { greyValues } from "../shared/window.js";
import { THRESHOLD } from "./threshold.js";

/** @typedef {import("./traits.js").TubeModel} TubeModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {typeof MOVABLE[number]} Movable */
/** @typedef {import("../shared/inputs.js").Handlers<Movable>} Handlers */

/**
 * @typedef {Object} ViewState
 * @property {number} frame
 * @property {number} layer
 * @property {number} threshold - fraction of the maximum that is drawn
 * @property {number} setting - the trait `threshold`, a fraction of what `threshold_by` says
 * @property {string} threshold_by
 * @property {number} target
 * @property {number | null} against
 * @property {boolean} playing
 * @property {number} speed
 * @property {string} mode
 * @property {string} sign
 * @property {string} scale
 * @property {string} colours
 * @property {number} opacity
 * @property {number | null} frame_signal
 * @property {number[] | null} window
 */
/** @typedef {ViewState} Position */

export const MOVABLE = /** @type {const} */ ([
  "frame",
  "layer",
  "threshold",
  "threshold_by",
  "target",
  "against",
  "playing",
  "speed",
  "mode",
  "sign",
  "scale",
  "colours",
  "opacity",
  "frame_signal",
  "window",
]);

/** Values of the traits that are chosen from a list; the first is the default. */
export const CHOICES = {
  mode: ["tube", "montage"],
  sign: ["both", "positive", "negative"],
  scale: ["clip", "frame"],
  colours: ["diverging", "sequential"],
  threshold_by: ["maximum", "evidence", "default"], // older files have thresholds of the maximum
};

export const SPEEDS = [0.25, 0.5, 1, 2, 4];
export const OPACITY = 0.6;

/** @param {unknown} value @param {number} low @param {number} high @param {number} fallback if the value is no number */
function clamp(value, low, high, fallback) {
  return typeof value === "number" && Number.isFinite(value) ? Math.min(Math.max(value, low), high) : fallback;
}

/**
 * Read the view state; values out of range are clamped, malformed ones replaced by the default.
 * @param {Pick<TubeModel, "get">} model
 * @param {Content} content
 * @returns {ViewState}
 */
export function readViewState(model, content) {
  /** @param {"frame" | "layer" | "target"} name @param {number} count @param {number} fallback */
  const index = (name, count, fallback) => Math.round(clamp(model.get(name), 0, count - 1, fallback));
  /** @param {keyof typeof CHOICES} name */
  const choice = (name) => (CHOICES[name].includes(model.get(name)) ? model.get(name) : CHOICES[name][0]);
  const setting = clamp(model.get("threshold"), 0, 1, THRESHOLD);
  const target = index("target", content.targets.length, 0);
  return {
    frame: index("frame", content.size[0], 0),
    layer: index("layer", content.layers.length, content.layers.length - 1),
    threshold: setting,
    setting,
    threshold_by: choice("threshold_by"),
    target,
    against: againstOf(model.get("against"), target, content),
    playing: model.get("playing") === true,
    speed: clamp(model.get("speed"), SPEEDS[0], SPEEDS[SPEEDS.length - 1], 1),
    mode: choice("mode"),
    sign: choice("sign"),
    scale: choice("scale"),
    colours: choice("colours"),
    opacity: clamp(model.get("opacity"), 0, 1, OPACITY),
    frame_signal: frameSignalOf(model.get("frame_signal"), content.frame_signals.length),
    window: windowOf(model.get("window"), content),
  };
}

/** @param {unknown} frameSignal @param {number} count of the content's frame signals @returns {number | null} */
const frameSignalOf = (frameSignal, count) =>
  frameSignal === null || count === 0 ? null : Math.round(clamp(frameSignal, 0, count - 1, 0));

/** Two limits, if the clip has values to draw between them. @param {unknown} window @param {Content} content */
const windowOf = (window, { picture }) =>
  greyValues(picture) && isNumbers(window, 2) && window[0] < window[1] ? window : null;

/** Targets that are single classes or values. The others are differences already. @param {Content} content */
export const plainTargets = ({ targets }) =>
  [...targets.keys()].filter((target) => {
    const { probability, value, against } = targets[target];
    return !against && (probability !== null || value !== undefined);
  });

/** Only a single class can be subtracted from another one. @param {unknown} against @param {number} target @param {Content} content */
function againstOf(against, target, content) {
  const plain = plainTargets(content);
  const isValid =
    typeof against === "number" && against !== target && plain.includes(against) && plain.includes(target);
  return isValid ? against : null;
}
