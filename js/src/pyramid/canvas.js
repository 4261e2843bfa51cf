// Drawing of the pyramid. Only what is visible is drawn, and a tile in as much detail as its size on the screen allows.
import { AGAINST, colourAt, cssColour, FOR } from "../shared/colormaps.js";
import { contextOf, h } from "../shared/dom.js";
import { percent } from "../tubes/text.js";
import { boxOf } from "./layout.js";
import { createLinkPen } from "./links.js";
import { drawRowLabels, shorten } from "./row_labels.js";
import { shortName } from "./text.js";
import { createTiles } from "./tiles.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./layout.js").Band} Band */
/** @typedef {import("./layout.js").Box} Box */
/** @typedef {import("./viewport.js").Projection} Projection */

const INK = "#e6e9ee";
const PALE = "#a9b1bd";
const BACKGROUND = "#14171c";
const OTHERS = "#2c3139";
export const PRUNED = [104, 112, 124];
const MIN_UNIT_HEIGHT = 10; // pixels of the screen; a lower small row is drawn as one bar, not unit by unit
const LINK_MARGIN = 7; // pixels left of the first tiles, for links that pass there
const FONT = "11px system-ui, sans-serif";
const LABEL_HEIGHT = 12; // pixels of the screen; a tile with a label is at least 2.2 times as high

/**
 * State that the view shows beside the layout: that of the traits and of the pointer and keyboard.
 * @typedef {Object} Highlights
 * @property {number} frame
 * @property {number} row
 * @property {number[]} selected
 * @property {number | null} hovered - unit under the pointer
 * @property {number | null} focused - unit with the keyboard focus
 * @property {number | null} thinRow - row under the pointer or with the keyboard focus
 * @property {number | null} link - edge under the pointer or chosen by key
 * @property {Uint8Array} kept - 0 for units drawn grey, whose parents are pruned
 * @property {Set<number>} dimmedExcept - units that are not dimmed; empty: none is dimmed
 */

/** Box of a small row. @param {Band} band @param {Layout} layout @returns {Box} */
const barBox = ({ y, h }, { left, width }) => ({ x: left, y, w: width - left - 8, h });

/**
 * @param {Content} content
 * @param {import("./graph.js").Graph} graph
 * @param {ImageBitmap[]} bitmaps
 * @param {HTMLCanvasElement} canvas
 */
