// A unit's tile: the frame, and over it where the unit is active. The maps of a row at one frame lie on one sheet, which
// is made when the first of its tiles is drawn.
import { LEVELS, overlayTable } from "../shared/colormaps.js";
import { h } from "../shared/dom.js";
import { plan, slice } from "../shared/interpolate.js";
import { createLruCache } from "../shared/lru_cache.js";
import { thumbnail } from "./unit_maps.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Box} Box */

const SIDE = 128; // of the frame as tiles show it
const SAMPLES = 20; // of a map along the longer side of the frame
const ACROSS = 64; // maps beside one another on a sheet
const LEAST = 8; // pixels of the screen below which a tile is only a colour
const SHEETS = 24;

const WEAK = 0.35; // of a unit's largest value: below, the frame is left as it is
const TABLE = overlayTable({ colours: "diverging", sign: "both", opacity: 0.75 });

/** @param {Content} content @param {ImageBitmap[]} bitmaps */
export function createTiles(content, bitmaps) {
  const { rows, units, size } = content;
  /** @type {ReturnType<typeof createLruCache<HTMLCanvasElement>>} */
  const sheets = createLruCache(SHEETS);
  /** @type {Record<number, import("../shared/interpolate.js").Plan>} */
  const plans = {};
  const picture = h("canvas", { width: SIDE, height: Math.max(1, Math.round((SIDE * size[1]) / size[2])) });
  const pictureOf = picture.getContext("2d", { willReadFrequently: true });
  let pictured = -1;

  /** The frame, a little darkened, so that the colours stand out. @param {number} frame */
  const dark = (frame) => {
    if (frame !== pictured && pictureOf) {
      pictureOf.drawImage(bitmaps[frame], 0, 0, picture.width, picture.height);
      pictureOf.fillStyle = "rgba(20,23,28,.35)";
      pictureOf.fillRect(0, 0, picture.width, picture.height);
    }
    pictured = frame;
    return picture;
  };

  /** @param {number} row @param {import("./traits.js").RowMap} map @param {number} frame */
  const sheet = (row, map, frame) => {
    const known = sheets.get(`${row} ${frame}`);
    if (known) return known;
    const { first, count } = rows[row];
    plans[row] ??= plan(size, map.shape, map.geometry, SAMPLES / Math.max(size[1], size[2]));
    const { width, height } = plans[row];
    const made = h("canvas", { width: width * Math.min(count, ACROSS), height: height * Math.ceil(count / ACROSS) });
    const context = made.getContext("2d", { willReadFrequently: true });
    const codes = new Float32Array(height * width);
    const image = context?.createImageData(made.width, made.height);
    for (let k = 0; k < count && image; k++) {
      const sign = units.direction[first + k] < 0 ? -1 : 1;
      slice(plans[row], /** @type {any} */ (thumbnail(content, first + k)), frame, codes);
      const corner = Math.floor(k / ACROSS) * height * made.width + (k % ACROSS) * width;
      for (let c = 0; c < codes.length; c++) {
        const value = (sign * codes[c]) / 127;
        if (Math.abs(value) < WEAK) continue;
        const entry = 4 * (Math.round(LEVELS * value) + LEVELS);
        const pixel = 4 * (corner + Math.floor(c / width) * made.width + (c % width));
        for (let part = 0; part < 4; part++) image.data[pixel + part] = TABLE[entry + part];
      }
    }
    if (image) context?.putImageData(image, 0, 0);
    sheets.set(`${row} ${frame}`, made);
    return made;
  };

  return {
    /**
     * @param {CanvasRenderingContext2D} context @param {number} unit @param {number} frame @param {Box} box on the screen
     * @returns {boolean} false where there is nothing to show but a colour
     */
    draw(context, unit, frame, { x, y, w, h: tall }) {
      const row = rows[units.row[unit]];
      if (tall < LEAST || (!row.map && row.kind !== "class" && row.kind !== "input")) return false;
      context.drawImage(dark(frame), x, y, w, tall);
      if (row.kind === "input") {
        context.fillStyle = ["#d33a3a55", "#35a84a55", "#3a6fd355"][units.channel[unit]] ?? "#0000";
        context.fillRect(x, y, w, tall);
      }
      if (!row.map) return true;
      const from = sheet(units.row[unit], row.map, frame);
      const { width, height } = plans[units.row[unit]];
      const k = unit - row.first;
      const [over, down] = [(k % ACROSS) * width, Math.floor(k / ACROSS) * height];
      context.drawImage(from, over, down, width, height, x, y, w, tall);
      return true;
    },
  };
}
