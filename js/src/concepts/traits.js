// The traits of the concept viewer, which Python and the browser share, and their validation.
import { readParts, readSheet } from "../shared/clip_sheets.js";
import { checkGeometry, isNumbers, isShape, isTexts, need, readTimes, shown } from "../shared/validate.js";
import { readCurves } from "./curves.js";

/**
 * One trait per line; a Python test compares the names with those of the widget.
 * @typedef {Object} ConceptViewerState
 * @property {string} title - heading of the view; may be empty
 * @property {number[]} size - size of the clips that the network saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty if unknown
 * @property {Record<string, any>} sheet - how frames lie in a JPEG: size and tile in pixels (height, width), columns
 * @property {DataView[]} frames - a JPEG of each clip, with all of its frames
 * @property {ClipState[]} clips - the clips that show the concepts
 * @property {Record<string, any>} grid - shape (level, time, height, width) and geometry of the masks
 * @property {DataView[]} masks - of each clip: 0 for no concept, else its index plus 1, compressed by zlib
 * @property {Fill[]} fills - what took the place of a concept, and the question that it answers
 * @property {Row[]} rows - the concepts, in the order of Python
 * @property {Record<string, any>} explained - the class: name, against, clips, layer, units, stability
 * @property {string[]} caveats - limits of the explanation, one sentence each
 * @property {Record<string, any>} curves - what adding and removing concepts does to other clips; may be empty
 * @property {string[]} names - names of the concepts
 * @property {string} sort_by - what orders the rows: a fill, "evidence", "change" or "fraction"
 * @property {number} max_q - largest q of the concepts shown, 0..1
 * @property {number} min_presence - smallest share of clips of the concepts shown, 0..1
 * @property {number[]} selected - [concept, index of the clip in Python] that is shown large; empty for none
 * @property {boolean} playing - whether the clips play
 */

/** @typedef {{index: number, name: string, logit: number, probability: number | null}} ClipState `index`: of the clip in Python */
/** @typedef {{name: string, question: string}} Fill */
/** @typedef {{value: number, low: number, high: number, p: number, q: number, change: number, bar: number}} Effect `bar`: the effect if only the change of the clip counted */
/** @typedef {{layer: string, fraction: number | null, magnitude: number, p: number, accuracy: number, reason: string | null}} Tcav */
/**
 * A concept; `shares`, `drops` (of each fill) and `evidences` have a number for each of its exemplars.
 * @typedef {{effects: Effect[], evidence: number, volume: number, present: number, tcav: Tcav | null, exemplars: number[], shares: number[], drops: number[][], evidences: number[]}} Row
 */
/** @typedef {{shape: number[], geometry: import("../shared/interpolate.js").Geometry}} Grid */
/** @typedef {{name: string, against: string | null, clips: number, layer: string, units: string, stability: number}} Explained */
/**
 * Everything that a view shows, validated.
 * @typedef {Object} Content
 * @property {string} title
 * @property {number[]} size
 * @property {number[]} times
 * @property {import("../shared/clip_sheets.js").Sheet} sheet
 * @property {Uint8Array<ArrayBuffer>[]} frames
 * @property {ClipState[]} clips
 * @property {Grid} grid
 * @property {Uint8Array<ArrayBuffer>[]} masks
 * @property {Fill[]} fills
 * @property {Row[]} rows
 * @property {Explained} explained
 * @property {string[]} caveats
 * @property {import("./curves.js").Curves} [curves]
 */
/** @typedef {Pick<ConceptViewerState, "names" | "sort_by" | "max_q" | "min_presence" | "selected" | "playing">} ViewState */
/** @typedef {keyof ViewState} Movable */
/** @typedef {import("../shared/model.js").WidgetModel<ConceptViewerState>} ConceptModel */

/** @type {(keyof ConceptViewerState)[]} */
export const CONTENT = [
  "title",
  "size",
  "times",
  "sheet",
  "frames",
  "clips",
  "grid",
  "masks",
  "fills",
  "rows",
  "explained",
  "caveats",
  "curves",
];
export const MOVABLE = /** @type {const} */ (["names", "sort_by", "max_q", "min_presence", "selected", "playing"]);

/** Throw a StateError unless a value is valid. @param {unknown} isValid @param {string} name @param {string} rule @param {unknown} value */
const check = (isValid, name, rule, value) => need(isValid, `${name} must ${rule}`, value);
/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;
/** @param {any} value */
const isList = (value) => Array.isArray(value) && value.length > 0;

