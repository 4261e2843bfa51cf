// Labels of the rows: in a margin, or above the tiles and over the bars if there is no room for one. If rows are thinner than
// a line of text, every second is labelled, or every fourth, and so on; the last row and the hovered or focused one always are.

import { percent } from "../tubes/text.js";
import { FILLED } from "./layout.js";
import { countWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./viewport.js").Projection} Projection */
/** @typedef {{row: number, thinRow: number | null}} LabelledRows the chosen row; the hovered or focused row */

const [INK, PALE, WHITE] = ["#e6e9ee", "#a9b1bd", "#fff"];
const [TRANSLUCENT, BACKGROUND] = ["#14171cd8", "#14171c"];
const FAMILY = "system-ui, sans-serif";
const LINE_HEIGHT = 10.5; // pixels of the screen
const MIN_MARGIN = 100; // pixels; a narrower margin holds no labels

/** A text of at most `length` characters, shortened in the middle. @param {string} text @param {number} length */
export const shorten = (text, length) =>
  text.length <= length
    ? text
    : `${text.slice(0, Math.ceil(length * 0.4))}…${text.slice(text.length - Math.floor(length * 0.6) + 1)}`;

/**
 * A name that fits: whole, else without the parts in its middle or its first parts, else cut in the middle of its last part.
 * @param {string} name @param {(text: string) => boolean} fits
 */
export function fitName(name, fits) {
  if (fits(name)) return name;
  const parts = partsOf(name);
  const last = parts[parts.length - 1];
  const shorter = parts.flatMap((_, k) => {
    const end = parts.slice(k).join("");
    return k > 1 ? [`${parts[0].slice(0, -1)}…${end}`, `…${end}`] : k ? [`…${end}`] : [];
  });
  shorter.sort((a, b) => b.length - a.length);
  for (let length = last.length - 1; length > 2; length--) shorter.push(shorten(last, length));
  return shorter.find(fits) ?? "…";
}

/** A name on one line, or broken after a dot or a space onto two, without a mere number on the second. @param {string} name @param {(text: string) => boolean} fits */
export function breakName(name, fits) {
  const parts = partsOf(name);
  for (let k = parts.length - 1; k > 0 && !fits(name); k--) {
    const [start, end] = [parts.slice(0, k).join(""), parts.slice(k).join("")];
    if (fits(start) && (k === 1 || !/^\d+$/.test(end))) return [start, fitName(end, fits)];
  }
  return [fitName(name, fits)];
}

/** Parts of a name, each with the dot or space at its end. @param {string} name */
const partsOf = (name) => name.split(/(?<=[. ])/);

/**
 * Bands with a label: those as high as a line, and every n-th of the thinner ones, so that labels do not overlap. Zooming in
 * only adds labels. The last row always has one, and a collapsed row, because a click on it expands the row.
 * @param {Band[]} bands @param {number} zoom
 * @returns {Band[]}
 */
export function labelledBands(bands, zoom) {
  const end = bands.length - 1;
  return bands.filter(({ row, h, large, open }, k) => {
    const pitch = (h * zoom) / FILLED;
    const every = 2 ** Math.max(Math.ceil(Math.log2(LINE_HEIGHT / pitch)), 0);
    const isFree = bands[end].large || k === end || (end - k) * pitch >= LINE_HEIGHT;
    return large || !open || k === end || (row % every === 0 && isFree);
  });
}

/**
 * @param {CanvasRenderingContext2D} context @param {Content} content @param {Layout} layout
 * @param {Projection} projection @param {LabelledRows} labelled
 */
export function drawRowLabels(context, content, { bands, left }, projection, { row: chosen, thinRow }) {
  const hasMargin = left >= MIN_MARGIN;
  const right = projection.width - 10;
  const middleOf = (/** @type {Band} */ { y, h }) => projection.y(y + h / 2);
  /** @param {string} text @param {number} x @param {number} y @param {string} colour */
  const write = (text, x, y, colour) => {
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };
  /** @param {string} text @param {number} x left end @param {number} y foot @param {string} colour @param {string} background */
  const writeBoxed = (text, x, y, colour, background) => {
    context.fillStyle = background;
    context.fillRect(x - 3, y - 10, context.measureText(text).width + 6, 13);
    write(text, x, y, colour);
  };
  /** Whether a text fits a width in the current font. @param {number} room */
  const within = (room) => (/** @type {string} */ text) => context.measureText(text).width <= room;
  const markerOf = (/** @type {Band} */ { row, open, large }) =>
    content.rows[row].kind === "class" ? "" : open ? (large ? "▾ " : "") : "▸ ";
  const setFont = (/** @type {Band} */ { row }, /** @type {number} */ size) => {
    context.font = `${row === chosen ? "600 " : ""}${size}px ${FAMILY}`;
  };
  /** Name above the tiles of a large row. @param {Band} band */
  const writeAbove = (band) => {
    const { name, kind } = content.rows[band.row];
    if (kind === "class") return;
    setFont(band, 11);
    const end = ` · ${percent(band.coverage)}`;
    const text = markerOf(band) + fitName(name, within(right - left - 60)) + end;
    writeBoxed(text, left, projection.y(band.y) - 4, band.row === chosen ? INK : PALE, BACKGROUND);
  };
  /** Name at the right end of a bar, over its weakest units. @param {Band} band @param {string} colour @param {string} background */
  const writeOver = (band, colour, background) => {
    setFont(band, 9.5);
    const text = markerOf(band) + fitName(content.rows[band.row].name, within(0.6 * (right - left)));
    writeBoxed(text, right - context.measureText(text).width - 3, middleOf(band) + 3.5, colour, background);
  };
  /** Name in the margin, on two lines if there is room, and the count of units. @param {Band} band */
  const writeInMargin = (band) => {
    const { name, kind } = content.rows[band.row];
    const height = band.h * projection.zoom;
    const hasCount = band.large && height > 34;
    const size = Math.min(Math.max(height, 9.5), 11.5);
    setFont(band, size);
    const marker = markerOf(band);
    const fits = within(left - 20 - context.measureText(marker).width);
    const lines = hasCount && height > 40 ? breakName(name, fits) : [fitName(name, fits)];
    const middle = Math.max(projection.y(band.y), 0) + Math.min(height, 96) / 2;
    let y = middle + (hasCount ? 4 - 7 * lines.length : 0.35 * size);
    for (const [k, line] of lines.entries()) {
      write(
        (k ? "" : marker) + line,
        8 + (k ? context.measureText(marker).width : 0),
        y,
        band.row === chosen ? WHITE : band.large ? INK : PALE,
      );
      y += 14;
    }
    if (!hasCount) return;
    const count = countWords(content, band.row, band.count);
    context.font = `10.5px ${FAMILY}`;
    write(kind === "class" ? count : `${count} · ${percent(band.coverage)}`, 8, y + 1, PALE);
  };
  const thinBand = thinRow === null || bands[thinRow].large ? null : bands[thinRow];
  /** Name of the hovered or focused row; it replaces those around it. @param {Band} band */
  const writeThin = (band) => {
    if (!hasMargin) return writeOver(band, WHITE, BACKGROUND);
    context.font = `11.5px ${FAMILY}`;
    write(markerOf(band) + fitName(content.rows[band.row].name, within(left - 28)), 8, middleOf(band) + 4, WHITE);
  };
  for (const band of labelledBands(bands, projection.zoom)) {
    if (projection.y(band.y) > projection.height || projection.y(band.y + band.h) < 0) continue;
    if (thinBand && !band.large && Math.abs(middleOf(band) - middleOf(thinBand)) < LINE_HEIGHT) continue;
    if (hasMargin) writeInMargin(band);
    else if (band.large) writeAbove(band);
    else writeOver(band, PALE, TRANSLUCENT);
  }
  if (thinBand) writeThin(thinBand);
}
