// What stands around the pyramid: the heading, the sentence, the sliders, the legend, what one has to know.
import { AGAINST, colourAt, cssColour, FOR } from "../shared/colormaps.js";
import { h } from "../shared/dom.js";
import { createSlider } from "../shared/inputs.js";
import { prunedWords, rowWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */

/** @param {string} label @param {HTMLElement} control @param {HTMLElement} output @param {string} name */
const row = (label, control, output, name) =>
  h(
    "div",
    { class: `ne-row ne-row-${name}` },
    h("span", { class: "ne-label", "aria-hidden": "true" }, label),
    control,
    output,
  );

/** @param {number[]} colour @param {string} words */
const key = (colour, words) => {
  const line = h("i", { "aria-hidden": "true" });
  line.style.background = cssColour(colour);
  return h("span", {}, line, words);
};

/**
 * @param {Content} content
 * @param {import("../shared/inputs.js").Handlers<any>} hands
 * @param {{zoom: (factor: number) => void, clear: () => void}} acts
 * @param {AbortSignal} signal
 */
export function createControls(content, hands, acts, signal) {
  const { rows, caveats, title } = content;
  const any = /** @type {any} */ (hands);
  const layer = createSlider(/** @type {any} */ ("row"), "layer", { max: rows.length - 1, step: 1 }, any, signal);
  const threshold = createSlider("threshold", "prune below", { max: 1, step: 0.01 }, any, signal);
  const [layerValue, thresholdValue] = [h("span", { class: "ne-value" }), h("span", { class: "ne-value" })];
  /** @param {string} name @param {string} words @param {string} tip @param {() => void} press */
  const button = (name, words, tip, press) => {
    const label = /\w/.test(words) ? undefined : tip;
    const made = h("button", { type: "button", "data-name": name, title: tip, "aria-label": label }, words);
    made.addEventListener("click", press, { signal });
    return made;
  };
  const clear = button("clear", "clear", "Select nothing, open every row", acts.clear);
  const reset = button("reset", "whole", "See the whole pyramid (0)", () => acts.zoom(0));
  const tools = h(
    "div",
    { class: "ne-pyramid-tools", role: "group", "aria-label": "Zoom" },
    ...[
      button("closer", "+", "Closer (+)", () => acts.zoom(1.5)),
      button("further", "−", "Further (-)", () => acts.zoom(1 / 1.5)),
    ],
    ...[reset, clear],
  );
  const caption = h("p", { class: "ne-said" });
  const hints = h(
    "span",
    { class: "ne-hint" },
    "Click a tile for its tube, shift-click for several, a thin row to walk there.",
  );
  return {
    head: h("div", { class: "ne-head" }, h("span", { class: "ne-title" }, title)),
    caption,
    legend: h(
      "div",
      { class: "ne-pyramid-legend" },
      key(colourAt(FOR, 0.5), "for the class: adds, is active"),
      key(colourAt(AGAINST, 0.5), "against (−): less of it helps"),
      h("span", {}, "width of a link: evidence"),
      hints,
      tools,
    ),
    rows: h(
      "div",
      { class: "ne-controls" },
      row("layer", layer.input, layerValue, "row"),
      row("prune", threshold.input, thresholdValue, "threshold"),
      h(
        "div",
        { class: "ne-caveats", hidden: !caveats.length },
        h("ul", {}, ...caveats.map((text) => h("li", {}, text))),
      ),
    ),
    /** @param {number} zoom */
    zoomed(zoom) {
      reset.disabled = zoom === 1;
    },
    /** For readers, when a gesture has ended. */
    told: () => `${layerValue.textContent}; ${thresholdValue.textContent}`,
    /** @param {import("./traits.js").Place} at @param {string} words @param {import("./graph.js").Graph} graph @param {Uint8Array} stays */
    show(at, words, graph, stays) {
      const named = rowWords(content, at.row, graph.of(at.row, stays).length, graph.coverage(at.row, stays));
      layer.show(at.row, named);
      layerValue.textContent = named;
      const shown = stays.reduce((sum, one) => sum + one, 0);
      const kept = prunedWords(content, shown, at.threshold);
      threshold.show(at.threshold, kept);
      thresholdValue.textContent = kept;
      if (caption.textContent !== words) caption.textContent = words;
      clear.disabled = !at.selected.length && !at.collapsed.length;
    },
  };
}
