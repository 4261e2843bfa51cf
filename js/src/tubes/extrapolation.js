// Where a map is held constant: beyond the centres of its outermost cells. It fades there, since what it shows is no finding.
// The reference implementation is `beyond_outer_cells` in notebook_explain/explanations/geometry.py.

/**
 * Outer cell centres along one axis in fractions of the clip, and the cells per whole clip before and after them; an axis
 * of a single cell has no position, so nothing lies beyond it.
 * @typedef {{first: number, last: number, before: number, after: number}} Edge
 */

const FADE = 0.7; // of the opacity is lost half a cell beyond the outer centres, and farther out

/**
 * Edges of a map along x, y and time.
 * @param {number[]} size clip: [time, height, width]
 * @param {{shape: number[], geometry: import("../shared/interpolate.js").Geometry}} map
 * @returns {Edge[]}
 */
export function edgesOf(size, { shape, geometry: { rows, origin, step } }) {
  const spatial = [1, 0].map((axis) => {
    const [pixels, cells] = [size[axis + 1], shape[axis + 1]];
    const per = cells > 1 ? pixels / step[axis] : 0;
    const at = (/** @type {number} */ cell) => (origin[axis] + cell * step[axis] + 0.5) / pixels;
    return { first: at(0), last: at(cells - 1), before: per, after: per };
  });
  const [frames, last] = [size[0], rows.length - 1];
  const per = (/** @type {number} */ k) => (last > 0 ? frames / (rows[k] - rows[k - 1]) : 0);
  return [
    ...spatial,
    { first: (rows[0] + 0.5) / frames, last: (rows[last] + 0.5) / frames, before: per(1), after: per(last) },
  ];
}

/** Cells by which a position lies beyond the outer centres. @param {Edge} edge @param {number} at fraction of the clip */
export const beyond = ({ first, last, before, after }, at) => Math.max((first - at) * before, (at - last) * after, 0);

/** Factor of the opacity. @param {number} cells beyond the outer centres */
export const fadeAt = (cells) => 1 - FADE * Math.min(2 * cells, 1);