/** Read and validate the content traits. @param {Pick<ConceptModel, "get">} model @returns {Content} */
export function readContent(model) {
  const [size, caveats, clips] = [model.get("size"), model.get("caveats") ?? [], model.get("clips")];
  check(isShape(size), "`size`", "be three whole numbers above 0 (time, height, width)", size);
  check(isTexts(caveats), "`caveats`", "be a list of strings", caveats);
  const fills = model.get("fills") ?? [];
  const isFills = Array.isArray(fills) && fills.every((fill) => isTexts([fill?.name, fill?.question]));
  check(isFills, "`fills`", "be a list of names and questions", fills);
  check(isList(clips), "`clips`", "list at least one clip", clips);
  for (const [index, clip] of clips.entries()) checkClip(clip, `\`clips[${index}]\``);
  return {
    title: String(model.get("title") ?? ""),
    ...{ size, caveats, clips, fills },
    times: readTimes(model, size[0]),
    sheet: readSheet(model.get("sheet"), size[0], "sheet"),
    frames: readParts(model.get("frames"), "frames", clips.length),
    grid: readGrid(model.get("grid")),
    masks: readParts(model.get("masks"), "masks", clips.length),
    rows: readRows(model.get("rows"), fills.length, clips.length),
    explained: readExplained(model.get("explained")),
    curves: readCurves(model.get("curves")),
  };
}

/** @param {any} clip @param {string} which */
function checkClip(clip, which) {
  const { index, name, logit, probability } = clip ?? {};
  const isNumbered = isCount(index) && Number.isFinite(logit);
  const isNamed = typeof name === "string" && (probability === null || Number.isFinite(probability));
  check(isNumbered && isNamed, which, "have an index, a name, a logit and a probability (a number or null)", clip);
}

/** @param {any} grid @returns {Grid} */
function readGrid(grid) {
  const { shape, geometry } = grid ?? {};
  const isGrid = isNumbers(shape, 4) && isCount(shape[0]) && shape[0] > 0 && isShape(shape.slice(1));
  check(isGrid, "`grid.shape`", "be four whole numbers above 0 (level, time, height, width)", shape);
  checkGeometry({ shape: shape.slice(1), geometry }, "`grid`");
  return grid;
}

/** @param {any} rows @param {number} fills @param {number} clips @returns {Row[]} */
function readRows(rows, fills, clips) {
  check(isList(rows), "`rows`", "list at least one concept", rows);
  for (const [index, row] of rows.entries()) {
    const which = `\`rows[${index}]\``;
    const { effects, evidence, volume, present, tcav, exemplars, shares, drops, evidences } = row ?? {};
    check(isNumbers([evidence, volume], 2) && isCount(present), which, "have evidence, volume and present", row);
    const isClips = Array.isArray(exemplars) && exemplars.every((clip) => isCount(clip) && clip < clips);
    check(isClips, which, `refer to clips below ${clips}`, exemplars);
    const isFull = [shares, evidences, ...(drops ?? [])].every((values) => isNumbers(values, exemplars.length));
    check(isFull && drops?.length === fills, which, "have a share, an evidence and drops of each exemplar", row);
    const isEffects = Array.isArray(effects) && effects.length === fills && effects.every(isEffect);
    check(isEffects, which, `have ${fills} effects with value, low, high, p, q, change and bar`, effects);
    check(tcav === null || isTcav(tcav), which, "have a TCAV with a layer and numbers, or null", tcav);
  }
  return rows;
}

/** @param {any} effect */
const isEffect = (effect) =>
  isNumbers(
    ["value", "low", "high", "p", "q", "change", "bar"].map((name) => effect?.[name]),
    7,
  );

/** @param {any} tcav */
const isTcav = ({ layer, fraction, magnitude, p, accuracy }) =>
  typeof layer === "string" && isNumbers([magnitude, p, accuracy, fraction ?? 0], 4);

/** @param {any} explained @returns {Explained} */
function readExplained(explained) {
  const { name, against, clips, layer, units, stability } = explained ?? {};
  const isNamed = isTexts([name, layer, units]) && (against === null || typeof against === "string");
  const isValid = isNamed && isCount(clips) && Number.isFinite(stability);
  check(isValid, "`explained`", "have name, against, layer, units, clips and stability", explained);
  return explained;
}

/** Read and validate the movable traits. @param {Pick<ConceptModel, "get">} model @param {Content} content @returns {ViewState} */
export function readViewState(model, { rows, clips }) {
  const names = model.get("names");
  check(isTexts(names) && names.length === rows.length, "`names`", `be ${rows.length} texts`, names);
  const selected = model.get("selected") ?? [];
  const [row, clip] = selected;
  const isShown = rows[row]?.exemplars.some((exemplar) => clips[exemplar].index === clip);
  check(!selected.length || isShown, "`selected`", "be empty, or a concept and one of its clips", shown(selected));
  return {
    ...{ names, selected },
    sort_by: String(model.get("sort_by")),
    max_q: Number(model.get("max_q")),
    min_presence: Number(model.get("min_presence")),
    playing: Boolean(model.get("playing")),
  };
}
