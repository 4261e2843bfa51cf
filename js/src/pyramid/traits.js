// The traits of a pyramid that Python and the browser share, and their validation: whatever is wrong is said in words.
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

/**
 * One trait per line; a Python test compares the names with the widget's class.
 * @typedef {Object} PyramidViewerState
 * @property {string} title - what the view is called; may be empty
 * @property {number[]} size - the clip that the network saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty where unknown
 * @property {DataView[]} frames - one JPEG per frame, height x width
 * @property {RowState[]} rows - the layers, from the class down
 * @property {Record<string, DataView>} units - columns: score, channel, direction, peak
 * @property {Record<string, DataView>} edges - columns, sorted by parent: child, fan, contribution, scale, share, kind
 * @property {DataView} thumbnails - a small map of each unit, one byte for each value
 * @property {DataView} maps - whole maps of the first units of each row
 * @property {Record<string, any>} explained - the class: name, logit, probability, rival
 * @property {string[]} caveats - what one has to know to read the view
 * @property {number} frame - index of the frame shown
 * @property {number} row - index of the row around which rows are large
 * @property {number} threshold - fraction 0..1 of a row's largest score
 * @property {number[]} selected - units whose tubes are shown
 * @property {number[]} collapsed - rows that stay small
 * @property {boolean} playing - whether the frames run
 */

/** @typedef {import("../shared/interpolate.js").Geometry} Geometry */
/** @typedef {{shape: number[], offset: number, geometry: Geometry, whole: {shape: number[], offset: number, geometry: Geometry, peaks: number[]}}} RowMap */
/** @typedef {{name: string, kind: string, width: number, count: number, coverage: number, sees: string, names: string[], map: RowMap | null}} RowState */
/** @typedef {RowState & {first: number}} Row `first`: its first unit */
/** @typedef {{name: string, logit: number, probability: number | null, rival: import("../tubes/traits.js").Guess | null, best: import("../tubes/traits.js").Guess[], against?: string | null}} Explained */
/** @typedef {{count: number, score: Float64Array, channel: Int32Array, direction: Int8Array, peak: Float32Array, row: Uint32Array}} Units */
/** @typedef {{count: number, child: Uint32Array, parent: Uint32Array, first: Uint32Array, contribution: Float32Array, share: Float32Array, kind: Uint8Array}} Edges `first`: of each unit's children, and one past the last */
/** @typedef {{title: string, size: number[], times: number[], frames: Uint8Array<ArrayBuffer>[], rows: Row[], units: Units, edges: Edges, thumbnails: Int8Array, maps: Int8Array, explained: Explained, caveats: string[]}} Content what is shown, checked */
/** @typedef {{get: <K extends keyof PyramidViewerState>(name: K) => PyramidViewerState[K], set: <K extends keyof PyramidViewerState>(name: K, value: PyramidViewerState[K]) => void, save_changes: () => void, on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} PyramidModel */

/** @type {(keyof PyramidViewerState)[]} */
export const CONTENT = [
  "title",
  "size",
  "times",
  "frames",
  "rows",
  "units",
  "edges",
  "thumbnails",
  "maps",
  "explained",
  "caveats",
];
export const MOVABLE = /** @type {const} */ (["frame", "row", "threshold", "selected", "collapsed", "playing"]);
const KINDS = ["class", "kernel", "sum", "input"];

/** @param {unknown} sound @param {string} name @param {string} what it must be @param {unknown} value */
const must = (sound, name, what, value) => need(sound, `${name} must be ${what}`, value);
/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;

/**
 * A column of numbers, wherever it lies in its ArrayBuffer.
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
  must(bytes.length === count * width, `\`${name}\``, `${count} numbers of ${width} bytes`, bytes);
  return new Kind(/** @type {ArrayBuffer} */ (bytes.slice().buffer));
}

/** Read and check everything that is shown. @param {PyramidModel} model @returns {Content} */
export function readContent(model) {
  const [size, caveats] = [model.get("size"), model.get("caveats") ?? []];
  must(isShape(size), "`size`", "three whole numbers above 0 (time, height, width)", size);
  must(isTexts(caveats), "`caveats`", "a list of texts", caveats);
  const bytes = (/** @type {"thumbnails" | "maps"} */ name) => new Int8Array(bytesOf(model.get(name), name));
  const [thumbnails, maps] = [bytes("thumbnails"), bytes("maps")];
  const rows = readRows(model.get("rows"), thumbnails, maps);
  const units = readUnits(model.get("units"), rows);
  const any = /** @type {any} */ (model);
  return {
    ...{ size, caveats, rows, units, thumbnails, maps },
    title: String(model.get("title") ?? ""),
    edges: readEdges(model.get("edges"), units.count),
    explained: readExplained(model.get("explained")),
    times: readTimes(any, size[0]),
    frames: readFrames(any, size[0]),
  };
}

