// The links: which are drawn, and how. Their width is how much of the class's evidence goes along them, which among the
// children of one parent is their contribution; their colour is whether they add to the parent or take from it.
import { AGAINST, colourAt, cssColour, FOR } from "./colours.js";
import { boxOf } from "./pyramid_layout.js";

/** @typedef {import("./pyramid_state.js").Content} Content */
/** @typedef {import("./pyramid_graph.js").Graph} Graph */
/** @typedef {import("./pyramid_layout.js").Layout} Layout */
/** @typedef {{base: number[], lit: number[], near: Set<number>, most: number[]}} Links edges; `near`: the units that the lit ones touch; `most`: the largest flow from each row */

const MOST = 40; // links drawn from a row while nothing is pointed at
const MOST_LIT = 40; // of one unit, in either direction
const WIDEST = 9; // pixels: the link of the most evidence in its parent's row
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
  return { base: base.reverse(), lit: unique.reverse(), near, most };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Content} content @param {Graph} graph @param {Layout} layout
 * @param {Links} links
 * @param {import("./pyramid_sight.js").Eye} eye
 */
export function drawLinks(context, { edges, units }, graph, { boxes, bands }, { base, lit, most }, eye) {
  const draw = (/** @type {number} */ edge, /** @type {number} */ alpha) => {
    const [from, to] = [boxOf(boxes, edges.parent[edge]), boxOf(boxes, edges.child[edge])];
    if (!from.w || !to.w) return;
    const [x0, x1] = [eye.x(from.x + from.w / 2), eye.x(to.x + to.w / 2)];
    const [y0, y1] = [eye.y(from.y + from.h), eye.y(to.y)];
    if (Math.max(y0, y1) < 0 || Math.min(y0, y1) > eye.height || Math.max(x0, x1) < 0 || Math.min(x0, x1) > eye.width)
      return;
    const bend = Math.max((y1 - y0) / 2, 6);
    context.beginPath();
    context.moveTo(x0, y0);
    context.bezierCurveTo(x0, y0 + bend, x1, y1 - bend, x1, y1);
    const part = graph.flow(edge) / most[units.row[edges.parent[edge]]];
    context.lineWidth = Math.max(WIDEST * part * Math.sqrt(eye.zoom), 0.7);
    context.strokeStyle = edges.contribution[edge] < 0 ? COLOURS.takes : COLOURS.adds;
    context.globalAlpha = alpha;
    context.stroke();
  };
  const far = (/** @type {number} */ edge) => (bands[units.row[edges.child[edge]]].large ? 1 : 0.5);
  for (const edge of base) draw(edge, far(edge) * (lit.length ? 0.12 : 0.45));
  for (const edge of lit) draw(edge, 0.85);
  context.globalAlpha = 1;
}
