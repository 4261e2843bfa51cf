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
 * @property {CourseState[]} courses - what parts of the network say of each moment, beside the evidence
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
 * @property {number | null} course - index of the course drawn on the timeline; null for none
 */

/** @typedef {{name: string, kind: string, pathway: number | null, shape: number[], offset: number, bytes: number, scale: number[], geometry: import("../shared/interpolate.js").Geometry, gap: (number | null)[], caveats: string[], unaccounted: string[], quantity?: string}} LayerState `quantity`: what its values are; evidence where it is not said */
/** @typedef {{name: string, logit: number, probability: number | null, rival: Guess | null, best: Guess[], against?: string | null}} TargetState `against`: second class of a difference */
/** @typedef {{name: string, kind: string, what: string, values: number[], rows: number[], neutral: number | null}} CourseState module, its class, what the values are; the frame, fractional, of each value; the value where nothing is done */
/** @typedef {{name: string, probability: number}} Guess a class and what the network gives it */
/** @typedef {{get: <K extends keyof TubeViewerState>(name: K) => TubeViewerState[K], set: <K extends keyof TubeViewerState>(name: K, value: TubeViewerState[K]) => void, save_changes: () => void, on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} TubeModel */
/** @typedef {{size: number[], title: string, times: number[], frames: Uint8Array<ArrayBuffer>[], layers: LayerState[], maps: Uint8Array[], targets: TargetState[], caveats: string[], courses: CourseState[]}} Content what is shown, checked */

/** @type {(keyof TubeViewerState)[]} */
export const CONTENT = ["title", "size", "times", "frames", "layers", "maps", "targets", "caveats", "courses"];
const MOST_COURSES = 512;
const QUANTITIES = [undefined, "evidence", "activity"];
const KINDS = ["stem", "block", "pooling input", "named"];

/** The state cannot be drawn; its message is for people. */
export class StateError extends Error {}

/**
 * @param {unknown} condition
 * @param {string} wanted
 * @param {unknown} got
 * @returns {asserts condition}
 */
export function need(condition, wanted, got) {
  if (!condition) throw new StateError(`${wanted}, got ${shown(got)}`);
}

/** How a value reads in an error: short. @param {unknown} value */
export function shown(value) {
  if (value === undefined) return "nothing";
  const parts = [value].flat();
  if (parts.length && parts.every(ArrayBuffer.isView))
    return `${parts.map(({ byteLength }) => byteLength).join(" and ")} bytes`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** How many came, where it is a list. @param {unknown} value */
const countOf = (value) => (Array.isArray(value) ? value.length : value);

/** @param {unknown} value @param {number} length @returns {value is number[]} */
export const isNumbers = (value, length) =>
  Array.isArray(value) && value.length === length && value.every((entry) => Number.isFinite(entry));
/** @param {unknown} value @returns {value is string[]} */
export const isTexts = (value) => Array.isArray(value) && value.every((entry) => typeof entry === "string");
/** @param {unknown} value @returns {value is number[]} */
export const isShape = (value) => isNumbers(value, 3) && value.every((entry) => Number.isInteger(entry) && entry > 0);

/** @param {unknown} value @param {number} length @returns {value is number[]} */
const isRising = (value, length) => isNumbers(value, length) && value.every((row, k) => k === 0 || row > value[k - 1]);

/** The bytes of a buffer as it came, wherever it lies in its ArrayBuffer. @param {unknown} value @param {string} name */
export function bytesOf(value, name) {
  need(ArrayBuffer.isView(value), `\`${name}\` must be bytes`, value);
  return new Uint8Array(/** @type {ArrayBuffer} */ (value.buffer), value.byteOffset, value.byteLength);
}

/**
 * Read and check everything that is shown.
 * @param {TubeModel} model
 * @returns {Content}
 */
export function readContent(model) {
  const size = model.get("size");
  need(isShape(size), `\`size\` must be three whole numbers above 0 (time, height, width)`, size);
  const title = model.get("title") ?? "";
  need(typeof title === "string", `\`title\` must be text`, title);
  const caveats = model.get("caveats") ?? [];
  need(isTexts(caveats), `\`caveats\` must be a list of texts`, caveats);
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
    maps,
    layers,
    times: readTimes(model, size[0]),
    frames: readFrames(model, size[0]),
    courses: readCourses(model.get("courses") ?? []), // what was saved before there were any has none
  };
}

