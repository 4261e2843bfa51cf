// Draws a frame of a clip with everything outside a concept dimmed.

import { drawFrame } from "../shared/clip_sheets.js";
import { decodeFrames } from "../shared/decode_frames.js";
import { contextOf, h, onAbort } from "../shared/dom.js";
import { createMasks, decodeGrids } from "./masks.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{draw: (canvas: HTMLCanvasElement, clip: number, concept: number, frame: number) => void, bestFrame: (clip: number, concept: number) => number}} Painter */

const SHADE = 0xb8463e3a; // opacity, blue, green, red of what covers the rest
const MASK_SIDE = 128; // samples of a mask at most

/**
 * Decode all clips. Rejects with a StateError if one cannot be read.
 * @param {Content} content
 * @param {AbortSignal} signal
 * @returns {Promise<Painter>}
 */
export async function createPainter(content, signal) {
  const { size } = content.sheet;
  const [grids, bitmaps] = await Promise.all([decodeGrids(content), decodeFrames(content.frames)]);
  const close = () => {
    for (const bitmap of bitmaps) bitmap.close();
  };
  if (signal.aborted) {
    close();
    throw signal.reason;
  }
  onAbort(signal, close);
  const scale = Math.min(MASK_SIDE / Math.max(...size), 1);
  const [height, width] = size.map((pixels) => Math.max(Math.round(pixels * scale), 1));
  const masks = createMasks(content, grids, height, width);
  const cover = h("canvas", { width, height });
  const context = contextOf(cover);
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const mask = new Uint8Array(width * height);
  /** Frames in which each concept covers most, by clip and concept. @type {Map<string, number>} */
  const best = new Map();
  return {
    draw(canvas, clip, concept, frame) {
      masks.write(clip, concept, frame, mask);
      for (let k = 0; k < mask.length; k++) pixels[k] = mask[k] ? 0 : SHADE;
      context.putImageData(image, 0, 0);
      drawFrame(canvas, bitmaps[clip], content.sheet, frame);
      contextOf(canvas).drawImage(cover, 0, 0, canvas.width, canvas.height);
    },
    bestFrame(clip, concept) {
      const key = `${clip} ${concept}`;
      if (!best.has(key)) best.set(key, masks.bestFrame(clip, concept));
      return best.get(key) ?? 0;
    },
  };
}
