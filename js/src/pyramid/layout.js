// Where everything stands: the class on top, the rows around the chosen one large, all others small, so that the whole
// network is in sight at once. The first units of a large row are its largest tiles; the further down its ranks, the
// smaller they grow, so that thousands fit.

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{x: number, y: number, w: number, h: number}} Box CSS pixels at zoom 1 */
/** @typedef {{row: number, y: number, h: number, large: boolean, open: boolean, units: number[], others: Box | null, coverage: number}} Band `open`: not collapsed by hand */
/** @typedef {{width: number, height: number, left: number, bands: Band[], boxes: Float32Array}} Layout `boxes`: x, y, w, h of each unit; w is 0 where it is not shown */

const HEIGHTS = [96, 88, 54]; // of the chosen row, its neighbours, theirs
const CLASS = 62;
const GAP = 30; // above a large row, for the links
const OTHERS = 52; // width of the tile that stands for the other channels
const APART = 12; // between the last large row and the small ones
export const FILLED = 0.74; // of a small row's share of the height, the rest lies between
const DEEPEST = 5; // the smallest tiles are 1/32 of the row

/**
 * The heights of all rows and the gaps above them, which fill the stage.
 * @param {{large: boolean, wanted: number}[]} rows
 * @param {number} height
 * @returns {{h: number, gap: number}[]}
 */
export function heightsOf(rows, height) {
  const small = rows.filter(({ large }) => !large).length;
  const gaps = rows.map(({ large }, k) => (k === 0 ? 0 : large ? GAP : rows[k - 1].large ? APART : 0));
  const wanted = rows.reduce((sum, row, k) => sum + (row.large ? row.wanted : 0) + gaps[k], 0);
  const each = small ? Math.min(Math.max(height - wanted, 0.2 * height) / small, 24) : 0;
  const scale = wanted ? Math.min(1.4, (height - small * each) / wanted) : 1;
  return rows.map(({ large, wanted: tall }, k) => ({
    h: large ? Math.max(tall * scale, 8) : FILLED * each,
    gap: gaps[k] * scale + (large ? 0 : (1 - FILLED) * each),
  }));
}

/**
 * Tiles of one row, column by column: first a few of full height, then columns of two, of four, and so on.
 * @param {number} count
 * @param {Box} room
 * @param {number} aspect width of a tile over its height
 * @param {(place: number, box: Box) => void} put
 * @returns {number} where the last column ends
 */
export function tile(count, { x, y, w, h }, aspect, put) {
  let [place, left, room] = [0, x, w];
  for (let level = 0; place < count; level++) {
    const stack = 2 ** level;
    const across = (h / stack) * aspect;
    const needed = Math.ceil((count - place) / stack);
    const all = needed * across <= room || level === DEEPEST;
    const columns = all ? needed : Math.min(needed, Math.max(level ? 0 : 1, Math.floor((0.45 * room) / across)));
    const pad = Math.min(3, 0.06 * across);
    for (let k = 0; k < columns * stack && place < count; k++, place++) {
      const [column, line] = [Math.floor(k / stack), k % stack];
      const [at, top] = [left + column * across, y + (line * h) / stack];
      put(place, { x: at + pad / 2, y: top + pad / 2, w: across - pad, h: h / stack - pad });
    }
    left += columns * across;
    room -= columns * across;
  }
  return left;
}

/** Units of a small row as one bar: as long as what they carry, each as wide as its score. @param {number[]} scores @param {Box} room @param {number} coverage @param {(place: number, box: Box) => void} put */
function bar(scores, { x, y, w, h }, coverage, put) {
  const all = scores.reduce((sum, score) => sum + score, 0) || 1;
  let left = x;
  for (const [place, score] of scores.entries()) {
    const across = (w * coverage * score) / all;
    put(place, { x: left, y, w: Math.max(across, 0.01), h });
    left += across;
  }
}

/**
 * @param {Content} content
 * @param {import("./graph.js").Graph} graph
 * @param {Uint8Array} stays
 * @param {{row: number, collapsed: number[]}} place
 * @param {{width: number, height: number}} stage CSS pixels
 * @returns {Layout}
 */
export function layoutOf({ rows, units, size }, graph, stays, place, { width, height }) {
  const left = width >= 620 ? 164 : 8; // names of layers stand in a margin of their own where there is room
  const boxes = new Float32Array(4 * units.count);
  const aspect = Math.min(Math.max(size[2] / size[1], 0.5), 2);
  const told = rows.map((row, index) => {
    const far = Math.abs(index - place.row);
    const open = !place.collapsed.includes(index);
    if (row.kind === "class") return { large: true, wanted: CLASS, open };
    return { large: open && far < HEIGHTS.length, wanted: HEIGHTS[far] ?? 0, open };
  });
  const heights = heightsOf(told, height - 12);
  let y = 4;
  let right = width;
  const bands = rows.map((row, index) => {
    const { h, gap } = heights[index];
    y += gap;
    const own = graph.of(index, stays);
    const coverage = graph.coverage(index, stays);
    const { large, open } = told[index];
    const room = { x: left, y, w: width - left - 8, h };
    const put = (/** @type {number} */ k, /** @type {Box} */ { x, y, w, h }) => boxes.set([x, y, w, h], 4 * own[k]);
    /** @type {Box | null} */
    let others = null;
    if (row.kind === "class") tile(own.length, room, aspect, put);
    else if (large) {
      const rest = coverage < 0.9995 ? Math.min(OTHERS, 0.2 * room.w) : 0;
      const end = tile(own.length, { ...room, w: room.w - rest - 6 }, aspect, put);
      if (rest) others = { x: end + 5, y: y + 1, w: rest, h: h - 2 };
      right = Math.max(right, end + rest + 12);
    } else {
      bar(
        own.map((unit) => units.score[unit]),
        room,
        coverage,
        put,
      );
      others = { x: left + room.w * coverage, y, w: room.w * (1 - coverage), h };
    }
    y += h;
    return { row: index, y: y - h, h, large, open, units: own, others, coverage };
  });
  return { width: right, height: Math.max(height, y + 8), left, bands, boxes };
}

/** What lies at a point: a unit, or a row and nothing more. @param {Layout} layout @param {number} x @param {number} y @returns {{unit: number | null, band: Band | null, others: boolean}} */
export function at({ bands, boxes }, x, y) {
  const within = (/** @type {Box} */ box) => x >= box.x && x < box.x + box.w && y >= box.y && y < box.y + box.h;
  const nearest = (/** @type {Band} */ band) => Math.max(band.y - y, y - band.y - band.h, 0);
  let band = null;
  for (const each of bands) if (nearest(each) < (band ? nearest(band) : 8)) band = each;
  if (!band) return { unit: null, band, others: false };
  const unit = band.large ? band.units.find((one) => within(boxOf(boxes, one))) : undefined;
  return { unit: unit ?? null, band, others: unit === undefined && !!band.others && within(band.others) };
}

/** @param {Float32Array} boxes @param {number} unit @returns {Box} */
export const boxOf = (boxes, unit) => ({
  x: boxes[4 * unit],
  y: boxes[4 * unit + 1],
  w: boxes[4 * unit + 2],
  h: boxes[4 * unit + 3],
});
