// All frames at once, each with its evidence: for print, and as an alternative to the 3D view.
import { contextOf, h, on, pixelRatio } from "../shared/dom.js";
import { createOverlay } from "./overlay.js";
import { quantityOf } from "./text.js";

const GAP = 4; // CSS pixels; so are the next two
const HEIGHT = 480; // about the height of the tube
const MIN_WIDTH = 56; // of a tile

/**
 * Number of columns and size of a tile: as close to the tube's height as possible, with few empty tiles.
 * @param {number[]} size clip: [time, height, width]
 * @param {number} width CSS pixels
 */
export function montageLayout([frames, clipHeight, clipWidth], width) {
  const tileWidthFor = (/** @type {number} */ columns) => Math.max((width + GAP) / columns - GAP, 8);
  const ideal = Math.max(Math.sqrt((width * HEIGHT * clipWidth) / clipHeight / frames), MIN_WIDTH);
  const cost = (/** @type {number} */ columns) => {
    const excess = Math.log(tileWidthFor(columns) / ideal); // higher than the tube is worse than lower
    return Math.max(2 * excess, -excess) + (3 * ((columns - (frames % columns)) % columns)) / frames;
  };
  let columns = 1;
  for (let count = 2; count <= frames && tileWidthFor(count) >= MIN_WIDTH; count++) {
    if (cost(count) < cost(columns)) columns = count;
  }
  const tileWidth = tileWidthFor(columns);
  const tileHeight = (tileWidth * clipHeight) / clipWidth;
  const rows = Math.ceil(frames / columns);
  return { columns, tileWidth, tileHeight, height: rows * (tileHeight + GAP) - GAP };
}

/**
 * @param {import("./traits.js").Content} content
 * @param {import("../shared/window.js").FramePicture[]} bitmaps
 * @param {(frame: number) => void} onPick
 * @param {AbortSignal} signal
 */
export function createMontage({ size, layers }, bitmaps, onPick, signal) {
  const canvas = h("canvas", {
    class: "ne-montage",
    role: "img",
    "aria-label": `All ${size[0]} frames with the ${quantityOf({ layers })} overlaid`,
  });
  const container = h("div", { class: "ne-stage ne-stage-montage" }, canvas);
  /** @type {ReturnType<typeof createOverlay> | undefined} */
  let overlay;
  let overlayKey = "";
  on(
    canvas,
    "click",
    (event) => {
      const { columns, tileWidth, tileHeight } = montageLayout(size, canvas.clientWidth);
      const [column, row] = [event.offsetX / (tileWidth + GAP), event.offsetY / (tileHeight + GAP)].map(Math.floor);
      const frame = row * columns + column;
      if (column < columns && frame < size[0]) onPick(frame);
    },
    signal,
  );
  return {
    container,
    /** @param {import("./view_state.js").ViewState} view @param {import("./layer_values.js").Field} field */
    draw(view, field) {
      const width = canvas.parentElement?.clientWidth || 480;
      const ratio = pixelRatio();
      const { columns, tileWidth, tileHeight, height } = montageLayout(size, width);
      const key = `${width} ${ratio}`;
      if (overlayKey !== key) {
        overlay = createOverlay(size, (tileWidth * ratio) / size[2]);
        Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
        canvas.style.height = `${height}px`;
      }
      overlayKey = key;
      const context = contextOf(canvas);
      if (!overlay) return;
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.font = `600 ${11 * ratio}px system-ui, sans-serif`;
      for (const [f, bitmap] of bitmaps.entries()) {
        const [left, top] = [(f % columns) * (tileWidth + GAP), Math.floor(f / columns) * (tileHeight + GAP)];
        const [x, y, w, h] = [left, top, tileWidth, tileHeight].map((part) => part * ratio);
        context.drawImage(bitmap, x, y, w, h);
        context.drawImage(overlay.picture(view, field, f), x, y, w, h);
        const line = f === view.frame ? 2 * ratio : 0;
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

/** White with a dark outline, visible on dark pictures and white pages. @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} w @param {number} h @param {number} line */
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
