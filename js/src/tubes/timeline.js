// The clip in time: its frames small, beneath them the evidence of each, for above the line and against below it, and
// beneath that a course where one is chosen. The slider over them is the browser's own: mouse, touch and keys scrub.
import { colourAt, cssColour, rampsOf } from "../shared/colormaps.js";
import { contextOf, h, pixelRatio } from "../shared/dom.js";
import { createStrip } from "../shared/inputs.js";
import { createCourseBar, createLane, drawCourse } from "./frame_signal_lane.js";
import { frameWords, quantityOf } from "./text.js";

const THUMBS = 34; // CSS pixels down; the canvas' height is the style sheet's
const APART = 4; // between the frames and the curve
const CURVES = 76; // where the evidence ends; a course's lane lies beneath

/** @typedef {{all: number[], kept: number[]}} Curve evidence of each frame, all of it and what the threshold keeps */

/**
 * @param {import("./traits.js").Content} content
 * @param {import("../shared/inputs.js").Hands} hands
 * @param {AbortSignal} signal
 */
export function createTimeline(content, hands, signal) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const lane = createLane(content);
  const strip = createStrip("frame", "frame", content.size[0], hands, signal, canvas, lane.element);
  // What the curve is called stands beneath it: over it the frame's marker would cross the words.
  const name = h("p", { class: "ne-timeline-name" });
  const bar = createCourseBar(content, hands, signal);
  const element = h("div", { class: "ne-timeline" }, strip.element, name);
  return {
    element,
    choice: bar.element,
    /** @param {import("./view_state.js").Position} at */
    show(at) {
      strip.show(at.frame, frameWords(content, at.frame));
      const two = element.classList.toggle("ne-timeline-high", at.course !== null);
      name.textContent = `${two ? "upper: " : ""}${quantityOf(content)} per frame · bright: above threshold`;
      lane.show(at);
      bar.show(at);
    },
    /**
     * @param {ImageBitmap[]} bitmaps
     * @param {{positive: Curve, negative: Curve} | undefined} evidence undefined while it is counted
     * @param {{colours: string, sign: string, course: number | null}} how
     */
    draw(bitmaps, evidence, how) {
      const ratio = pixelRatio();
      const [width, height] = [canvas.clientWidth || 300, canvas.clientHeight || CURVES];
      Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
      const context = contextOf(canvas);
      context.scale(ratio, ratio);
      drawThumbs(context, bitmaps, content.size, width);
      const place = { top: THUMBS + APART, bottom: CURVES - 2, width };
      if (evidence) drawCurves(context, evidence, rampsOf(how.colours, how.sign), place);
      if (how.course !== null) drawCourse(context, content.courses[how.course], content.size[0], width, CURVES);
    },
  };
}

/** As many frames as fit, each over the stretch of time that it stands for. @param {CanvasRenderingContext2D} context @param {ImageBitmap[]} bitmaps @param {number[]} size @param {number} width */
function drawThumbs(context, bitmaps, [frames, tall, wide], width) {
  const count = Math.min(Math.max(1, Math.round(width / ((THUMBS * wide) / tall))), frames);
  const slot = width / count;
  for (let k = 0; k < count; k++) {
    const bitmap = bitmaps[Math.floor(((k + 0.5) * frames) / count)];
    // The middle of the picture, in the shape of its slot.
    const share = Math.min(bitmap.width / slot, bitmap.height / THUMBS);
    const [w, h] = [slot * share, THUMBS * share];
    context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, k * slot, 0, slot, THUMBS);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{positive: Curve, negative: Curve}} evidence
 * @param {{positive: number[][], negative: number[][]}} ramps
 * @param {{top: number, bottom: number, width: number}} place
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