/** @param {unknown} targets @returns {asserts targets is TargetState[]} */
function checkTargets(targets) {
  need(Array.isArray(targets) && targets.length > 0, `\`targets\` must list at least one class`, targets);
  for (const [index, target] of targets.entries()) {
    const known = typeof target?.name === "string" && Number.isFinite(target.logit);
    const { probability } = target ?? {};
    need(
      known && (probability === null || Number.isFinite(probability)),
      `\`targets[${index}]\` must have a name, a logit and a probability (a number or null)`,
      target,
    );
    const { rival, best } = target;
    need(
      (rival === null || isGuess(rival)) && Array.isArray(best) && best.every(isGuess),
      `\`targets[${index}]\` must have a rival (or null) and a list \`best\`, each with name and probability`,
      { rival, best },
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
    `\`maps\` must hold one buffer for each of the ${targets.length} targets`,
    countOf(maps),
  );
  return maps.map((map, index) => bytesOf(map, `maps[${index}]`));
}

/** @param {LayerState} layer @param {number} index @param {Uint8Array[]} maps */
function checkLayer(layer, index, maps) {
  const { name, kind, pathway, shape, scale, gap, caveats, unaccounted, quantity, bytes, offset } =
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
  need(
    Array.isArray(gap) && gap.length === maps.length && gap.every((one) => one === null || Number.isFinite(one)),
    `${which}: gap must hold one number or null for each of ${maps.length} targets`,
    gap,
  );
  need(isTexts(caveats), `${which}: caveats must be a list of texts`, caveats);
  need(
    isTexts(unaccounted) && unaccounted.length === maps.length,
    `${which}: unaccounted must hold one text for each of ${maps.length} targets`,
    unaccounted,
  );
  need(QUANTITIES.includes(quantity), `${which}: quantity must be "evidence" or "activity"`, quantity);
  checkGeometry(layer, which);
  need(bytes === 1 || bytes === 2, `${which}: bytes of a value must be 1 or 2`, bytes);
  const end = offset + bytes * shape[0] * shape[1] * shape[2];
  need(
    Number.isInteger(offset) && offset >= 0 && maps.every((map) => end <= map.length),
    `${which}: shape ${shape.join("x")} at offset ${shown(offset)} needs ${end} bytes of each map`,
    maps,
  );
}

/** @param {LayerState} layer @param {string} which */
export function checkGeometry(layer, which) {
  const { rows, origin, step } = layer.geometry ?? {};
  need(isRising(rows, layer.shape[0]), `${which}: geometry.rows must be ${layer.shape[0]} increasing numbers`, rows);
  need(isNumbers(origin, 2), `${which}: geometry.origin must be two numbers (y, x)`, origin);
  need(
    isNumbers(step, 2) && step[0] > 0 && step[1] > 0,
    `${which}: geometry.step must be two numbers above 0 (y, x)`,
    step,
  );
}

/** @param {TubeModel} model @param {number} length */
export function readTimes(model, length) {
  const times = model.get("times") ?? [];
  need(
    isNumbers(times, 0) || isNumbers(times, length),
    `\`times\` must be empty or hold the seconds of each of the ${length} frames`,
    times,
  );
  return times;
}

/** @param {TubeModel} model @param {number} length */
export function readFrames(model, length) {
  const frames = model.get("frames");
  need(
    Array.isArray(frames) && frames.length === length,
    `\`frames\` must hold ${length} pictures, as \`size\` says`,
    countOf(frames),
  );
  return frames.map((frame, index) => bytesOf(frame, `frames[${index}]`));
}

/** @param {unknown} courses @returns {CourseState[]} */
function readCourses(courses) {
  need(
    Array.isArray(courses) && courses.length <= MOST_COURSES,
    `\`courses\` must be a list of at most ${MOST_COURSES}`,
    courses,
  );
  for (const [index, course] of courses.entries()) {
    const which = `\`courses[${index}]\``;
    const { name, kind, what, values, rows, neutral } = course ?? {};
    need(isTexts([name, kind, what]), `${which} must have a name, a kind and what it is`, course);
    const count = Array.isArray(values) ? values.length : 0;
    need(count && isNumbers(values, count), `${which}: values must be one number or more`, values);
    need(isRising(rows, count), `${which}: rows must be ${count} increasing numbers`, rows);
    need(neutral === null || Number.isFinite(neutral), `${which}: neutral must be a number or null`, neutral);
  }
  return courses;
}
