// Maps of units: of one unit for its tile, and of one unit or all units of a row for the tube viewer.

import { unitName } from "./text.js";
import { cellsOf } from "./traits.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Geometry} Geometry */
/** @typedef {{values: Float32Array, shape: number[], geometry: Geometry, name: string, caveats: string[]}} Tube */

/** Int8 codes of a unit's thumbnail; null if it has no map. @param {Content} content @param {number} unit */
export function thumbnail({ rows, units, thumbnails }, unit) {
  const row = rows[units.row[unit]];
  if (!row.map) return null;
  const cells = cellsOf(row.map.shape);
  const start = row.map.offset + (unit - row.first) * cells;
  return thumbnails.subarray(start, start + cells);
}

/**
 * Map of one unit: the full map if it was sent, otherwise its thumbnail; positive where activity is evidence for the class.
 * @param {Content} content @param {number} unit @returns {Tube | null} null if the unit has no map
 */
export function unitTube(content, unit) {
  const { rows, units, maps } = content;
  const { map, first } = rows[units.row[unit]];
  const codes = thumbnail(content, unit);
  if (!map || !codes) return null;
  const { whole } = map;
  const rank = unit - first;
  const isFull = rank < whole.peaks.length;
  const cells = cellsOf(whole.shape);
  const [from, peak, part] = isFull
    ? [maps.subarray(whole.offset + rank * cells, whole.offset + (rank + 1) * cells), whole.peaks[rank], whole]
    : [codes, units.peak[unit], map];
  const sign = units.mapDirection[unit];
  const values = Float32Array.from(from, (code) => (sign * code * peak) / 127);
  const caveats = isFull ? [] : thumbnailCaveats(map);
  return { values, shape: part.shape, geometry: part.geometry, name: unitName(content, unit), caveats };
}

/**
 * Sum of the thumbnails of a row's units, weighted by score and sign, as Pyramid.tube computes it.
 * @param {Content} content @param {number} row @param {number[]} among the row's units that are kept @returns {Tube | null}
 */
export function rowTube(content, row, among) {
  const { rows, units } = content;
  const { map, name } = rows[row];
  if (!map || !among.length) return null;
  const values = new Float32Array(cellsOf(map.shape));
  for (const unit of among) {
    const weight = (units.score[unit] * units.mapDirection[unit] * units.peak[unit]) / 127;
    const codes = /** @type {Int8Array} */ (thumbnail(content, unit));
    for (let c = 0; c < values.length; c++) values[c] += weight * codes[c];
  }
  const label = `${among.length === 1 ? "the one unit" : `the ${among.length} units`} shown of ${name}`;
  return { values, shape: map.shape, geometry: map.geometry, name: label, caveats: thumbnailCaveats(map) };
}

/** @param {import("./traits.js").RowMap} map */
function thumbnailCaveats({ shape, whole }) {
  if (shape.every((cells, axis) => cells === whole.shape[axis])) return [];
  return [`drawn from a thumbnail of ${shape.join("×")} cells; the full map has ${whole.shape.join("×")}.`];
}

/**
 * Content of a tube viewer that shows some tubes, each as a layer.
 * @param {Pick<Content, "size" | "times" | "frames" | "picture" | "explained">} content @param {Tube[]} tubes
 * @returns {import("../tubes/traits.js").Content}
 */
export function tubeContent({ size, times, frames, picture, explained }, tubes) {
  const peaks = tubes.map(({ values }) => values.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0));
  // Rounded to 16 bits like the small maps that Python sends, so that the same map gives the same counts in every viewer.
  const maps = tubes.map(({ values }, k) =>
    values.map((value) => Math.round((32767 * value) / (peaks[k] || 1)) / 32767),
  );
  return {
    ...{ title: "", size, times, frames, picture, targets: [explained], caveats: [], frame_signals: [] },
    layers: tubes.map(({ shape, geometry, name, caveats }, k) => ({
      ...{ name, kind: "named", quantity: "activity", pathway: null, shape, geometry, caveats },
      ...{ scale: [peaks[k]], unaccounted: [""] },
    })),
    mapOf: (layer) => maps[layer],
  };
}
