// The lifecycle of a view: mount it, mount it again when Python replaces its content, and clean up at the end.
import { followScheme, h, listen, onAbort } from "./dom.js";
import { StateError } from "./validate.js";

/**
 * @param {Object} host
 * @param {{on: any, off: any, get: any}} host.model
 * @param {HTMLElement} host.el
 * @param {AbortSignal} [host.signal]
 * @param {Object} view
 * @param {string} view.kind CSS class of the view's element
 * @param {string} view.name accessible name; the title is appended
 * @param {readonly string[]} view.content traits whose change mounts the view again
 * @param {(root: HTMLElement, signal: AbortSignal) => void} view.mount draw the view until the signal aborts
 * @returns {() => void} cleanup
 */
export function mountView({ model, el, signal }, { kind, name, content, mount }) {
  const lifetime = new AbortController();
  let current = new AbortController();
  const show = () => {
    current.abort();
    current = new AbortController();
    const title = model.get("title");
    const label = title && typeof title === "string" ? `${name}: ${title}` : name;
    const root = h("div", { class: kind, role: "group", tabindex: -1, "aria-label": label });
    onAbort(current.signal, () => root.remove());
    el.append(root);
    followScheme(root, el);
    try {
      mount(root, current.signal);
    } catch (error) {
      showError(root, error);
    }
  };
  // Python may replace several traits one after the other: wait for the last one.
  let pending = false;
  const onContentChange = () => {
    if (pending) return;
    pending = true;
    queueMicrotask(() => {
      pending = false;
      if (!lifetime.signal.aborted) show();
    });
  };
  for (const trait of content) listen(model, `change:${trait}`, onContentChange, lifetime.signal);
  onAbort(lifetime.signal, () => current.abort());
  const end = () => lifetime.abort();
  if (signal?.aborted) return end;
  signal?.addEventListener("abort", end, { once: true, signal: lifetime.signal });
  show();
  return end;
}

const DAMAGED =
  "The data of this view is damaged or incomplete. In a notebook, run the cell again; for a saved page, get a new copy.";
const UNABLE = "This browser could not draw the view. Reload the page or try another browser.";

/** Replace the view with an alert: what to do, then the cause. @param {HTMLElement} root @param {unknown} error */
export function showError(root, error) {
  const message = error instanceof Error ? error.message : String(error);
  delete root.dataset.ready;
  root.dataset.error = "true";
  const advice = h("p", {}, error instanceof StateError ? DAMAGED : UNABLE);
  const cause = h("p", { class: "ne-error-why" }, `This view cannot be drawn: ${message}.`);
  root.replaceChildren(h("div", { class: "ne-error", role: "alert" }, advice, cause));
}
