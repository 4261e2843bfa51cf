// The video frame with the evidence overlaid.
import { contextOf, h } from "../shared/dom.js";
import { createOverlay } from "./overlay.js";
import { quantityOf } from "./text.js";

const SIDE = 448; // longer side of the canvas, about: sharp at any width of a notebook, drawn within a few ms

/** @param {import("./traits.js").Content} content */
export function createFrameCanvas({ size, layers }) {
  const canvas = h("canvas", {
    class: "ne-frame",
    role: "application", // so that screen readers leave the arrow keys to it
    tabindex: 0,
    "aria-label": `Video frame with the ${quantityOf({ layers })} overlaid. Shift + arrow keys read the value at a pixel.`,
  });
  canvas.style.setProperty("--ne-aspect", String(size[2] / size[1]));
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./traits.js").Content} content
 * @param {import("../shared/window.js").FramePicture[]} bitmaps
 */
export function createFrameView(canvas, { size }, bitmaps) {
  const overlay = createOverlay(size, Math.max(1, Math.round(SIDE / Math.max(size[1], size[2]))));
  canvas.width = overlay.width;
  canvas.height = overlay.height;
  const context = contextOf(canvas, { willReadFrequently: true });
  return {
    /** @param {import("./view_state.js").ViewState} view @param {import("./layer_values.js").Field} field */
    draw(view, field) {
      context.drawImage(bitmaps[view.frame], 0, 0, canvas.width, canvas.height);
      context.drawImage(overlay.picture(view, field, view.frame), 0, 0);
    },
  };
}
