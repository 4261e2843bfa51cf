// Curves: the probability of the class as concepts are added to a clip without any, and as they are removed from a whole one.
import { h, svg } from "../shared/dom.js";
import { counted, percent } from "../shared/text.js";
import { isNumbers, isTexts, need } from "../shared/validate.js";

/** @typedef {{direction: string, order: string, mean: number[], low: number[], high: number[]}} Line `low` and `high` hold nulls with one clip */
/** @typedef {{target: string, by: string, fill: string, steps: number[], clips: number, draws: number, baseline: number, lines: Line[]}} Curves */

const [WIDTH, HEIGHT] = [320, 170];
const BOX = { left: 34, right: 312, top: 8, bottom: 138 };
const DIRECTIONS = { add: "Concepts added to the $ clip", remove: "Concepts removed from the clip" };
/** @type {Record<string, string>} */
const ORDERS = { top: "largest effect first", random: "at random", least: "smallest effect first" };
/** @type {Record<string, string>} */
const FILLED = { blur: "blurred", freeze: "frozen", mean: "mean-coloured", grey: "grey" };
/** @type {Record<string, string>} */
const BY = { change: "of the change", volume: "of the volume", concepts: "concepts" };

/** Read and check the curves; undefined if there are none. @param {any} curves @returns {Curves | undefined} */
export function readCurves(curves) {
  if (!curves?.lines) return undefined;
  const { target, by, fill, steps, clips, draws, baseline, lines } = curves;
  const count = Array.isArray(steps) ? steps.length : 0;
  const isLine = (/** @type {any} */ line) =>
    line?.direction in DIRECTIONS &&
    line.order in ORDERS &&
    isNumbers(line.mean, count) &&
    [line.low, line.high].every((ends) => Array.isArray(ends) && ends.length === count);
  const isValid =
    isTexts([target, fill]) && by in BY && count && isNumbers([...steps, clips, draws, baseline], count + 3);
  need(
    isValid && Array.isArray(lines) && lines.every(isLine),
    "`curves` must have steps, and lines with numbers at each",
    curves,
  );
  return curves;
}

/** @param {Curves} curves @param {number} step */
const stepWords = ({ by }, step) => (by === "concepts" ? String(step) : percent(step));

/** A sentence on a panel, for screen readers: the last step of each order. @param {Curves} curves @param {Line[]} lines */
function panelWords(curves, lines) {
  const last = curves.steps.length - 1;
  const ends = lines.map(({ order, mean }) => `${ORDERS[order]} ${percent(mean[last])}`);
  return `Probability of '${curves.target}' at ${stepWords(curves, curves.steps[last])} ${BY[curves.by]}: ${ends.join(", ")}; whole clip ${percent(curves.baseline)}.`;
}

/** @param {Curves} curves @param {keyof typeof DIRECTIONS} direction */
function createPanel(curves, direction) {
  const { steps, baseline } = curves;
  const lines = curves.lines.filter((line) => line.direction === direction);
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const x = (/** @type {number} */ step) =>
    last > first
      ? BOX.left + 6 + ((BOX.right - BOX.left - 14) * (step - first)) / (last - first)
      : (BOX.left + BOX.right) / 2;
  const y = (/** @type {number} */ value) => BOX.bottom - (BOX.bottom - BOX.top) * Math.min(Math.max(value, 0), 1);
  const points = (/** @type {number[]} */ values) => values.map((value, k) => `${x(steps[k])},${y(value)}`);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": panelWords(curves, lines) });
  for (const value of [0, 0.5, 1])
    chart.append(
      svg("line", { class: "ne-grid-line", x1: BOX.left, x2: BOX.right, y1: y(value), y2: y(value) }),
      svg("text", { x: BOX.left - 4, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    );
  for (const step of steps)
    chart.append(svg("text", { x: x(step), y: BOX.bottom + 15, "text-anchor": "middle" }, stepWords(curves, step)));
  chart.append(
    svg("text", { x: (BOX.left + BOX.right) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, BY[curves.by]),
    svg("line", { class: "ne-baseline", x1: BOX.left, x2: BOX.right, y1: y(baseline), y2: y(baseline) }),
  );
  for (const { order, mean, low, high } of lines) {
    const group = svg("g", { class: "ne-curve", "data-order": order });
    if (isNumbers(low, steps.length) && isNumbers(high, steps.length))
      group.append(svg("polygon", { points: [...points(low), ...points(high).reverse()].join(" ") }));
    group.append(svg("polyline", { points: points(mean).join(" ") }));
    chart.append(group);
  }
  const title = DIRECTIONS[direction].replace("$", FILLED[curves.fill] ?? curves.fill);
  return h("figure", {}, h("figcaption", {}, title), chart);
}

/** @param {Curves | undefined} curves */
export function createCurves(curves) {
  if (!curves) return h("div", { hidden: true });
  const keys = Object.entries(ORDERS).map(([order, words]) =>
    h("span", {}, h("i", { class: "ne-key", "data-order": order, "aria-hidden": "true" }), words),
  );
  const whole = h("span", {}, h("i", { class: "ne-key", "data-order": "whole", "aria-hidden": "true" }), "whole clip");
  const about = `Probability of '${curves.target}' in ${counted(curves.clips, "other clip")}: mean and 95 % interval; at random: mean of ${counted(curves.draws, "order")}`;
  return h(
    "div",
    { class: "ne-curves" },
    h("p", {}, about),
    h("div", { class: "ne-panels" }, createPanel(curves, "add"), createPanel(curves, "remove")),
    h("p", { class: "ne-effect-legend" }, ...keys, whole),
  );
}
