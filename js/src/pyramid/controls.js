// Controls around the pyramid: heading, caption, sliders, legend, zoom buttons and caveats.
import { AGAINST, colourAt, cssColour, FOR } from "../shared/colormaps.js";
import { h } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { PRUNED } from "./canvas.js";
import { UNKNOWN } from "./links.js";
import { headWords, prunedWords, rowWords, sideWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */

/** @param {string} label @param {HTMLElement} control @param {HTMLElement} output @param {string} name */
const controlRow = (label, control, output, name) =>
  h(
    "div",
    { class: `ne-row ne-row-${name}` },
    h("span", { class: "ne-label", "aria-hidden": "true" }, label),
    control,
    output,
  );

/** @param {number[]} colour @param {string} text */
const legendEntry = (colour, text) => {
  const line = h("i", { "aria-hidden": "true" });
  line.style.background = cssColour(colour);
  return h("span", {}, line, text);
};

/**
 * @param {Content} content
 * @param {import("../shared/inputs.js").Handlers<any>} handlers
 * @param {{zoom: (factor: number) => void, clear: () => void}} actions
 * @param {AbortSignal} signal
 */
export function createControls(content, handlers, actions, signal) {
  const { rows, caveats, title } = content;
  const layer = createSlider("row", "row", { max: rows.length - 1, step: 1 }, handlers, signal);
  const threshold = createSlider("threshold", "prune units below", { max: 1, step: 0.01 }, handlers, signal);
  /** @type {[string, string][]} */
  const rules = [
    ["path", "score and path to the class"],
    ["score", "score alone"],
  ];
  const pruneBy = createMenu("prune_by", "prune by", rules, handlers, String, signal);
  const [layerText, thresholdText] = [h("span", { class: "ne-value" }), h("span", { class: "ne-value" })];
  /** @param {string} name @param {string} text @param {string} tooltip @param {() => void} press */
  const button = (name, text, tooltip, press) => {
    const label = /\w/.test(text) ? undefined : tooltip;
    const element = h("button", { type: "button", "data-name": name, title: tooltip, "aria-label": label }, text);
    element.addEventListener("click", press, { signal });
    return element;
  };
  const clear = button("clear", "clear", "Clear the selection and expand all rows", actions.clear);
  const reset = button("reset", "fit", "Show the whole pyramid (0)", () => actions.zoom(0));
  const tools = h(
    "div",
    { class: "ne-pyramid-tools", role: "group", "aria-label": "Zoom" },
    button("closer", "+", "Zoom in (+)", () => actions.zoom(1.5)),
    button("further", "−", "Zoom out (-)", () => actions.zoom(1 / 1.5)),
    reset,
    clear,
  );
  const [verdict, caption] = [h("p", { class: "ne-verdict" }), h("p", { class: "ne-said" })];
  const grey = legendEntry(PRUNED, "grey: large score, but its parents are pruned");
  const against = h("input", { type: "checkbox", "data-name": "against" });
  const press = () => {
    handlers.move("against", against.checked);
    handlers.done();
  };
  against.addEventListener("change", press, { signal });
  const hasAgainst = content.edges.share.some((share) => share < 0);
  const hasUnknown = content.edges.kind.some((kind) => kind === UNKNOWN);
  const { raises, lowers, helps } = sideWords(content);
  const hint = h(
    "span",
    { class: "ne-hint" },
    "Click a tile to show its tube, shift-click to add more; click a thin row to enlarge it.",
  );
  /** @type {Uint8Array | undefined} */
  let shownKept;
  return {
    head: h("div", { class: "ne-head" }, h("span", { class: "ne-title" }, title)),
    verdict,
    caption,
    legend: h(
      "div",
      { class: "ne-pyramid-legend" },
      legendEntry(colourAt(FOR, 0.5), `${raises}: link adds, more activity ${helps}`),
      legendEntry(colourAt(AGAINST, 0.5), `${lowers} (−): link subtracts, less activity ${helps}`),
      grey,
      h("span", {}, "link width: evidence"),
      h("label", { hidden: !hasAgainst }, against, `dashed links and units: ${lowers}`),
      h("span", { hidden: !hasUnknown }, "dotted: link unknown"),
      hint,
      tools,
    ),
    rows: h(
      "div",
      { class: "ne-controls" },
      controlRow("row", layer.input, layerText, "row"),
      controlRow("prune", threshold.input, thresholdText, "threshold"),
      h("label", { class: "ne-prune-by" }, "prune by ", pruneBy.select),
      h(
        "div",
        { class: "ne-caveats", hidden: !caveats.length },
        h("ul", {}, ...caveats.map((text) => h("li", {}, text))),
      ),
    ),
    /** @param {number} zoom */
    showZoom(zoom) {
      reset.disabled = zoom === 1;
    },
    /** Text that screen readers announce when a gesture has ended. */
    summary: () => `${layerText.textContent}; ${thresholdText.textContent}`,
    /** @param {import("./traits.js").ViewState} state @param {string} text the caption @param {import("./graph.js").Graph} graph @param {Uint8Array} kept @param {Uint8Array} drawn kept units and the grey ones */
    show(state, text, graph, kept, drawn) {
      const count = graph.keptUnits(state.row, kept).length;
      const layerLabel = rowWords(content, state.row, count, graph.coverage(state.row, kept));
      layer.show(state.row, layerLabel);
      layerText.textContent = layerLabel.split(" · ").slice(0, 2).join(" · ");
      const [shown, all] = [kept, drawn].map((units) => units.reduce((sum, is) => sum + is, 0));
      const thresholdLabel = prunedWords(content, shown, state.threshold, all - shown);
      grey.hidden = all === shown;
      pruneBy.show(state.prune_by);
      if (shownKept !== kept) verdict.textContent = headWords(content, graph, kept);
      shownKept = kept;
      threshold.show(state.threshold, thresholdLabel);
      thresholdText.textContent = thresholdLabel;
      if (caption.textContent !== text) caption.textContent = text;
      against.checked = state.against;
      clear.disabled = !state.selected.length && !state.collapsed.length;
    },
  };
}
