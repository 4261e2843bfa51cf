// The controls: play bar, class menus, layer and threshold rows, legend and caveats.
import { cssGradient, rampsOf } from "../shared/colormaps.js";
import { h, icon, on } from "../shared/dom.js";
import { createMenu } from "../shared/inputs.js";
import { createCheckBadge } from "./check_badge.js";
import { createLayerPicker, layerLabel } from "./layer_picker.js";
import { createPictureControls } from "./picture_controls.js";
import { createSettings } from "./settings.js";
import {
  explained,
  frameWords,
  isValue,
  layerWords,
  levelWords,
  quantityOf,
  sides,
  signed,
  targetWords,
  verdict,
} from "./text.js";
import { createThreshold } from "./threshold_row.js";
import { plainTargets, SPEEDS } from "./view_state.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./view_state.js").Handlers} Handlers */

const PLAY = "M4 2.5v11l9-5.5z";
const PAUSE = "M4 2.5h3v11H4zM9 2.5h3v11H9z";

/** Play button, frame number and playback speed. @param {Pick<Content, "size" | "times">} content @param {Handlers} handlers @param {AbortSignal} signal */
export function createPlayBar(content, handlers, signal, words = frameWords) {
  const play = h("button", { type: "button", "data-name": "play", class: "ne-play" });
  on(play, "click", handlers.play, signal);
  play.disabled = content.size[0] < 2;
  const frame = h("span", { class: "ne-value" });
  const speeds = SPEEDS.map((speed) => /** @type {[string, string]} */ ([String(speed), `${speed}×`]));
  const speed = createMenu("speed", "playback speed", speeds, handlers, Number, signal);
  let shown = /** @type {boolean | null} */ (null);
  return {
    element: h("div", { class: "ne-row-frame ne-play-bar" }, play, frame, speed.select),
    /** @param {ViewState} view */
    show({ frame: index, speed: factor, playing }) {
      frame.textContent = words(content, index);
      frame.title = `index ${index} in Python`;
      speed.show(factor);
      if (shown === playing) return;
      shown = playing;
      play.replaceChildren(icon(playing ? PAUSE : PLAY));
      const action = playing ? "pause" : "play";
      play.setAttribute("aria-label", action);
      play.title = `${action} (space)`;
    },
  };
}

/** The class explained, and the class that is subtracted from it. @param {Content} content @param {Handlers} handlers @param {AbortSignal} signal */
function createTargetMenus(content, handlers, signal) {
  const { targets } = content;
  const label = isValue(targets[0]) ? "explained:" : `${quantityOf(content)} for`;
  if (targets.length < 2) {
    const name = h("strong", {}, targetWords(targets[0]));
    return {
      element: h("span", { class: "ne-target" }, h("span", {}, `${label} `), name),
      show() {},
    };
  }
  const names = targets.map((target, k) => /** @type {[string, string]} */ ([String(k), targetWords(target)]));
  const target = createMenu(
    "target",
    `${isValue(targets[0]) ? "value" : "class"} explained`,
    names,
    handlers,
    Number,
    signal,
  );
  const plain = plainTargets(content);
  const others = plain.map((k) => /** @type {[string, string]} */ ([String(k), targets[k].name]));
  const parse = (/** @type {string} */ value) => (value === "null" ? null : Number(value));
  const [than, none] = isValue(targets[0]) ? ["minus", "no other value"] : ["rather than", "no other class"];
  const against = createMenu("against", than, [["null", none], ...others], handlers, parse, signal);
  const againstLabel = h("label", {}, h("span", {}, than), against.select);
  return {
    element: h(
      "div",
      { class: "ne-target" },
      h("label", {}, h("span", {}, label), target.select),
      plain.length > 1 ? againstLabel : "",
    ),
    /** @param {ViewState} view */
    show(view) {
      target.show(view.target);
      against.show(view.against);
      against.select.disabled = !plain.includes(view.target);
      for (const option of against.select.options) option.disabled = option.value === String(view.target);
    },
  };
}

