// Traits that Python and the browser share, and their validation.
import {
  bytesOf,
  checkGeometry,
  isNumbers,
  isShape,
  isTexts,
  need,
  readFrames,
  readTimes,
  shown,
} from "../shared/validate.js";
import { readPicture } from "../shared/window.js";

/**
 * One trait per line; a Python test compares the names with those of the widget.
 * @typedef {Object} PyramidViewerState
 * @property {string} title - title of the view; may be empty
 * @property {number[]} size - size of the clip that the network saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty if unknown
 * @property {DataView[]} frames - one JPEG per frame, height x width
 * @property {import("../shared/window.js").PictureState} picture - how the frames show the clip's values
 * @property {RowState[]} rows - the layers, from the class down
 * @property {Record<string, DataView>} units - columns: score, channel, direction, map_direction, remainder, contribution, peak
 * @property {Record<string, DataView>} edges - columns, sorted by parent: child, fan, contribution, scale, share, kind
 * @property {DataView} thumbnails - a small map of each unit, one byte for each value
 * @property {DataView} maps - whole maps of the first units of each row
 * @property {Record<string, any>} explained - the class: name, logit, probability, rival
 * @property {string[]} caveats - limits of the explanation, one sentence each
 * @property {number} frame - index of the frame shown
 * @property {number} row - index of the row around which the rows are drawn large
 * @property {number} threshold - fraction 0..1 of a row's largest score
 * @property {string} prune_by - what pruning goes by: path or score
 * @property {boolean} against - whether links and units against the class are shown
 * @property {number[]} selected - indices of the units whose tubes are shown
 * @property {number[]} collapsed - indices of the rows that are kept small
 * @property {boolean} playing - whether the clip plays
 */

/** @typedef {import("../shared/interpolate.js").Geometry} Geometry */
/** @typedef {{shape: number[], offset: number, geometry: Geometry, whole: {shape: number[], offset: number, geometry: Geometry, peaks: number[]}}} RowMap */
/** @typedef {{name: string, kind: string, width: number, count: number, coverage: number, is_local?: boolean, sees: string, names: string[], map: RowMap | null}} RowState */
/** @typedef {RowState & {first: number}} Row `first`: index of its first unit */
/** @typedef {import("../tubes/traits.js").TargetState & {measure: string}} Explained `measure`: of contributions, "logits" or a unit */
/** @typedef {{count: number, score: Float64Array, channel: Int32Array, direction: Int8Array, mapDirection: Int8Array, remainder: Float64Array, contribution: Float64Array, peak: Float32Array, row: Uint32Array}} Units */
/** @typedef {{count: number, child: Uint32Array, parent: Uint32Array, first: Uint32Array, contribution: Float32Array, share: Float32Array, kind: Uint8Array}} Edges `first`: first edge of each unit to its children, and the number of edges at the end */
/** @typedef {{title: string, size: number[], times: number[], frames: Uint8Array<ArrayBuffer>[], picture: import("../shared/window.js").PictureState, rows: Row[], units: Units, edges: Edges, thumbnails: Int8Array, maps: Int8Array, explained: Explained, caveats: string[]}} Content the content traits, validated */
/** @typedef {{get: <K extends keyof PyramidViewerState>(name: K) => PyramidViewerState[K], set: <K extends keyof PyramidViewerState>(name: K, value: PyramidViewerState[K]) => void, save_changes: () => void, on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} PyramidModel */

/** @type {(keyof PyramidViewerState)[]} */
export const CONTENT = [
  "title",
  "size",
  "times",
  "frames",
  "picture",
  "rows",
  "units",
  "edges",
  "thumbnails",
  "maps",
  "explained",
  "caveats",
];
export const MOVABLE = /** @type {const} */ ([
  "frame",
  "row",
  "threshold",
  "prune_by",
  "against",
  "selected",
  "collapsed",
  "playing",
]);
const KINDS = ["class", "kernel", "sum", "input"];

