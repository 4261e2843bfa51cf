// The layer picker: one bar per layer from input to output, taller for finer maps; parallel pathways in lanes of their own.
import { h, on } from "../shared/dom.js";
import { createStrip } from "../shared/inputs.js";
import { layerWords } from "./text.js";

const POOLING = "pooling input";

/**
 * Height and lower end of each layer's bar, as fractions of the picker's height.
 * @param {Pick<import("./traits.js").Layer, "shape" | "pathway">[]} layers
 */
export function barsOf(layers) {
  const resolutions = layers.map(({ shape }) => (shape[1] * shape[2]) ** 0.25);
  const finest = Math.max(...resolutions);
  const lanes = [...new Set(layers.map(({ pathway }) => pathway))].sort((a, b) => Number(a) - Number(b));
  return layers.map(({ pathway }, k) => ({
    height: Math.max(resolutions[k] / finest, 0.15) / lanes.length,
    bottom: (lanes.length - 1 - lanes.indexOf(pathway)) / lanes.length,
  }));
}

/** Name of the picker: maps of single units are no layers. @param {Pick<import("./traits.js").Content, "layers">} content */
export const layerLabel = ({ layers }) => (layers[0].quantity === "activity" ? "selected unit" : "layer");

/** Explanation of the bars, with a swatch of those of pooling layers. @param {import("./traits.js").Content} content */
export function barsKey(content) {
  const pooling = [h("i", { class: "ne-layer-pooling" }), "Input of a pooling layer."];
  return h(
    "p",
    { class: "ne-bars" },
    barsWords(content),
    ...(content.layers.some(({ kind }) => kind === POOLING) ? pooling : []),
  );
}

/** Explanation of the bars. @param {import("./traits.js").Content} content */
export function barsWords({ layers }) {
  const hasLanes = layers.some(({ pathway }) => pathway !== layers[0].pathway);
  return (
    "Layers from input to output. A tall bar means a finer map, not a more important layer. " +
    "Cells: time × height × width." +
    (hasLanes ? " Bars at two heights: parallel pathways." : "")
  );
}

/**
 * @param {import("./traits.js").Content} content
 * @param {import("./view_state.js").Handlers} handlers
 * @param {AbortSignal} signal
 */
export function createLayerPicker(content, handlers, signal) {
  const bars = barsOf(content.layers).map(({ height, bottom }, k) => {
    const bar = h("i", { class: `ne-layer ne-layer-${content.layers[k].kind.split(" ")[0]}` });
    Object.assign(bar.style, { height: `${90 * height}%`, bottom: `${100 * bottom}%` });
    return bar;
  });
  let shown = 0; // target
  const picture = h("div", { class: "ne-network", "aria-hidden": "true" }, ...bars);
  const { element, input, show } = createStrip("layer", layerLabel(content), bars.length, handlers, signal, picture);
  on(
    input,
    "pointermove",
    (event) => {
      const layer = Math.floor((event.offsetX / input.clientWidth) * bars.length);
      input.title = `${layerWords(content, Math.min(Math.max(layer, 0), bars.length - 1), shown)}\n${barsWords(content)}`;
    },
    signal,
  );
  return {
    element,
    /** @param {number} layer @param {number} target */
    show: (layer, target) => {
      shown = target;
      show(layer, layerWords(content, layer, target));
      for (const [k, bar] of bars.entries()) bar.toggleAttribute("data-chosen", k === layer);
    },
  };
}
