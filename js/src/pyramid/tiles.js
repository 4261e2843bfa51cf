// Tiles of the units: the frame with the unit's activity over it. The overlays of a row at one frame share one sprite sheet,
// which is made when the first of these tiles is drawn.
import { LEVELS, overlayTable } from "../shared/colormaps.js";
import { h } from "../shared/dom.js";
import { plan, slice } from "../shared/interpolate.js";
import { createLruCache } from "../shared/lru_cache.js";
import { hasColours } from "./text.js";
import { thumbnail } from "./unit_maps.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Box} Box */

const FRAME_WIDTH = 128; // pixels of the frame in a tile
const SAMPLES = 20; // of a map along the longer side of the frame
const COLUMNS = 64; // overlays side by side on a sheet
const MIN_HEIGHT = 8; // pixels of the screen; smaller tiles are plain colours
const MAX_SHEETS = 24;
const MIN_ACTIVITY = 0.35; // fraction of a unit's largest value; weaker activity is not drawn
const TABLE = overlayTable({ colours: "diverging", sign: "both", opacity: 0.75 });

/** @param {Content} content @param {ImageBitmap[]} bitmaps */
export function createTiles(content, bitmaps) {
  const { rows, units, size } = content;
  /** @type {ReturnType<typeof createLruCache<HTMLCanvasElement>>} */
  const sheets = createLruCache(MAX_SHEETS);
  /** @type {Record<number, import("../shared/interpolate.js").Plan>} */
  const plans = {};
  const frameHeight = Math.max(1, Math.round((FRAME_WIDTH * size[1]) / size[2]));
  const frameCanvas = h("canvas", { width: FRAME_WIDTH, height: frameHeight });
  const frameContext = frameCanvas.getContext("2d", { willReadFrequently: true });
  let drawnFrame = -1;

  /** A frame, slightly darkened, so that the colours stand out. @param {number} frame */
  const darkFrame = (frame) => {
    if (frame !== drawnFrame && frameContext) {
      frameContext.drawImage(bitmaps[frame], 0, 0, FRAME_WIDTH, frameHeight);
      frameContext.fillStyle = "rgba(20,23,28,.35)";
      frameContext.fillRect(0, 0, FRAME_WIDTH, frameHeight);
    }
    drawnFrame = frame;
    return frameCanvas;
  };

  /** Sprite sheet of a row at a frame. @param {number} row @param {import("./traits.js").RowMap} map @param {number} frame */
  const sheetOf = (row, map, frame) => {
    const key = `${row} ${frame}`;
    const cached = sheets.get(key);
    if (cached) return cached;
    const { first, count } = rows[row];
    plans[row] ??= plan(size, map.shape, map.geometry, SAMPLES / Math.max(size[1], size[2]));
    const { width, height } = plans[row];
    const sheet = h("canvas", { width: width * Math.min(count, COLUMNS), height: height * Math.ceil(count / COLUMNS) });
    const context = sheet.getContext("2d", { willReadFrequently: true });
    const codes = new Float32Array(height * width);
    const image = context?.createImageData(sheet.width, sheet.height);
    for (let k = 0; k < count && image; k++) {
      const sign = units.mapDirection[first + k];
      slice(plans[row], /** @type {any} */ (thumbnail(content, first + k)), frame, codes);
      const corner = Math.floor(k / COLUMNS) * height * sheet.width + (k % COLUMNS) * width;
      for (let c = 0; c < codes.length; c++) {
        const value = (sign * codes[c]) / 127;
        if (Math.abs(value) < MIN_ACTIVITY) continue;
        const entry = 4 * (Math.round(LEVELS * value) + LEVELS);
        const pixel = 4 * (corner + Math.floor(c / width) * sheet.width + (c % width));
        for (let channel = 0; channel < 4; channel++) image.data[pixel + channel] = TABLE[entry + channel];
      }
    }
    if (image) context?.putImageData(image, 0, 0);
    sheets.set(key, sheet);
    return sheet;
  };

  return {
    /**
     * @param {CanvasRenderingContext2D} context @param {number} unit @param {number} frame @param {Box} box pixels of the screen
     * @returns {boolean} false if the tile should be a plain colour: it is too small, or the unit has no map
     */
    draw(context, unit, frame, { x, y, w, h: tall }) {
      const row = rows[units.row[unit]];
      if (tall < MIN_HEIGHT || (!row.map && row.kind !== "class" && row.kind !== "input")) return false;
      context.drawImage(darkFrame(frame), x, y, w, tall);
      if (row.kind === "input" && hasColours(row)) {
        context.fillStyle = ["#d33a3a55", "#35a84a55", "#3a6fd355"][units.channel[unit]] ?? "#0000";
        context.fillRect(x, y, w, tall);
      }
      if (!row.map) return true;
      const sheet = sheetOf(units.row[unit], row.map, frame);
      const { width, height } = plans[units.row[unit]];
      const k = unit - row.first;
      const [left, top] = [(k % COLUMNS) * width, Math.floor(k / COLUMNS) * height];
      context.drawImage(sheet, left, top, width, height, x, y, w, tall);
      return true;
    },
  };
}
