// Upsampling of a coarse map to the clip: trilinear between cell centres, constant beyond the outer centres. The reference
// implementation is notebook_explain/explanations/geometry.py; the numbers agree.

/**
 * Position of a map's cells in the clip: the frame of each row, the pixel (y, x) of the first cell's centre, and the
 * pixels (y, x) from one cell to the next.
 * @typedef {{rows: number[], origin: number[], step: number[]}} Geometry
 */

/**
 * For each sample along one axis: the cell below it and its weight 0..1 towards the next cell.
 * @typedef {{low: Int32Array, share: Float32Array}} Taps
 */

/**
 * Precomputed weights and scratch buffers for maps of one shape.
 * @typedef {Object} Plan
 * @property {number[]} shape - cells: [time, height, width]
 * @property {number} height - samples down
 * @property {number} width - samples across
 * @property {Taps} time - one tap per frame of the clip
 * @property {Taps} y - one tap per sample down
 * @property {Taps} x - one tap per sample across
 * @property {Float32Array} mixed - scratch: the map at one frame
 * @property {Float32Array} line - scratch: the map along one row of samples
 */

/**
 * Fractional row of a map at a frame: the piecewise linear inverse of `rows`, clamped at its ends.
 * @param {number[]} rows frame of each row, increasing
 * @param {number} frame
 */
export function rowAt(rows, frame) {
  const last = rows.length - 1;
  if (frame <= rows[0]) return 0;
  if (frame >= rows[last]) return last;
  let k = 0;
  while (rows[k + 1] <= frame) k++;
  return k + (frame - rows[k]) / (rows[k + 1] - rows[k]);
}

/**
 * Fractional cell at a pixel, clamped to the cells.
 * @param {number} pixel clip pixel; pixel centres are whole numbers
 * @param {number} origin pixel of the first cell's centre
 * @param {number} step pixels from one cell to the next
 * @param {number} cells
 */
export function cellAt(pixel, origin, step, cells) {
  return Math.min(Math.max((pixel - origin) / step, 0), cells - 1);
}

/**
 * Taps of one axis.
 * @param {number} samples
 * @param {number} cells
 * @param {(sample: number) => number} position fractional cell of a sample, within 0..cells-1
 * @returns {Taps}
 */
function taps(samples, cells, position) {
  const low = new Int32Array(samples);
  const share = new Float32Array(samples);
  for (let s = 0; s < samples; s++) {
    const cell = position(s);
    low[s] = Math.min(Math.floor(cell), Math.max(cells - 2, 0));
    share[s] = cell - low[s];
  }
  return { low, share };
}

/**
 * Prepare the upsampling of a map.
 * @param {number[]} size clip: [time, height, width]
 * @param {number[]} shape map: [time, height, width]
 * @param {Geometry} geometry
 * @param {number} [zoom] samples per pixel along each axis, rounded to whole samples per frame; 1 samples the pixel centres
 * @returns {Plan}
 */
export function plan(size, shape, geometry, zoom = 1) {
  const [t, h, w] = shape;
  const { rows, origin, step } = geometry;
  const [height, width] = [size[1], size[2]].map((pixels) => Math.max(1, Math.round(pixels * zoom)));
  /** @param {number} sample @param {number} samples @param {number} pixels */
  const pixel = (sample, samples, pixels) => ((sample + 0.5) * pixels) / samples - 0.5;
  return {
    shape,
    height,
    width,
    time: taps(size[0], t, (f) => rowAt(rows, f)),
    y: taps(height, h, (s) => cellAt(pixel(s, height, size[1]), origin[0], step[0], h)),
    x: taps(width, w, (s) => cellAt(pixel(s, width, size[2]), origin[1], step[1], w)),
    mixed: new Float32Array(h * w),
    line: new Float32Array(w),
  };
}

/**
 * Interpolate a map in time only, to one frame.
 * @param {Plan} planned
 * @param {Float32Array} values row-major [time, height, width]
 * @param {number} frame
 * @param {Float32Array} out written: height * width of the map
 */
export function mixRows(planned, values, frame, out) {
  const cells = planned.shape[1] * planned.shape[2];
  const low = planned.time.low[frame] * cells;
  const high = Math.min(planned.time.low[frame] + 1, planned.shape[0] - 1) * cells;
  const share = planned.time.share[frame];
  for (let c = 0; c < cells; c++) out[c] = values[low + c] * (1 - share) + values[high + c] * share;
}

/**
 * Interpolate a map in time and space, to the samples of one frame.
 * @param {Plan} planned
 * @param {Float32Array} values row-major [time, height, width]
 * @param {number} frame
 * @param {Float32Array} out written: planned.height * planned.width
 */
export function slice(planned, values, frame, out) {
  const [, h, w] = planned.shape;
  const { mixed, line, width, height, x, y } = planned;
  mixRows(planned, values, frame, mixed);
  for (let r = 0, sample = 0; r < height; r++) {
    const top = y.low[r] * w;
    const bottom = Math.min(y.low[r] + 1, h - 1) * w;
    const down = y.share[r];
    for (let c = 0; c < w; c++) line[c] = mixed[top + c] * (1 - down) + mixed[bottom + c] * down;
    for (let c = 0; c < width; c++, sample++) {
      const left = x.low[c];
      // In a map one cell wide the share is 0, but the cell past the end (undefined, so NaN) must not be read.
      const right = left + 1 < w ? left + 1 : left;
      out[sample] = line[left] + (line[right] - line[left]) * x.share[c];
    }
  }
}

/**
 * Interpolate a map in time only, to every frame of the clip.
 * @param {Plan} planned
 * @param {Float32Array} values
 */
export function rowsToFrames(planned, values) {
  const cells = planned.shape[1] * planned.shape[2];
  const frames = planned.time.low.length;
  const out = new Float32Array(frames * cells);
  for (let f = 0; f < frames; f++) mixRows(planned, values, f, out.subarray(f * cells, (f + 1) * cells));
  return out;
}
