// The slider of the threshold and the menu of its unit: a fraction of the maximum, or a share of the evidence.
import { h } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { levelWords, quantityOf, thresholdWords, whole } from "./text.js";

/**
 * @param {import("./traits.js").Content} content
 * @param {import("./view_state.js").Handlers} handlers
 * @param {AbortSignal} signal
 */
export function createThreshold(content, handlers, signal) {
  const { input, show } = createSlider("threshold", "threshold", { max: 1, step: 0.01 }, handlers, signal);
  const units = /** @type {[string, string][]} */ ([
    ["maximum", "of the maximum"],
    ["evidence", `of the ${quantityOf(content)}`],
  ]);
  const unit = createMenu("threshold_by", "unit of the threshold", units, handlers, String, signal);
  const [number, note] = [h("span", {}), h("small", {})];
  return {
    input,
    note,
    value: h("span", { class: "ne-value ne-threshold-value" }, number, unit.select),
    /** @param {import("./view_state.js").ViewState} view */
    show(view) {
      const byEvidence = view.threshold_by === "evidence";
      show(byEvidence ? view.setting : view.threshold, thresholdWords(content, view));
      number.textContent = byEvidence ? whole(view.setting) : levelWords(view.threshold);
      unit.show(byEvidence ? "evidence" : "maximum");
      unit.select.options[0].textContent = `of ${view.scale === "frame" ? "each frame's" : "the"} maximum`;
      const isLowered = view.threshold_by === "default" && view.threshold < view.setting;
      note.textContent = byEvidence ? `from ${levelWords(view.threshold)}` : isLowered ? "lowered" : "";
      note.title = byEvidence
        ? thresholdWords(content, view)
        : `At ${whole(view.setting)} of the maximum, less than a quarter of the ${quantityOf(content)} would show.`;
    },
  };
}
