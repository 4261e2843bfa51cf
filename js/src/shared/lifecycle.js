// The life of a view: it is drawn, drawn anew when Python replaces what it shows, and gone without a trace.

import { StateError } from "../tubes/traits.js";
import { followScheme, h, listen, whenOver } from "./dom.js";

/**
 * @param {Object} given
 * @param {{on: any, off: any, get: any}} given.model
 * @param {HTMLElement} given.el
 * @param {AbortSignal} [given.signal]
 * @param {Object} view
 * @param {string} view.kind the class of its element
 * @param {string} view.name for readers; the title is added
 * @param {readonly string[]} view.content the traits that are what it shows
 * @param {(root: HTMLElement, signal: AbortSignal) => void} view.mount draws it, until the signal aborts
 * @returns {() => void} the end
 */
export function live({ model, el, signal }, { kind, name, content, mount }) {
  const life = new AbortController();
  let scene = new AbortController();
  const show = () => {
    scene.abort();
    scene = new AbortController();
    const title = model.get("title");
    const label = title && typeof title === "string" ? `${name}: ${title}` : name;
    const root = h("div", { class: kind, role: "group", tabindex: -1, "aria-label": label });
    whenOver(scene.signal, () => root.remove());
    el.append(root);
    followScheme(root, el);
    try {
      mount(root, scene.signal);
    } catch (error) {
      showError(root, error);
    }
  };
  // Python may replace several parts one after the other; they belong together only when the last has come.
  let waiting = false;
  const replaced = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      if (!life.signal.aborted) show();
    });
  };
  for (const part of content) listen(/** @type {any} */ (model), `change:${part}`, replaced, life.signal);
  whenOver(life.signal, () => scene.abort());
  const end = () => life.abort();
  if (signal?.aborted) return end;
  signal?.addEventListener("abort", end, { once: true, signal: life.signal });
  show();
  return end;
}

const DAMAGED =
  "The data of this view is damaged or incomplete. In a notebook, run the cell again; for a saved page, ask for a new copy.";
const UNABLE = "This browser could not draw this view. Reload the page, or open it in another browser.";

/** Say what is wrong where the view would be, and what to do; why, to whom it helps. @param {HTMLElement} root @param {unknown} error */
export function showError(root, error) {
  const words = error instanceof Error ? error.message : String(error);
  delete root.dataset.ready;
  root.dataset.error = "true";
  const plain = h("p", {}, error instanceof StateError ? DAMAGED : UNABLE);
  const why = h("p", { class: "ne-error-why" }, `This view cannot be drawn: ${words}.`);
  root.replaceChildren(h("div", { class: "ne-error", role: "alert" }, plain, why));
}
