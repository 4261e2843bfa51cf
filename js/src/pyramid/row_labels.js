// Labels of the rows: in a margin, or above the tiles if there is no room for one. If rows are thinner than a line of text,
// every second is labelled, or every fourth, and so on; the hovered or focused row always is.

import { percent } from "../tubes/text.js";
import { FILLED } from "./layout.js";
import { countWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./viewport.js").Projection} Projection */
/** @typedef {{row: number, thinRow: number | null}} LabelledRows the chosen row; the hovered or focused row */

const [INK, PALE, WHITE] = ["#e6e9ee", "#a9b1bd", "#fff"];
const [TRANSLUCENT, BACKGROUND] = ["#14171cc0", "#14171c"];
const FAMILY = "system-ui, sans-serif";
const LINE_HEIGHT = 10.5; // pixels of the screen
const MIN_MARGIN = 100; // pixels; a narrower margin holds no labels

/** A text of at most `length` characters, shortened in the middle. @param {string} text @param {number} length */
export const shorten = (text, length) =>
  text.length <= length
    ? text
    : `${text.slice(0, Math.ceil(length * 0.4))}…${text.slice(text.length - Math.floor(length * 0.6) + 1)}`;

/**
 * Bands with a label: those as high as a line, and every n-th of the thinner ones, so that labels do not overlap. Zooming in
 * only adds labels. A collapsed row always has one, because a click on it expands the row.
 * @param {Band[]} bands @param {number} zoom
 * @returns {Band[]}
 */
export function labelledBands(bands, zoom) {
  return bands.filter(({ row, h, large, open }) => {
    const level = Math.ceil(Math.log2((LINE_HEIGHT * FILLED) / (h * zoom)));
    return large || !open || row % 2 ** Math.max(level, 0) === 0;
  });
}

/**
 * @param {CanvasRenderingContext2D} context @param {Content} content @param {Layout} layout
 * @param {Projection} projection @param {LabelledRows} labelled
 */
export function drawRowLabels(context, content, { bands, left }, projection, { row: chosen, thinRow }) {
  const hasMargin = left >= MIN_MARGIN;
  /** @param {string} text @param {number} x @param {number} y @param {string} colour @param {string} font */
  const write = (text, x, y, colour, font) => {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };
  /** @param {Band} band @param {string} font @param {number} y @param {string} text @param {string} colour @param {string} background */
  const writeBoxed = ({ row }, font, y, text, colour, background) => {
    context.font = `${row === chosen ? "600 " : ""}${font}`;
    context.fillStyle = background;
    context.fillRect(left - 2, y - 11, context.measureText(text).width + 6, 14);
    write(text, left, y, colour, context.font);
  };
  /** Label above the tiles. @param {Band} band @param {string} marker */
  const writeAbove = (band, marker) => {
    const { name, kind } = content.rows[band.row];
    if (!band.large || kind === "class") return;
    const text = `${marker}${shorten(name, 26)} · ${percent(band.coverage)}`;
    const colour = band.row === chosen ? INK : PALE;
    writeBoxed(band, `11px ${FAMILY}`, projection.y(band.y) - 4, text, colour, TRANSLUCENT);
  };
  /** Label in the margin, with the count of units on a second line if there is room. @param {Band} band @param {string} marker */
  const writeInMargin = (band, marker) => {
    const { name, kind } = content.rows[band.row];
    const height = band.h * projection.zoom;
    const middle = Math.max(projection.y(band.y), 0) + Math.min(height, 96) / 2;
    const hasCount = band.large && height > 34;
    const size = Math.min(Math.max(height, 9.5), 11.5);
    const [colour, bold] = band.row === chosen ? [WHITE, "600 "] : [band.large ? INK : PALE, ""];
    write(marker + shorten(name, 20), 8, middle + (hasCount ? -3 : 0.35 * size), colour, `${bold}${size}px ${FAMILY}`);
    if (!hasCount) return;
    const count = countWords(content, band.row, band.units.length);
    const text = kind === "class" ? count : `${count} · ${percent(band.coverage)}`;
    write(text, 8, middle + 13, PALE, `10.5px ${FAMILY}`);
  };
  const middleOf = (/** @type {Band} */ { y, h }) => projection.y(y + h / 2);
  const thinBand = thinRow === null || bands[thinRow].large ? null : bands[thinRow];
  /** Label of the hovered or focused row; it replaces the labels around it. @param {Band} band */
  const writeThin = (band) => {
    const text = `${band.open ? "" : "▸ "}${shorten(content.rows[band.row].name, hasMargin ? 20 : 40)}`;
    if (hasMargin) write(text, 8, middleOf(band) + 4, WHITE, `11.5px ${FAMILY}`);
    else writeBoxed(band, `11px ${FAMILY}`, projection.y(band.y) - 6, text, WHITE, BACKGROUND);
  };
  for (const band of hasMargin ? labelledBands(bands, projection.zoom) : bands) {
    if (projection.y(band.y) > projection.height || projection.y(band.y + band.h) < 0) continue;
    if (thinBand && !band.large && Math.abs(middleOf(band) - middleOf(thinBand)) < LINE_HEIGHT) continue;
    const { kind } = content.rows[band.row];
    const marker = kind === "class" ? "" : band.open ? (band.large ? "▾ " : "") : "▸ ";
    (hasMargin ? writeInMargin : writeAbove)(band, marker);
  }
  if (thinBand) writeThin(thinBand);
}
