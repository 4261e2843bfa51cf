// The edits as chips: switch off, remove, drag into another order. Keys do the same.
import { h, on } from "../shared/dom.js";
import { editWords } from "./text.js";

/** @typedef {import("./traits.js").EditState} EditState */

const BACK = ["ArrowLeft", "ArrowUp"];
const FORTH = ["ArrowRight", "ArrowDown"];

/**
 * @param {{toggle: (index: number) => void, remove: (index: number) => void, move: (from: number, to: number) => void}} actions
 * @param {(text: string) => void} say
 * @param {AbortSignal} signal
 */
export function createChips(actions, say, signal) {
  const empty = h("p", { class: "ne-note" }, "No edits: the clip and the network are as they are.");
  const list = h("ol", { class: "ne-edits", "aria-label": "Edits, in the order in which they are made" });
  const element = h("div", {}, empty, list);
  let shown = "";
  let count = 0;
  /** Index of the chip that is dragged. @type {number | null} */
  let dragged = null;

  /** @param {number} index */
  const focus = (index) => {
    const chips = list.querySelectorAll("[data-name=toggle]");
    /** @type {HTMLElement | undefined} */ (chips[Math.min(index, chips.length - 1)])?.focus();
  };
  /** @param {number} from @param {number} to */
  const move = (from, to) => {
    if (to < 0 || to >= count || from === to) return;
    actions.move(from, to);
    focus(to);
    say(`Edit ${to + 1} of ${count}`);
  };
  /** @param {number} index */
  const remove = (index) => {
    actions.remove(index);
    focus(index);
    say("Edit removed");
  };
  /** @param {EditState} edit @param {number} index @param {string} words */
  const createChip = (edit, index, words) => {
    const title = "Switch off or on. Alt+arrows: move. Delete: remove";
    const toggle = h(
      "button",
      { type: "button", "data-name": "toggle", title, "aria-pressed": String(edit.enabled) },
      words,
    );
    const cross = h("button", { type: "button", "data-name": "remove", "aria-label": `remove ${words}` }, "×");
    const item = h("li", { class: "ne-edit", draggable: "true" }, toggle, cross);
    on(toggle, "click", () => actions.toggle(index), signal);
    on(cross, "click", () => remove(index), signal);
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const step = event.altKey ? Number(FORTH.includes(event.key)) - Number(BACK.includes(event.key)) : 0;
      if (!step && event.key !== "Delete") return;
      event.preventDefault();
      event.stopPropagation();
      if (step) move(index, index + step);
      else remove(index);
    };
    on(item, "keydown", onKey, signal);
    on(item, "dragstart", () => (dragged = index), signal);
    on(item, "dragover", (event) => dragged === null || event.preventDefault(), signal);
    on(item, "dragend", () => (dragged = null), signal);
    const drop = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (dragged !== null) move(dragged, index);
    };
    on(item, "drop", drop, signal);
    return item;
  };
  return {
    element,
    /** @param {EditState[]} edits @param {import("./traits.js").EditKind[]} kinds */
    show(edits, kinds) {
      count = edits.length;
      empty.hidden = count > 0;
      const key = JSON.stringify(edits.map((edit) => [edit.enabled, editWords(edit, kinds)]));
      if (key === shown) return;
      shown = key;
      const active = list.contains(document.activeElement) ? document.activeElement : null;
      const index = active ? [...list.children].findIndex((item) => item.contains(active)) : -1;
      list.replaceChildren(...edits.map((edit, k) => createChip(edit, k, editWords(edit, kinds))));
      if (index >= 0) focus(index);
    },
  };
}
