// Routes of the links. A link passes each large row that it skips through a gap between tiles, and reaches a tile in a
// lower line of its row from the side. It crosses small rows anywhere.
import { boxOf } from "./layout.js";

/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Box} Box */
/** @typedef {{x: number, top: number, foot: number}} Run vertical segment of a link, CSS pixels at zoom 1; the link bends between two runs */
/** @typedef {(edge: number) => Run[]} Routes from the parent down to the child */

const MARGIN = 3; // pixels between a link and the first or last tile of the row that it passes
const TOLERANCE = 4; // pixels; a tile closer than this to the edge of its row touches that edge

/** Gaps where links can pass a large row, from left to right; right of the last gap they can pass anywhere. @param {Band} band @param {Float32Array} boxes */
export function gapsOf({ units, others }, boxes) {
  const gaps = [];
  let end = -1;
  const tiles = units.map((unit) => boxOf(boxes, unit));
  for (const { x, w } of others ? [...tiles, others] : tiles) {
    if (x > end) gaps.push(end < 0 ? x - MARGIN : (end + x) / 2);
    end = Math.max(end, x + w);
  }
  return [...gaps, end + MARGIN];
}

/** @param {number[]} gaps @param {number} x */
const nearestGap = (gaps, x) =>
  x >= gaps[gaps.length - 1] ? x : gaps.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));

/**
 * Routes of the links, each computed on first use.
 * @param {import("./traits.js").Content} content @param {Layout} layout
 * @returns {Routes}
 */
export function createRoutes({ edges, units }, { bands, boxes }) {
  const largeBands = bands.filter((band) => band.large && band.units.length);
  /** @type {Map<Band, number[]>} */
  const gapsOfBands = new Map();
  /** @param {Band} band @param {number} x */
  const gapNear = (band, x) => {
    const gaps = gapsOfBands.get(band) ?? gapsOf(band, boxes);
    gapsOfBands.set(band, gaps);
    return nearestGap(gaps, x);
  };
  /** First run, out of the parent's tile. @param {Band} band @param {Box} box @returns {Run} */
  const exitRun = (band, { x, y, w, h }) => {
    const [foot, end] = [y + h, band.y + band.h];
    return band.large && end - foot > TOLERANCE
      ? { x: gapNear(band, x), top: y + h / 2, foot: end }
      : { x: x + w / 2, top: foot, foot };
  };
  /** Last run, into the child's tile. @param {Band} band @param {Box} box @returns {Run} */
  const entryRun = (band, { x, y, w, h }) =>
    band.large && y - band.y > TOLERANCE
      ? { x: gapNear(band, x), top: band.y, foot: y + h / 2 }
      : { x: x + w / 2, top: y, foot: y };
  /** @param {number} edge */
  const computeRoute = (edge) => {
    const [parent, child] = [edges.parent[edge], edges.child[edge]];
    const [parentRow, childRow] = [units.row[parent], units.row[child]];
    const last = entryRun(bands[childRow], boxOf(boxes, child));
    const runs = [exitRun(bands[parentRow], boxOf(boxes, parent))];
    for (const band of largeBands) {
      if (band.row <= parentRow || band.row >= childRow) continue;
      const { x, foot } = runs[runs.length - 1];
      const straight = x + ((last.x - x) * (band.y + band.h / 2 - foot)) / (last.top - foot);
      runs.push({ x: gapNear(band, straight), top: band.y, foot: band.y + band.h });
    }
    return [...runs, last];
  };
  /** @type {Map<number, Run[]>} */
  const routes = new Map();
  return (edge) => {
    const route = routes.get(edge) ?? computeRoute(edge);
    routes.set(edge, route);
    return route;
  };
}
