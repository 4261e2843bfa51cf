// The map of the network: one bar per layer from input to output, taller for finer maps. It chooses the tube's layer.
import { h, onAbort } from "../shared/dom.js";
import { createStrip } from "../shared/inputs.js";
import { barsOf } from "../tubes/layer_picker.js";
import { layerWords } from "./text.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */

/**
 * @param {(layer: string) => void} choose
 * @param {AbortSignal} signal
 */
export function createNetwork(choose, signal) {
  onAbort(signal, () => lifetime.abort());
  const container = h("div", {});
  const words = h("p", { class: "ne-note" });
  const element = h("div", { class: "ne-map" }, h("span", { class: "ne-map-name" }, "network"), container, words);
  /** @type {import("./traits.js").NetworkLayer[]} */
  let layers = [];
  /** Names of the layers with a map. @type {string[]} */
  let mapped = [];
  let index = 0;
  let isShown = true; // whether the tube viewer shows the map of a layer
  /** @type {HTMLElement[]} */
  let bars = [];
  /** @type {ReturnType<typeof createStrip> | null} */
  let strip = null;
  let lifetime = new AbortController();
  const draw = () => {
    const layer = layers[index];
    if (!layer) return;
    const text = isShown ? layerWords(layer, mapped.includes(layer.name)) : "The map shown is of no single layer.";
    strip?.show(index, text);
    words.textContent = text;
    for (const [k, bar] of bars.entries()) bar.toggleAttribute("data-chosen", isShown && k === index);
  };
  const move = (/** @type {string} */ _, /** @type {number} */ value) => {
    index = value;
    isShown = true;
    draw();
    choose(layers[index].name);
  };
  const build = () => {
    lifetime.abort();
    lifetime = new AbortController();
    const shapes = layers.map(({ shape }) => ({ shape: shape ?? [1, 1, 1], pathway: null }));
    bars = barsOf(shapes).map(({ height }) => {
      const bar = h("i", { class: "ne-layer" });
      bar.style.height = `${90 * height}%`;
      return bar;
    });
    const picture = h("div", { class: "ne-network", "aria-hidden": "true" }, ...bars);
    const handlers = { move, done() {} };
    strip = createStrip("network", "layer of the network", bars.length, handlers, lifetime.signal, picture);
    container.replaceChildren(strip.element);
  };
  return {
    element,
    /** @param {ExplorerState} state @param {import("./traits.js").EditState[]} edits @param {import("../shared/model.js").Model | null} tubes */
    show(state, edits, tubes) {
      element.hidden = !state.layers.length;
      if (state.layers !== layers) {
        layers = state.layers;
        if (layers.length) build();
      }
      const maps = /** @type {{name: string}[]} */ (tubes?.get("layers") ?? []);
      mapped = maps.map(({ name }) => name);
      const shown = layers.findIndex(({ name }) => name === mapped[tubes?.get("layer")]);
      if (shown >= 0) index = shown;
      isShown = shown >= 0 || !mapped.length;
      const edited = edits.filter(({ enabled }) => enabled).map(({ edit }) => edit.layer);
      for (const [k, { name }] of layers.entries()) {
        bars[k].toggleAttribute("data-mapped", mapped.includes(name));
        bars[k].toggleAttribute("data-edited", edited.includes(name));
      }
      draw();
    },
  };
}
