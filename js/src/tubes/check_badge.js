// The verdict of a check of the shown map; its numbers are one click away.
import { h } from "../shared/dom.js";
import { quantityOf } from "./text.js";

const UNCHECKED = "not checked";
const ADVICE =
  "Nobody has measured yet whether the score falls when the shown part is hidden, or whether the map follows the network's " +
  "weights. In Python, tubes.check() measures both and returns the explanation with the result.";

/** @param {import("./traits.js").Content} content */
export function createCheckBadge(content) {
  const [verdict, numbers] = [h("b", {}), h("p", {})];
  const element = h(
    "details",
    { class: "ne-check" },
    h("summary", { "data-name": "check" }, "check: ", verdict),
    numbers,
  );
  return {
    element,
    /** @param {import("./view_state.js").ViewState} view */
    show({ layer, target, against }) {
      const check = against === null ? content.layers[layer].checks?.[target] : null;
      element.hidden = !["evidence", "relevance"].includes(quantityOf(content, layer));
      element.dataset.verdict = verdict.textContent = check?.verdict ?? UNCHECKED;
      element.dataset.code = check?.code ?? "not_checked";
      numbers.textContent = check?.words ?? ADVICE;
    },
  };
}