/** Throw a StateError unless a value is valid. @param {unknown} isValid @param {string} name @param {string} rule @param {unknown} value */
const check = (isValid, name, rule, value) => need(isValid, `${name} must ${rule}`, value);
/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;

/**
 * A column of numbers; the bytes are copied, because their offset may not be aligned.
 * @template {Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | Int16Array | Uint8Array | Int8Array} T
 * @param {any} columns
 * @param {string} name
 * @param {{new (buffer: ArrayBuffer): T, BYTES_PER_ELEMENT: number}} Kind
 * @param {number} count
 * @returns {T}
 */
function column(columns, name, Kind, count) {
  const bytes = bytesOf(columns?.[name], name);
  const width = Kind.BYTES_PER_ELEMENT;
  check(bytes.length === count * width, `\`${name}\``, `be ${count} numbers of ${width} bytes`, bytes);
  return new Kind(/** @type {ArrayBuffer} */ (bytes.slice().buffer));
}

/** Read and validate the content traits. @param {PyramidModel} model @returns {Content} */
export function readContent(model) {
  const [size, caveats] = [model.get("size"), model.get("caveats") ?? []];
  check(isShape(size), "`size`", "be three whole numbers above 0 (time, height, width)", size);
  check(isTexts(caveats), "`caveats`", "be a list of strings", caveats);
  const codesOf = (/** @type {"thumbnails" | "maps"} */ name) => new Int8Array(bytesOf(model.get(name), name));
  const [thumbnails, maps] = [codesOf("thumbnails"), codesOf("maps")];
  const rows = readRows(model.get("rows"), thumbnails, maps);
  const units = readUnits(model.get("units"), rows);
  return {
    ...{ size, caveats, rows, units, thumbnails, maps },
    title: String(model.get("title") ?? ""),
    edges: readEdges(model.get("edges"), units.count),
    explained: readExplained(model.get("explained")),
    times: readTimes(model, size[0]),
    frames: readFrames(model, size[0]),
    picture: readPicture(model.get("picture")),
  };
}

/** @param {any} rows @param {Int8Array} thumbnails @param {Int8Array} maps @returns {Row[]} */
function readRows(rows, thumbnails, maps) {
  check(Array.isArray(rows) && rows.length, "`rows`", "be a list of at least one row", rows);
  let first = 0;
  return rows.map((/** @type {any} */ row, /** @type {number} */ index) => {
    const { name, kind, width, count, coverage, map } = row ?? {};
    const label = `row '${name ?? index}'`;
    const hasTexts = isTexts([name, row?.sees]) && isTexts(row.names) && KINDS.includes(kind);
    const hasNumbers = isCount(width) && isCount(count) && coverage >= 0 && coverage <= 1;
    check(hasTexts && hasNumbers, label, "have a name, a known kind, counts, and a coverage in 0..1", row);
    if (map !== null) {
      const peaks = map?.whole?.peaks;
      const isValid = isNumbers(peaks, peaks?.length) && peaks.length <= count;
      check(isValid, `${label}: peaks`, `be at most ${count} numbers`, peaks);
      checkMaps(map, count, thumbnails, label);
      checkMaps(map.whole, peaks.length, maps, label);
    }
    first += count;
    return { ...row, first: first - count };
  });
}

/** @param {any} part @param {number} count @param {Int8Array} codes @param {string} label */
function checkMaps(part, count, codes, label) {
  const { shape, offset } = part;
  check(isShape(shape), `${label}: shape`, "be three whole numbers above 0", shape);
  checkGeometry(part, label);
  const isInside = isCount(offset) && offset + count * cellsOf(shape) <= codes.length;
  const maps = `${label}: ${count} maps of ${shape.join("x")} at offset ${shown(offset)}`;
  check(isInside, maps, "lie within their buffer", codes);
}

