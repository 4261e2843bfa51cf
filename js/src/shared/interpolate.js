// Stretching a coarse map over the clip: trilinear between the centres of its cells, the outer cells reaching to the
// border. The numbers are those of notebook_explain/explanations/geometry.py, which is the oracle.

/**
 * Where the cells of a map lie in the clip.
 * @typedef {{rows: number[], origin: number[], step: number[]}} Geometry
 */

/**
 * For each sample of one axis: the cell below it and how far it is on the way to the next.
 * @typedef {{low: Int32Array, share: Float32Array}} Taps
 */

/**
 * Everything that stretching a map of this shape needs, made once per layer.
 * @typedef {Object} Plan
 * @property {number[]} shape - cells: [time, height, width]
 * @property {number} height - samples down
 * @property {number} width - samples across
 * @property {Taps} time - one tap per frame of the clip
 * @property {Taps} y - one tap per sample down
 * @property {Taps} x - one tap per sample across
 * @property {Float32Array} mixed - scratch: the map at one moment
 * @property {Float32Array} line - scratch: the map along one line of samples
 */

/**
 * The fractional row of a map that stands for a frame: the piecewise linear inverse of `rows`, clamped at its ends.
 * @param {number[]} rows frame that each row stands for, increasing
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
 * @param {number} pixel clip pixel, pixel centres at whole numbers
 * @param {number} origin pixel of the first cell's centre
 * @param {number} step pixels from one cell to the next
 * @param {number} cells
 */
export function cellAt(pixel, origin, step, cells) {
  return Math.min(Math.max((pixel - origin) / step, 0), cells - 1);
}

/**
 * @param {number} samples
 * @param {number} cells
 * @param {(sample: number) => number} position fractional cell of a sample, within 0..cells-1
 * @returns {Taps}
 */
function taps(samples, cells, position) {
  const low = new Int32Array(samples);
  const share = new Float32Array(samples);
  for (let s = 0; s < samples; s++) {
    const at = position(s);
    low[s] = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    share[s] = at - low[s];
  }
  return { low, share };
}

/**
 * @param {number[]} size clip: [time, height, width]
 * @param {number[]} shape map: [time, height, width]
 * @param {Geometry} geometry
 * @param {number} [zoom] samples per pixel and axis, about: whole samples fill the picture; 1 samples the pixels' centres
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
 * The map at one frame, still in its own cells.
 * @param {Plan} made
 * @param {Float32Array} values row-major [time, height, width]
 * @param {number} frame
 * @param {Float32Array} out height*width of the map
 */
export function mixRows(made, values, frame, out) {
  const cells = made.shape[1] * made.shape[2];
  const low = made.time.low[frame] * cells;
  const high = Math.min(made.time.low[frame] + 1, made.shape[0] - 1) * cells;
  const share = made.time.share[frame];
  for (let c = 0; c < cells; c++) out[c] = values[low + c] * (1 - share) + values[high + c] * share;
}

/**
 * The map at one frame, stretched over the picture.
 * @param {Plan} made
 * @param {Float32Array} values row-major [time, height, width]
 * @param {number} frame
 * @param {Float32Array} out made.height * made.width
 */
export function slice(made, values, frame, out) {
  const [, h, w] = made.shape;
  const { mixed, line, width, height, x, y } = made;
  mixRows(made, values, frame, mixed);
  for (let r = 0, at = 0; r < height; r++) {
    const top = y.low[r] * w;
    const bottom = Math.min(y.low[r] + 1, h - 1) * w;
    const down = y.share[r];
    for (let c = 0; c < w; c++) line[c] = mixed[top + c] * (1 - down) + mixed[bottom + c] * down;
    for (let c = 0; c < width; c++, at++) {
      const left = x.low[c];
      // Where the map is one cell wide the share is 0, and the cell past the end (undefined, so NaN) must not be read.
      const right = left + 1 < w ? left + 1 : left;
      out[at] = line[left] + (line[right] - line[left]) * x.share[c];
    }
  }
}

/**
 * The map with its rows brought to the clip's frames, its cells untouched.
 * @param {Plan} made
 * @param {Float32Array} values
 */
export function rowsToFrames(made, values) {
  const cells = made.shape[1] * made.shape[2];
  const frames = made.time.low.length;
  const out = new Float32Array(frames * cells);
  for (let f = 0; f < frames; f++) mixRows(made, values, f, out.subarray(f * cells, (f + 1) * cells));
  return out;
}
