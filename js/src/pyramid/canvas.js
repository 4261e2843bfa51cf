// The picture of the pyramid. Only what is in sight is drawn, and a tile as finely as its size on the screen deserves.
import { AGAINST, colourAt, cssColour, FOR } from "../shared/colormaps.js";
import { h } from "../shared/dom.js";
import { percent } from "../tubes/text.js";
import { boxOf } from "./layout.js";
import { createLinkPen } from "./links.js";
import { drawNames, shortened } from "./row_labels.js";
import { shortName } from "./text.js";
import { createTiles } from "./tiles.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Box} Box */
/** @typedef {import("./viewport.js").Eye} Eye */

const INK = "#e6e9ee";
const PALE = "#a9b1bd";
const STAGE = "#14171c";
const OTHERS = "#2c3139";
const FINE = 10; // pixels of the screen from which a small row is drawn unit by unit
const ROUND = 7; // pixels left of the first tiles, for the links that pass there
const FONT = "11px system-ui, sans-serif";
const LABEL = 12; // pixels of the screen: a tile's number needs twice that

/** Where a small row lies. @param {Band} band @param {Layout} layout @returns {Box} */
const barRoom = ({ y, h }, { left, width }) => ({ x: left, y, w: width - left - 8, h });

/**
 * @param {Content} content
 * @param {import("./graph.js").Graph} graph
 * @param {ImageBitmap[]} bitmaps
 * @param {HTMLCanvasElement} canvas
 */
