// The clip in time: its frames small, and beneath them the evidence of each, for above the line and against below it.
// The slider over them is the browser's own: mouse, touch and keys scrub.
import { colourAt, cssColour, rampsOf } from "./colours.js";
import { h } from "./dom.js";
import { createStrip } from "./slider.js";
import { frameWords } from "./words.js";

const THUMBS = 34; // CSS pixels down; the canvas' height is the style sheet's
const NAME = 16; // what the curve is called stands between the frames and it

/** @typedef {{all: number[], kept: number[]}} Course evidence of each frame, all of it and what the threshold keeps */

/**
 * @param {import("./state.js").Content} content
 * @param {import("./slider.js").Hands} hands
 * @param {AbortSignal} signal
 */
export function createTimeline(content, hands, signal) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const { element, show } = createStrip("frame", "frame", content.size[0], hands, signal, canvas);
  return {
    element,
    /** @param {number} frame */
    show: (frame) => show(frame, frameWords(content, frame)),
    /**
     * @param {ImageBitmap[]} bitmaps
     * @param {{positive: Course, negative: Course} | undefined} courses undefined while they are counted
     * @param {{colours: string, sign: string}} how
     */
    draw(bitmaps, courses, how) {
      const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
      const [width, height] = [canvas.clientWidth || 300, canvas.clientHeight || 84];
      Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
      const context = canvas.getContext("2d");
      if (!context) return;
      context.scale(ratio, ratio);
      drawThumbs(context, bitmaps, content.size, width);
      if (courses) drawCourses(context, courses, rampsOf(how.colours, how.sign), THUMBS + NAME, width, height - 2);
      context.font = "10px system-ui, sans-serif";
      const [long, short] = ["evidence of each frame · bright: above the threshold", "evidence of each frame"];
      const name = context.measureText(long).width + 12 < width ? long : short;
      context.fillStyle = "#dfe5ec";
      context.fillText(name, 4, THUMBS + 12);
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
 * @param {{positive: Course, negative: Course}} courses
 * @param {{positive: number[][], negative: number[][]}} ramps
 * @param {number} top
 * @param {number} width
 * @param {number} bottom
 */
function drawCourses(context, { positive, negative }, ramps, top, width, bottom) {
  const [up, down] = [Math.max(...positive.all), Math.max(...negative.all)];
  const unit = up + down > 0 ? (bottom - top) / (up + down) : 0;
  const zero = up + down > 0 ? top + up * unit : (top + bottom) / 2;
  for (const [course, ramp, sign] of /** @type {[Course, number[][], number][]} */ ([
    [positive, ramps.positive, -1],
    [negative, ramps.negative, 1],
  ])) {
    drawArea(context, course.all, sign * unit, zero, width, cssColour(colourAt(ramp, 0.4), 0.35));
    drawArea(context, course.kept, sign * unit, zero, width, cssColour(colourAt(ramp, 0.6)));
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
