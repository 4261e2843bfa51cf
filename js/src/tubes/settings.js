// The drawer below the controls: settings that are seldom changed, the top predictions and the keyboard shortcuts.
import { h } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { barsWords } from "./layer_picker.js";
import { percent, quantityOf, sides, whole } from "./text.js";

const COLOURS = /** @type {[string, string][]} */ ([
  ["diverging", "orange and blue (diverging)"],
  ["sequential", "dark to light (sequential)"],
]);
const SCALES = /** @type {[string, string][]} */ ([
  ["clip", "same for all frames"],
  ["frame", "separate for each frame"],
]);
const KEYS = [
  ["space", "play or pause"],
  ["← →", "previous, next frame"],
  ["Home End", "first, last frame"],
  ["↑ ↓", "next, previous layer"],
  ["[ ]", "lower, raise the threshold"],
  ["< >", "slower, faster"],
  ["m", "tube or all frames"],
  ["Shift + arrows (tube)", "rotate"],
  ["+ − 0 (tube)", "zoom in, out, reset"],
];

/** @param {string} label @param {HTMLElement} control */
const field = (label, control) => h("label", { class: "ne-field" }, h("span", {}, label), control);

/** @param {string} heading @param {HTMLElement} body */
const section = (heading, body) => h("div", {}, h("p", { class: "ne-about" }, heading), body);

/**
 * @param {import("./traits.js").Content} content
 * @param {import("./view_state.js").Handlers} handlers
 * @param {AbortSignal} signal
 */
export function createSettings(content, handlers, signal) {
  const parse = (/** @type {string} */ value) => value;
  const quantity = quantityOf(content);
  const [positive, negative] = sides(content.targets[0]);
  const signs = /** @type {[string, string][]} */ ([
    ["both", `${positive} and ${negative}`],
    ["positive", `${positive} only`],
    ["negative", `${negative} only`],
  ]);
  const sign = createMenu("sign", quantity, signs, handlers, parse, signal);
  const colours = createMenu("colours", "colours", COLOURS, handlers, parse, signal);
  const scale = createMenu("scale", "scale", SCALES, handlers, parse, signal);
  const opacity = createSlider("opacity", "opacity", { max: 1, step: 0.05 }, handlers, signal);
  const best = h("dl", { class: "ne-best" });
  const predictions = section("Top predictions", best);
  const keys = h("dl", { class: "ne-keys" }, ...KEYS.flatMap(([key, does]) => [h("dt", {}, key), h("dd", {}, does)]));
  const bars = section("Layer bars", h("p", { class: "ne-bars" }, barsWords(content)));
  let shownTarget = -1;
  return {
    element: h(
      "details",
      { class: "ne-drawer" },
      h("summary", { "data-name": "more" }, "More"),
      h(
        "div",
        { class: "ne-fields" },
        field(quantity, sign.select),
        field("colours", colours.select),
        field("scale", scale.select),
        field("opacity", opacity.input),
      ),
      h("div", { class: "ne-lists" }, h("div", {}, predictions, bars), section("Keyboard shortcuts", keys)),
    ),
    /** @param {import("./view_state.js").ViewState} view */
    show(view) {
      sign.show(view.sign);
      colours.show(view.colours);
      scale.show(view.scale);
      opacity.show(view.opacity, whole(view.opacity));
      if (shownTarget === view.target) return;
      shownTarget = view.target;
      const guesses = content.targets[view.target].best;
      predictions.hidden = guesses.length === 0;
      best.replaceChildren(...guesses.flatMap(({ name, probability }) => predictionRow(name, probability)));
    },
  };
}

/** @param {string} name @param {number} probability */
function predictionRow(name, probability) {
  const bar = h("i", {});
  bar.style.width = `${60 * probability}%`; // leave room for the number
  return [h("dt", {}, name), h("dd", {}, bar, percent(probability))];
}