/** The colour ramps, darkened where the threshold hides the evidence; with the sums of each side, unless several views share it. @param {Content} content */
export function createLegend(content, hasTotals = true) {
  const [low, high] = [h("span", {}), h("span", {})];
  const hidden = h("div", { class: "ne-ramp-hidden" });
  const bar = h("div", { class: "ne-ramp" }, hidden);
  const note = h("span", { class: "ne-legend-note" }, "dark part: hidden by the threshold");
  const element = h("div", { class: "ne-legend" }, h("div", { class: "ne-scale" }, low, bar, high), note);
  return {
    element,
    /** @param {ViewState} view */
    show(view) {
      const { threshold, sign, colours, scale } = view;
      const [raising, lowering] = sides(explained(content, view));
      const { positive, negative } = rampsOf(colours, sign);
      const both = sign === "both";
      // One gradient: a second background layer would be lost once there has been a single one.
      const ramps = both ? [[...negative].reverse(), positive] : [sign === "positive" ? positive : negative];
      bar.style.backgroundImage = cssGradient(ramps);
      const totals = hasTotals && view.against === null ? content.layers[view.layer].totals?.[view.target] : null;
      const [most, least] = (totals ?? []).map((total) => ` ${signed(total)}`);
      low.textContent = both ? lowering + (least ?? "") : "weak";
      high.textContent = both ? raising + (most ?? "") : `strong ${sign === "positive" ? raising : lowering}`;
      hidden.style.left = both ? `${50 - 50 * threshold}%` : "0";
      hidden.style.width = `${100 * threshold}%`;
      const sums = totals
        ? `Numbers: sums of the evidence over the whole clip, in the unit of the score (${signed(content.targets[view.target].logit)}). `
        : "";
      element.title = `${sums}Hidden: ${quantityOf(content)} below ${levelWords(threshold)} of the ${scale === "frame" ? "frame" : "layer"}'s maximum. Faded: beyond the outermost cell centres, where the map is held constant`;
    },
  };
}

/** Caveats of the layer shown, then those of the whole explanation. @param {Content} content */
function createCaveats({ caveats, layers }) {
  const layerList = h("ul", {});
  const element = h(
    "div",
    { class: "ne-caveats" },
    layerList,
    h("ul", {}, ...caveats.map((text) => h("li", {}, text))),
  );
  let shown = "";
  return {
    element,
    /** @param {ViewState} view */
    show({ layer: index, target, against, scale }) {
      const layer = layers[index];
      const texts = [...layer.caveats, layer.unaccounted[target], against === null ? "" : layer.unaccounted[against]];
      const items = texts.filter(Boolean).map((text) => h("li", {}, h("b", {}, layer.name), `: ${text}`));
      if (scale === "frame")
        items.push(h("li", {}, "Each frame has its own scale: do not compare colours between frames."));
      const key = JSON.stringify(items.map((item) => item.textContent));
      if (key === shown) return;
      shown = key;
      layerList.replaceChildren(...items);
      element.hidden = caveats.length + items.length === 0;
    },
  };
}

/** @param {string} label @param {HTMLElement} control @param {HTMLElement} output @param {string} name @param {Node | string} [note] */
const row = (label, control, output, name, note = "") =>
  h(
    "div",
    { class: `ne-row ne-row-${name}` },
    h("span", { class: "ne-label", "aria-hidden": "true" }, label, note),
    control,
    output,
  );

/**
 * @param {Content} content
 * @param {Handlers} handlers
 * @param {AbortSignal} signal
 * @param {import("./viewer.js").ControlsOption} [option]
 */
export function createControls(content, handlers, signal, option = "own") {
  const layer = createLayerPicker(content, handlers, signal);
  const threshold = createThreshold(content, handlers, signal);
  const layerValue = h("span", { class: "ne-value" });
  const target = createTargetMenus(content, handlers, signal);
  const settings = createSettings(content, handlers, option, signal);
  const legend = createLegend(content);
  const picture = createPictureControls(content.picture, handlers, row, signal);
  const caveats = createCaveats(content);
  const check = createCheckBadge(content);
  const [prediction, sentence] = [h("b", {}), h("span", {})];
  return {
    head: h("div", { class: "ne-head" }, h("span", { class: "ne-title" }, content.title), target.element),
    caption: h("p", { class: "ne-kept" }, prediction, sentence),
    check: check.element,
    rows: h(
      "div",
      { class: "ne-controls" },
      row(layerLabel(content), layer.element, layerValue, "layer", h("small", {}, "tall bar = finer map")),
      row("threshold", threshold.input, threshold.value, "threshold", threshold.note),
      legend.element,
      picture.element,
      settings.element,
      caveats.element,
    ),
    /** @param {ViewState} view @param {string} summary what the threshold keeps; empty while it is counted */
    show(view, summary) {
      const scored = view.against === null ? view.target : -1; // a difference has no share
      layer.show(view.layer, scored);
      layerValue.textContent = `${view.layer + 1} of ${content.layers.length}: ${layerWords(content, view.layer, scored)}`;
      threshold.show(view);
      target.show(view);
      settings.show(view);
      legend.show(view);
      picture.show(view);
      caveats.show(view);
      check.show(view);
      prediction.textContent = verdict(explained(content, view));
      sentence.textContent = `. ${summary || `Counting the ${quantityOf(content)} …`}`;
    },
  };
}
