// The objective over the steps of the optimisation, with the best real clip and the step that is shown.
import { h, svg } from "../shared/dom.js";
import { short } from "../shared/text.js";
import { curveWords } from "./text.js";

/** @typedef {import("./traits.js").Row} Row */

const [WIDTH, HEIGHT] = [260, 84];
const BOX = { left: 2, right: 258, top: 8, bottom: 64 };

/** Parts of a line without the values that are not finite. @param {[number, number | null][]} points */
export function partsOf(points) {
  /** @type {[number, number][][]} */
  const parts = [[]];
  for (const [x, y] of points)
    if (y === null) parts.push([]);
    else parts[parts.length - 1].push([x, y]);
  return parts.filter((part) => part.length);
}

/** The value of a curve at a step: of the nearest of its points that is finite. @param {Row["curve"]} curve @param {number} step */
export function valueAt({ steps, values }, step) {
  const finite = steps.flatMap((at, k) => (values[k] === null ? [] : [[Math.abs(at - step), Number(values[k])]]));
  return finite.length ? finite.reduce((best, one) => (one[0] < best[0] ? one : best))[1] : null;
}

/** @param {Row} row */
export function createCurve(row) {
  const { curve, steps, best_real } = row;
  const finite = curve.values.filter((value) => value !== null);
  if (finite.length < 2) return { element: h("figure", { hidden: true }), show() {} };
  const all = best_real === null ? finite : [...finite, best_real];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const last = curve.steps[curve.steps.length - 1];
  const x = (/** @type {number} */ step) => BOX.left + ((BOX.right - BOX.left) * Math.min(step, last)) / last;
  const y = (/** @type {number} */ value) =>
    high > low ? BOX.bottom - ((BOX.bottom - BOX.top) * (value - low)) / (high - low) : (BOX.top + BOX.bottom) / 2;
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": curveWords(row) });
  if (best_real !== null)
    chart.append(svg("line", { class: "ne-real", x1: BOX.left, x2: BOX.right, y1: y(best_real), y2: y(best_real) }));
  for (const part of partsOf(curve.steps.map((step, k) => [step, curve.values[k]])))
    chart.append(svg("polyline", { points: part.map(([step, value]) => `${x(step)},${y(value)}`).join(" ") }));
  const line = svg("line", { class: "ne-now", y1: BOX.top - 6, y2: BOX.bottom + 4 });
  const dot = svg("circle", { class: "ne-now", r: 3.5 });
  const text = (/** @type {number} */ at, /** @type {string} */ anchor, /** @type {string} */ words) =>
    svg("text", { x: at, y: HEIGHT - 4, "text-anchor": anchor }, words);
  chart.append(line, dot, text(BOX.left, "start", "start"), text(BOX.right, "end", `step ${steps[steps.length - 1]}`));
  const value = h("b", {});
  const key = best_real === null ? "" : h("span", { class: "ne-real-key" }, `best real ${short(best_real, 3)}`);
  return {
    element: h("figure", { class: "ne-objective" }, h("figcaption", {}, "objective ", value, " ", key), chart),
    /** @param {number} step index of the preview */
    show(step) {
      const at = steps[Math.min(step, steps.length - 1)];
      const found = valueAt(curve, at) ?? low;
      value.textContent = short(found, 3);
      for (const name of ["x1", "x2"]) line.setAttribute(name, String(x(at)));
      dot.setAttribute("cx", String(x(at)));
      dot.setAttribute("cy", String(y(found)));
    },
  };
}
