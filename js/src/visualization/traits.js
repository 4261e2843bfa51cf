// The traits of the visualization viewer, which Python and the browser share, and their validation.
import { readParts, readSheet } from "../shared/clip_sheets.js";
import { isIncreasing, isNumbers, isShape, isTexts, need, readTimes } from "../shared/validate.js";

/**
 * One trait per line; a Python test compares the names with those of the widget.
 * @typedef {Object} VisualizationViewerState
 * @property {string} title - heading of the view; may be empty
 * @property {number[]} size - size of the made clips: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty if unknown
 * @property {Record<string, any>} sheet - how frames lie in a JPEG: size and tile in pixels (height, width), columns
 * @property {DataView[]} frames - a JPEG of each clip, with all of its frames
 * @property {number[]} lengths - number of frames of each clip
 * @property {Record<string, any>} preview_sheet - how frames lie in the JPEG of a preview; may be empty
 * @property {DataView[]} previews - a JPEG of each preview but the last, one made clip after the other
 * @property {DataView[]} flows - movements of each made clip on a coarse grid, compressed by zlib; empty without a flow
 * @property {Row[]} rows - the made clips
 * @property {string} layer - layer in whose features distances are measured
 * @property {string[]} caveats - limits of the explanation, one sentence each
 * @property {number} selected - index of the made clip that is shown large; -1 for none
 * @property {number} frame - frame of all clips
 * @property {number} step - index of the preview that is shown; the last one is the made clip
 * @property {boolean} arrows - whether arrows show the flow
 * @property {boolean} playing - whether the clips play
 */

/** @typedef {{name: string, probability: number}[]} Best classes that a network names, the best first */
/** @typedef {{clip: number, name: string, label: string, index: number}} Real a real clip; `clip` is its position in `frames`, `index` that in Python */
/** @typedef {{model: string, best: Best, shuffled: Best, names_target: boolean | null}} Verdict */
/** @typedef {{index: number, count: number, cosine: number, spread: number, is_nearest_own: boolean, members: Real[], size: number}} Facet */
/**
 * A made clip; `made` and `start` are positions in `frames`, `steps` the steps after which previews were kept.
 * @typedef {{name: string, objective: string, score: number, start_score: number, best_real: number | null, ratio: number | null, motion: number | null, seconds: number, is_moved: boolean, made: number, start: number, nearest: (Real & {distance: number}) | null, steps: number[], curve: {steps: number[], values: (number | null)[]}, real_count: number, best: Best, start_best: Best, control: Best, verdicts: Verdict[], restarts: number[], facet: Facet | null, flow: {shape: number[], scale: number} | null}} Row
 */
/**
 * Everything that a view shows, validated.
 * @typedef {Object} Content
 * @property {string} title
 * @property {number[]} size
 * @property {number[]} times
 * @property {import("../shared/clip_sheets.js").Sheet} sheet
 * @property {Uint8Array<ArrayBuffer>[]} frames
 * @property {number[]} lengths
 * @property {import("../shared/clip_sheets.js").Sheet} [preview_sheet]
 * @property {Uint8Array<ArrayBuffer>[]} previews
 * @property {Uint8Array<ArrayBuffer>[]} flows
 * @property {Row[]} rows
 * @property {string} layer
 * @property {string[]} caveats
 */
/** @typedef {Pick<VisualizationViewerState, "selected" | "frame" | "step" | "arrows" | "playing">} ViewState */
/** @typedef {keyof ViewState} Movable */
/** @typedef {import("../shared/model.js").WidgetModel<VisualizationViewerState>} VisualizationModel */

/** @type {(keyof VisualizationViewerState)[]} */
export const CONTENT = [
  "title",
  "size",
  "times",
  "sheet",
  "frames",
  "lengths",
  "preview_sheet",
  "previews",
  "flows",
  "rows",
  "layer",
  "caveats",
];
export const MOVABLE = /** @type {const} */ (["selected", "frame", "step", "arrows", "playing"]);

/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;
/** @param {any} value */
const isOptional = (value) => value === null || Number.isFinite(value);
/** @param {any} best */
const isBest = (best) =>
  Array.isArray(best) && best.every((one) => typeof one?.name === "string" && Number.isFinite(one.probability));

