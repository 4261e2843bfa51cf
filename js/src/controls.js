// The rows beneath the pictures: frame, layer, threshold; the class; the legend; what one has to know.
import { AGAINST, cssGradient, FOR } from "./colours.js";
import { h } from "./dom.js";
import { frameWords, layerWords, targetWords, whole } from "./words.js";

/** @typedef {import("./state.js").Content} Content */
/** @typedef {import("./state.js").Position} Position */
/** @typedef {"frame" | "layer" | "threshold"} SliderName */

/**
 * @typedef {Object} Hands what the controls do; the viewer decides what it means
 * @property {(name: "frame" | "layer" | "threshold" | "target", value: number) => void} move - while a gesture lasts
 * @property {() => void} done - when it has ended
 * @property {() => void} play - start or stop
 */

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

/**
 * A slider whose gesture ends once: on release, or when a key held down comes up.
 * @param {SliderName} name
 * @param {string} label
 * @param {{max: number, step: number}} range
 * @param {Hands} hands
 * @param {AbortSignal} signal
 */
function createSlider(name, label, { max, step }, hands, signal) {
  const input = h("input", { type: "range", "data-name": name, "aria-label": label, min: 0, max, step });
  input.disabled = max === 0;
  const output = h("span", { class: "ne-value" });
  let held = false;
  input.addEventListener("input", () => hands.move(name, Number(input.value)), { signal });
  input.addEventListener("keydown", () => (held = true), { signal });
  input.addEventListener("change", () => held || hands.done(), { signal });
  const released = () => {
    held = false;
    hands.done();
  };
  input.addEventListener("keyup", released, { signal });
  input.addEventListener("blur", released, { signal });
  return {
    input,
    row: h("div", { class: `ne-row ne-row-${name}` }, h("span", { class: "ne-label" }, label), input, output),
    /** @param {number} value @param {string} words */
    show(value, words) {
      if (Number(input.value) !== value) input.value = String(value);
      input.style.setProperty("--ne-done", max ? `${(100 * value) / max}%` : "0%");
      input.setAttribute("aria-valuetext", words);
      output.textContent = words;
    },
  };
}

/** @param {Content} content @param {Hands} hands @param {AbortSignal} signal */
function createTarget(content, hands, signal) {
  if (content.targets.length < 2) {
    const only = h("strong", {}, targetWords(content.targets[0]));
    return { element: h("span", { class: "ne-target" }, h("span", {}, "evidence for "), only), show() {} };
  }
  const select = h("select", { "data-name": "target", "aria-label": "class explained" });
  for (const [index, target] of content.targets.entries())
    select.append(h("option", { value: index }, targetWords(target)));
  select.addEventListener(
    "change",
    () => {
      hands.move("target", Number(select.value));
      hands.done();
    },
    { signal },
  );
  return {
    element: h("label", { class: "ne-target" }, h("span", {}, "evidence for"), select),
    /** @param {number} target */
    show(target) {
      select.value = String(target);
    },
  };
}

/** The two ramps on one scale, what the threshold hides dimmed. */
function createLegend() {
  const bar = h("div", { class: "ne-ramp" });
  const hidden = h("div", { class: "ne-ramp-hidden" });
  bar.style.backgroundImage = `${cssGradient(AGAINST, "to left")}, ${cssGradient(FOR, "to right")}`;
  bar.append(hidden);
  const element = h("div", { class: "ne-legend" }, h("span", {}, "against"), bar, h("span", {}, "for"));
  return {
    element,
    /** @param {number} threshold */
    show(threshold) {
      hidden.style.left = `${50 - 50 * threshold}%`;
      hidden.style.width = `${100 * threshold}%`;
      element.title = `Evidence weaker than ${whole(threshold)} of the layer's strongest is not shown`;
    },
  };
}

/** @param {string[]} caveats */
function createCaveats(caveats) {
  const own = h("ul", {});
  const element = h("div", { class: "ne-caveats" }, h("ul", {}, ...caveats.map((text) => h("li", {}, text))), own);
  let shown = "";
  return {
    element,
    /** @param {import("./state.js").LayerState} layer */
    show(layer) {
      const key = JSON.stringify([layer.name, layer.caveats]);
      if (key === shown) return;
      shown = key;
      own.replaceChildren(...layer.caveats.map((text) => h("li", {}, h("b", {}, layer.name), `: ${text}`)));
      element.hidden = caveats.length + layer.caveats.length === 0;
    },
  };
}

/**
 * @param {Content} content
 * @param {Hands} hands
 * @param {AbortSignal} signal
 */
export function createControls(content, hands, signal) {
  const play = h("button", { type: "button", "data-name": "play", class: "ne-play" });
  play.addEventListener("click", hands.play, { signal });
  play.disabled = content.size[0] < 2;
  const frame = createSlider("frame", "frame", { max: content.size[0] - 1, step: 1 }, hands, signal);
  const layer = createSlider("layer", "layer", { max: content.layers.length - 1, step: 1 }, hands, signal);
  const threshold = createSlider("threshold", "threshold", { max: 1, step: 0.01 }, hands, signal);
  frame.row.prepend(play);
  const target = createTarget(content, hands, signal);
  const legend = createLegend();
  const caveats = createCaveats(content.caveats);
  const kept = h("p", { class: "ne-kept" });
  const title = h("span", { class: "ne-title" }, content.title);
  let playing = /** @type {boolean | null} */ (null);
  return {
    head: h("div", { class: "ne-head" }, title, target.element),
    rows: h(
      "div",
      { class: "ne-controls" },
      frame.row,
      layer.row,
      threshold.row,
      h("div", { class: "ne-foot" }, legend.element, kept),
      caveats.element,
    ),
    /** @param {Position} at */
    show(at) {
      frame.show(at.frame, frameWords(content, at.frame));
      layer.show(at.layer, layerWords(content, at.layer));
      threshold.show(at.threshold, whole(at.threshold));
      target.show(at.target);
      legend.show(at.threshold);
      caveats.show(content.layers[at.layer]);
      if (playing === at.playing) return;
      playing = at.playing;
      play.replaceChildren(icon(playing ? PAUSE : PLAY));
      play.setAttribute("aria-label", playing ? "pause" : "play");
      play.title = playing ? "pause (space)" : "play (space)";
    },
    /** @param {string} words */
    showKept(words) {
      if (kept.textContent !== words) kept.textContent = words;
    },
  };
}
