// The links: which are drawn, and how. Their width is how much of the class's evidence goes along them, which among the
// children of one parent is their contribution; their colour is whether they add to the parent or take from it. Those of
// what is pointed at lie above the tiles, all others below.
import { AGAINST, colourAt, cssColour, FOR } from "../shared/colormaps.js";
import { boxOf } from "./layout.js";
import { createRoutes } from "./link_routing.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {{base: number[], lit: number[], near: Set<number>, most: number[], routes: import("./link_routing.js").Routes}} Links edges; `near`: the units that the lit ones touch; `most`: the largest flow from each row */

const MOST = 40; // links drawn from a row while nothing is pointed at
const MOST_LIT = 40; // of one unit, in either direction
const WIDEST = 9; // pixels: the link of the most evidence in its parent's row
const CASING = 3; // pixels of the stage's colour around a lit link over what it crosses
const STAGE = "#14171c";
const COLOURS = { adds: cssColour(colourAt(FOR, 0.5)), takes: cssColour(colourAt(AGAINST, 0.5)) };

/** The edges from a unit up to the class, each to the parent that it gives most to. @param {Content} content @param {Graph} graph @param {Uint8Array} stays @param {number} unit */
function wayUp({ edges, rows }, graph, stays, unit) {
  const way = [];
  for (let at = unit; way.length < rows.length; at = edges.parent[way[way.length - 1]]) {
    const [first] = graph.above(at, stays);
    if (first === undefined) break;
    way.push(first);
  }
  return way;
}

/**
 * @param {Content} content @param {Graph} graph @param {Layout} layout @param {Uint8Array} stays
 * @param {number[]} lit units that are pointed at, focused or selected
 * @returns {Links}
 */
export function linksOf(content, graph, layout, stays, lit) {
  const { edges } = content;
  const most = content.rows.map(() => 0);
  const base = layout.bands.flatMap(({ row, large, units }) => {
    const own = [];
    for (const unit of units)
      for (let edge = edges.first[unit]; edge < edges.first[unit + 1]; edge++)
        if (stays[edges.child[edge]]) {
          most[row] = Math.max(most[row], graph.flow(edge));
          if (large) own.push(edge);
        }
    return own.sort((a, b) => graph.flow(b) - graph.flow(a)).slice(0, MOST);
  });
  const shown = lit.flatMap((unit) => [
    ...graph.above(unit, stays).slice(0, MOST_LIT),
    ...graph.below(unit, stays).slice(0, MOST_LIT),
    ...wayUp(content, graph, stays, unit),
  ]);
  const unique = [...new Set(shown)];
  const near = new Set([...lit, ...unique.flatMap((edge) => [edges.child[edge], edges.parent[edge]])]);
  return { base: base.reverse(), lit: unique.reverse(), near, most, routes: createRoutes(content, layout) };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Content} content @param {Graph} graph @param {Layout} layout
 * @param {Links} links
 * @param {import("./viewport.js").Eye} eye
 */
export function createLinkPen(context, { edges, units }, graph, { boxes, bands }, { base, lit, most, routes }, eye) {
  /** A link's line; false out of sight. @param {number} edge */
  const trace = (edge) => {
    if (!boxOf(boxes, edges.parent[edge]).w || !boxOf(boxes, edges.child[edge]).w) return false;
    const runs = routes(edge);
    if (eye.y(runs[runs.length - 1].foot) < 0 || eye.y(runs[0].top) > eye.height) return false;
    const across = runs.map((run) => eye.x(run.x));
    if (Math.max(...across) < 0 || Math.min(...across) > eye.width) return false;
    let [x, y] = [across[0], 0];
    context.beginPath();
    for (const [k, run] of runs.entries()) {
      const [over, top] = [across[k], eye.y(run.top)];
      const bend = Math.max((top - y) / 2, 6);
      if (k) context.bezierCurveTo(x, y + bend, over, top - bend, over, top);
      else context.moveTo(over, top);
      [x, y] = [over, eye.y(run.foot)];
      if (y > top) context.lineTo(x, y);
    }
    return true;
  };
  /** @param {number} edge @param {number} alpha @param {boolean} cased over what it crosses */
  const draw = (edge, alpha, cased) => {
    if (!trace(edge)) return;
    const part = graph.flow(edge) / most[units.row[edges.parent[edge]]];
    const width = Math.max(WIDEST * part * Math.sqrt(eye.zoom), 0.7);
    context.globalAlpha = alpha;
    if (cased) {
      context.lineWidth = width + CASING;
      context.strokeStyle = STAGE;
      context.stroke();
    }
    context.lineWidth = width;
    context.strokeStyle = edges.contribution[edge] < 0 ? COLOURS.takes : COLOURS.adds;
    context.stroke();
  };
  const far = (/** @type {number} */ edge) => (bands[units.row[edges.child[edge]]].large ? 1 : 0.5);
  return {
    below() {
      for (const edge of base) draw(edge, far(edge) * (lit.length ? 0.12 : 0.45), false);
      context.globalAlpha = 1;
    },
    above() {
      for (const edge of lit) draw(edge, 0.85, true);
      context.globalAlpha = 1;
    },
  };
}
