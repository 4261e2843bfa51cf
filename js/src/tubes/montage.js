// All frames at once, each with its evidence: for print, and for those who do not like 3D.
import { contextOf, h, on, pixelRatio } from "../shared/dom.js";
import { createOverlay } from "./overlay.js";
import { quantityOf } from "./text.js";

const GAP = 4;
const TALL = 480; // CSS pixels: about as high as the tube
const LEAST = 56; // across a tile

/**
 * Columns, and the size of a tile, that fill a width best: about as high as the tube is, with few places empty.
 * @param {number[]} size clip: [time, height, width]
 * @param {number} width CSS pixels
 */
export function layOut([frames, tall, wide], width) {
  const across = (/** @type {number} */ columns) => Math.max((width + GAP) / columns - GAP, 8);
  const ideal = Math.max(Math.sqrt((width * TALL * wide) / tall / frames), LEAST);
  const cost = (/** @type {number} */ columns) => {
    const larger = Math.log(across(columns) / ideal); // higher than the tube is worse than lower
    return Math.max(2 * larger, -larger) + (3 * ((columns - (frames % columns)) % columns)) / frames;
  };
  let columns = 1;
  for (let count = 2; count <= frames && across(count) >= LEAST; count++) {
    if (cost(count) < cost(columns)) columns = count;
  }
  const down = (across(columns) * tall) / wide;
  const rows = Math.ceil(frames / columns);
  return { columns, across: across(columns), down, height: rows * (down + GAP) - GAP };
}

/**
 * @param {import("./traits.js").Content} content
 * @param {ImageBitmap[]} bitmaps
 * @param {(frame: number) => void} pick
 * @param {AbortSignal} signal
 */
export function createMontage({ size, layers }, bitmaps, pick, signal) {
  const canvas = h("canvas", {
    class: "ne-montage",
    role: "img",
    "aria-label": `All ${size[0]} frames, each with the ${quantityOf({ layers })} found in it`,
  });
  const stage = h("div", { class: "ne-stage ne-stage-montage" }, canvas);
  /** @type {ReturnType<typeof createOverlay> | undefined} */
  let overlay;
  let drawnAt = "";
  on(
    canvas,
    "click",
    (event) => {
      const { columns, across, down } = layOut(size, canvas.clientWidth);
      const [column, row] = [event.offsetX / (across + GAP), event.offsetY / (down + GAP)].map(Math.floor);
      const frame = row * columns + column;
      if (column < columns && frame < size[0]) pick(frame);
    },
    signal,
  );
  return {
    stage,
    /** @param {import("./view_state.js").Position} at @param {import("./layer_values.js").Field} field */
    draw(at, field) {
      const width = canvas.parentElement?.clientWidth || 480;
      const ratio = pixelRatio();
      const { columns, across, down, height } = layOut(size, width);
      if (drawnAt !== `${width} ${ratio}`) {
        overlay = createOverlay(size, (across * ratio) / size[2]);
        Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
        canvas.style.height = `${height}px`;
      }
      drawnAt = `${width} ${ratio}`;
      const context = contextOf(canvas);
      if (!overlay) return;
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.font = `600 ${11 * ratio}px system-ui, sans-serif`;
      for (const [f, bitmap] of bitmaps.entries()) {
        const place = [(f % columns) * (across + GAP), Math.floor(f / columns) * (down + GAP), across, down];
        const [x, y, w, h] = place.map((part) => part * ratio);
        context.drawImage(bitmap, x, y, w, h);
        context.drawImage(overlay.picture(at, field, f), x, y, w, h);
        const line = f === at.frame ? 2 * ratio : 0;
        if (line) drawBorder(context, x, y, w, h, line);
        drawNumber(context, String(f + 1), x + 2 * line, y + 2 * line, ratio);
      }
    },
  };
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} x @param {number} y @param {number} ratio */
function drawNumber(context, text, x, y, ratio) {
  context.fillStyle = "#14171cb8";
  context.fillRect(x, y, (6 + 7 * text.length) * ratio, 15 * ratio);
  context.fillStyle = "#fff";
  context.fillText(text, x + 3 * ratio, y + 11.5 * ratio);
}

/** White in a dark casing: it is seen on a dark picture and on a white page. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} w @param {number} h @param {number} line */
function drawBorder(context, x, y, w, h, line) {
  for (const [colour, width] of /** @type {const} */ ([
    ["#14171c", 2 * line],
    ["#fff", line],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x + line, y + line, w - 2 * line, h - 2 * line);
  }
}
