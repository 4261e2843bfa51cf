// The compact bar beneath the pictures, and what stands above and below it: the class, the legend, what one has to know.
import { cssGradient, rampsOf } from "../shared/colormaps.js";
import { h, on } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { createNetwork } from "./layer_picker.js";
import { createDrawer } from "./settings.js";
import { explained, frameWords, layerWords, quantityOf, targetWords, verdict, whole } from "./text.js";
import { plainTargets, SPEEDS } from "./view_state.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("../shared/inputs.js").Hands} Hands */

const PLAY = "M4 2.5v11l9-5.5z";
const PAUSE = "M4 2.5h3v11H4zM9 2.5h3v11H9z";

/** @param {string} path */
function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** Play, where it is, how fast. @param {Content} content @param {Hands} hands @param {AbortSignal} signal */
export function createPlayBar(content, hands, signal) {
  const play = h("button", { type: "button", "data-name": "play", class: "ne-play" });
  on(play, "click", hands.play, signal);
  play.disabled = content.size[0] < 2;
  const words = h("span", { class: "ne-value" });
  const speeds = SPEEDS.map((speed) => /** @type {[string, string]} */ ([String(speed), `${speed}×`]));
  const speed = createMenu("speed", "speed", speeds, hands, Number, signal);
  let playing = /** @type {boolean | null} */ (null);
  return {
    element: h("div", { class: "ne-row-frame ne-play-bar" }, play, words, speed.select),
    /** @param {Position} at */
    show(at) {
      words.textContent = frameWords(content, at.frame);
      speed.show(at.speed);
      if (playing === at.playing) return;
      playing = at.playing;
      play.replaceChildren(icon(playing ? PAUSE : PLAY));
      play.setAttribute("aria-label", playing ? "pause" : "play");
      play.title = playing ? "pause (space)" : "play (space)";
    },
  };
}

/** The class explained, and the one that its map is compared with. @param {Content} content @param {Hands} hands @param {AbortSignal} signal */
function createTarget(content, hands, signal) {
  const { targets } = content;
  if (targets.length < 2) {
    const only = h("strong", {}, targetWords(targets[0]));
    return { element: h("span", { class: "ne-target" }, h("span", {}, "evidence for "), only), show() {} };
  }
  const names = targets.map((target, k) => /** @type {[string, string]} */ ([String(k), targetWords(target)]));
  const target = createMenu("target", "class explained", names, hands, Number, signal);
  const plain = plainTargets(content);
  const others = plain.map((k) => /** @type {[string, string]} */ ([String(k), targets[k].name]));
  const read = (/** @type {string} */ value) => (value === "null" ? null : Number(value));
  const against = createMenu("against", "rather than", [["null", "no other class"], ...others], hands, read, signal);
  const rather = h("label", {}, h("span", {}, "rather than"), against.select);
  return {
    element: h(
      "div",
      { class: "ne-target" },
      h("label", {}, h("span", {}, "evidence for"), target.select),
      plain.length > 1 ? rather : "",
    ),
    /** @param {Position} at */
    show(at) {
      target.show(at.target);
      against.show(at.against);
      against.select.disabled = !plain.includes(at.target);
      for (const option of against.select.options) option.disabled = option.value === String(at.target);
    },
  };
}