/** @param {any} rows @param {Int8Array} thumbnails @param {Int8Array} maps @returns {Row[]} */
function readRows(rows, thumbnails, maps) {
  must(Array.isArray(rows) && rows.length, "`rows`", "a list of at least one row", rows);
  let first = 0;
  return rows.map((/** @type {any} */ row, /** @type {number} */ index) => {
    const { name, kind, width, count, coverage, map } = row ?? {};
    const which = `row '${name ?? index}'`;
    const said = isTexts([name, row?.sees]) && isTexts(row.names) && KINDS.includes(kind);
    const counted = isCount(width) && isCount(count) && coverage >= 0 && coverage <= 1;
    must(said && counted, which, "named, of a known kind, with counts and a coverage in 0..1", row);
    if (map !== null) {
      const peaks = map?.whole?.peaks;
      must(
        isNumbers(peaks, peaks?.length) && peaks.length <= count,
        `${which}: peaks`,
        `at most ${count} numbers`,
        peaks,
      );
      checkMaps(map, count, thumbnails, which);
      checkMaps(map.whole, peaks.length, maps, which);
    }
    first += count;
    return { ...row, first: first - count };
  });
}

/** @param {any} part @param {number} count @param {Int8Array} bytes @param {string} which */
function checkMaps(part, count, bytes, which) {
  const { shape, offset } = part;
  must(isShape(shape), `${which}: shape`, "three whole numbers above 0", shape);
  checkGeometry(part, which);
  const sound = isCount(offset) && offset + count * cellsOf(shape) <= bytes.length;
  must(sound, `${which}: ${count} maps of ${shape.join("x")} at offset ${shown(offset)}`, "within their buffer", bytes);
}

/** @param {number[]} shape */
export const cellsOf = (shape) => shape[0] * shape[1] * shape[2];

/** @param {any} units @param {Row[]} rows @returns {Units} */
function readUnits(units, rows) {
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  must(count, "`rows`", "of at least one unit", count);
  const row = new Uint32Array(count);
  for (const [index, { first, count: own }] of rows.entries()) row.fill(index, first, first + own);
  return {
    ...{ count, row },
    score: column(units, "score", Float64Array, count),
    channel: column(units, "channel", Int32Array, count),
    direction: column(units, "direction", Int8Array, count),
    peak: column(units, "peak", Float32Array, count),
  };
}

/** @param {any} edges @param {number} units @returns {Edges} */
function readEdges(edges, units) {
  const fan = column(edges, "fan", Uint32Array, units);
  const first = new Uint32Array(units + 1);
  for (const [unit, children] of fan.entries()) first[unit + 1] = first[unit] + children;
  const count = first[units];
  const parent = new Uint32Array(count);
  for (let unit = 0; unit < units; unit++) parent.fill(unit, first[unit], first[unit + 1]);
  const scale = column(edges, "scale", Float32Array, units);
  const short = bytesOf(edges?.child, "child").length === 2 * count;
  const Places = /** @type {Uint32ArrayConstructor} */ (short ? Uint16Array : Uint32Array);
  const child = Uint32Array.from(column(edges, "child", Places, count));
  const lost = child.find((unit) => unit >= units);
  must(lost === undefined, "`child`", `places of the ${units} units`, lost);
  const added = column(edges, "contribution", Int16Array, count);
  return {
    ...{ count, child, parent, first },
    contribution: Float32Array.from(added, (code, edge) => (code / 32767) * scale[parent[edge]]),
    share: Float32Array.from(column(edges, "share", Uint16Array, count), (code) => code / 65535),
    kind: column(edges, "kind", Uint8Array, count),
  };
}

/** @param {any} explained @returns {Explained} */
function readExplained(explained) {
  const { name, logit, probability } = explained ?? {};
  const sound = typeof name === "string" && Number.isFinite(logit) && (probability === null || probability >= 0);
  must(sound, "`explained`", "a class with name, logit and probability (or null)", explained);
  return { rival: null, best: [], ...explained };
}

/**
 * Where the person is: the traits that move, brought into range.
 * @typedef {{frame: number, row: number, threshold: number, selected: number[], collapsed: number[], playing: boolean}} Place
 * @param {PyramidModel} model @param {Content} content @returns {Place}
 */
export function readPlace(model, { size, rows, units }) {
  /** @param {unknown} value @param {number} most @param {number} otherwise */
  const within = (value, most, otherwise) =>
    typeof value === "number" && Number.isFinite(value) ? Math.min(Math.max(value, 0), most) : otherwise;
  /** @param {unknown} values @param {number} count */
  const places = (values, count) =>
    Array.isArray(values) ? [...new Set(values)].filter((at) => Number.isInteger(at) && at >= 0 && at < count) : [];
  return {
    frame: Math.round(within(model.get("frame"), size[0] - 1, 0)),
    row: Math.round(within(model.get("row"), rows.length - 1, Math.min(1, rows.length - 1))),
    threshold: within(model.get("threshold"), 1, 0),
    selected: places(model.get("selected"), units.count),
    collapsed: places(model.get("collapsed"), rows.length),
    playing: model.get("playing") === true,
  };
}
