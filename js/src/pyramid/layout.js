// Layout of the pyramid: the class on top, the rows around the chosen one large and all others small, so that the whole
// network is visible. In a large row, tiles get smaller with their rank, so that thousands fit.

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{x: number, y: number, w: number, h: number}} Box CSS pixels at zoom 1 */
/** @typedef {{row: number, y: number, h: number, large: boolean, open: boolean, units: number[], count: number, others: Box | null, coverage: number, rest: number}} Band one row; `open`: not collapsed; `units`: drawn, with the grey ones; `count`: of kept units; `others`: box of the channels that are not drawn, which carry `rest` */
/** @typedef {{width: number, height: number, left: number, bands: Band[], boxes: Float32Array}} Layout `left`: width of the margin; `boxes`: x, y, w, h of each unit, with w 0 if it is not shown */

const HEIGHTS = [96, 88, 54]; // of the chosen row, its neighbours, and theirs
const CLASS_HEIGHT = 62;
const GAP = 30; // above a large row, for the links
const OTHERS_WIDTH = 52; // of the tile for the channels that are not shown
const SMALL_GAP = 12; // between the last large row and the small ones
export const FILLED = 0.74; // fraction of a small row's share of the height; the rest is space between rows
const LINE = 11; // pixels of a small row with a name
const MAX_LEVEL = 5; // the smallest tiles have 1/32 of the row's height

/**
 * Heights of all rows and the gaps above them, which together fill the container.
 * @param {{large: boolean, wanted: number}[]} rows
 * @param {number} height
 * @returns {{h: number, gap: number}[]}
 */
export function heightsOf(rows, height) {
  const smallCount = rows.filter(({ large }) => !large).length;
  const gaps = rows.map(({ large }, k) => (k === 0 ? 0 : large ? GAP : rows[k - 1].large ? SMALL_GAP : 0));
  const wanted = rows.reduce((sum, row, k) => sum + (row.large ? row.wanted : 0) + gaps[k], 0);
  const small = smallCount
    ? Math.min(Math.max(height - wanted, 0.2 * height, Math.min(LINE * smallCount, 0.36 * height)) / smallCount, 24)
    : 0;
  const scale = wanted ? Math.min(1.4, (height - smallCount * small) / wanted) : 1;
  return rows.map(({ large, wanted: tall }, k) => ({
    h: large ? Math.max(tall * scale, 8) : FILLED * small,
    gap: gaps[k] * scale + (large ? 0 : (1 - FILLED) * small),
  }));
}

/**
 * Lay out the tiles of one row by columns: first a few of full height, then columns of two, of four, and so on.
 * @param {number} count
 * @param {Box} room
 * @param {number} aspect width of a tile over its height
 * @param {(index: number, box: Box) => void} put
 * @returns {number} right end of the last column
 */
export function tile(count, { x, y, w, h }, aspect, put) {
  let [index, left, room] = [0, x, w];
  for (let level = 0; index < count; level++) {
    const stack = 2 ** level;
    const across = (h / stack) * aspect;
    const needed = Math.ceil((count - index) / stack);
    const fitsAll = needed * across <= room || level === MAX_LEVEL;
    const columns = fitsAll ? needed : Math.min(needed, Math.max(level ? 0 : 1, Math.floor((0.45 * room) / across)));
    const pad = Math.min(3, 0.06 * across);
    for (let k = 0; k < columns * stack && index < count; k++, index++) {
      const [column, line] = [Math.floor(k / stack), k % stack];
      const [start, top] = [left + column * across, y + (line * h) / stack];
      put(index, { x: start + pad / 2, y: top + pad / 2, w: across - pad, h: h / stack - pad });
    }
    left += columns * across;
    room -= columns * across;
  }
  return left;
}

/** Lay out a small row as one bar, as long as its coverage, with unit widths proportional to scores. @param {number[]} scores @param {Box} room @param {number} coverage @param {(index: number, box: Box) => void} put */
function bar(scores, { x, y, w, h }, coverage, put) {
  const total = scores.reduce((sum, score) => sum + score, 0) || 1;
  let left = x;
  for (const [index, score] of scores.entries()) {
    const across = (w * coverage * score) / total;
    put(index, { x: left, y, w: Math.max(across, 0.01), h });
    left += across;
  }
}

