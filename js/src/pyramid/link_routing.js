// The way of a link between the tiles, so that it can be followed: past the rows that it skips, and to a tile that lies
// below others of its row, through the gap between two columns. The small rows it crosses where it comes.
import { boxOf } from "./layout.js";

/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Box} Box */
/** @typedef {{x: number, top: number, foot: number}} Run straight down, CSS pixels at zoom 1; between two runs the link bends */
/** @typedef {(edge: number) => Run[]} Routes from the parent down to the child */

const BESIDE = 3; // pixels of the layout from the first or last tile of a row
const LINE = 4; // tiles whose edges are closer to the row's reach that edge, but for their padding

/** Where a large row can be passed, from left to right; right of the last everywhere. @param {Band} band @param {Float32Array} boxes */
export function gapsOf({ units, others }, boxes) {
  const gaps = [];
  let end = -1;
  const tiles = units.map((unit) => boxOf(boxes, unit));
  for (const { x, w } of others ? [...tiles, others] : tiles) {
    if (x > end) gaps.push(end < 0 ? x - BESIDE : (end + x) / 2);
    end = Math.max(end, x + w);
  }
  return [...gaps, end + BESIDE];
}

/** @param {number[]} gaps @param {number} x */
const nearest = (gaps, x) =>
  x >= gaps[gaps.length - 1] ? x : gaps.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));

/**
 * The routes of links, each found once.
 * @param {import("./traits.js").Content} content @param {Layout} layout
 * @returns {Routes}
 */
export function createRoutes({ edges, units }, { bands, boxes }) {
  const large = bands.filter((band) => band.large && band.units.length);
  /** @type {Map<Band, number[]>} */
  const gaps = new Map();
  /** @param {Band} band @param {number} x */
  const gapAt = (band, x) => {
    const own = gaps.get(band) ?? gapsOf(band, boxes);
    gaps.set(band, own);
    return nearest(own, x);
  };
  /** Out of a tile. @param {Band} band @param {Box} box @returns {Run} */
  const exit = (band, { x, y, w, h }) => {
    const [foot, end] = [y + h, band.y + band.h];
    return band.large && end - foot > LINE
      ? { x: gapAt(band, x), top: y + h / 2, foot: end }
      : { x: x + w / 2, top: foot, foot };
  };
  /** Into a tile. @param {Band} band @param {Box} box @returns {Run} */
  const entry = (band, { x, y, w, h }) =>
    band.large && y - band.y > LINE
      ? { x: gapAt(band, x), top: band.y, foot: y + h / 2 }
      : { x: x + w / 2, top: y, foot: y };
  /** @param {number} edge */
  const found = (edge) => {
    const [parent, child] = [edges.parent[edge], edges.child[edge]];
    const [above, below] = [units.row[parent], units.row[child]];
    const first = exit(bands[above], boxOf(boxes, parent));
    const last = entry(bands[below], boxOf(boxes, child));
    const runs = [first];
    for (const band of large) {
      if (band.row <= above || band.row >= below) continue;
      const { x, foot } = runs[runs.length - 1];
      const straight = x + ((last.x - x) * (band.y + band.h / 2 - foot)) / (last.top - foot);
      runs.push({ x: gapAt(band, straight), top: band.y, foot: band.y + band.h });
    }
    return [...runs, last];
  };
  /** @type {Map<number, Run[]>} */
  const known = new Map();
  return (edge) => {
    const route = known.get(edge) ?? found(edge);
    known.set(edge, route);
    return route;
  };
}
