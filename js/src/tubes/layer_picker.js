// The network from its input to its output, a column for each layer, to pick from: the finer its maps, the higher it is.
// Parallel pathways lie one above the other.
import { h, on } from "../shared/dom.js";
import { createStrip } from "../shared/inputs.js";
import { layerWords } from "./text.js";

const POOLING = "pooling input";

/**
 * How high each layer's column stands and in which lane, in shares of the map of the network.
 * @param {import("./traits.js").LayerState[]} layers
 */
export function columnsOf(layers) {
  const fine = layers.map(({ shape }) => (shape[1] * shape[2]) ** 0.25);
  const finest = Math.max(...fine);
  const lanes = [...new Set(layers.map(({ pathway }) => pathway))].sort((a, b) => Number(a) - Number(b));
  return layers.map(({ pathway }, k) => ({
    height: Math.max(fine[k] / finest, 0.15) / lanes.length,
    bottom: (lanes.length - 1 - lanes.indexOf(pathway)) / lanes.length,
  }));
}

/** What the columns mean. @param {import("./traits.js").Content} content */
export function barsWords({ layers }) {
  const pooling = layers.some(({ kind }) => kind === POOLING);
  const lanes = layers.some(({ pathway }) => pathway !== layers[0].pathway);
  return (
    "From the network's input to its output. A bar's height is no importance: the taller, the finer the map across the " +
    "picture. Cells: time × height × width." +
    (pooling ? " Dark grey: where a pooling takes its input." : "") +
    (lanes ? " Bars at two heights: parallel pathways, one above the other." : "")
  );
}

/**
 * @param {import("./traits.js").Content} content
 * @param {import("../shared/inputs.js").Hands} hands
 * @param {AbortSignal} signal
 */
export function createNetwork(content, hands, signal) {
  const columns = columnsOf(content.layers).map(({ height, bottom }, k) => {
    const column = h("i", { class: `ne-layer ne-layer-${content.layers[k].kind.split(" ")[0]}` });
    Object.assign(column.style, { height: `${90 * height}%`, bottom: `${100 * bottom}%` });
    return column;
  });
  const map = h("div", { class: "ne-network", "aria-hidden": "true" }, ...columns);
  const { element, input, show } = createStrip("layer", "layer", columns.length, hands, signal, map);
  on(
    input,
    "pointermove",
    (event) => {
      const under = Math.floor((event.offsetX / input.clientWidth) * columns.length);
      input.title = `${layerWords(content, Math.min(Math.max(under, 0), columns.length - 1))}\n${barsWords(content)}`;
    },
    signal,
  );
  return {
    element,
    /** @param {number} layer */
    show: (layer) => {
      show(layer, layerWords(content, layer));
      for (const [k, column] of columns.entries()) column.toggleAttribute("data-chosen", k === layer);
    },
  };
}
