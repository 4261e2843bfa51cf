// The names of the layers: in a margin of their own, above the tiles where there is no room for one. Where rows are thinner
// than letters every second is named, or every fourth, and so on, as an axis is; and that which is pointed at.

import { percent } from "../tubes/text.js";
import { FILLED } from "./layout.js";
import { countWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./viewport.js").Eye} Eye */
/** @typedef {{row: number, thin: number | null}} Named the chosen row; the thin row that is pointed at, or has the focus */

const [INK, PALE, WHITE] = ["#e6e9ee", "#a9b1bd", "#fff"];
const [BACK, SOLID] = ["#14171cc0", "#14171c"];
const FAMILY = "system-ui, sans-serif";
const LINE = 10.5; // pixels of the screen: less has no name
const FREE = 100; // pixels of a margin that holds names

/** A text of at most so many letters, its middle left out. @param {string} text @param {number} most */
export const shortened = (text, most) =>
  text.length <= most
    ? text
    : `${text.slice(0, Math.ceil(most * 0.4))}…${text.slice(text.length - Math.floor(most * 0.6) + 1)}`;

/**
 * Which rows are named: all that are as high as a line, of thinner ones every so many that their names stay apart; what is
 * named stays named when one comes closer. A row collapsed by hand always is: a click on its name opens it.
 * @param {Band[]} bands @param {number} zoom
 * @returns {Band[]}
 */
export function namedOf(bands, zoom) {
  return bands.filter(({ row, h, large, open }) => {
    const apart = Math.ceil(Math.log2((LINE * FILLED) / (h * zoom)));
    return large || !open || row % 2 ** Math.max(apart, 0) === 0;
  });
}

/**
 * @param {CanvasRenderingContext2D} context @param {Content} content @param {Layout} layout @param {Eye} eye @param {Named} named
 */
export function drawNames(context, content, { bands, left }, eye, { row: chosen, thin }) {
  /** @param {string} text @param {number} x @param {number} y @param {string} colour @param {string} font */
  const write = (text, x, y, colour, font) => {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };
  /** @param {Band} band @param {string} font @param {number} y @param {string} text @param {string} colour @param {string} back */
  const label = ({ row }, font, y, text, colour, back) => {
    context.font = `${row === chosen ? "600 " : ""}${font}`;
    context.fillStyle = back;
    context.fillRect(left - 2, y - 11, context.measureText(text).width + 6, 14);
    write(text, left, y, colour, context.font);
  };
  /** Above its tiles. @param {Band} band @param {string} mark */
  const above = (band, mark) => {
    const { name, kind } = content.rows[band.row];
    if (!band.large || kind === "class") return;
    const text = `${mark}${shortened(name, 26)} · ${percent(band.coverage)}`;
    label(band, `11px ${FAMILY}`, eye.y(band.y) - 4, text, band.row === chosen ? INK : PALE, BACK);
  };
  /** In the margin, the count below the name where there is room. @param {Band} band @param {string} mark */
  const beside = (band, mark) => {
    const { name, kind } = content.rows[band.row];
    const high = band.h * eye.zoom;
    const middle = Math.max(eye.y(band.y), 0) + Math.min(high, 96) / 2;
    const two = band.large && high > 34;
    const size = Math.min(Math.max(high, 9.5), 11.5);
    const [colour, bold] = band.row === chosen ? [WHITE, "600 "] : [band.large ? INK : PALE, ""];
    write(mark + shortened(name, 20), 8, middle + (two ? -3 : 0.35 * size), colour, `${bold}${size}px ${FAMILY}`);
    if (!two) return;
    const said = countWords(content, band.row, band.units.length);
    const words = kind === "class" ? said : `${said} · ${percent(band.coverage)}`;
    write(words, 8, middle + 13, PALE, `10.5px ${FAMILY}`);
  };
  const middleOf = (/** @type {Band} */ { y, h }) => eye.y(y + h / 2);
  const pointed = thin === null || bands[thin].large ? null : bands[thin];
  /** What is pointed at, in place of the names around it. @param {Band} band */
  const point = (band) => {
    const text = `${band.open ? "" : "▸ "}${shortened(content.rows[band.row].name, left < FREE ? 40 : 20)}`;
    if (left < FREE) label(band, `11px ${FAMILY}`, eye.y(band.y) - 6, text, WHITE, SOLID);
    else write(text, 8, middleOf(band) + 4, WHITE, `11.5px ${FAMILY}`);
  };
  for (const band of left < FREE ? bands : namedOf(bands, eye.zoom)) {
    if (eye.y(band.y) > eye.height || eye.y(band.y + band.h) < 0) continue;
    if (pointed && !band.large && Math.abs(middleOf(band) - middleOf(pointed)) < LINE) continue;
    const { kind } = content.rows[band.row];
    const mark = kind === "class" ? "" : band.open ? (band.large ? "▾ " : "") : "▸ ";
    (left < FREE ? above : beside)(band, mark);
  }
  if (pointed) point(pointed);
}
