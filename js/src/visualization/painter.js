// Decodes all clips of a content, and draws their frames at their own pixels: the style sheet enlarges them.
import { drawFrame } from "../shared/clip_sheets.js";
import { decodeFrames } from "../shared/decode_frames.js";
import { onAbort, pixelRatio } from "../shared/dom.js";
import { arrowsOf, decodeFlows, drawArrows } from "./flow.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").ViewState} ViewState */
/** @typedef {import("./card.js").Card} Card */
/** @typedef {Awaited<ReturnType<typeof createPainter>>} Painter */

const UNSEEN_WIDTH = 320; // pixels of the arrows of a card that has no width yet

/**
 * Decode everything. Rejects with a StateError if a part cannot be read.
 * @param {Content} content
 * @param {AbortSignal} signal
 */
export async function createPainter(content, signal) {
  const { frames, previews, lengths, rows, sheet, preview_sheet } = content;
  const [bitmaps, previewBitmaps, flows] = await Promise.all([
    decodeFrames(frames),
    decodeFrames(previews),
    decodeFlows(content),
  ]);
  const close = () => {
    for (const bitmap of [...bitmaps, ...previewBitmaps]) bitmap.close();
  };
  if (signal.aborted) {
    close();
    throw signal.reason;
  }
  onAbort(signal, close);
  /** Position of the first preview of each row. */
  const firsts = rows.map((_, k) => rows.slice(0, k).reduce((count, { steps }) => count + steps.length - 1, 0));

  /** Draw a frame unless it is drawn already. @param {HTMLCanvasElement} canvas @param {ImageBitmap} picture @param {import("../shared/clip_sheets.js").Sheet} where @param {string} name @param {number} frame */
  const show = (canvas, picture, where, name, frame) => {
    const key = `${name} ${frame}`;
    if (canvas.dataset.drawn === key) return;
    const [height, width] = where.size;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    drawFrame(canvas, picture, where, frame);
    canvas.dataset.drawn = key;
    canvas.dataset.frame = String(frame);
  };
  /** @param {HTMLCanvasElement} canvas @param {number} clip @param {number} frame */
  const showClip = (canvas, clip, frame) =>
    show(canvas, bitmaps[clip], sheet, `clip ${clip}`, Math.min(frame, lengths[clip] - 1));
  return {
    flows,
    /** @param {Card} card @param {ViewState} state */
    paint({ index, made, arrows, others }, state) {
      const { steps, made: clip } = rows[index];
      const isLast = state.step >= steps.length - 1;
      const preview = firsts[index] + state.step;
      if (isLast || !preview_sheet) showClip(made, clip, state.frame);
      else show(made, previewBitmaps[preview], preview_sheet, `preview ${preview}`, state.frame);
      for (const other of others) showClip(other.canvas, other.clip, state.frame);
      const flow = flows[index];
      const hasArrows = state.arrows && isLast && flow !== null;
      arrows.hidden = !hasArrows;
      if (hasArrows) showArrows(arrows, flow, content.size, state.frame);
    },
  };
}

/** @param {HTMLCanvasElement} canvas @param {import("./flow.js").Flow} flow @param {number[]} size @param {number} frame */
function showArrows(canvas, flow, size, frame) {
  const width = Math.round((canvas.clientWidth || UNSEEN_WIDTH) * pixelRatio());
  const key = `${frame} ${width}`;
  if (canvas.dataset.drawn === key) return;
  const height = Math.round((width * size[1]) / size[2]);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const arrows = arrowsOf(flow, size, frame);
  drawArrows(canvas, arrows);
  canvas.dataset.drawn = key;
  canvas.dataset.count = String(arrows.length);
}