export function createPicture(content, graph, bitmaps, canvas) {
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true }); // far faster in software graphics
  if (!context) throw new Error("this browser cannot draw on a canvas");
  const tiles = createTiles(content, bitmaps);
  /** @type {WeakMap<Band, HTMLCanvasElement>} */
  const bars = new WeakMap();

  /** @param {Box} box @param {Eye} eye @returns {Box | null} null out of sight */
  const seen = (box, eye) => {
    const [x, y, w, tall] = [eye.x(box.x), eye.y(box.y), box.w * eye.zoom, box.h * eye.zoom];
    return box.w && x < eye.width && x + w > 0 && y < eye.height && y + tall > 0 ? { x, y, w, h: tall } : null;
  };
  /** @param {string} text @param {number} x @param {number} y @param {string} colour @param {string} [font] */
  const write = (text, x, y, colour, font = FONT) => {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, x, y);
  };

  /** @param {Band} band @param {Box} box */
  const drawOthers = (band, box) => {
    context.fillStyle = OTHERS;
    context.fillRect(box.x, box.y, box.w, box.h);
    if (!band.large || box.w < 36 || box.h < 2.2 * LABEL) return;
    write("others", box.x + 6, box.y + box.h / 2 - 3, PALE);
    write(percent(1 - band.coverage), box.x + 6, box.y + box.h / 2 + 11, INK);
  };

  /** @param {number} unit @param {Box} box @param {number} most the largest score of its row @param {boolean} coarse */
  const drawLabel = (unit, box, most, coarse) => {
    const { score, direction } = content.units;
    const part = most ? score[unit] / most : 0;
    const thick = Math.min(4, 0.09 * box.h);
    context.fillStyle = cssColour(colourAt(direction[unit] < 0 ? AGAINST : FOR, 0.55));
    context.fillRect(box.x, box.y + box.h - thick, box.w * part, thick);
    if (coarse || box.h < 2.2 * LABEL || content.rows[content.units.row[unit]].kind === "class") return;
    const name = shortName(content, unit).replace(/^\D+(?=\d)/, "");
    const sign = direction[unit] < 0 ? "−" : ""; // where less of it helps
    const words = box.w >= 62 ? sign + percent(score[unit]).replace("under ", "<") : "";
    context.fillStyle = "#14171cb8";
    context.fillRect(box.x, box.y, box.w, LABEL + 3);
    write(name, box.x + 3, box.y + LABEL, INK, `600 ${FONT}`);
    context.textAlign = "right";
    write(words, box.x + box.w - 3, box.y + LABEL, PALE);
    context.textAlign = "left";
  };

  /** @param {number} unit @param {number} most @param {Box} box @param {CanvasRenderingContext2D} [into] */
  const drawPart = (unit, most, { x, y, w, h: tall }, into = context) => {
    const { score, direction } = content.units;
    const strength = most ? 0.1 + 0.65 * (score[unit] / most) : 0;
    into.fillStyle = cssColour(colourAt(direction[unit] < 0 ? AGAINST : FOR, strength));
    into.fillRect(x, y, Math.max(w - (w > 3 ? 0.6 : 0), 0.4), tall);
  };
  /** A small row's bar, drawn once: of a hundred rows of dozens each, every rectangle would cost. @param {Band} band @param {Layout} layout */
  const barOf = (band, { boxes, left, width }) => {
    const known = bars.get(band);
    if (known) return known;
    const made = h("canvas", { width: width - left - 8, height: 1 });
    const into = made.getContext("2d", { willReadFrequently: true });
    for (const unit of band.units) {
      const { x, w } = boxOf(boxes, unit);
      if (into) drawPart(unit, content.units.score[band.units[0]], { x: x - left, y: 0, w, h: 1 }, into);
    }
    bars.set(band, made);
    return made;
  };

  /** @param {Band} band @param {Eye} eye @param {Layout} layout @param {Sight} sight @param {boolean} coarse */
  const drawBand = (band, eye, layout, { near, frame }, coarse) => {
    const most = band.units.length ? content.units.score[band.units[0]] : 0;
    const others = band.others && seen(band.others, eye);
    if (others) drawOthers(band, others);
    const asBar = !band.large && band.h * eye.zoom < FINE && seen(barRoom(band, layout), eye);
    if (asBar) {
      context.globalAlpha = near.size ? 0.4 : 1;
      context.drawImage(barOf(band, layout), asBar.x, asBar.y, asBar.w, asBar.h);
      context.globalAlpha = 1;
    }
    for (const unit of band.units) {
      const dim = near.size > 0 && !near.has(unit);
      if (asBar && (dim || !near.size)) continue;
      const box = seen(boxOf(layout.boxes, unit), eye);
      if (!box) continue;
      if (!band.large || !tiles.draw(context, unit, frame, box)) drawPart(unit, most, box);
      if (dim) {
        context.fillStyle = "#14171c99";
        context.fillRect(box.x, box.y, box.w, box.h);
      }
      if (band.large) drawLabel(unit, box, most, coarse);
    }
  };

  /** The class beside its tile. @param {Band} band @param {Eye} eye @param {Layout} layout */
  const drawClass = (band, eye, { boxes }) => {
    const last = band.units[band.units.length - 1];
    const box = last === undefined ? null : seen(boxOf(boxes, last), eye);
    if (!box) return;
    const { name, probability } = content.explained;
    const most = Math.max(8, Math.floor((eye.width - box.x - box.w - 20) / 9));
    const middle = box.y + box.h / 2;
    write(shortened(name, most), box.x + box.w + 10, middle - 2, "#fff", "600 16px system-ui, sans-serif");
    const sure = probability === null ? "a difference" : `the network gives it ${percent(probability)}`;
    write(shortened(sure, Math.floor(1.5 * most)), box.x + box.w + 10, middle + 16, PALE, "12px system-ui, sans-serif");
  };

  /** @param {number} unit @param {Eye} eye @param {Layout} layout @param {string} colour @param {number} width @param {number[]} [dash] */
  const ring = (unit, eye, { boxes }, colour, width, dash = []) => {
    const box = seen(boxOf(boxes, unit), eye);
    if (!box) return;
    context.setLineDash(dash);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(box.x - 1, box.y - 1, box.w + 2, box.h + 2);
    context.setLineDash([]);
  };

  /** The row pointed at, whose name says what it is. @param {Band} band @param {Eye} eye @param {Layout} layout */
  const outline = (band, eye, layout) => {
    const box = seen(barRoom(band, layout), eye);
    if (!box) return;
    context.lineWidth = 1.5;
    context.strokeStyle = "#ffffff";
    context.strokeRect(box.x - 1, box.y - 1, box.w + 2, box.h + 2);
  };

  /** @typedef {{frame: number, row: number, selected: number[], hot: number | null, focused: number | null, thin: number | null, near: Set<number>}} Sight */
  /**
   * @param {Layout} layout @param {import("./links.js").Links} links @param {Eye} eye @param {Sight} sight
   * @param {{ratio: number, coarse: boolean}} fineness
   */
  return (layout, links, eye, sight, { ratio, coarse }) => {
    const { width, height } = eye;
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = STAGE;
    context.fillRect(0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(layout.left - ROUND, 0, width, height);
    context.clip();
    const pen = createLinkPen(context, content, graph, layout, links, eye);
    pen.below();
    for (const band of layout.bands) drawBand(band, eye, layout, sight, coarse);
    for (const band of layout.bands) if (content.rows[band.row].kind === "class") drawClass(band, eye, layout);
    pen.above();
    for (const unit of sight.selected) ring(unit, eye, layout, "#ffffff", 2.5);
    if (sight.hot !== null) ring(sight.hot, eye, layout, "#ffffff", 1.5);
    if (sight.thin !== null && !layout.bands[sight.thin].large) outline(layout.bands[sight.thin], eye, layout);
    if (sight.focused !== null) {
      ring(sight.focused, eye, layout, STAGE, 5);
      ring(sight.focused, eye, layout, "#64b1f6", 3, [6, 3]);
    }
    context.restore();
    drawNames(context, content, layout, eye, sight);
  };
}
