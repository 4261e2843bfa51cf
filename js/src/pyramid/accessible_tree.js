// The tree for keys and readers: one stop of the Tab key; of thousands of units only those around the one in focus are
// in the page, each lying over its tile.
import { h } from "../shared/dom.js";
import { boxOf } from "./layout.js";
import { unitWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {{stays: Uint8Array, collapsed: number[]}} Shown */

/** Chords belong to the notebook and the browser; so do Tab and Escape, and what runs a cell. @param {KeyboardEvent} event */
export const isForeign = ({ key, shiftKey, ctrlKey, metaKey, altKey }) =>
  ctrlKey || metaKey || altKey || key === "Tab" || key === "Escape" || (key === "Enter" && shiftKey);

/**
 * Where a key leads from a unit: right and left along its row, down to the child that gives most, up to the parent that
 * gets most; never into a row that is collapsed.
 * @param {Content} content @param {Graph} graph @param {Shown} shown @param {number} unit @param {string} key
 * @returns {number | undefined}
 */
export function step({ rows, units, edges }, graph, { stays, collapsed }, unit, key) {
  const row = units.row[unit];
  const own = graph.of(row, stays);
  const place = own.indexOf(unit);
  const open = (/** @type {number} */ other) => !collapsed.includes(units.row[other]);
  /** The first unit of the next row that is open. @param {1 | -1} by */
  const across = (by) => {
    for (let at = row + by; at >= 0 && at < rows.length; at += by)
      if (!collapsed.includes(at) && graph.of(at, stays).length) return graph.of(at, stays)[0];
    return undefined;
  };
  switch (key) {
    case "ArrowLeft":
      return own[place - 1];
    case "ArrowRight":
      return own[place + 1];
    case "ArrowDown":
      return (
        graph
          .below(unit, stays)
          .map((edge) => edges.child[edge])
          .find(open) ?? across(1)
      );
    case "ArrowUp":
      return (
        graph
          .above(unit, stays)
          .map((edge) => edges.parent[edge])
          .find(open) ?? across(-1)
      );
    case "Home":
      return own[0];
    case "End":
      return own[own.length - 1];
    case "PageDown":
      return across(1);
    case "PageUp":
      return across(-1);
    default:
      return undefined;
  }
}

/**
 * @param {Content} content @param {Graph} graph @param {() => Shown & {focus: number}} now @param {import("./actions.js").Acts} acts @param {AbortSignal} signal
 */
export function createTree(content, graph, now, acts, signal) {
  const { rows, units, edges } = content;
  const id = `ne-unit-${Math.random().toString(36).slice(2)}`;
  const element = h("div", {
    class: "ne-branches",
    role: "tree",
    tabindex: 0,
    "aria-multiselectable": "true",
    "aria-label": `What informs ${content.explained.name}: arrow keys follow the strongest links, Enter shows where a unit looks`,
  });
  element.addEventListener(
    "keydown",
    (event) => {
      const { key } = event;
      if (isForeign(event)) return;
      const shown = now();
      const zoom = { "+": 1.25, "=": 1.25, "-": 0.8, 0: 0 }[key];
      const prune = { "[": -0.01, "]": 0.01 }[key];
      if (key === "Enter" || key === " ") acts.choose(shown.focus, key === " ");
      else if (key === "c") acts.fold(units.row[shown.focus]);
      else if (zoom !== undefined) acts.zoom(zoom);
      else if (prune !== undefined) acts.prune(prune);
      else if (/^(Arrow|Home|End|Page)/.test(key)) {
        const next = step(content, graph, shown, shown.focus, key);
        if (next !== undefined) acts.go(next);
      } else return;
      event.preventDefault();
    },
    { signal },
  );
  for (const name of ["keyup", "blur"]) element.addEventListener(name, acts.done, { signal });

  /** The units worth having in the page: the class, a parent, two on either side, three children. @param {number} focus @param {Shown} shown */
  const around = (focus, { stays, collapsed }) => {
    const own = graph.of(units.row[focus], stays);
    const place = own.indexOf(focus);
    const parents = graph.above(focus, stays).slice(0, 1);
    const children = graph.below(focus, stays).slice(0, 3);
    const found = new Set([0, ...parents.map((edge) => edges.parent[edge])]);
    for (const unit of own.slice(Math.max(place - 2, 0), place + 3)) found.add(unit);
    for (const edge of children) if (!collapsed.includes(units.row[edges.child[edge]])) found.add(edges.child[edge]);
    return [...found].sort((a, b) => a - b);
  };
  let key = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return {
    element,
    /** @param {Layout} layout @param {number[]} selected @param {import("./viewport.js").Eye} eye */
    show(layout, selected, eye) {
      const shown = now();
      const wanted = around(shown.focus, shown);
      const next = JSON.stringify([wanted, shown.focus, selected, shown.collapsed]);
      if (next !== key) {
        const items = wanted.map((unit) => {
          const row = units.row[unit];
          const own = graph.of(row, shown.stays);
          return h("div", {
            ...{ role: "treeitem", id: `${id}-${unit}`, "data-unit": unit },
            ...{ "aria-level": row + 1, "aria-posinset": own.indexOf(unit) + 1, "aria-setsize": own.length },
            "aria-label": unitWords(content, graph, shown.stays, unit),
            "aria-selected": String(selected.includes(unit)),
            "aria-expanded": row + 1 < rows.length ? String(!shown.collapsed.includes(row + 1)) : undefined,
          });
        });
        element.replaceChildren(...items);
        element.setAttribute("aria-activedescendant", `${id}-${shown.focus}`);
      }
      key = next;
      clearTimeout(timer); // while the hand zooms nobody reads
      timer = setTimeout(() => {
        for (const item of /** @type {HTMLElement[]} */ ([...element.children])) {
          const box = boxOf(layout.boxes, Number(item.dataset.unit));
          item.style.transform = `translate(${eye.x(box.x)}px, ${eye.y(box.y)}px)`;
          Object.assign(item.style, { width: `${box.w * eye.zoom}px`, height: `${box.h * eye.zoom}px` });
        }
      }, 100);
    },
  };
}
