// TubeViewer: where in space and time a network found its evidence, to be moved through by hand. This file is the life of
// a view; scene.js wires its parts together, state.js says what is shown, commit.js what the kernel hears.
import { VIEWS } from "./camera.js";
import { h, listen } from "./dom.js";
import { mount, showError } from "./scene.js";
import { CONTENT, readContent } from "./state.js";

/** @typedef {import("./state.js").TubeModel} TubeModel */

export default () => ({
  /** @param {{model: TubeModel, el: HTMLElement, signal?: AbortSignal}} given */
  render({ model, el, signal }) {
    const life = new AbortController();
    const camera = { ...VIEWS.reset };
    let scene = new AbortController();
    const show = () => {
      scene.abort();
      scene = new AbortController();
      const own = scene.signal;
      const root = h("div", { class: "ne-tubes", role: "group", tabindex: -1, "aria-label": "Saliency tubes" });
      own.addEventListener("abort", () => root.remove(), { once: true });
      el.append(root);
      try {
        const content = readContent(model);
        if (content.title) root.setAttribute("aria-label", `Saliency tubes: ${content.title}`);
        mount(model, root, content, camera, own);
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
    for (const name of CONTENT) listen(model, `change:${name}`, replaced, life.signal);
    life.signal.addEventListener("abort", () => scene.abort(), { once: true });
    const end = () => life.abort();
    if (signal?.aborted) return end;
    signal?.addEventListener("abort", end, { once: true, signal: life.signal });
    show();
    return end;
  },
});
