// Clips that arrive as one JPEG each, with all of their frames side by side; widgets/wire/clip_sheets.py makes them.
import { contextOf } from "./dom.js";
import { bytesOf, isShape, lengthOf, need } from "./validate.js";

/** @typedef {{size: number[], tile: number[], columns: number}} Sheet size and tile in pixels (height, width) */

/** Check how frames lie in a JPEG. @param {any} sheet @param {number} frames of the longest clip @param {string} name @returns {Sheet} */
export function readSheet(sheet, frames, name) {
  const { size, tile, columns } = sheet ?? {};
  const isSizes = isShape([...(size ?? []), columns]) && isShape([...(tile ?? []), columns]);
  const isFitting = isSizes && size[0] <= tile[0] && size[1] <= tile[1] && columns <= frames;
  need(isFitting, `\`${name}\` must have size, a tile at least as large, and 1 to ${frames} columns`, sheet);
  return sheet;
}

/** Check a list of bytes, one for each of several things. @param {any} parts @param {string} name @param {number} count @param {string} [things] */
export function readParts(parts, name, count, things = "clips") {
  const isFull = Array.isArray(parts) && parts.length === count;
  need(isFull, `\`${name}\` must hold one part for each of ${count} ${things}`, lengthOf(parts));
  return /** @type {any[]} */ (parts).map((part, index) => bytesOf(part, `${name}[${index}]`));
}

/** Draw a frame of a clip over a whole canvas. @param {HTMLCanvasElement} canvas @param {CanvasImageSource} picture all frames @param {Sheet} sheet @param {number} frame */
export function drawFrame(canvas, picture, { size, tile, columns }, frame) {
  const [top, left] = [Math.floor(frame / columns) * tile[0], (frame % columns) * tile[1]];
  contextOf(canvas).drawImage(picture, left, top, size[1], size[0], 0, 0, canvas.width, canvas.height);
}
