// The traits that Python and the browser share, and their validation: whatever is wrong is said in words.

/**
 * One trait per line; a Python test compares the names with the widget's class.
 * @typedef {Object} TubeViewerState
 * @property {string} title - what the view is called; may be empty
 * @property {number[]} size - the clip that the network saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty where unknown
 * @property {DataView[]} frames - one JPEG per frame, height x width
 * @property {LayerState[]} layers - the maps' layers, from the network's input to its output
 * @property {DataView[]} maps - per target one buffer with the maps of all layers (field.js decodes them)
 * @property {TargetState[]} targets - the classes explained
 * @property {string[]} caveats - what one has to know to read the view
 * @property {number} frame - index of the frame shown
 * @property {number} layer - index of the layer shown
 * @property {number} threshold - fraction 0..1 of the largest absolute value of layer and target
 * @property {number} target - index of the target shown
 * @property {number | null} against - index of the target whose map is subtracted
 * @property {boolean} playing - whether the frames run
 * @property {number} speed - of playing, as a factor
 * @property {string} mode - what stands beside the frame: "tube" or "montage"
 * @property {string} sign - which evidence is shown: "both", "positive" or "negative"
 * @property {string} scale - what a threshold and the colours are fractions of: the largest value of the "clip" or of each "frame"
 * @property {string} colours - "diverging" or "sequential"
 * @property {number} opacity - of the evidence, 0..1
 */

/** @typedef {{name: string, kind: string, pathway: number | null, shape: number[], offset: number, bytes: number, scale: number[], geometry: import("./stretch.js").Geometry, gap: (number | null)[], caveats: string[], unaccounted: string[]}} LayerState */
/** @typedef {{name: string, logit: number, probability: number | null, rival: Guess | null, best: Guess[]}} TargetState */
/** @typedef {{name: string, probability: number}} Guess a class and what the network gives it */
/** @typedef {{get: <K extends keyof TubeViewerState>(name: K) => TubeViewerState[K], set: <K extends keyof TubeViewerState>(name: K, value: TubeViewerState[K]) => void, save_changes: () => void, on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} TubeModel */
/** @typedef {{size: number[], title: string, times: number[], frames: Uint8Array<ArrayBuffer>[], layers: LayerState[], maps: Uint8Array[], targets: TargetState[], caveats: string[]}} Content what is shown, checked */

/** @type {(keyof TubeViewerState)[]} */
export const CONTENT = ["title", "size", "times", "frames", "layers", "maps", "targets", "caveats"];
const KINDS = ["stem", "block", "pooling input", "named"];

/** The state cannot be drawn; its message is for people. */
export class StateError extends Error {}

/**
 * @param {unknown} condition
 * @param {() => string} words
 * @returns {asserts condition}
 */
export function need(condition, words) {
  if (!condition) throw new StateError(words());
}

/** How a value reads in an error: short. @param {unknown} value */
export function shown(value) {
  if (value === undefined) return "nothing";
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** @param {unknown} value @param {number} length @returns {value is number[]} */
export const isNumbers = (value, length) =>
  Array.isArray(value) && value.length === length && value.every((entry) => Number.isFinite(entry));
/** @param {unknown} value @returns {value is string[]} */
export const isTexts = (value) => Array.isArray(value) && value.every((entry) => typeof entry === "string");
/** @param {unknown} value @returns {value is number[]} */
export const isShape = (value) => isNumbers(value, 3) && value.every((entry) => Number.isInteger(entry) && entry > 0);

/** The bytes of a buffer as it came, wherever it lies in its ArrayBuffer. @param {unknown} value @param {string} name */
export function bytesOf(value, name) {
  need(ArrayBuffer.isView(value), () => `\`${name}\` must be bytes, got ${shown(value)}`);
  return new Uint8Array(/** @type {ArrayBuffer} */ (value.buffer), value.byteOffset, value.byteLength);
}

/**
 * Read and check everything that is shown.
 * @param {TubeModel} model
 * @returns {Content}
 */
export function readContent(model) {
  const size = model.get("size");
  need(isShape(size), () => `\`size\` must be three whole numbers above 0 (time, height, width), got ${shown(size)}`);
  const title = model.get("title") ?? "";
  need(typeof title === "string", () => `\`title\` must be text, got ${shown(title)}`);
  const caveats = model.get("caveats") ?? [];
  need(isTexts(caveats), () => `\`caveats\` must be a list of texts, got ${shown(caveats)}`);
  const targets = model.get("targets");
  checkTargets(targets);
  const maps = readMaps(model.get("maps"), targets);
  const layers = model.get("layers");
  need(
    Array.isArray(layers) && layers.length > 0,
    () => `\`layers\` must list at least one layer, got ${shown(layers)}`,
  );
  for (const [index, layer] of layers.entries()) checkLayer(layer, index, maps);
  return {
    size,
    title,
    caveats,
    targets,
    maps,
    layers,
    times: readTimes(model, size[0]),
    frames: readFrames(model, size[0]),
  };
}

/** @param {unknown} targets @returns {asserts targets is TargetState[]} */
function checkTargets(targets) {
  need(
    Array.isArray(targets) && targets.length > 0,
    () => `\`targets\` must list at least one class, got ${shown(targets)}`,
  );
  for (const [index, target] of targets.entries()) {
    const known = typeof target?.name === "string" && Number.isFinite(target.logit);
    const { probability } = target ?? {};
    need(
      known && (probability === null || Number.isFinite(probability)),
      () =>
        `\`targets[${index}]\` must have a name, a logit and a probability (a number or null), got ${shown(target)}`,
    );
    const { rival, best } = target;
    need(
      (rival === null || isGuess(rival)) && Array.isArray(best) && best.every(isGuess),
      () =>
        `\`targets[${index}]\` must have a rival (or null) and a list \`best\`, each with name and probability, ` +
        `got ${shown({ rival, best })}`,
    );
  }
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
    () =>
      `\`maps\` must hold one buffer for each of the ${targets.length} targets, got ${shown(Array.isArray(maps) ? maps.length : maps)}`,
  );
  return maps.map((map, index) => bytesOf(map, `maps[${index}]`));
}