/** Number of cells of a map. @param {number[]} shape */
export const cellsOf = (shape) => shape[0] * shape[1] * shape[2];

/** @param {any} units @param {Row[]} rows @returns {Units} */
function readUnits(units, rows) {
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  check(count, "`rows`", "have at least one unit", count);
  const row = new Uint32Array(count);
  for (const [index, { first, count: length }] of rows.entries()) row.fill(index, first, first + length);
  return {
    ...{ count, row },
    score: column(units, "score", Float64Array, count),
    channel: column(units, "channel", Int32Array, count),
    direction: column(units, "direction", Int8Array, count),
    mapDirection: column(units, "map_direction", Int8Array, count),
    remainder: column(units, "remainder", Float64Array, count),
    contribution: column(units, "contribution", Float64Array, count),
    peak: column(units, "peak", Float32Array, count),
  };
}

/** @param {any} edges @param {number} units @returns {Edges} */
function readEdges(edges, units) {
  const childCount = column(edges, "fan", Uint32Array, units);
  const first = new Uint32Array(units + 1);
  for (const [unit, children] of childCount.entries()) first[unit + 1] = first[unit] + children;
  const count = first[units];
  const parent = new Uint32Array(count);
  for (let unit = 0; unit < units; unit++) parent.fill(unit, first[unit], first[unit + 1]);
  const scale = column(edges, "scale", Float32Array, units);
  const isShort = bytesOf(edges?.child, "child").length === 2 * count;
  const Indices = /** @type {Uint32ArrayConstructor} */ (isShort ? Uint16Array : Uint32Array);
  const child = Uint32Array.from(column(edges, "child", Indices, count));
  const invalid = child.find((unit) => unit >= units);
  check(invalid === undefined, "`child`", `hold indices of the ${units} units`, invalid);
  const contribution = column(edges, "contribution", Int16Array, count);
  return {
    ...{ count, child, parent, first },
    contribution: Float32Array.from(contribution, (code, edge) => (code / 32767) * scale[parent[edge]]),
    share: Float32Array.from(column(edges, "share", Int16Array, count), (code) => code / 32767),
    kind: column(edges, "kind", Uint8Array, count),
  };
}

/** @param {any} explained @returns {Explained} */
function readExplained(explained) {
  const { name, logit, probability } = explained ?? {};
  const isClass = typeof name === "string" && Number.isFinite(logit) && (probability === null || probability >= 0);
  check(isClass, "`explained`", "be a class with name, logit and probability (or null)", explained);
  return { rival: null, best: [], measure: "", ...explained };
}

/**
 * Read the movable traits, clamped to valid values.
 * @typedef {{frame: number, row: number, threshold: number, prune_by: "path" | "score", against: boolean, selected: number[], collapsed: number[], playing: boolean}} ViewState
 * @param {PyramidModel} model @param {Content} content @returns {ViewState}
 */
export function readViewState(model, { size, rows, units }) {
  /** @param {unknown} value @param {number} max @param {number} fallback */
  const clamp = (value, max, fallback) =>
    typeof value === "number" && Number.isFinite(value) ? Math.min(Math.max(value, 0), max) : fallback;
  /** @param {unknown} values @param {number} count */
  const validIndices = (values, count) =>
    Array.isArray(values) ? [...new Set(values)].filter((index) => isCount(index) && index < count) : [];
  return {
    frame: Math.round(clamp(model.get("frame"), size[0] - 1, 0)),
    row: Math.round(clamp(model.get("row"), rows.length - 1, Math.min(1, rows.length - 1))),
    threshold: clamp(model.get("threshold"), 1, 0),
    selected: validIndices(model.get("selected"), units.count),
    collapsed: validIndices(model.get("collapsed"), rows.length),
    prune_by: model.get("prune_by") === "score" ? "score" : "path",
    against: model.get("against") !== false,
    playing: model.get("playing") === true,
  };
}
