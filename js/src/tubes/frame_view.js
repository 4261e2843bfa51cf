// The frame, and over it what the layer found there.
import { contextOf, h } from "../shared/dom.js";
import { createOverlay } from "./overlay.js";
import { quantityOf } from "./text.js";
import { StateError } from "./traits.js";

const SIDE = 448; // the canvas' longer side, about: sharp at any width a notebook gives, and still drawn in a few ms

/**
 * Decode all frames. Rejects with words when one is no picture.
 * @param {Uint8Array<ArrayBuffer>[]} frames
 * @returns {Promise<ImageBitmap[]>}
 */
export async function decodeFrames(frames) {
  const settled = await Promise.allSettled(
    frames.map(async (bytes) => createImageBitmap(new Blob([bytes], { type: "image/jpeg" }))),
  );
  const bad = settled.findIndex(({ status }) => status === "rejected");
  const bitmaps = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (bad < 0) return bitmaps;
  for (const bitmap of bitmaps) bitmap.close();
  throw new StateError(`\`frames[${bad}]\` could not be read as a JPEG picture`);
}

/** @param {import("./traits.js").Content} content */
export function createFrameCanvas({ size, layers }) {
  const canvas = h("canvas", {
    class: "ne-frame",
    role: "img",
    "aria-label": `The frame, with the ${quantityOf({ layers })} found in it`,
  });
  canvas.style.aspectRatio = `${size[2]} / ${size[1]}`;
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./traits.js").Content} content
 * @param {ImageBitmap[]} bitmaps
 */
export function createFrameView(canvas, { size }, bitmaps) {
  const overlay = createOverlay(size, Math.max(1, Math.round(SIDE / Math.max(size[1], size[2]))));
  canvas.width = overlay.width;
  canvas.height = overlay.height;
  const context = contextOf(canvas, { willReadFrequently: true });
  return {
    /** @param {import("./view_state.js").Position} at @param {import("./layer_values.js").Field} field */
    draw(at, field) {
      context.drawImage(bitmaps[at.frame], 0, 0, canvas.width, canvas.height);
      context.drawImage(overlay.picture(at, field, at.frame), 0, 0);
    },
  };
}
