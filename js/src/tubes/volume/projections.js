// Fallback without WebGL2: maximum projections of the volume along time (front), x (side) and y (top).
import { LEVELS, overlayTable, signsOf } from "../../shared/colormaps.js";
import { h } from "../../shared/dom.js";
import { slice } from "../../shared/interpolate.js";

/** @typedef {{name: string, across: string, down: string, width: number, height: number, values: Float32Array}} Projection */

/**
 * Project a map: the value of largest magnitude along time, along x and along y.
 * @param {import("../../shared/interpolate.js").Plan} planned one sample per pixel
 * @param {Float32Array} values
 * @returns {Projection[]}
 */
export function projectVolume(planned, values) {
  const { width, height } = planned;
  const frames = planned.time.low.length;
  const front = new Float32Array(width * height);
  const side = new Float32Array(frames * height);
  const top = new Float32Array(frames * width);
  const samples = new Float32Array(width * height);
  /** @param {Float32Array} projection @param {number} index @param {number} value */
  const keepStrongest = (projection, index, value) => {
    if (Math.abs(value) > Math.abs(projection[index])) projection[index] = value;
  };
  for (let f = 0; f < frames; f++) {
    slice(planned, values, f, samples);
    for (let y = 0, p = 0; y < height; y++) {
      for (let x = 0; x < width; x++, p++) {
        keepStrongest(front, p, samples[p]);
        keepStrongest(side, y * frames + f, samples[p]);
        keepStrongest(top, x * frames + f, samples[p]);
      }
    }
  }
  return [
    { name: "front", across: "x", down: "y", width, height, values: front },
    { name: "side", across: "time", down: "y", width: frames, height, values: side },
    { name: "top", across: "time", down: "x", width: frames, height: width, values: top },
  ];
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Projection[]} projections
 * @param {import("../view_state.js").ViewState} view
 * @param {number} frames
 * @param {number} pixelRatio
 * @returns {boolean} false if the browser has no 2D canvas
 */
export function drawProjections(canvas, projections, view, frames, pixelRatio) {
  const context = canvas.getContext("2d");
  if (!context) return false;
  const table = overlayTable(view);
  const signs = signsOf(view.sign);
  const gap = 20 * pixelRatio;
  // In one row or in two, whichever makes larger tiles.
  const tileSizes = [3, 2].map((columns) => {
    const rows = Math.ceil(3 / columns);
    return Math.min((canvas.width - (columns + 1) * gap) / columns, (canvas.height - gap) / rows - 2 * gap);
  });
  const columns = tileSizes[0] >= tileSizes[1] ? 3 : 2;
  const tile = Math.max(...tileSizes, 8);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = `${11 * pixelRatio}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (const [k, projection] of projections.entries()) {
    // The third of two columns, a view along time, is as wide as both.
    const wide = k === 2 && columns === 2 ? 2 * tile + gap : tile;
    const left = (canvas.width - columns * (tile + gap) + gap) / 2 + (k % columns) * (tile + gap);
    const rows = Math.ceil(3 / columns);
    const top = (canvas.height - gap - rows * (tile + 2 * gap)) / 2 + gap + Math.floor(k / columns) * (tile + 2 * gap);
    context.fillStyle = "#26282b";
    context.fillRect(left, top, wide, tile);
    // The front view keeps the frame's aspect ratio; the views along time fill their tile.
    const longest = Math.max(projection.width, projection.height);
    const [w, h] = projection.across === "x" ? [projection.width / longest, projection.height / longest] : [1, 1];
    const image = imageOf(projection, view.threshold, table, signs);
    context.drawImage(image, left + (wide * (1 - w)) / 2, top + (tile * (1 - h)) / 2, wide * w, tile * h);
    context.fillStyle = "#aeb7c4";
    context.fillText(projection.name, left + wide / 2, top - 7 * pixelRatio);
    context.fillText(`${projection.across} →`, left + wide / 2, top + tile + 15 * pixelRatio);
    const middle = top + tile / 2;
    context.fillText(projection.down, left - gap / 2, middle - 2 * pixelRatio);
    context.fillText("↓", left - gap / 2, middle + 11 * pixelRatio);
    if (projection.across === "time") {
      context.fillStyle = "#ffffff";
      context.fillRect(left + ((view.frame + 0.5) / frames) * wide - pixelRatio / 2, top, pixelRatio, tile);
    }
  }
  return true;
}

/** @param {Projection} projection @param {number} threshold @param {Uint8ClampedArray} table @param {ReturnType<typeof signsOf>} signs */
function imageOf({ width, height, values }, threshold, table, { positive, negative }) {
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  for (const [p, value] of values.entries()) {
    if (Math.max(value * positive, -value * negative) < Math.max(threshold - 1e-6, 1e-6)) continue;
    const entry = (Math.round(value * LEVELS) + LEVELS) * 4;
    image.data.set(table.subarray(entry, entry + 3), p * 4);
    image.data[p * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