/** Read and validate the content traits. @param {Pick<VisualizationModel, "get">} model @returns {Content} */
export function readContent(model) {
  const [size, caveats, rows] = [model.get("size"), model.get("caveats") ?? [], model.get("rows")];
  need(isShape(size), "`size` must be three whole numbers above 0 (time, height, width)", size);
  need(isTexts(caveats), "`caveats` must be a list of strings", caveats);
  const lengths = model.get("lengths");
  const isLengths = Array.isArray(lengths) && lengths.length > 0 && lengths.every((length) => isShape([length, 1, 1]));
  need(isLengths, "`lengths` must list the frames of at least one clip", lengths);
  need(Array.isArray(rows) && rows.length, "`rows` must list at least one made clip", rows);
  for (const [index, row] of rows.entries()) checkRow(row, `\`rows[${index}]\``, lengths.length);
  const previews = rows.reduce((count, { steps }) => count + steps.length - 1, 0);
  return {
    title: String(model.get("title") ?? ""),
    layer: String(model.get("layer") ?? ""),
    ...{ size, caveats, rows, lengths },
    times: readTimes(model, size[0]),
    sheet: readSheet(model.get("sheet"), Math.max(...lengths), "sheet"),
    frames: readParts(model.get("frames"), "frames", lengths.length),
    preview_sheet: previews ? readSheet(model.get("preview_sheet"), size[0], "preview_sheet") : undefined,
    previews: readParts(model.get("previews"), "previews", previews, "previews"),
    flows: readParts(model.get("flows"), "flows", rows.length, "made clips"),
  };
}

/** @param {any} row @param {string} which @param {number} clips */
function checkRow(row, which, clips) {
  const { name, objective, score, start_score, seconds, real_count, restarts, steps, curve, verdicts } = row ?? {};
  const isClip = (/** @type {any} */ clip) => isCount(clip) && clip < clips;
  const isReal = (/** @type {any} */ real) => isClip(real?.clip) && isTexts([real.name, real.label]);
  need(isTexts([name, objective]), `${which} must have a name and an objective`, row);
  need(isClip(row.made) && isClip(row.start), `${which} must refer to clips below ${clips}`, [row.made, row.start]);
  const isNumbered = isNumbers([score, start_score, seconds], 3) && isCount(real_count);
  const isCompared = [row.best_real, row.ratio, row.motion].every(isOptional);
  need(isNumbered && isCompared, `${which} must have scores, motion, seconds and a count of real clips`, row);
  need(isNumbers(restarts, restarts?.length), `${which}: restarts must be numbers`, restarts);
  need(steps?.length && isIncreasing(steps, steps.length), `${which}: steps must be increasing numbers`, steps);
  const isCurve = isIncreasing(curve?.steps, curve?.steps?.length) && curve.values?.length === curve.steps.length;
  need(isCurve && curve.values.every(isOptional), `${which}: curve must have a value at each of its steps`, curve);
  need([row.best, row.start_best, row.control].every(isBest), `${which} must have names with probabilities`, row);
  const isVerdict = (/** @type {any} */ one) =>
    typeof one?.model === "string" && isBest(one.best) && isBest(one.shuffled);
  need(
    Array.isArray(verdicts) && verdicts.every(isVerdict),
    `${which}: verdicts must have a model and names`,
    verdicts,
  );
  const { nearest, facet, flow } = row;
  const isNearest = nearest === null || (isReal(nearest) && Number.isFinite(nearest.distance));
  need(isNearest, `${which}: nearest must be a real clip with its distance, or null`, nearest);
  const isFacet =
    facet === null ||
    (isNumbers([facet.index, facet.count, facet.cosine, facet.spread, facet.size], 5) && facet.members?.every(isReal));
  need(isFacet, `${which}: facet must have numbers and members, or be null`, facet);
  const isFlow = flow === null || (isShape(flow.shape) && flow.scale >= 0 && Number.isFinite(flow.scale));
  need(isFlow, `${which}: flow must have a shape (time, rows, columns) and a scale, or be null`, flow);
}

/** Read and validate the movable traits. @param {Pick<VisualizationModel, "get">} model @param {Content} content @returns {ViewState} */
export function readViewState(model, { rows, size }) {
  const [selected, frame, step] = [model.get("selected"), model.get("frame"), model.get("step")];
  const steps = lastStep(rows);
  need(isCount(selected + 1) && selected < rows.length, `\`selected\` must lie in -1..${rows.length - 1}`, selected);
  need(isCount(frame) && frame < size[0], `\`frame\` must lie in 0..${size[0] - 1}`, frame);
  need(isCount(step) && step <= steps, `\`step\` must lie in 0..${steps}`, step);
  return { selected, frame, step, arrows: Boolean(model.get("arrows")), playing: Boolean(model.get("playing")) };
}

/** Index of the last preview of the made clip that has most. @param {Row[]} rows */
export const lastStep = (rows) => Math.max(...rows.map(({ steps }) => steps.length)) - 1;
