// CompareViewer: two to four tube viewers side by side. They share the frame, playback, camera and display; layer, threshold
// and class are separate, unless they are linked.

import { followScheme, h, listen, onAbort } from "../shared/dom.js";
import { mountView } from "../shared/lifecycle.js";
import { registerModel } from "../shared/live_models.js";
import createTubeViewer from "../tubes/index.js";
import { Orbit } from "../tubes/volume/camera.js";
import { comparisonName, createHeadings } from "./headings.js";
import { mountSharedControls } from "./shared_controls.js";
import { createSides } from "./side_model.js";

/** @typedef {import("./side_model.js").CompareModel} CompareModel */

export default () => ({
  initialize: registerModel,
  /** @param {{model: CompareModel, el: HTMLElement, signal?: AbortSignal}} host */
  render({ model, el, signal }) {
    const lifetime = new AbortController();
    const end = () => lifetime.abort();
    if (signal?.aborted) return end;
    signal?.addEventListener("abort", end, { once: true, signal: lifetime.signal });
    const sides = createSides(model);
    const elements = createHeadings(model, sides, lifetime.signal);
    const header = h("div", { class: "ne-compare-head" });
    const pairs = h("div", { class: "ne-sides", "data-sides": sides.length }, ...elements);
    const root = h("div", { class: "ne-compare", role: "group" }, header, pairs);
    const showLabel = () => root.setAttribute("aria-label", comparisonName(model, sides.length));
    listen(model, "change:titles", showLabel, lifetime.signal);
    showLabel();
    el.append(root);
    followScheme(root, el);
    onAbort(lifetime.signal, () => root.remove());
    const orbit = new Orbit();
    mountView(
      { model, el: header, signal: lifetime.signal },
      {
        kind: "ne-compare-bar",
        name: "Controls of all sides",
        content: ["size", "times", "clips", "alignment", ...sides.flatMap(wordTraits)],
        mount: (bar, current) => mountSharedControls(model, sides, bar, root, orbit, current),
      },
    );
    for (const [k, side] of sides.entries())
      createTubeViewer().render({
        model: side,
        el: elements[k],
        signal: lifetime.signal,
        orbit,
        controls: "shared",
        tools: [],
      });
    return end;
  },
});

/** Traits of a side that the words of the shared controls depend on. @param {import("./side_model.js").Side} side */
const wordTraits = (side) => ["layers", "targets"].map((name) => side.traitName(name));
