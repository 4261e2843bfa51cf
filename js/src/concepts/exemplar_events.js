// What pointer, focus and keys do on the exemplars: pointing at one or focusing it plays it large, pressing it opens it.
import { on } from "../shared/dom.js";
import { nextExemplar } from "./keyboard.js";

/** @typedef {import("./row.js").Exemplar} Exemplar */

/**
 * @param {HTMLElement} list
 * @param {Exemplar[]} exemplars
 * @param {Object} actions
 * @param {(exemplar: Exemplar | null) => void} actions.select
 * @param {() => void} actions.close
 * @param {(exemplar: Exemplar | null) => void} actions.activate
 * @param {() => Exemplar[][]} actions.grid exemplars of the rows shown
 * @param {() => {selected: number[]}} actions.getState
 * @param {AbortSignal} signal
 */
export function addExemplarHandlers(list, exemplars, { select, close, activate, grid, getState }, signal) {
  const of = (/** @type {EventTarget | null} */ target) => {
    const button = /** @type {Element | null} */ (target)?.closest?.(".ne-exemplar");
    return exemplars.find((exemplar) => exemplar.button === button) ?? null;
  };
  on(list, "pointerover", ({ target }) => activate(of(target)), signal);
  on(list, "pointerleave", () => activate(of(list.querySelector(".ne-exemplar:focus-visible"))), signal);
  on(list, "focusin", ({ target }) => activate(of(target)), signal);
  on(list, "focusout", () => activate(null), signal);
  const press = (/** @type {Event} */ { target }) => {
    const exemplar = of(target);
    if (!exemplar) return;
    if (exemplar.button.ariaExpanded === "true") select(null);
    else select(exemplar);
  };
  on(list, "click", press, signal);
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const from = of(event.target);
    const isTyping = /** @type {Element} */ (event.target).matches("input[type=text]");
    if (event.key === "Escape" && !isTyping && getState().selected.length) return close();
    const next = from && nextExemplar(grid(), from, event.key);
    if (!from || !next) return;
    event.preventDefault(); // the page does not scroll
    for (const { concept, button } of exemplars) if (concept === next.concept) button.tabIndex = -1;
    next.button.tabIndex = 0;
    next.button.focus();
  };
  on(list, "keydown", onKey, signal);
}
