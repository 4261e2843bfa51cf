// Where the person is in what is shown: the traits that move, brought into range. What is drawn, not what the model says.

/** @typedef {import("./traits.js").TubeModel} TubeModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {typeof MOVABLE[number]} Movable */

/**
 * @typedef {Object} Position
 * @property {number} frame
 * @property {number} layer
 * @property {number} threshold
 * @property {number} target
 * @property {number | null} against
 * @property {boolean} playing
 * @property {number} speed
 * @property {string} mode
 * @property {string} sign
 * @property {string} scale
 * @property {string} colours
 * @property {number} opacity
 * @property {number | null} course
 */

export const MOVABLE = /** @type {const} */ ([
  "frame",
  "layer",
  "threshold",
  "target",
  "against",
  "playing",
  "speed",
  "mode",
  "sign",
  "scale",
  "colours",
  "opacity",
  "course",
]);

/** What may be chosen by name; the first is the default. */
export const CHOICES = {
  mode: ["tube", "montage"],
  sign: ["both", "positive", "negative"],
  scale: ["clip", "frame"],
  colours: ["diverging", "sequential"],
};

export const SPEEDS = [0.25, 0.5, 1, 2, 4];
export const OPACITY = 0.6;

/** @param {unknown} value @param {number} low @param {number} high @param {number} otherwise */
function clamp(value, low, high, otherwise) {
  return typeof value === "number" && Number.isFinite(value) ? Math.min(Math.max(value, low), high) : otherwise;
}

/**
 * @param {TubeModel} model
 * @param {Content} content
 * @returns {Position}
 */
export function readPosition(model, content) {
  /** @param {"frame" | "layer" | "target"} name @param {number} count @param {number} otherwise */
  const index = (name, count, otherwise) => Math.round(clamp(model.get(name), 0, count - 1, otherwise));
  /** @param {keyof typeof CHOICES} name */
  const choice = (name) => (CHOICES[name].includes(model.get(name)) ? model.get(name) : CHOICES[name][0]);
  const target = index("target", content.targets.length, 0);
  return {
    frame: index("frame", content.size[0], 0),
    layer: index("layer", content.layers.length, content.layers.length - 1),
    threshold: clamp(model.get("threshold"), 0, 1, 0.4),
    target,
    against: againstOf(model.get("against"), target, content),
    playing: model.get("playing") === true,
    speed: clamp(model.get("speed"), SPEEDS[0], SPEEDS[SPEEDS.length - 1], 1),
    mode: choice("mode"),
    sign: choice("sign"),
    scale: choice("scale"),
    colours: choice("colours"),
    opacity: clamp(model.get("opacity"), 0, 1, OPACITY),
    course: courseOf(model.get("course"), content.courses.length),
  };
}

/** None where none is wanted or there is none. @param {unknown} course @param {number} count */
const courseOf = (course, count) =>
  course === null || count === 0 ? null : Math.round(clamp(course, 0, count - 1, 0));

/** A difference is of two classes; a difference itself has no probability, and none can be taken of it. @param {Content} content */
export const plainTargets = ({ targets }) =>
  [...targets.keys()].filter((target) => targets[target].probability !== null);

/** @param {unknown} against @param {number} target @param {Content} content */
function againstOf(against, target, content) {
  const plain = plainTargets(content);
  const sound = typeof against === "number" && against !== target && plain.includes(against) && plain.includes(target);
  return sound ? against : null;
}
