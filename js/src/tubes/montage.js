// All frames at once, each with its evidence: for print, and as an alternative to the 3D view.
import { contextOf, h, on, pixelRatio } from "../shared/dom.js";
import { createOverlay } from "./overlay.js";
import { quantityOf } from "./text.js";

const GAP = 4; // CSS pixels; so are the next three
const WIDE_GAP = 12; // at most, to be as high as the frame and the timeline beside it
const HEIGHT = 480; // with nothing beside it
const MIN_WIDTH = 56; // of a tile

/**
 * Number of columns, size of a tile, and distance from one to the next: as close to the wanted height as possible, with
 * few empty tiles.
 * @param {number[]} size clip: [time, height, width]
 * @param {number} width CSS pixels
 * @param {number} [room] wanted height in CSS pixels
 */
export function montageLayout([frames, clipHeight, clipWidth], width, room) {
  const tileWidthFor = (/** @type {number} */ columns) => Math.max((width + GAP) / columns - GAP, 8);
  const ideal = Math.max(Math.sqrt((width * (room ?? HEIGHT) * clipWidth) / clipHeight / frames), MIN_WIDTH);
  const cost = (/** @type {number} */ columns) => {
    const excess = Math.log(tileWidthFor(columns) / ideal); // higher than the tube is worse than lower
    return Math.max(2 * excess, -excess) + (3 * ((columns - (frames % columns)) % columns)) / frames;
  };
  let columns = 1;
  for (let count = 2; count <= frames && tileWidthFor(count) >= MIN_WIDTH; count++) {
    if (cost(count) < cost(columns)) columns = count;
  }
  const rows = Math.ceil(frames / columns);
  const fitting = (((room ?? 1e9) + GAP) / rows - GAP) * (clipWidth / clipHeight);
  const tileWidth = Math.min(tileWidthFor(columns), Math.max(fitting, tileWidthFor(columns) + GAP - WIDE_GAP));
  const tileHeight = (tileWidth * clipHeight) / clipWidth;
  const stepX = columns > 1 ? (width - tileWidth) / (columns - 1) : width;
  const gapY = rows > 1 && room ? (room - rows * tileHeight) / (rows - 1) : 0;
  const stepY = tileHeight + Math.min(Math.max(gapY, GAP), WIDE_GAP);
  return { columns, tileWidth, tileHeight, stepX, stepY, height: (rows - 1) * stepY + tileHeight };
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
  let layout = montageLayout(size, HEIGHT);
  /** Frame and pixel of the clip at a position; null between the tiles. @param {number} left CSS pixels @param {number} top */
  const pick = (left, top) => {
    const { columns, tileWidth, tileHeight, stepX, stepY } = layout;
    const [column, row] = [left / stepX, top / stepY].map(Math.floor);
    const frame = row * columns + column;
    const x = Math.floor(((left - column * stepX) / tileWidth) * size[2]);
    const y = Math.floor(((top - row * stepY) / tileHeight) * size[1]);
    return column < columns && frame < size[0] && x < size[2] && y < size[1] ? { frame, x, y } : null;
  };
  on(
    canvas,
    "click",
    (event) => {
      const picked = pick(event.offsetX, event.offsetY);
      if (picked) onPick(picked.frame);
    },
    signal,
  );
  return {
    container,
    canvas,
    pick,
    /** @param {import("./view_state.js").ViewState} view @param {import("./layer_values.js").Field} field @param {number} [room] wanted height in CSS pixels */
    draw(view, field, room) {
      const width = canvas.parentElement?.clientWidth || 480;
      const ratio = pixelRatio();
      layout = montageLayout(size, width, room);
      const { columns, tileWidth, tileHeight, stepX, stepY, height } = layout;
      const key = `${width} ${height} ${ratio}`;
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
        const [left, top] = [(f % columns) * stepX, Math.floor(f / columns) * stepY];
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
