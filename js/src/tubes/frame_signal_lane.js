// A frame signal on the timeline: the lane with its line, and below it the menu that chooses a signal, with its legend.

import { h } from "../shared/dom.js";
import { createMenu } from "../shared/inputs.js";
import {
  formatterOf,
  frameSignalAt,
  frameSignalDashes,
  frameSignalName,
  frameSignalRange,
  frameSignalSource,
  heightOf,
  isBinary,
  lineOf,
  scaleOf,
  valueAt,
} from "./frame_signal.js";

/** @typedef {import("./traits.js").FrameSignalState} FrameSignalState */
/** @typedef {Pick<import("./view_state.js").ViewState, "frame_signal" | "frame">} View */

const LANE = 54; // height in CSS pixels, as in the style sheet
const INSET = 14; // above and below the line: room for the numbers at the ends of the scale, and for the dot
const LINE = "#8df0c0"; // a colour of neither ramp, nor the white of the frame marker
const PALE = "#aeb7c4";

/** Distance from the lane's lower edge. @param {number} height 0..1 */
const fromBottom = (height) => INSET + height * (LANE - 2 * INSET);

/**
 * The menu of frame signals and the legend of the chosen one; hidden if there are none.
 * @param {import("./traits.js").Content} content
 * @param {import("./view_state.js").Handlers} handlers
 * @param {AbortSignal} signal
 */
export function createFrameSignalBar({ frame_signals: frameSignals }, handlers, signal) {
  const names = frameSignals.map(
    (frameSignal, k) => /** @type {[string, string]} */ ([String(k), frameSignalName(frameSignal)]),
  );
  const parse = (/** @type {string} */ value) => (value === "null" ? null : Number(value));
  const label = "per-frame signal of the network on the timeline";
  const menu = createMenu("frame_signal", label, [["null", "none"], ...names], handlers, parse, signal);
  const [value, range, neutral, source, swatch] = [h("b"), h("span"), h("span"), h("span"), h("i")];
  const dashes = h("span", {}, h("i", { class: "ne-signal-dashes" }), neutral);
  const legend = h("p", { class: "ne-signal-legend" }, h("span", {}, swatch, range), value, dashes, source);
  const choice = h("label", {}, h("span", {}, "also plot"), menu.select);
  const element = h("div", { class: "ne-signal", hidden: !frameSignals.length }, choice, legend);
  return {
    element,
    /** @param {View} view */
    show({ frame_signal: index, frame }) {
      menu.show(index);
      legend.hidden = index === null;
      if (index === null) return;
      const frameSignal = frameSignals[index];
      menu.select.title = frameSignalName(frameSignal);
      value.textContent = frameSignalAt(frameSignal, frame);
      range.textContent = frameSignalRange(frameSignal);
      neutral.textContent = frameSignalDashes(frameSignal);
      dashes.hidden = !neutral.textContent;
      source.textContent = frameSignalSource(frameSignal);
      swatch.className = isBinary(frameSignal) ? "ne-signal-block" : "";
    },
  };
}

/**
 * Elements over the lane: the ends of the scale as numbers, and a dot where the line meets the frame. They are not
 * part of the picture, so that the timeline is not drawn again for every frame.
 * @param {import("./traits.js").Content} content
 */
export function createLane({ frame_signals: frameSignals, size }) {
  const [high, low, dot] = [h("span"), h("span", { class: "ne-lane-low" }), h("i")];
  const element = h("div", { class: "ne-lane", "aria-hidden": "true" }, high, low, dot);
  let shown = /** @type {number | null} */ (null);
  return {
    element,
    /** @param {View} view */
    show({ frame_signal: index, frame }) {
      const frameSignal = index === null ? null : frameSignals[index];
      element.hidden = !frameSignal || isBinary(frameSignal);
      if (!frameSignal || element.hidden) return;
      if (shown !== index) {
        const [min, max] = scaleOf(frameSignal).map(formatterOf(frameSignal));
        high.textContent = max;
        low.textContent = min === max ? "" : min;
      }
      shown = index;
      dot.style.left = `${(100 * (frame + 0.5)) / size[0]}%`;
      dot.style.bottom = `${fromBottom(heightOf(frameSignal)(valueAt(frameSignal, frame)))}px`;
    },
  };
}

/**
 * Draw the lane: a hairline at its top, dashes at the neutral value, and the line (filled blocks if the signal is binary).
 * @param {CanvasRenderingContext2D} context
 * @param {FrameSignalState} frameSignal
 * @param {number} frames
 * @param {number} width CSS pixels
 * @param {number} top CSS pixels
 */
export function drawFrameSignal(context, frameSignal, frames, width, top) {
  const y = (/** @type {number} */ height) => top + LANE - fromBottom(height);
  const trace = (/** @type {number[][]} */ points) => {
    context.beginPath();
    for (const [x, height] of points) context.lineTo(x * width, y(height));
  };
  context.fillStyle = PALE;
  context.fillRect(0, top, width, 0.5);
  if (frameSignalDashes(frameSignal)) {
    const level = heightOf(frameSignal)(/** @type {number} */ (frameSignal.neutral));
    trace([[0, level], [1, level]]); // biome-ignore format: two points
    context.strokeStyle = PALE;
    context.setLineDash([4, 4]);
    context.stroke();
    context.setLineDash([]);
  }
  context.fillStyle = context.strokeStyle = LINE;
  context.lineWidth = 2;
  context.lineJoin = "round";
  const line = lineOf(frameSignal, frames);
  if (isBinary(frameSignal)) trace([[line[0][0], 0], ...line, [line[line.length - 1][0], 0]]);
  else trace(line);
  isBinary(frameSignal) ? context.fill() : context.stroke();
}
