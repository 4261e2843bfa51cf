// A slot for a view whose content is replaced: the new view is drawn behind the old one and takes its place when it is
// ready, with the settings that the reader has made, so that nothing blinks or jumps.
import { h, onAbort } from "../shared/dom.js";
import { Model } from "../shared/model.js";

/** @typedef {Record<string, any>} State */
/** @typedef {{model: Model, host: HTMLElement, lifetime: AbortController, state: State}} Mounted */

const SETTLES = 1000; // ms in which a new view has its texts
const LONGEST = 1500; // ms that a new view may take to draw before it is shown as it is

/**
 * @param {Object} view
 * @param {(context: {model: any, el: HTMLElement, signal: AbortSignal}) => unknown} view.render
 * @param {(model: Model, state: State) => State} view.carry - the reader's settings, for a new content
 * @param {(root: HTMLElement, model: Model, state: State) => void} view.shown - a view has taken its place
 * @param {() => boolean} view.isHeld - whether the old view must stay
 * @param {AbortSignal} signal
 */
export function createSlot({ render, carry, shown, isHeld }, signal) {
  const element = h("div", { class: "ne-slot" });
  /** @type {Mounted | null} */
  let current = null;
  /** @type {Mounted | null} */
  let next = null;
  let isReady = false;
  /** @type {State | null} */
  let last = null;
  const end = (/** @type {Mounted | null} */ mounted) => {
    mounted?.lifetime.abort();
    mounted?.host.remove();
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const close = () => {
    clearTimeout(timer);
    for (const mounted of [current, next]) end(mounted);
  };
  onAbort(signal, close);

  const swap = () => {
    if (!next || !isReady || isHeld()) return;
    const old = current;
    const focused = old?.host.contains(document.activeElement)
      ? document.activeElement?.getAttribute("data-name")
      : null;
    if (old) {
      next.model.set(carry(old.model, next.state));
      element.style.minHeight = `${element.offsetHeight}px`; // what stands below must not move up and down again
      clearTimeout(timer);
      timer = setTimeout(() => element.style.removeProperty("min-height"), SETTLES);
    }
    current = next;
    next = null;
    current.host.className = "";
    current.host.inert = false;
    const root = /** @type {HTMLElement} */ (current.host.firstElementChild);
    shown(root, current.model, current.state);
    end(old);
    if (focused) /** @type {HTMLElement | null} */ (root.querySelector(`[data-name="${focused}"]`))?.focus();
  };
  return {
    element,
    swap,
    model: () => current?.model ?? null,
    /** Show a state of the view; an empty one leaves what is there. @param {State} state */
    show(state) {
      if (state === last) return;
      last = state;
      end(next);
      isReady = false;
      const host = h("div", { class: current ? "ne-slot-next" : "" });
      host.inert = current !== null;
      const lifetime = new AbortController();
      const carried = current ? { ...carry(current.model, state), playing: false } : {};
      const mounted = { model: new Model({ ...state, ...carried }), host, lifetime, state };
      next = mounted;
      element.append(host);
      render({ model: mounted.model, el: host, signal: lifetime.signal });
      const ready = () => {
        clearTimeout(limit);
        observer.disconnect();
        if (next !== mounted) return;
        isReady = true;
        swap();
      };
      const limit = setTimeout(ready, LONGEST);
      const observer = new MutationObserver(() => {
        if (host.firstElementChild?.matches("[data-ready],[data-error]")) ready();
      });
      observer.observe(host, { subtree: true, attributeFilter: ["data-ready", "data-error"] });
      onAbort(lifetime.signal, () => {
        clearTimeout(limit);
        observer.disconnect();
      });
      if (!current) ready();
    },
  };
}
