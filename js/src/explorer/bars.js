// The classes as bars: the value before the edits as a ghost behind the value now. A click explains a class.
import { h, on } from "../shared/dom.js";
import { valueWords } from "./text.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */
/** @typedef {import("./traits.js").Scores} Scores */

const MOST = 10; // bars

/**
 * Classes to show, those first whose value is largest before or after the edits; the chosen ones are always there.
 * @param {Pick<ExplorerState, "labels" | "before" | "after" | "target" | "against">} state
 * @param {string} filter part of a name
 */
export function classesShown({ labels, before, after, target, against }, filter) {
  const valuesOf = (/** @type {Scores} */ { probabilities, logits }) => probabilities ?? logits;
  const [first, second] = [valuesOf(before), valuesOf(after)];
  const rank = (/** @type {number} */ index) => Math.max(first[index], second[index]);
  const text = filter.trim().toLowerCase();
  const shown = [...labels.keys()]
    .filter((index) => labels[index].toLowerCase().includes(text))
    .sort((a, b) => rank(b) - rank(a) || a - b)
    .slice(0, MOST);
  for (const index of [target, against]) if (index !== null && !text && !shown.includes(index)) shown.push(index);
  return shown;
}

/** Left end and width of a bar from zero, in percent. @param {number} value @param {number} low @param {number} high */
export function barOf(value, low, high) {
  const scale = high > low ? 100 / (high - low) : 0;
  return { left: (Math.min(value, 0) - low) * scale, width: Math.abs(value) * scale };
}

/** Lowest and highest value of the bars: 0 to 1 for probabilities, else what the logits need. @param {Scores} before @param {Scores} after @returns {[number, number]} */
const rangeOf = (before, after) =>
  before.probabilities
    ? [0, 1]
    : [Math.min(0, ...before.logits, ...after.logits), Math.max(0, ...before.logits, ...after.logits)];

/**
 * @param {{explain: (index: number) => void, compare: (index: number) => void}} actions
 * @param {AbortSignal} signal
 */
export function createBars(actions, signal) {
  const list = h("ol", { class: "ne-classes", "aria-label": "Classes" });
  const filter = h("input", { type: "search", "data-name": "filter", placeholder: "find a class" });
  filter.ariaLabel = "find a class";
  const more = h("p", { class: "ne-note" });
  const element = h("div", { class: "ne-class-panel" }, filter, list, more);
  /** @type {Map<number, ReturnType<typeof createRow>>} */
  const rows = new Map();
  /** @type {unknown[]} */
  let ranked = [];
  let disabled = false;
  /** @type {ExplorerState} */
  let state;

  /** @param {number} index */
  const createRow = (index) => {
    const [value, was] = [h("span", { class: "ne-class-value" }), h("small", {})];
    const [ghost, bar] = [h("i", { class: "ne-class-before" }), h("i", { class: "ne-class-after" })];
    const explain = h(
      "button",
      { type: "button", "data-name": "explain", title: "Explain this class. Shift+click: compare with it" },
      h("span", { class: "ne-class-name" }, state.labels[index]),
      value,
      was,
      h("span", { class: "ne-class-track", "aria-hidden": "true" }, ghost, bar),
    );
    const than = h("button", { type: "button", "data-name": "than", title: "Rather than this class" }, "vs");
    than.ariaLabel = `vs ${state.labels[index]}`;
    on(explain, "click", (event) => (event.shiftKey ? actions.compare : actions.explain)(index), signal);
    on(than, "click", () => actions.compare(index), signal);
    return { item: h("li", { "data-class": index }, explain, than), value, was, ghost, bar, explain, than };
  };
  const rank = () => {
    const shown = classesShown(state, filter.value);
    const current = shown.map((index) => rows.get(index) ?? createRow(index));
    rows.clear();
    for (const [k, index] of shown.entries()) rows.set(index, current[k]);
    const items = current.map(({ item }) => item);
    if (items.some((item, k) => list.children[k] !== item) || list.children.length !== items.length)
      list.replaceChildren(...items);
    const others = state.labels.length - shown.length;
    more.textContent = shown.length ? (others ? `and ${others} more` : "") : "No class has this name.";
  };
  const draw = () => {
    const { before, after, target, against } = state;
    const [low, high] = rangeOf(before, after);
    for (const [index, { value, was, ghost, bar, explain, than }] of rows) {
      for (const [part, scores] of /** @type {[HTMLElement, Scores][]} */ ([
        [ghost, before],
        [bar, after],
      ])) {
        const { left, width } = barOf((scores.probabilities ?? scores.logits)[index], low, high);
        Object.assign(part.style, { left: `${left}%`, width: `${width}%` });
      }
      const [now, then] = [valueWords(after, index), valueWords(before, index)];
      value.textContent = now;
      was.textContent = now === then ? "" : ` was ${then}`;
      explain.ariaPressed = String(index === target);
      than.ariaPressed = String(index === against);
      explain.disabled = disabled;
      than.disabled = disabled || index === target;
    }
  };
  const onFilter = () => {
    rank();
    draw();
  };
  on(filter, "input", onFilter, signal);
  return {
    element,
    /** @param {ExplorerState} shown @param {boolean} isOffline @param {Scores} [coarse] values while the reader brushes: bars keep their order */
    show(shown, isOffline, coarse) {
      disabled = isOffline;
      list.tabIndex = isOffline ? 0 : -1; // a narrow view scrolls it, and buttons that are disabled take no focus
      if (state && state.labels !== shown.labels) rows.clear();
      state = shown;
      filter.hidden = shown.labels.length <= MOST;
      const key = [shown.labels, shown.before, shown.after, shown.target, shown.against];
      if (key.some((part, k) => part !== ranked[k])) rank();
      ranked = key;
      state = coarse ? { ...shown, after: coarse } : shown;
      draw();
    },
  };
}
