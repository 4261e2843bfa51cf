// The timeline: thumbnails of the frames, below them the evidence per frame (for above the line, against below it), and
// below that the chosen frame signal. A native range input lies over them, so that mouse, touch and keys scrub.
import { colourAt, cssColour, rampsOf } from "../shared/colormaps.js";
import { contextOf, h, pixelRatio } from "../shared/dom.js";
import { createStrip } from "../shared/inputs.js";
import { createFrameSignalBar, createLane, drawFrameSignal } from "./frame_signal_lane.js";
import { frameWords, quantityOf } from "./text.js";

const THUMBS = 34; // height of the thumbnails in CSS pixels; the style sheet sets the canvas height
const GAP = 4; // between thumbnails and curve
const CURVES = 76; // lower end of the curve, where a frame signal's lane begins

/** @typedef {{all: number[], kept: number[]}} Curve evidence per frame: the total, and the part that the threshold keeps */

/**
 * @param {import("./traits.js").Content} content
 * @param {import("./view_state.js").Handlers} handlers
 * @param {AbortSignal} signal
 */
export function createTimeline(content, handlers, signal) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const lane = createLane(content);
  const strip = createStrip("frame", "frame", content.size[0], handlers, signal, canvas, lane.element);
  // The curve's name stands below the strip: on it, the frame marker would cross the text.
  const name = h("p", { class: "ne-timeline-name" });
  const bar = createFrameSignalBar(content, handlers, signal);
  const element = h("div", { class: "ne-timeline" }, strip.element, name);
  return {
    element,
    input: strip.input,
    choice: bar.element,
    /** Where another control moves the frame too, this one is for the pointer only. */
    leaveTabOrder: () => {
      strip.input.tabIndex = -1;
    },
    /** @param {import("./view_state.js").ViewState} view */
    show(view) {
      strip.show(view.frame, frameWords(content, view.frame, true));
      const hasLane = element.classList.toggle("ne-timeline-high", view.frame_signal !== null);
      name.textContent = `${hasLane ? "upper: " : ""}${quantityOf(content)} per frame · bright: above threshold`;
      lane.show(view);
      bar.show(view);
    },
    /**
     * @param {import("../shared/window.js").FramePicture[]} bitmaps
     * @param {{positive: Curve, negative: Curve} | undefined} evidence undefined while it is counted
     * @param {{colours: string, sign: string, frame_signal: number | null}} view
     */
    draw(bitmaps, evidence, { colours, sign, frame_signal: index }) {
      const ratio = pixelRatio();
      const [width, height] = [canvas.clientWidth || 300, canvas.clientHeight || CURVES];
      Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
      const context = contextOf(canvas);
      context.scale(ratio, ratio);
      drawThumbs(context, bitmaps, content.size, width);
      const area = { top: THUMBS + GAP, bottom: CURVES - 2, width };
      if (evidence) drawCurves(context, evidence, rampsOf(colours, sign), area);
      if (index !== null) drawFrameSignal(context, content.frame_signals[index], content.size[0], width, CURVES);
    },
  };
}

/** Draw as many thumbnails as fit, each over the time that it stands for. @param {CanvasRenderingContext2D} context @param {import("../shared/window.js").FramePicture[]} bitmaps @param {number[]} size @param {number} stripWidth CSS pixels */
function drawThumbs(context, bitmaps, [frames, height, width], stripWidth) {
  const count = Math.min(Math.max(1, Math.round(stripWidth / ((THUMBS * width) / height))), frames);
  const slot = stripWidth / count;
  for (let k = 0; k < count; k++) {
    const bitmap = bitmaps[Math.floor(((k + 0.5) * frames) / count)];
    // Crop the middle of the frame to the shape of the slot.
    const scale = Math.min(bitmap.width / slot, bitmap.height / THUMBS);
    const [w, h] = [slot * scale, THUMBS * scale];
    context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, k * slot, 0, slot, THUMBS);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{positive: Curve, negative: Curve}} evidence
 * @param {{positive: number[][], negative: number[][]}} ramps
 * @param {{top: number, bottom: number, width: number}} area CSS pixels
 */
function drawCurves(context, { positive, negative }, ramps, { top, bottom, width }) {
  const [up, down] = [Math.max(...positive.all), Math.max(...negative.all)];
  const unit = up + down > 0 ? (bottom - top) / (up + down) : 0;
  const zero = up + down > 0 ? top + up * unit : (top + bottom) / 2;
  for (const [curve, ramp, sign] of /** @type {[Curve, number[][], number][]} */ ([
    [positive, ramps.positive, -1],
    [negative, ramps.negative, 1],
  ])) {
    drawArea(context, curve.all, sign * unit, zero, width, cssColour(colourAt(ramp, 0.4), 0.35));
    drawArea(context, curve.kept, sign * unit, zero, width, cssColour(colourAt(ramp, 0.6)));
  }
  context.fillStyle = "#aeb7c4";
  context.fillRect(0, zero - 0.5, width, 1);
}

/** @param {CanvasRenderingContext2D} context @param {number[]} values @param {number} unit @param {number} zero @param {number} width @param {string} colour */
function drawArea(context, values, unit, zero, width, colour) {
  const slot = width / values.length;
  context.beginPath();
  context.moveTo(0, zero);
  context.lineTo(0, zero + values[0] * unit);
  for (const [f, value] of values.entries()) context.lineTo((f + 0.5) * slot, zero + value * unit);
  context.lineTo(width, zero + values[values.length - 1] * unit);
  context.lineTo(width, zero);
  context.fillStyle = colour;
  context.fill();
}
