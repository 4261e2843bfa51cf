// Tree of the units for the keyboard and screen readers: a single tab stop. Of thousands of units, the page holds elements
// only for those around the focused one, each positioned over its tile.
import { h, onAbort } from "../shared/dom.js";
import { boxOf } from "./layout.js";
import { unitWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {{kept: Uint8Array, drawn: Uint8Array, collapsed: number[]}} Shown `kept`: 1 for each unit that pruning keeps; `drawn`: for these and the grey ones */

const ZOOM_KEYS = /** @type {Record<string, number>} */ ({ "+": 1.25, "=": 1.25, "-": 0.8, 0: 0 });
const PRUNE_KEYS = /** @type {Record<string, number>} */ ({ "[": -0.01, "]": 0.01 });
const POSITION_DELAY = 100; // ms without a redraw before the elements are moved

/** Return whether a key belongs to the notebook or the browser: chords, Tab, Escape, Shift+Enter. @param {KeyboardEvent} event */
export const isForeignKey = ({ key, shiftKey, ctrlKey, metaKey, altKey }) =>
  ctrlKey || metaKey || altKey || key === "Tab" || key === "Escape" || (key === "Enter" && shiftKey);

/**
 * Unit that a key moves the focus to: right and left along the row, down to the child with the largest share, up to the
 * parent with the largest flow. Collapsed rows are skipped.
 * @param {Content} content @param {Graph} graph @param {Shown} shown @param {number} unit @param {string} key
 * @returns {number | undefined}
 */
export function nextUnit({ rows, units, edges }, graph, { drawn, collapsed }, unit, key) {
  const row = units.row[unit];
  const siblings = graph.keptUnits(row, drawn);
  const index = siblings.indexOf(unit);
  const isExpanded = (/** @type {number} */ other) => !collapsed.includes(units.row[other]);
  /** First unit of the next expanded row. @param {1 | -1} direction */
  const firstOfRow = (direction) => {
    for (let other = row + direction; other >= 0 && other < rows.length; other += direction)
      if (!collapsed.includes(other) && graph.keptUnits(other, drawn).length) return graph.keptUnits(other, drawn)[0];
    return undefined;
  };
  switch (key) {
    case "ArrowLeft":
      return siblings[index - 1];
    case "ArrowRight":
      return siblings[index + 1];
    case "ArrowDown":
      return (
        graph
          .below(unit, drawn)
          .map((edge) => edges.child[edge])
          .find(isExpanded) ?? firstOfRow(1)
      );
    case "ArrowUp":
      return (
        graph
          .above(unit, drawn)
          .map((edge) => edges.parent[edge])
          .find(isExpanded) ?? firstOfRow(-1)
      );
    case "Home":
      return siblings[0];
    case "End":
      return siblings[siblings.length - 1];
    case "PageDown":
      return firstOfRow(1);
    case "PageUp":
      return firstOfRow(-1);
    default:
      return undefined;
  }
}

/**
 * @param {Content} content
 * @param {Graph} graph
 * @param {() => Shown & {focus: number}} getShown
 * @param {import("./actions.js").Actions} actions
 * @param {AbortSignal} signal
 */
export function createTree(content, graph, getShown, actions, signal) {
  const { rows, units, edges } = content;
  const id = `ne-unit-${Math.random().toString(36).slice(2)}`;
  const element = h("div", {
    class: "ne-branches",
    role: "tree",
    tabindex: 0,
    "aria-multiselectable": "true",
    "aria-label": `Units that contribute to ${content.explained.name}: arrow keys follow the strongest links, L steps through the links of a unit, Enter shows its tube`,
  });
  element.addEventListener(
    "keydown",
    (event) => {
      const { key } = event;
      if (isForeignKey(event)) return;
      const shown = getShown();
      if (key === "Enter" || key === " ") actions.select(shown.focus, key === " ");
      else if (key.toLowerCase() === "l") actions.nextLink(key === "l" ? 1 : -1);
      else if (key === "c") actions.collapse(units.row[shown.focus]);
      else if (key in ZOOM_KEYS) actions.zoom(ZOOM_KEYS[key]);
      else if (key in PRUNE_KEYS) actions.prune(PRUNE_KEYS[key]);
      else if (/^(Arrow|Home|End|Page)/.test(key)) {
        const next = nextUnit(content, graph, shown, shown.focus, key);
        if (next !== undefined) actions.focus(next);
      } else return;
      event.preventDefault();
    },
    { signal },
  );
  for (const type of ["keyup", "blur"]) element.addEventListener(type, actions.done, { signal });

  /** Units with an element: the class, the focused unit, two on each side, its first parent, three children. @param {number} focus @param {Shown} shown */
  const unitsAround = (focus, { drawn, collapsed }) => {
    const siblings = graph.keptUnits(units.row[focus], drawn);
    const index = siblings.indexOf(focus);
    const parents = graph.above(focus, drawn).slice(0, 1);
    const children = graph.below(focus, drawn).slice(0, 3);
    const found = new Set([0, ...parents.map((edge) => edges.parent[edge])]);
    for (const unit of siblings.slice(Math.max(index - 2, 0), index + 3)) found.add(unit);
    for (const edge of children) if (!collapsed.includes(units.row[edges.child[edge]])) found.add(edges.child[edge]);
    return [...found].sort((a, b) => a - b);
  };
  let renderedKey = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  onAbort(signal, () => clearTimeout(timer));
  return {
    element,
    /** @param {Layout} layout @param {number[]} selected @param {import("./viewport.js").Projection} projection */
    show(layout, selected, projection) {
      const shown = getShown();
      const wanted = unitsAround(shown.focus, shown);
      const key = JSON.stringify([
        wanted,
        wanted.map((unit) => shown.kept[unit]),
        shown.focus,
        selected,
        shown.collapsed,
      ]);
      if (key !== renderedKey) {
        const items = wanted.map((unit) => {
          const row = units.row[unit];
          const siblings = graph.keptUnits(row, shown.drawn);
          return h("div", {
            ...{ role: "treeitem", id: `${id}-${unit}`, "data-unit": unit },
            ...{ "aria-level": row + 1, "aria-posinset": siblings.indexOf(unit) + 1, "aria-setsize": siblings.length },
            "aria-label": unitWords(content, graph, shown.kept, unit),
            "aria-selected": String(selected.includes(unit)),
            "aria-expanded": row + 1 < rows.length ? String(!shown.collapsed.includes(row + 1)) : undefined,
          });
        });
        element.replaceChildren(...items);
        element.setAttribute("aria-activedescendant", `${id}-${shown.focus}`);
      }
      renderedKey = key;
      clearTimeout(timer); // positions are not needed while the view moves
      timer = setTimeout(() => {
        for (const item of /** @type {HTMLElement[]} */ ([...element.children])) {
          const box = boxOf(layout.boxes, Number(item.dataset.unit));
          item.style.transform = `translate(${projection.x(box.x)}px, ${projection.y(box.y)}px)`;
          Object.assign(item.style, { width: `${box.w * projection.zoom}px`, height: `${box.h * projection.zoom}px` });
        }
      }, POSITION_DELAY);
    },
  };
}