/** @param {LayerState} layer @param {number} index @param {Uint8Array[]} maps */
function checkLayer(layer, index, maps) {
  need(typeof layer?.name === "string", () => `\`layers[${index}]\` must have a name, got ${shown(layer)}`);
  const which = `layer '${layer.name}'`;
  need(KINDS.includes(layer.kind), () => `${which}: kind must be one of ${KINDS.join(", ")}, got ${shown(layer.kind)}`);
  need(
    layer.pathway === null || Number.isInteger(layer.pathway),
    () => `${which}: pathway must be a whole number or null, got ${shown(layer.pathway)}`,
  );
  need(isShape(layer.shape), () => `${which}: shape must be three whole numbers above 0, got ${shown(layer.shape)}`);
  need(
    isNumbers(layer.scale, maps.length) && layer.scale.every((scale) => scale >= 0),
    () =>
      `${which}: scale must hold one number, 0 or above, for each of ${maps.length} targets, got ${shown(layer.scale)}`,
  );
  need(
    Array.isArray(layer.gap) &&
      layer.gap.length === maps.length &&
      layer.gap.every((gap) => gap === null || Number.isFinite(gap)),
    () => `${which}: gap must hold one number or null for each of ${maps.length} targets, got ${shown(layer.gap)}`,
  );
  need(isTexts(layer.caveats), () => `${which}: caveats must be a list of texts, got ${shown(layer.caveats)}`);
  need(
    isTexts(layer.unaccounted) && layer.unaccounted.length === maps.length,
    () =>
      `${which}: unaccounted must hold one text for each of ${maps.length} targets, got ${shown(layer.unaccounted)}`,
  );
  checkGeometry(layer, which);
  const { bytes } = layer;
  need(bytes === 1 || bytes === 2, () => `${which}: bytes of a value must be 1 or 2, got ${shown(bytes)}`);
  const end = layer.offset + bytes * layer.shape[0] * layer.shape[1] * layer.shape[2];
  need(
    Number.isInteger(layer.offset) && layer.offset >= 0 && maps.every((map) => end <= map.length),
    () =>
      `${which}: shape ${layer.shape.join("x")} at offset ${shown(layer.offset)} needs ${end} bytes of each map, ` +
      `got ${maps.map((map) => map.length).join(", ")}`,
  );
}

/** @param {LayerState} layer @param {string} which */
export function checkGeometry(layer, which) {
  const { rows, origin, step } = layer.geometry ?? {};
  need(
    isNumbers(rows, layer.shape[0]) && rows.every((row, k) => k === 0 || row > rows[k - 1]),
    () => `${which}: geometry.rows must be ${layer.shape[0]} increasing numbers, got ${shown(rows)}`,
  );
  need(isNumbers(origin, 2), () => `${which}: geometry.origin must be two numbers (y, x), got ${shown(origin)}`);
  need(
    isNumbers(step, 2) && step[0] > 0 && step[1] > 0,
    () => `${which}: geometry.step must be two numbers above 0 (y, x), got ${shown(step)}`,
  );
}

/** @param {TubeModel} model @param {number} length */
export function readTimes(model, length) {
  const times = model.get("times") ?? [];
  need(
    isNumbers(times, 0) || isNumbers(times, length),
    () => `\`times\` must be empty or hold the seconds of each of the ${length} frames, got ${shown(times)}`,
  );
  return times;
}

/** @param {TubeModel} model @param {number} length */
export function readFrames(model, length) {
  const frames = model.get("frames");
  need(
    Array.isArray(frames) && frames.length === length,
    () =>
      `\`frames\` must hold ${length} pictures, as \`size\` says, got ${shown(Array.isArray(frames) ? frames.length : frames)}`,
  );
  return frames.map((frame, index) => bytesOf(frame, `frames[${index}]`));
}
