// The tools of the brush: its shape, what it fills a region with, which side, and over which frames.
import { h, on } from "../shared/dom.js";
import { createBrush } from "./brush.js";
import { occlusionOf } from "./shape.js";
import { createSpan } from "./span.js";

/** @typedef {import("./traits.js").Edit} Edit */

const TOOLS = /** @type {const} */ ([
  ["box", "Box"],
  ["ellipse", "Ellipse"],
  ["free", "Free hand"],
]);
const FILLS = [
  ["blur", "blur"],
  ["mean", "mean of the clip"],
  ["freeze", "frame before"],
  ["noise", "noise"],
  ["grey", "grey"],
];

/**
 * @param {Object} handlers
 * @param {(edit: Edit) => void} handlers.preview - the edit of a gesture that goes on
 * @param {(edit: Edit) => void} handlers.add - the edit of a finished gesture
 * @param {() => void} handlers.cancel
 * @param {(text: string) => void} handlers.say
 * @param {AbortSignal} signal
 */
export function createBrushTools({ preview, add, cancel, say }, signal) {
  let tool = /** @type {import("./shape.js").Tool | null} */ (null);
  /** @param {import("./shape.js").Shape} shape */
  const editOf = (shape) => occlusionOf(shape, { frames: span.span(), fill: fill.value, outside: outside.checked });
  const brush = createBrush(
    { move: (shape) => preview(editOf(shape)), apply: (shape) => add(editOf(shape)), cancel, say },
    signal,
  );
  const span = createSpan(() => {}, signal);
  const fill = h("select", { "data-name": "fill" }, ...FILLS.map(([value, text]) => h("option", { value }, text)));
  const outside = h("input", { type: "checkbox", "data-name": "outside" });
  const buttons = TOOLS.map(([name, text]) => {
    const button = h("button", { type: "button", "data-name": `brush-${name}`, "aria-pressed": "false" }, text);
    on(button, "click", () => choose(tool === name ? null : name), signal);
    return button;
  });
  const hint = h("p", { class: "ne-note" });
  /** @param {typeof tool} chosen */
  const choose = (chosen) => {
    tool = chosen;
    brush.choose(chosen);
    for (const [k, button] of buttons.entries()) button.ariaPressed = String(TOOLS[k][0] === chosen);
    hint.textContent = chosen
      ? "Draw on the frame; release to apply. With keys: arrows, Shift + arrows, Enter. Escape cancels."
      : "Choose a brush to hide a part of the clip.";
  };
  const element = h(
    "div",
    { class: "ne-brush-tools", role: "group", "aria-label": "Brush" },
    h("span", {}, "hide: ", ...buttons),
    h("label", {}, "fill ", fill),
    h("label", {}, outside, " all but the shape"),
    span.element,
    hint,
  );
  choose(null);
  return {
    element,
    brush,
    /** Put the brush over the frame of a tube viewer, and the span over its timeline. @param {HTMLElement} root @param {number[]} size */
    attach(root, size) {
      brush.resize(size);
      span.resize(size[0]);
      root.querySelector(".ne-stage-frame")?.append(brush.element);
      root.querySelector(".ne-timeline")?.prepend(span.bar);
    },
    /** @param {boolean} isOffline */
    disable(isOffline) {
      if (isOffline) choose(null);
    },
  };
}