/** The ramps on one scale, what the threshold hides dimmed. @param {Content} content */
function createLegend(content) {
  const [low, high] = [h("span", {}), h("span", {})];
  const bar = h("div", { class: "ne-ramp" });
  const hidden = h("div", { class: "ne-ramp-hidden" });
  bar.append(hidden);
  const note = h("span", { class: "ne-legend-note" }, "dimmed: below the threshold");
  const element = h("div", { class: "ne-legend" }, low, bar, high, note);
  return {
    element,
    /** @param {Position} at */
    show({ threshold, sign, colours, scale }) {
      const { positive, negative } = rampsOf(colours, sign);
      const ramps = { both: [negative, positive], positive: [positive], negative: [negative] }[sign] ?? [];
      const both = ramps.length > 1;
      bar.style.backgroundImage = both
        ? `${cssGradient(negative, "to left")}, ${cssGradient(positive, "to right")}`
        : cssGradient(ramps[0], "to right");
      bar.style.backgroundSize = both ? "50% 100%" : "100% 100%";
      low.textContent = both ? "against" : "weak";
      high.textContent = both ? "for" : `strong ${sign === "positive" ? "for" : "against"}`;
      hidden.style.left = both ? `${50 - 50 * threshold}%` : "0";
      hidden.style.width = `${100 * threshold}%`;
      const whose = scale === "frame" ? "frame's" : "layer's";
      element.title = `What is weaker in ${quantityOf(content)} than ${whole(threshold)} of the ${whose} strongest is not shown`;
    },
  };
}

/** @param {Content} content */
function createCaveats({ caveats, layers }) {
  const own = h("ul", {});
  const element = h("div", { class: "ne-caveats" }, own, h("ul", {}, ...caveats.map((text) => h("li", {}, text))));
  let shown = "";
  return {
    element,
    /** @param {Position} at */
    show({ layer: index, target, against, scale }) {
      const layer = layers[index];
      const texts = [...layer.caveats, layer.unaccounted[target], against === null ? "" : layer.unaccounted[against]];
      const said = texts.filter(Boolean).map((text) => h("li", {}, h("b", {}, layer.name), `: ${text}`));
      if (scale === "frame")
        said.push(h("li", {}, "Every frame is on its own scale: colours of two frames cannot be compared."));
      const key = JSON.stringify(said.map((item) => item.textContent));
      if (key === shown) return;
      shown = key;
      own.replaceChildren(...said);
      element.hidden = caveats.length + said.length === 0;
    },
  };
}

/** @param {string} label @param {HTMLElement} control @param {HTMLElement} output @param {string} name @param {string} [note] */
const row = (label, control, output, name, note = "") =>
  h(
    "div",
    { class: `ne-row ne-row-${name}` },
    h("span", { class: "ne-label", "aria-hidden": "true" }, label, h("small", {}, note)),
    control,
    output,
  );

/**
 * @param {Content} content
 * @param {Hands} hands
 * @param {AbortSignal} signal
 */
export function createControls(content, hands, signal) {
  const network = createNetwork(content, hands, signal);
  const threshold = createSlider("threshold", "threshold", { max: 1, step: 0.01 }, hands, signal);
  const [layerValue, thresholdValue] = [h("span", { class: "ne-value" }), h("span", { class: "ne-value" })];
  const target = createTarget(content, hands, signal);
  const drawer = createDrawer(content, hands, signal);
  const legend = createLegend(content);
  const caveats = createCaveats(content);
  const kept = h("p", { class: "ne-kept" });
  const head = h("b", {});
  const rest = h("span", {});
  kept.append(head, rest);
  return {
    head: h("div", { class: "ne-head" }, h("span", { class: "ne-title" }, content.title), target.element),
    caption: kept,
    rows: h(
      "div",
      { class: "ne-controls" },
      row("layer", network.element, layerValue, "layer", "taller: finer"),
      row("threshold", threshold.input, thresholdValue, "threshold"),
      legend.element,
      drawer.element,
      caveats.element,
    ),
    /** @param {Position} at @param {string} words what the threshold keeps */
    show(at, words) {
      network.show(at.layer);
      layerValue.textContent = `${at.layer + 1} of ${content.layers.length}: ${layerWords(content, at.layer)}`;
      threshold.show(at.threshold, whole(at.threshold));
      thresholdValue.textContent = `${whole(at.threshold)} of ${at.scale === "frame" ? "each frame's" : "the"} strongest`;
      target.show(at);
      drawer.show(at);
      legend.show(at);
      caveats.show(at);
      head.textContent = verdict(explained(content, at));
      rest.textContent = words ? `. ${words}` : `: counting the ${quantityOf(content)} …`;
    },
  };
}
