// The traits of the tube viewer, which Python and the browser share, and their validation.
import {
  bytesOf,
  checkGeometry,
  isIncreasing,
  isNumbers,
  isShape,
  isTexts,
  lengthOf,
  need,
  readFrames,
  readTimes,
  shown,
} from "../shared/validate.js";
import { readPicture } from "../shared/window.js";
import { decodeMap } from "./decode_maps.js";

/**
 * One trait per line; a Python test compares the names with the widget's class.
 * @typedef {Object} TubeViewerState
 * @property {string} title - heading of the view; may be empty
 * @property {number[]} size - the clip that the network saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty if unknown
 * @property {DataView[]} frames - one JPEG per frame, height x width
 * @property {import("../shared/window.js").PictureState} picture - how the frames show the clip's values
 * @property {LayerState[]} layers - the maps' layers, from the network's input to its output
 * @property {DataView[]} maps - one buffer per target with the maps of all layers (decode_maps.js decodes them)
 * @property {TargetState[]} targets - the classes explained
 * @property {string[]} caveats - what the reader must know to read the view
 * @property {FrameSignalState[]} frame_signals - per-frame signals reported by the network's modules
 * @property {number} frame - index of the frame shown
 * @property {number} layer - index of the layer shown
 * @property {number} threshold - fraction 0..1 of what `threshold_by` says
 * @property {string} threshold_by - "maximum": of the largest absolute value of layer and target; "evidence": the share to show; "default": of the maximum, and 0.4 is lowered where it would show next to nothing
 * @property {number} target - index of the target shown
 * @property {number | null} against - index of the target whose map is subtracted
 * @property {boolean} playing - whether the clip is playing
 * @property {number} speed - playback speed as a factor
 * @property {string} mode - the view beside the frame: "tube" or "montage"
 * @property {string} sign - the evidence shown: "both", "positive" or "negative"
 * @property {string} scale - the maximum that threshold and colours refer to: of the "clip" or of each "frame"
 * @property {string} colours - "diverging" or "sequential"
 * @property {number} opacity - of the evidence, 0..1
 * @property {number | null} frame_signal - index of the frame signal on the timeline; null for none
 * @property {number[] | null} window - values of a grey clip shown darkest and brightest; null for those of the clip
 */

/**
 * @typedef {Object} Layer
 * @property {string} name
 * @property {string} kind - one of KINDS
 * @property {number | null} pathway - index among parallel pathways; null for a single one
 * @property {number[]} shape - cells of the map: [time, height, width]
 * @property {import("../shared/interpolate.js").Geometry} geometry
 * @property {number[]} scale - largest absolute value of the map, per target
 * @property {string[]} caveats
 * @property {(number | null)[]} [share] - part of the score that the map carries, per target; null if unknown
 * @property {string[]} unaccounted - caveat about the part of the score that the map leaves out, per target; "" for none
 * @property {number[][]} [totals] - sums of the evidence for and against, per target
 * @property {({code: string, verdict: string, words: string} | null)[]} [checks] - what a check of the map found, per target
 * @property {string} [quantity] - "evidence" (default), "activity", "attention" or "relevance"
 */
/** @typedef {Layer & {offset: number, bytes: number, levels: number[][], gap: (number | null)[]}} LayerState `offset`: first byte in each buffer of `maps`; `bytes`: per value; `levels`: of each target, the value of each code of one byte */
/** @typedef {{name: string, logit: number, probability: number | null, rival: Guess | null, best: Guess[], against?: string | null, kind?: string, value?: string, region?: string}} TargetState `against`: second class of a difference; `kind`: "classes" by default; `value` of a regression with its unit; `region`: where a dense network's score was taken */
/** @typedef {{name: string, kind: string, what: string, values: number[], rows: number[], neutral: number | null}} FrameSignalState name and class of the module, description of the values; the (fractional) frame of each value; the value that has no effect */
/** @typedef {{name: string, probability: number}} Guess a class and its predicted probability */
/** @typedef {import("../shared/model.js").WidgetModel<TubeViewerState>} TubeModel */

