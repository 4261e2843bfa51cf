// The drawer: what is seldom changed, what the network considered, and the keys.
import { h } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { barsWords } from "./layer_picker.js";
import { percent, quantityOf, whole } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("../shared/inputs.js").Hands} Hands */

const SIGNS = /** @type {[string, string][]} */ ([
  ["both", "for and against"],
  ["positive", "for only"],
  ["negative", "against only"],
]);
const COLOURS = /** @type {[string, string][]} */ ([
  ["diverging", "orange and blue (diverging)"],
  ["sequential", "dark to light (sequential)"],
]);
const SCALES = /** @type {[string, string][]} */ ([
  ["clip", "one for the clip"],
  ["frame", "one for each frame"],
]);
const KEYS = [
  ["space", "play"],
  ["← →", "frame"],
  ["Home End", "first, last frame"],
  ["↑ ↓", "layer"],
  ["[ ]", "threshold"],
  ["< >", "speed"],
  ["m", "tube or all frames"],
  ["on the tube: Shift + arrows", "turn"],
  ["+ − 0", "zoom, reset"],
];

/** @param {string} label @param {...HTMLElement} control */
const field = (label, ...control) => h("label", { class: "ne-field" }, h("span", {}, label), ...control);

/**
 * @param {Content} content
 * @param {Hands} hands
 * @param {AbortSignal} signal
 */
export function createDrawer(content, hands, signal) {
  const text = (/** @type {string} */ value) => value;
  const what = quantityOf(content);
  const sign = createMenu("sign", what, SIGNS, hands, text, signal);
  const colours = createMenu("colours", "colours", COLOURS, hands, text, signal);
  const scale = createMenu("scale", "scale", SCALES, hands, text, signal);
  const opacity = createSlider("opacity", "opacity", { max: 1, step: 0.05 }, hands, signal);
  const best = h("dl", { class: "ne-best" });
  const guesses = h("div", {}, h("p", { class: "ne-about" }, "What the network considered"), best);
  const keys = h("dl", { class: "ne-keys" }, ...KEYS.flatMap(([key, does]) => [h("dt", {}, key), h("dd", {}, does)]));
  const bars = h(
    "div",
    {},
    h("p", { class: "ne-about" }, "The bars of the layers"),
    h("p", { class: "ne-bars" }, barsWords(content)),
  );
  let shown = -1;
  return {
    element: h(
      "details",
      { class: "ne-drawer" },
      h("summary", { "data-name": "more" }, "More"),
      h(
        "div",
        { class: "ne-fields" },
        field(what, sign.select),
        field("colours", colours.select),
        field("scale", scale.select),
        field("opacity", opacity.input),
      ),
      h(
        "div",
        { class: "ne-lists" },
        h("div", {}, guesses, bars),
        h("div", {}, h("p", { class: "ne-about" }, "Keys"), keys),
      ),
    ),
    /** @param {Position} at */
    show(at) {
      sign.show(at.sign);
      colours.show(at.colours);
      scale.show(at.scale);
      opacity.show(at.opacity, whole(at.opacity));
      if (shown === at.target) return;
      shown = at.target;
      const guessed = content.targets[at.target].best;
      guesses.hidden = guessed.length === 0;
      best.replaceChildren(...guessed.flatMap(({ name, probability }) => guessRow(name, probability)));
    },
  };
}

/** @param {string} name @param {number} probability */
function guessRow(name, probability) {
  const bar = h("i", {});
  bar.style.width = `${60 * probability}%`; // the numbers need the rest
  return [h("dt", {}, name), h("dd", {}, bar, percent(probability))];
}
