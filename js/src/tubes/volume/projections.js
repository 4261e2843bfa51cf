// Where WebGL2 is missing: the tube seen from the front, from the side and from the top, each as the strongest
// evidence along the line of sight.
import { LEVELS, overlayTable, signsOf } from "../../shared/colormaps.js";
import { h } from "../../shared/dom.js";
import { slice } from "../../shared/interpolate.js";

/** @typedef {{name: string, across: string, down: string, width: number, height: number, values: Float32Array}} Projection */

/**
 * The strongest value, for or against, along time, along x and along y.
 * @param {import("../../shared/interpolate.js").Plan} made one sample per pixel
 * @param {Float32Array} values
 * @returns {Projection[]}
 */
export function project(made, values) {
  const { width, height } = made;
  const frames = made.time.low.length;
  const front = new Float32Array(width * height);
  const side = new Float32Array(frames * height);
  const top = new Float32Array(frames * width);
  const picture = new Float32Array(width * height);
  /** @param {Float32Array} into @param {number} at @param {number} value */
  const keep = (into, at, value) => {
    if (Math.abs(value) > Math.abs(into[at])) into[at] = value;
  };
  for (let f = 0; f < frames; f++) {
    slice(made, values, f, picture);
    for (let y = 0, p = 0; y < height; y++) {
      for (let x = 0; x < width; x++, p++) {
        keep(front, p, picture[p]);
        keep(side, y * frames + f, picture[p]);
        keep(top, x * frames + f, picture[p]);
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
 * @param {import("../view_state.js").Position} at
 * @param {number} frames
 * @param {number} pixelRatio
 * @returns {boolean} whether this browser can draw at all
 */
export function drawFlat(canvas, projections, at, frames, pixelRatio) {
  const context = canvas.getContext("2d");
  if (!context) return false;
  const table = overlayTable(at);
  const signs = signsOf(at.sign);
  const gap = 20 * pixelRatio;
  // Beside one another, or in two rows, whichever leaves more room for each.
  const room = [3, 2].map((columns) => {
    const rows = Math.ceil(3 / columns);
    return Math.min((canvas.width - (columns + 1) * gap) / columns, (canvas.height - gap) / rows - 2 * gap);
  });
  const columns = room[0] >= room[1] ? 3 : 2;
  const tile = Math.max(...room, 8);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = `${11 * pixelRatio}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (const [k, projection] of projections.entries()) {
    const left = (canvas.width - columns * (tile + gap) + gap) / 2 + (k % columns) * (tile + gap);
    const rows = Math.ceil(3 / columns);
    const top = (canvas.height - gap - rows * (tile + 2 * gap)) / 2 + gap + Math.floor(k / columns) * (tile + 2 * gap);
    context.fillStyle = "#232830";
    context.fillRect(left, top, tile, tile);
    // The front is the picture in its own shape; along time there is no such thing.
    const longest = Math.max(projection.width, projection.height);
    const [w, h] = projection.across === "x" ? [projection.width / longest, projection.height / longest] : [1, 1];
    const picture = pictureOf(projection, at.threshold, table, signs);
    context.drawImage(picture, left + (tile * (1 - w)) / 2, top + (tile * (1 - h)) / 2, tile * w, tile * h);
    context.fillStyle = "#aeb7c4";
    context.fillText(projection.name, left + tile / 2, top - 7 * pixelRatio);
    context.fillText(`${projection.across} →`, left + tile / 2, top + tile + 15 * pixelRatio);
    const middle = top + tile / 2;
    context.fillText(projection.down, left - gap / 2, middle - 2 * pixelRatio);
    context.fillText("↓", left - gap / 2, middle + 11 * pixelRatio);
    if (projection.across === "time") {
      context.fillStyle = "#ffffff";
      context.fillRect(left + ((at.frame + 0.5) / frames) * tile - pixelRatio / 2, top, pixelRatio, tile);
    }
  }
  return true;
}

/** @param {Projection} projection @param {number} threshold @param {Uint8ClampedArray} table @param {ReturnType<typeof signsOf>} signs */
function pictureOf({ width, height, values }, threshold, table, { positive, negative }) {
  const picture = h("canvas", { width, height });
  const context = picture.getContext("2d");
  if (!context) return picture;
  const image = context.createImageData(width, height);
  for (const [p, value] of values.entries()) {
    if (Math.max(value * positive, -value * negative) < Math.max(threshold - 1e-6, 1e-6)) continue;
    const entry = (Math.round(value * LEVELS) + LEVELS) * 4;
    image.data.set(table.subarray(entry, entry + 3), p * 4);
    image.data[p * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return picture;
}
