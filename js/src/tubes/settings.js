// The drawer below the controls: settings that are seldom changed, and the top predictions.
import { h } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { createKeyList } from "./keys.js";
import { barsKey } from "./layer_picker.js";
import { percent, quantityOf, sides, whole } from "./text.js";

const COLOURS = /** @type {[string, string][]} */ ([
  ["diverging", "orange and blue (diverging)"],
  ["sequential", "dark to light (sequential)"],
]);
const SCALES = /** @type {[string, string][]} */ ([
  ["clip", "same for all frames"],
  ["frame", "separate for each frame"],
]);
/** @param {string} label @param {HTMLElement} control */
const field = (label, control) => h("label", { class: "ne-field" }, h("span", {}, label), control);

/** @param {string} heading @param {HTMLElement} body */
const section = (heading, body) => h("div", {}, h("p", { class: "ne-about" }, heading), body);

/** @param {...HTMLElement} children */
const drawer = (...children) =>
  h("details", { class: "ne-drawer" }, h("summary", { "data-name": "more" }, "More"), ...children);

/** The drawer of a view: all settings, or those parts only that are about its own content. @param {import("./traits.js").Content} content @param {import("./view_state.js").Handlers} handlers @param {import("./viewer.js").ControlsOption} option @param {AbortSignal} signal */
export function createSettings(content, handlers, option, signal) {
  const about = createAbout(content);
  const display = option === "own" ? createDisplaySettings([content], handlers, signal) : null;
  return {
    element: drawer(...(display ? [display.fields] : []), h("div", { class: "ne-lists" }, ...about.elements)),
    /** @param {import("./view_state.js").ViewState} view */
    show(view) {
      display?.show(view);
      about.show(view);
    },
  };
}

/** The drawer of what several views share. @param {Pick<import("./traits.js").Content, "targets" | "layers">[]} contents @param {import("./view_state.js").Handlers} handlers @param {AbortSignal} signal */
export function createSharedSettings(contents, handlers, signal) {
  const { fields, show } = createDisplaySettings(contents, handlers, signal);
  const keys = createKeyList();
  keys.hidden = false;
  const note = h("p", { class: "ne-bars" }, "The keys for layer and threshold move the side that has the focus.");
  return { element: drawer(fields, section("Keyboard shortcuts", h("div", {}, keys, note))), show };
}

/** How evidence is drawn; named neutrally where the contents differ. @param {Pick<import("./traits.js").Content, "targets" | "layers">[]} contents @param {import("./view_state.js").Handlers} handlers @param {AbortSignal} signal */
function createDisplaySettings(contents, handlers, signal) {
  const parse = (/** @type {string} */ value) => value;
  const quantities = new Set(contents.map((content) => quantityOf(content)));
  const quantity = quantities.size === 1 ? [...quantities][0] : "values";
  const words = contents.map(({ targets }) => sides(targets[0]));
  const isOne = words.length > 0 && words.every((pair) => pair.join() === words[0].join());
  const [positive, negative] = isOne ? words[0] : ["positive", "negative"];
  const signs = /** @type {[string, string][]} */ ([
    ["both", `${positive} and ${negative}`],
    ["positive", `${positive} only`],
    ["negative", `${negative} only`],
  ]);
  const sign = createMenu("sign", quantity, signs, handlers, parse, signal);
  const colours = createMenu("colours", "colours", COLOURS, handlers, parse, signal);
  const scale = createMenu("scale", "scale", SCALES, handlers, parse, signal);
  const opacity = createSlider("opacity", "opacity", { max: 1, step: 0.05 }, handlers, signal);
  return {
    fields: h(
      "div",
      { class: "ne-fields" },
      field(quantity, sign.select),
      field("colours", colours.select),
      field("scale", scale.select),
      field("opacity", opacity.input),
    ),
    /** @param {import("./view_state.js").ViewState} view */
    show(view) {
      sign.show(view.sign);
      colours.show(view.colours);
      scale.show(view.scale);
      opacity.show(view.opacity, whole(view.opacity));
    },
  };
}

/** Top predictions, and what the layer bars mean. @param {import("./traits.js").Content} content */
function createAbout(content) {
  const best = h("dl", { class: "ne-best" });
  const predictions = section("Top predictions", best);
  const bars = section("Layer bars", barsKey(content));
  let shownTarget = -1;
  return {
    elements: [predictions, bars],
    /** @param {import("./view_state.js").ViewState} view */
    show(view) {
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