/**
 * @param {Content} content
 * @param {import("./graph.js").Graph} graph
 * @param {Uint8Array} kept
 * @param {{row: number, collapsed: number[]}} state
 * @param {{width: number, height: number}} container CSS pixels
 * @param {Uint8Array} [drawn] kept units and the grey ones
 * @returns {Layout}
 */
export function layoutOf({ rows, units, size }, graph, kept, state, { width, height }, drawn = kept) {
  const left = width >= 620 ? 164 : 8; // row labels have a margin if there is room
  const boxes = new Float32Array(4 * units.count);
  const aspect = Math.min(Math.max(size[2] / size[1], 0.5), 2);
  const specs = rows.map((row, index) => {
    const distance = Math.abs(index - state.row);
    const open = !state.collapsed.includes(index);
    if (row.kind === "class") return { large: true, wanted: CLASS_HEIGHT, open };
    return { large: open && distance < HEIGHTS.length, wanted: HEIGHTS[distance] ?? 0, open };
  });
  const heights = heightsOf(specs, height - 12);
  let y = 4;
  let right = width;
  const bands = rows.map((row, index) => {
    const { h, gap } = heights[index];
    y += gap;
    const rowUnits = graph.keptUnits(index, drawn);
    const carried = graph.coverage(index, drawn);
    const { large, open } = specs[index];
    const room = { x: left, y, w: width - left - 8, h };
    const put = (/** @type {number} */ k, /** @type {Box} */ { x, y, w, h }) =>
      boxes.set([x, y, w, h], 4 * rowUnits[k]);
    /** @type {Box | null} */
    let others = null;
    if (row.kind === "class") tile(rowUnits.length, room, aspect, put);
    else if (large) {
      const rest = carried < 0.9995 ? Math.min(OTHERS_WIDTH, 0.2 * room.w) : 0;
      const end = tile(rowUnits.length, { ...room, w: room.w - rest - 6 }, aspect, put);
      if (rest) others = { x: end + 5, y: y + 1, w: rest, h: h - 2 };
      right = Math.max(right, end + rest + 12);
    } else {
      bar(
        rowUnits.map((unit) => units.score[unit]),
        room,
        carried,
        put,
      );
      others = { x: left + room.w * carried, y, w: room.w * (1 - carried), h };
    }
    y += h;
    const count = rowUnits.filter((unit) => kept[unit]).length;
    const coverage = graph.coverage(index, kept);
    return { row: index, y: y - h, h, large, open, units: rowUnits, count, others, coverage, rest: 1 - carried };
  });
  return { width: right, height: Math.max(height, y + 8), left, bands, boxes };
}

/** Row and unit at a point; null where there is none. @param {Layout} layout @param {number} x @param {number} y @returns {{unit: number | null, band: Band | null, others: boolean, isInside: boolean}} `isInside`: the point is not between two rows */
export function hitTest({ bands, boxes }, x, y) {
  const contains = (/** @type {Box} */ box) => x >= box.x && x < box.x + box.w && y >= box.y && y < box.y + box.h;
  const distance = (/** @type {Band} */ band) => Math.max(band.y - y, y - band.y - band.h, 0);
  let nearest = null;
  for (const band of bands) if (distance(band) < (nearest ? distance(nearest) : 8)) nearest = band;
  if (!nearest) return { unit: null, band: null, others: false, isInside: false };
  const unit = nearest.large ? nearest.units.find((other) => contains(boxOf(boxes, other))) : undefined;
  const others = unit === undefined && !!nearest.others && contains(nearest.others);
  return { unit: unit ?? null, band: nearest, others, isInside: distance(nearest) === 0 };
}

/** @param {Float32Array} boxes @param {number} unit @returns {Box} */
export const boxOf = (boxes, unit) => ({
  x: boxes[4 * unit],
  y: boxes[4 * unit + 1],
  w: boxes[4 * unit + 2],
  h: boxes[4 * unit + 3],
});