/**
 * Everything that a view shows, as plain values.
 * @typedef {Object} Content
 * @property {number[]} size
 * @property {string} title
 * @property {number[]} times
 * @property {Uint8Array<ArrayBuffer>[]} frames
 * @property {import("../shared/window.js").PictureState} [picture]
 * @property {Layer[]} layers
 * @property {(layer: number, target: number) => Float32Array} mapOf - values of a map, fractions -1..1 of its scale; not to be written to
 * @property {TargetState[]} targets
 * @property {string[]} caveats
 * @property {FrameSignalState[]} frame_signals
 */

/** @type {(keyof TubeViewerState)[]} */
export const CONTENT = [
  "title",
  "size",
  "times",
  "frames",
  "picture",
  "layers",
  "maps",
  "targets",
  "caveats",
  "frame_signals",
];
const MAX_FRAME_SIGNALS = 512;
const QUANTITIES = [undefined, "evidence", "activity", "attention", "relevance"];
const KINDS = ["stem", "block", "pooling input", "named", "combined", "sharp", "attention", "relevance", "detail"];

/**
 * Read and check the traits that the view shows.
 * @param {Pick<TubeModel, "get">} model
 * @returns {Content}
 */
export function readContent(model) {
  const size = model.get("size");
  need(isShape(size), `\`size\` must be three whole numbers above 0 (time, height, width)`, size);
  const title = model.get("title") ?? "";
  need(typeof title === "string", `\`title\` must be a string`, title);
  const caveats = model.get("caveats") ?? [];
  need(isTexts(caveats), `\`caveats\` must be a list of strings`, caveats);
  const targets = model.get("targets");
  checkTargets(targets);
  const maps = readMaps(model.get("maps"), targets);
  const layers = model.get("layers");
  need(Array.isArray(layers) && layers.length > 0, `\`layers\` must list at least one layer`, layers);
  for (const [index, layer] of layers.entries()) checkLayer(layer, index, maps);
  return {
    size,
    title,
    caveats,
    targets,
    layers,
    mapOf: (layer, target) => decodeMap(layers[layer], target, maps[target]),
    times: readTimes(model, size[0]),
    frames: readFrames(model, size[0]),
    picture: readPicture(model.get("picture")),
    frame_signals: readFrameSignals(model.get("frame_signals") ?? []), // older files have none
  };
}

/** @param {unknown} targets @returns {asserts targets is TargetState[]} */
function checkTargets(targets) {
  need(Array.isArray(targets) && targets.length > 0, `\`targets\` must list at least one class`, targets);
  for (const [index, target] of targets.entries()) {
    const isNamed = typeof target?.name === "string" && Number.isFinite(target.logit);
    const { probability } = target ?? {};
    need(
      isNamed && (probability === null || Number.isFinite(probability)),
      `\`targets[${index}]\` must have a name, a logit and a probability (a number or null)`,
      target,
    );
    for (const name of ["kind", "value", "region"])
      need(
        ["string", "undefined"].includes(typeof target[name]),
        `\`targets[${index}].${name}\` must be text`,
        target[name],
      );
    const { rival, best } = target;
    need(
      (rival === null || isGuess(rival)) && Array.isArray(best) && best.every(isGuess),
      `\`targets[${index}]\` must have a rival (or null) and a list \`best\`, each with name and probability`,
      { rival, best },
    );
  }
}

/** @param {Pick<LayerState, "totals" | "checks">} layer @param {string} which @param {number} count of targets */
function checkFindings({ totals, checks }, which, count) {
  const isTotals = !totals || (totals.length === count && totals.every((pair) => isNumbers(pair, 2)));
  need(isTotals, `${which}: totals must hold two numbers for each of ${count} targets`, totals);
  const isFound = (/** @type {any} */ check) => check === null || isTexts([check?.code, check?.verdict, check?.words]);
  const isChecks = !checks || (Array.isArray(checks) && checks.length === count && checks.every(isFound));
  need(
    isChecks,
    `${which}: checks must hold a code, a verdict and words, or null, for each of ${count} targets`,
    checks,
  );
}

/** @param {unknown} value @returns {value is Guess} */
function isGuess(value) {
  const { name, probability } = /** @type {Guess} */ (value ?? {});
  return typeof name === "string" && Number.isFinite(probability);
}

