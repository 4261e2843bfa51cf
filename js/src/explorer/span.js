// The span of frames that an edit covers: dragged over the timeline, or typed. A span is half open.
import { h, on } from "../shared/dom.js";
import { spanOf } from "./fields.js";
import { spanWords } from "./text.js";

/** @typedef {[number, number] | null} Span null for all frames */

/**
 * @param {(span: Span) => void} changed
 * @param {AbortSignal} signal
 */
export function createSpan(changed, signal) {
  const range = h("i", {});
  const bar = h("div", { class: "ne-span", title: "Drag to choose the frames that an edit covers" }, range);
  const [first, last] = ["first", "last"].map((end) =>
    h("input", {
      type: "number",
      min: 1,
      step: 1,
      "data-name": `${end}-frame`,
      "aria-label": `${end} frame of an edit`,
    }),
  );
  const all = h("button", { type: "button", "data-name": "all-frames" }, "all");
  const words = h("span", { class: "ne-note" });
  const element = h("span", { class: "ne-span-inputs" }, "frames ", first, " to ", last, all);
  let frames = 1;
  /** @type {Span} */
  let span = null;
  /** Frame on which the drag began. @type {number | null} */
  let start = null;

  const show = () => {
    const [a, b] = span ?? [0, frames];
    Object.assign(range.style, { left: `${(100 * a) / frames}%`, width: `${(100 * (b - a)) / frames}%` });
    [first.value, last.value] = [String(a + 1), String(b)];
    for (const input of [first, last]) input.max = String(frames);
    all.disabled = span === null;
    words.textContent = spanWords(span, frames);
    bar.toggleAttribute("data-part", span !== null);
  };
  /** @param {number} one @param {number} other frames, which count from 1 */
  const set = (one, other) => {
    span = /** @type {Span} */ (spanOf(one, other, frames));
    show();
    changed(span);
  };
  const frameAt = (/** @type {PointerEvent} */ { clientX }) => {
    const { left, width } = bar.getBoundingClientRect();
    return Math.floor(((clientX - left) / width) * frames) + 1;
  };
  const press = (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    bar.setPointerCapture?.(event.pointerId);
    start = frameAt(event);
    set(start, start);
  };
  on(bar, "pointerdown", press, signal);
  on(bar, "pointermove", (event) => start !== null && set(start, frameAt(event)), signal);
  for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) on(bar, type, () => (start = null), signal);
  const typed = () => set(first.valueAsNumber, last.valueAsNumber);
  for (const input of [first, last]) on(input, "change", typed, signal);
  on(all, "click", () => set(1, frames), signal);
  return {
    bar,
    element,
    span: () => span,
    /** Follow the number of frames. @param {number} count */
    resize(count) {
      if (span && span[1] > count) span = null;
      frames = count;
      show();
    },
  };
}