export function createRenderer(content, graph, bitmaps, canvas) {
  const context = contextOf(canvas, { alpha: false, willReadFrequently: true }); // much faster with software rendering
  const tiles = createTiles(content, bitmaps);
  /** @type {WeakMap<Band, HTMLCanvasElement>} */
  const bars = new WeakMap();

  /** Box on the screen; null if it is not visible. @param {Box} box @param {Projection} projection @returns {Box | null} */
  const project = (box, { x: projectX, y: projectY, zoom, width, height }) => {
    const [x, y, w, tall] = [projectX(box.x), projectY(box.y), box.w * zoom, box.h * zoom];
    return box.w && x < width && x + w > 0 && y < height && y + tall > 0 ? { x, y, w, h: tall } : null;
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
    if (!band.large || box.w < 36 || box.h < 2.2 * LABEL_HEIGHT) return;
    write("others", box.x + 6, box.y + box.h / 2 - 3, PALE);
    write(percent(band.rest), box.x + 6, box.y + box.h / 2 + 11, INK);
  };

  /** Score bar and label of a tile. @param {number} unit @param {Box} box @param {number} maxScore of its row @param {boolean} coarse @param {boolean} isKept */
  const drawLabel = (unit, box, maxScore, coarse, isKept) => {
    const { score, direction } = content.units;
    const fraction = maxScore ? score[unit] / maxScore : 0;
    const barHeight = Math.min(4, 0.09 * box.h);
    context.fillStyle = cssColour(isKept ? colourAt(direction[unit] < 0 ? AGAINST : FOR, 0.55) : PRUNED);
    context.fillRect(box.x, box.y + box.h - barHeight, box.w * fraction, barHeight);
    if (coarse || box.h < 2.2 * LABEL_HEIGHT || content.rows[content.units.row[unit]].kind === "class") return;
    const name = shortName(content, unit).replace(/^\D+(?=\d)/, "");
    const sign = direction[unit] < 0 ? "−" : ""; // less activity helps the class
    const value = score[unit] ? sign + percent(score[unit]).replace("under ", "<") : "against";
    context.fillStyle = "#14171cb8";
    context.fillRect(box.x, box.y, box.w, LABEL_HEIGHT + 3);
    write(name, box.x + 3, box.y + LABEL_HEIGHT, INK, `600 ${FONT}`);
    const room = box.w - context.measureText(name).width - 12;
    context.font = FONT;
    if (context.measureText(value).width > room) return;
    context.textAlign = "right";
    write(value, box.x + box.w - 3, box.y + LABEL_HEIGHT, PALE);
    context.textAlign = "left";
  };

  /** Plain rectangle, coloured by score and direction; grey if the unit's parents are pruned. @param {number} unit @param {boolean} isKept @param {number} maxScore @param {Box} box @param {CanvasRenderingContext2D} [target] */
  const drawPlain = (unit, isKept, maxScore, { x, y, w, h: tall }, target = context) => {
    const { score, direction } = content.units;
    const strength = maxScore ? 0.1 + 0.65 * (score[unit] / maxScore) : 0;
    target.fillStyle = cssColour(isKept ? colourAt(direction[unit] < 0 ? AGAINST : FOR, strength) : PRUNED);
    target.fillRect(x, y, Math.max(w - (w > 3 ? 0.6 : 0), 0.4), tall);
  };
  /** Take the colours off a tile whose parents are pruned. @param {Box} box */
  const drawGrey = ({ x, y, w, h: tall }) => {
    context.globalCompositeOperation = "saturation";
    context.fillStyle = "#808080";
    context.fillRect(x, y, w, tall);
    context.globalCompositeOperation = "source-over";
    context.fillStyle = "#14171c66";
    context.fillRect(x, y, w, tall);
  };
  /** Bar of a small row, drawn once: drawing dozens of rectangles for each of a hundred rows would be slow. @param {Band} band @param {Layout} layout @param {Uint8Array} kept */
  const barOf = (band, { boxes, left, width }, kept) => {
    const cached = bars.get(band);
    if (cached) return cached;
    const bar = h("canvas", { width: width - left - 8, height: 1 });
    const barContext = contextOf(bar, { willReadFrequently: true });
    for (const unit of band.units) {
      const { x, w } = boxOf(boxes, unit);
      drawPlain(unit, !!kept[unit], content.units.score[band.units[0]], { x: x - left, y: 0, w, h: 1 }, barContext);
    }
    bars.set(band, bar);
    return bar;
  };

  /** @param {Band} band @param {Projection} projection @param {Layout} layout @param {Highlights} highlights @param {boolean} coarse */
  const drawBand = (band, projection, layout, { dimmedExcept, frame, kept }, coarse) => {
    const maxScore = band.units.length ? content.units.score[band.units[0]] : 0;
    const others = band.others && project(band.others, projection);
    if (others) drawOthers(band, others);
    const isBar = !band.large && band.h * projection.zoom < MIN_UNIT_HEIGHT;
    const bar = isBar && project(barBox(band, layout), projection);
    if (bar) {
      context.globalAlpha = dimmedExcept.size ? 0.4 : 1;
      context.drawImage(barOf(band, layout, kept), bar.x, bar.y, bar.w, bar.h);
      context.globalAlpha = 1;
    }
    for (const unit of band.units) {
      const isDimmed = dimmedExcept.size > 0 && !dimmedExcept.has(unit);
      if (bar && (isDimmed || !dimmedExcept.size)) continue;
      const box = project(boxOf(layout.boxes, unit), projection);
      if (!box) continue;
      const isKept = !!kept[unit];
      if (!band.large || !tiles.draw(context, unit, frame, box)) drawPlain(unit, isKept, maxScore, box);
      else if (!isKept) drawGrey(box);
      if (isDimmed) {
        context.fillStyle = "#14171c99";
        context.fillRect(box.x, box.y, box.w, box.h);
      }
      if (band.large) drawLabel(unit, box, maxScore, coarse, isKept);
    }
  };

  /** Name and probability of the class, beside its tile. @param {Band} band @param {Projection} projection @param {Layout} layout */
  const drawClass = (band, projection, { boxes }) => {
    const last = band.units[band.units.length - 1];
    const box = last === undefined ? null : project(boxOf(boxes, last), projection);
    if (!box) return;
    const { name, probability, value } = content.explained;
    const [left, middle] = [box.x + box.w + 10, box.y + box.h / 2];
    const length = Math.max(8, Math.floor((projection.width - left - 10) / 9));
    write(shorten(name, length), left, middle - 2, "#fff", "600 16px system-ui, sans-serif");
    const detail = value ?? (probability === null ? "difference of classes" : `probability ${percent(probability)}`);
    write(shorten(detail, Math.floor(1.5 * length)), left, middle + 16, PALE, "12px system-ui, sans-serif");
  };

  /** @param {number} unit @param {Projection} projection @param {Layout} layout @param {string} colour @param {number} width @param {number[]} [dash] */
  const drawRing = (unit, projection, { boxes }, colour, width, dash = []) => {
    const box = project(boxOf(boxes, unit), projection);
    if (!box) return;
    context.setLineDash(dash);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(box.x - 1, box.y - 1, box.w + 2, box.h + 2);
    context.setLineDash([]);
  };

  /** Outline of a small row. @param {Band} band @param {Projection} projection @param {Layout} layout */
  const drawOutline = (band, projection, layout) => {
    const box = project(barBox(band, layout), projection);
    if (!box) return;
    context.lineWidth = 1.5;
    context.strokeStyle = "#ffffff";
    context.strokeRect(box.x - 1, box.y - 1, box.w + 2, box.h + 2);
  };

  /** @type {(x: number, y: number) => number | null} */
  let linkAt = () => null;
  /**
   * @param {Layout} layout @param {import("./links.js").Links} links @param {Projection} projection
   * @param {Highlights} highlights @param {{ratio: number, coarse: boolean}} resolution
   */
  const draw = (layout, links, projection, highlights, { ratio, coarse }) => {
    const { width, height } = projection;
    const { hovered, focused, thinRow, selected, link } = highlights;
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = BACKGROUND;
    context.fillRect(0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(layout.left - LINK_MARGIN, 0, width, height);
    context.clip();
    const pen = createLinkPen(context, content, graph, layout, links, projection);
    pen.drawBelow();
    for (const band of layout.bands) drawBand(band, projection, layout, highlights, coarse);
    for (const band of layout.bands) if (content.rows[band.row].kind === "class") drawClass(band, projection, layout);
    pen.drawAbove(link);
    linkAt = (x, y) => pen.at(x, y, ratio);
    for (const unit of selected) drawRing(unit, projection, layout, "#ffffff", 2.5);
    if (hovered !== null) drawRing(hovered, projection, layout, "#ffffff", 1.5);
    if (thinRow !== null && !layout.bands[thinRow].large) drawOutline(layout.bands[thinRow], projection, layout);
    if (focused !== null) {
      drawRing(focused, projection, layout, BACKGROUND, 5);
      drawRing(focused, projection, layout, "#64b1f6", 3, [6, 3]);
    }
    context.restore();
    drawRowLabels(context, content, layout, projection, highlights);
  };
  /** `linkAt`: edge of the link at a pixel of the screen, as drawn last; null if there is none. */
  return { draw, linkAt: (/** @type {number} */ x, /** @type {number} */ y) => linkAt(x, y) };
}
