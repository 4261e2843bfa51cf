// Links between units. Their width is the evidence that flows along them, so it is proportional to the contribution among
// the children of one parent; their colour is the sign of the contribution. Links against the class are dashed, links across
// an operation that channels cannot be followed through are dotted. Links of highlighted units lie above the tiles,
// all others below.
import { AGAINST, colourAt, cssColour, FOR } from "../shared/colormaps.js";
import { boxOf } from "./layout.js";
import { createRoutes } from "./link_routing.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */
/** @typedef {import("./layout.js").Layout} Layout */
/**
 * @typedef {Object} Links
 * @property {number[]} base - edges drawn below the tiles, strongest last
 * @property {number[]} highlighted - edges drawn above the tiles
 * @property {Set<number>} dimmedExcept - units that the highlighted edges connect
 * @property {number[]} maxFlow - of each row, the largest flow from one of its units
 * @property {import("./link_routing.js").Routes} routes
 */

const MAX_PER_ROW = 40; // links drawn below the tiles
const MAX_PER_UNIT = 40; // highlighted links in each direction
const MAX_WIDTH = 9; // pixels, for the largest flow from the parent's row
const MIN_TARGET = 7; // pixels; a thinner link is hit as if it were this wide
const CASING = 3; // pixels of the background colour around a highlighted link
export const UNKNOWN = 3; // kind of an edge across an operation that channels cannot be followed through
const [DASHED, DOTTED] = [
  [6, 4],
  [1.5, 4],
];
const [BACKGROUND, CHOSEN] = ["#14171c", "#e6e9ee"];
const COLOURS = { positive: cssColour(colourAt(FOR, 0.5)), negative: cssColour(colourAt(AGAINST, 0.5)) };

/** Edges from a unit up to the class, each to the parent with the largest flow. @param {Content} content @param {Graph} graph @param {Uint8Array} kept @param {number} unit */
function pathToClass({ edges, rows }, graph, kept, unit) {
  const path = [];
  for (let current = unit; path.length < rows.length; current = edges.parent[path[path.length - 1]]) {
    const [first] = graph.above(current, kept);
    if (first === undefined) break;
    path.push(first);
  }
  return path;
}

/**
 * @param {Content} content @param {Graph} graph @param {Layout} layout @param {Uint8Array} kept
 * @param {number[]} units whose links are highlighted
 * @param {boolean} [against] show links against the class
 * @returns {Links}
 */
export function linksOf(content, graph, layout, kept, units, against = true) {
  const { edges } = content;
  const strength = (/** @type {number} */ edge) => Math.abs(graph.flow(edge));
  const isShown = (/** @type {number} */ edge) => against || edges.share[edge] >= 0;
  const maxFlow = content.rows.map(() => 0);
  const base = layout.bands.flatMap(({ row, large, units: rowUnits }) => {
    const candidates = [];
    for (const unit of rowUnits.filter((other) => kept[other]))
      for (let edge = edges.first[unit]; edge < edges.first[unit + 1]; edge++)
        if (kept[edges.child[edge]] && isShown(edge)) {
          maxFlow[row] = Math.max(maxFlow[row], strength(edge));
          if (large) candidates.push(edge);
        }
    return candidates.sort((a, b) => strength(b) - strength(a)).slice(0, MAX_PER_ROW);
  });
  const found = units.flatMap((unit) => [
    ...graph.above(unit, kept).filter(isShown).slice(0, MAX_PER_UNIT),
    ...graph.below(unit, kept).filter(isShown).slice(0, MAX_PER_UNIT),
    ...pathToClass(content, graph, kept, unit),
  ]);
  const highlighted = [...new Set(found)];
  const dimmedExcept = new Set([...units, ...highlighted.flatMap((edge) => [edges.child[edge], edges.parent[edge]])]);
  const routes = createRoutes(content, layout);
  return { base: base.reverse(), highlighted: highlighted.reverse(), dimmedExcept, maxFlow, routes };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Content} content @param {Graph} graph @param {Layout} layout
 * @param {Links} links
 * @param {import("./viewport.js").Projection} projection
 */
export function createLinkPen(context, { edges, units }, graph, { boxes, bands }, links, projection) {
  const { base, highlighted, maxFlow, routes } = links;
  /** Trace a link; false if it is outside the view. @param {number} edge */
  const trace = (edge) => {
    if (!boxOf(boxes, edges.parent[edge]).w || !boxOf(boxes, edges.child[edge]).w) return false;
    const runs = routes(edge);
    if (projection.y(runs[runs.length - 1].foot) < 0 || projection.y(runs[0].top) > projection.height) return false;
    const across = runs.map((run) => projection.x(run.x));
    if (Math.max(...across) < 0 || Math.min(...across) > projection.width) return false;
    let [x, y] = [across[0], 0];
    context.beginPath();
    for (const [k, run] of runs.entries()) {
      const [nextX, top] = [across[k], projection.y(run.top)];
      const bend = Math.max((top - y) / 2, 6);
      if (k) context.bezierCurveTo(x, y + bend, nextX, top - bend, nextX, top);
      else context.moveTo(nextX, top);
      [x, y] = [nextX, projection.y(run.foot)];
      if (y > top) context.lineTo(x, y);
    }
    return true;
  };
  /** Width on the screen. @param {number} edge */
  const widthOf = (edge) => {
    const fraction = Math.abs(graph.flow(edge)) / maxFlow[units.row[edges.parent[edge]]];
    return Math.max(MAX_WIDTH * Math.min(fraction, 1) * Math.sqrt(projection.zoom), 0.7);
  };
  /** @param {number} edge @param {number} alpha @param {string} [casing] colour around the link */
  const draw = (edge, alpha, casing) => {
    if (!trace(edge)) return;
    const isAgainst = edges.share[edge] < 0;
    const width = Math.max(widthOf(edge), casing === CHOSEN ? 2.5 : 0);
    context.globalAlpha = alpha;
    if (casing) {
      context.lineWidth = width + CASING;
      context.strokeStyle = casing;
      context.stroke();
    }
    context.setLineDash(edges.kind[edge] === UNKNOWN ? DOTTED : isAgainst ? DASHED : []);
    context.lineWidth = width;
    context.strokeStyle = isAgainst || edges.contribution[edge] < 0 ? COLOURS.negative : COLOURS.positive;
    context.stroke();
    context.setLineDash([]);
  };
  const opacityOf = (/** @type {number} */ edge) => (bands[units.row[edges.child[edge]]].large ? 1 : 0.5);
  return {
    drawBelow() {
      for (const edge of base) draw(edge, opacityOf(edge) * (highlighted.length ? 0.12 : 0.45));
      context.globalAlpha = 1;
    },
    /** @param {number | null} [link] drawn above all others */
    drawAbove(link = null) {
      for (const edge of highlighted) draw(edge, 0.85, BACKGROUND);
      if (link !== null) draw(link, 1, CHOSEN);
      context.globalAlpha = 1;
    },
    /** Link at a pixel of the screen, the uppermost of several. @param {number} x @param {number} y @param {number} ratio canvas pixels per pixel of the screen @returns {number | null} */
    at(x, y, ratio) {
      const found = [...base, ...highlighted].reverse().find((edge) => {
        const runs = routes(edge);
        if (projection.y(runs[0].top) > y || projection.y(runs[runs.length - 1].foot) < y || !trace(edge)) return false;
        context.lineWidth = Math.max(widthOf(edge), MIN_TARGET);
        return context.isPointInStroke(x * ratio, y * ratio);
      });
      return found ?? null;
    },
  };
}