/** @param {unknown} maps @param {TargetState[]} targets */
function readMaps(maps, targets) {
  need(
    Array.isArray(maps) && maps.length === targets.length,
    `\`maps\` must hold one buffer for each of the ${targets.length} targets`,
    lengthOf(maps),
  );
  return maps.map((map, index) => bytesOf(map, `maps[${index}]`));
}

/** @param {unknown} values @returns {values is number[]} */
const isLevels = (values) =>
  Array.isArray(values) && values.length <= 128 && values.every((level) => Number.isFinite(level) && level >= 0);

/** @param {LayerState} layer @param {number} index @param {Uint8Array[]} maps */
function checkLayer(layer, index, maps) {
  const { name, kind, pathway, shape, scale, gap, share, caveats, unaccounted, quantity, bytes, levels, offset } =
    /** @type {LayerState} */ (layer ?? {});
  need(typeof name === "string", `\`layers[${index}]\` must have a name`, layer);
  const which = `layer '${name}'`;
  need(KINDS.includes(kind), `${which}: kind must be one of ${KINDS.join(", ")}`, kind);
  need(pathway === null || Number.isInteger(pathway), `${which}: pathway must be a whole number or null`, pathway);
  need(isShape(shape), `${which}: shape must be three whole numbers above 0`, shape);
  need(
    isNumbers(scale, maps.length) && scale.every((peak) => peak >= 0),
    `${which}: scale must hold one number, 0 or above, for each of ${maps.length} targets`,
    scale,
  );
  for (const [key, parts] of Object.entries({ gap, share: share ?? gap })) {
    need(
      Array.isArray(parts) &&
        parts.length === maps.length &&
        parts.every((part) => part === null || Number.isFinite(part)),
      `${which}: ${key} must hold one number or null for each of ${maps.length} targets`,
      parts,
    );
  }
  checkFindings(/** @type {LayerState} */ (layer), which, maps.length);
  need(isTexts(caveats), `${which}: caveats must be a list of strings`, caveats);
  need(
    isTexts(unaccounted) && unaccounted.length === maps.length,
    `${which}: unaccounted must hold one string for each of ${maps.length} targets`,
    unaccounted,
  );
  need(QUANTITIES.includes(quantity), `${which}: quantity must be one of ${QUANTITIES.slice(1).join(", ")}`, quantity);
  checkGeometry(layer, which);
  need(bytes === 1 || bytes === 2, `${which}: bytes must be 1 or 2`, bytes);
  need(
    bytes === 2 || (Array.isArray(levels) && levels.length === maps.length && levels.every(isLevels)),
    `${which}: levels must hold at most 128 numbers, 0 or above, for each of ${maps.length} targets`,
    levels,
  );
  const end = offset + bytes * shape[0] * shape[1] * shape[2];
  need(
    Number.isInteger(offset) && offset >= 0 && maps.every((map) => end <= map.length),
    `${which}: shape ${shape.join("x")} at offset ${shown(offset)} needs ${end} bytes of each map`,
    maps,
  );
}

/** @param {unknown} frameSignals @returns {FrameSignalState[]} */
function readFrameSignals(frameSignals) {
  need(
    Array.isArray(frameSignals) && frameSignals.length <= MAX_FRAME_SIGNALS,
    `\`frame_signals\` must be a list of at most ${MAX_FRAME_SIGNALS}`,
    frameSignals,
  );
  for (const [index, frameSignal] of frameSignals.entries()) {
    const which = `\`frame_signals[${index}]\``;
    const { name, kind, what, values, rows, neutral } = frameSignal ?? {};
    need(isTexts([name, kind, what]), `${which}: name, kind and what must be texts`, frameSignal);
    const count = Array.isArray(values) ? values.length : 0;
    need(count && isNumbers(values, count), `${which}: values must be one number or more`, values);
    need(isIncreasing(rows, count), `${which}: rows must be ${count} increasing numbers`, rows);
    need(neutral === null || Number.isFinite(neutral), `${which}: neutral must be a number or null`, neutral);
  }
  return frameSignals;
}
