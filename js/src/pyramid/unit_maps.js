// The units' maps: of one unit at one frame for a tile, of one unit or of a row's units together for the tube.

import { unitName } from "./text.js";
import { cellsOf } from "./traits.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Geometry} Geometry */
/** @typedef {{values: Float32Array, shape: number[], geometry: Geometry, name: string, caveats: string[]}} Tube */

/** The codes of a unit's thumbnail. @param {Content} content @param {number} unit */
export function thumbnail({ rows, units, thumbnails }, unit) {
  const row = rows[units.row[unit]];
  if (!row.map) return null;
  const cells = cellsOf(row.map.shape);
  const start = row.map.offset + (unit - row.first) * cells;
  return thumbnails.subarray(start, start + cells);
}

/**
 * Where one unit looks: its whole map where it came, else its thumbnail; positive where it speaks for the class.
 * @param {Content} content @param {number} unit @returns {Tube | null} null where it has no map
 */
export function unitTube(content, unit) {
  const { rows, units, maps } = content;
  const { map, first } = rows[units.row[unit]];
  const codes = thumbnail(content, unit);
  if (!map || !codes) return null;
  const { whole } = map;
  const rank = unit - first;
  const fine = rank < whole.peaks.length;
  const cells = cellsOf(whole.shape);
  const [from, peak, part] = fine
    ? [maps.subarray(whole.offset + rank * cells, whole.offset + (rank + 1) * cells), whole.peaks[rank], whole]
    : [codes, units.peak[unit], map];
  const sign = units.direction[unit] < 0 ? -1 : 1;
  const values = Float32Array.from(from, (code) => (sign * code * peak) / 127);
  const coarse = fine ? [] : coarseWords(map);
  return { values, shape: part.shape, geometry: part.geometry, name: unitName(content, unit), caveats: coarse };
}

/**
 * Where a row's units look, weighted by score and direction, as Pyramid.tube sums them, from their thumbnails.
 * @param {Content} content @param {number} row @param {number[]} among its units that stay @returns {Tube | null}
 */
export function rowTube(content, row, among) {
  const { rows, units } = content;
  const { map, name } = rows[row];
  if (!map || !among.length) return null;
  const values = new Float32Array(cellsOf(map.shape));
  for (const unit of among) {
    const weight = (units.score[unit] * units.direction[unit] * units.peak[unit]) / 127;
    const codes = /** @type {Int8Array} */ (thumbnail(content, unit));
    for (let c = 0; c < values.length; c++) values[c] += weight * codes[c];
  }
  const words = `${among.length === 1 ? "the one unit" : `the ${among.length} units`} of ${name}`;
  return { values, shape: map.shape, geometry: map.geometry, name: words, caveats: coarseWords(map) };
}

/** @param {import("./traits.js").RowMap} map */
function coarseWords({ shape, whole }) {
  if (shape.every((cells, axis) => cells === whole.shape[axis])) return [];
  return [`made from a thumbnail of ${shape.join("×")} cells; the network's own map has ${whole.shape.join("×")}.`];
}

/**
 * The state of a TubeViewer that shows some tubes, each as a layer.
 * @param {Content} content @param {Tube[]} tubes
 */
export function tubeState({ title, size, times, frames, explained }, tubes) {
  const buffer = new ArrayBuffer(2 * tubes.reduce((sum, tube) => sum + tube.values.length, 0));
  const codes = new Int16Array(buffer);
  let place = 0;
  const layers = tubes.map(({ values, shape, geometry, name, caveats }) => {
    const offset = 2 * place;
    let peak = 0;
    for (const value of values) peak = Math.max(peak, Math.abs(value));
    for (const value of values) codes[place++] = peak ? Math.round((32767 * value) / peak) : 0;
    const common = { kind: "named", quantity: "activity", pathway: null, bytes: 2, gap: [null], unaccounted: [""] };
    return { ...common, name, shape, geometry, caveats, offset, scale: [peak] };
  });
  const views = frames.map((frame) => new DataView(frame.buffer, frame.byteOffset, frame.byteLength));
  return { title, size, times, frames: views, layers, maps: [new DataView(buffer)], targets: [explained], caveats: [] };
}
