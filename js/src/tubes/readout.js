// The values under the pointer, or under the crosshair that the keyboard moves: in the frame, the tube, the montage and on
// the timeline. They are computed in the browser and computed again when the view changes below a pointer at rest.
import { h, on } from "../shared/dom.js";
import { ARROWS } from "../shared/inputs.js";
import { percent } from "../shared/text.js";
import { formatterOf, valueAt } from "./frame_signal.js";
import { explained, frameWords, quantityOf, sides, signed } from "./text.js";
import { sampleAt } from "./volume/ray.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./layer_values.js").Field} Field */
/** @typedef {import("./volume/ray.js").Point} Point */
/** @typedef {{positive: import("./timeline.js").Curve, negative: import("./timeline.js").Curve}} Curves */

const HINT = "Point at a picture or at the timeline to read its values.";

/** "+62 %" @param {number} value */
const signedPercent = (value) => signed(value, percent(Math.abs(value)));

/**
 * "frame 5 (index 4) of 16 · 0.33 s · x 34, y 21 · +62 % of the maximum (+1.87), for"
 * @param {Content} content
 * @param {ViewState} view
 * @param {Field} field
 * @param {Point} point
 */
export function pointWords(content, view, field, { frame, x, y, value, peak }) {
  const share = value ?? sampleAt(content.size[0], field, x, y, frame);
  const raw = share * field.peak * (field.weights?.[frame] ?? 1);
  const side = share && quantityOf(content, view.layer) !== "attention" && sides(explained(content, view));
  return (
    `${frameWords(content, frame, true)} · x ${x}, y ${y} · ${signedPercent(share)} of the ` +
    `${view.scale === "frame" ? "frame's " : ""}maximum (${signed(raw)})` +
    (side ? `, ${side[share > 0 ? 0 : 1]}` : "") +
    (peak ? ` · up to ${signedPercent(peak)} behind` : "")
  );
}

/**
 * "frame 5 (index 4) of 16 · 0.33 s · 9.1 % for, 0.3 % against, of all evidence shown · layer2.1: 1.158"
 * @param {Content} content
 * @param {ViewState} view
 * @param {Curves | undefined} curves undefined while they are counted
 * @param {number} frame
 */
export function timelineWords(content, view, curves, frame) {
  const words = sides(explained(content, view));
  const sums = [curves?.positive, curves?.negative].map((curve) => curve?.all ?? []);
  const total = sums.flat().reduce((sum, part) => sum + part, 0);
  const shares = sums.flatMap((all, k) => (Math.max(...all) > 0 ? `${percent(all[frame] / total)} ${words[k]}` : []));
  const signal = view.frame_signal === null ? null : content.frame_signals[view.frame_signal];
  return [
    frameWords(content, frame, true),
    ...(total ? [`${shares.join(", ")}, of all ${quantityOf(content, view.layer)} shown`] : []),
    ...(signal ? [`${signal.name || signal.kind}: ${formatterOf(signal)(valueAt(signal, frame))}`] : []),
  ].join(" · ");
}

/**
 * The line that shows the values.
 * @param {() => ViewState} viewState
 * @param {HTMLElement} liveRegion
 * @param {AbortSignal} signal
 */
export function createReadout(viewState, liveRegion, signal) {
  const element = h("p", { class: "ne-readout" }, HINT);
  /** Words for the pointer, and for the crosshair. @type {((view: ViewState) => string | null | undefined)[]} */
  const probes = [];
  let message = HINT;
  const show = () => {
    const view = viewState();
    const text = probes[0]?.(view) ?? probes[1]?.(view) ?? message;
    if (element.textContent !== text) element.textContent = text;
  };
  return {
    element,
    show,
    /** Show a message until the pointer moves on, and read it aloud. @param {string} text */
    say(text) {
      message = liveRegion.textContent = text;
      probes[0] = () => null;
      show();
    },
    /**
     * Show the words of a position while the pointer is over an element.
     * @param {HTMLElement} target
     * @param {(left: number, top: number, view: ViewState) => string | null} words CSS pixels within the element
     */
    follow(target, words) {
      for (const type of /** @type {const} */ (["pointermove", "pointerdown"])) {
        const point = (/** @type {PointerEvent} */ { offsetX, offsetY, buttons }) => {
          // While the tube is dragged, a new text for each picture would halve the frames per second.
          if (type === "pointermove" && buttons) return;
          probes[0] = (view) => words(offsetX, offsetY, view);
          message = HINT;
          show();
        };
        on(target, type, point, signal);
      }
      const leave = (/** @type {PointerEvent} */ { pointerType }) => {
        if (pointerType === "touch") return; // a tap leaves at once
        probes[0] = () => null;
        show();
      };
      on(target, "pointerleave", leave, signal);
    },
    /** Show the words of the crosshair and read them aloud; without words it is removed. @param {(view: ViewState) => string | null} words */
    pin(words) {
      probes[1] = words;
      show();
      liveRegion.textContent = words(viewState()) ?? "";
    },
  };
}

/**
 * A crosshair on the frame: Shift + arrow keys move it by a pixel, or faster while they are held down; Escape removes it.
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} size
 * @param {(pixel: {x: number, y: number} | null) => void} onMove
 * @param {AbortSignal} signal
 */
export function createCrosshair(canvas, [, height, width], onMove, signal) {
  const element = h("i", { class: "ne-crosshair", hidden: true });
  /** @type {{x: number, y: number} | null} */
  let at = null;
  const show = () => {
    if (element.hidden !== !at) element.hidden = !at;
    if (!at) return;
    element.style.left = `${canvas.offsetLeft + ((at.x + 0.5) / width) * canvas.clientWidth}px`;
    element.style.top = `${canvas.offsetTop + ((at.y + 0.5) / height) * canvas.clientHeight}px`;
  };
  const move = (/** @type {typeof at} */ pixel) => {
    at = pixel;
    show();
    onMove(at);
  };
  on(
    canvas,
    "keydown",
    ({ key, shiftKey, repeat, ctrlKey, metaKey, altKey }) => {
      if (key === "Escape" && at) move(null);
      const arrow = ARROWS[key];
      if (!arrow || !shiftKey || ctrlKey || metaKey || altKey) return;
      const { x, y } = at ?? { x: width >> 1, y: height >> 1 };
      const step = at ? (repeat ? 4 : 1) : 0; // the first press shows it
      const clamp = (/** @type {number} */ value, /** @type {number} */ count) =>
        Math.min(Math.max(value, 0), count - 1);
      move({ x: clamp(x + step * arrow[0], width), y: clamp(y + step * arrow[1], height) });
    },
    signal,
  );
  on(canvas, "blur", () => at && move(null), signal);
  return { element, show };
}
