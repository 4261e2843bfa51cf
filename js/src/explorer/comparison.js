// Two steps of the history side by side.
import createCompareViewer from "../compare/index.js";
import { h, on, onAbort } from "../shared/dom.js";
import { Model } from "../shared/model.js";

/** @param {AbortSignal} signal */
export function createComparison(signal) {
  const close = h("button", { type: "button", "data-name": "close-comparison" }, "close");
  const container = h("div", {});
  const element = h("div", { class: "ne-block", hidden: true }, h("h2", {}, "Two steps ", close), container);
  let lifetime = new AbortController();
  const clear = () => lifetime.abort();
  onAbort(signal, clear);
  const hide = () => {
    clear();
    element.hidden = true;
  };
  on(close, "click", hide, signal);
  return {
    element,
    /** @param {Record<string, any>} state of a compare viewer */
    show(state) {
      clear();
      lifetime = new AbortController();
      element.hidden = false;
      createCompareViewer().render({
        model: /** @type {any} */ (new Model({ ...state })),
        el: container,
        signal: lifetime.signal,
      });
      element.scrollIntoView?.({ block: "nearest" });
      close.focus({ preventScroll: true });
    },
  };
}
