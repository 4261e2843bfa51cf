// How much of the evidence a threshold keeps. notebook_explain/explanations/evidence.py is the oracle: counted on the
// positive part of the stretched map.
import { slice } from "./stretch.js";

const BINS = 1000; // whole per cents are edges of bins, so the slider's stops are exact

/**
 * What has to be kept of a stretched map to answer every threshold at once.
 * @typedef {Object} Summary
 * @property {Float64Array} evidence - positive evidence in bin k and all above it
 * @property {Float64Array} voxels - voxels in bin k and all above it
 * @property {number} size - voxels of the clip
 * @property {Float32Array} peaks - largest value of each frame
 */

/**
 * @param {import("./stretch.js").Plan} made one sample per pixel
 * @param {Int8Array} values
 * @returns {Summary}
 */
export function summarise(made, values) {
  const frames = made.time.low.length;
  const picture = new Float32Array(made.width * made.height);
  const evidence = new Float64Array(BINS + 2);
  const voxels = new Float64Array(BINS + 2);
  const peaks = new Float32Array(frames);
  for (let f = 0; f < frames; f++) {
    slice(made, values, f, picture);
    for (let p = 0; p < picture.length; p++) {
      const value = picture[p];
      if (value <= 0) continue;
      if (value > peaks[f]) peaks[f] = value;
      // The nudge keeps what rounding brought a hair below an edge, the peak above all, in its bin.
      const bin = Math.min(Math.floor((value + 1e-6) * BINS), BINS);
      evidence[bin] += value;
      voxels[bin]++;
    }
  }
  for (let k = BINS; k >= 0; k--) {
    evidence[k] += evidence[k + 1];
    voxels[k] += voxels[k + 1];
  }
  return { evidence, voxels, size: frames * picture.length, peaks };
}

/**
 * @param {Summary} summary
 * @param {number} threshold fraction of the scale, 0..1
 * @returns {{evidence: number, volume: number, frames: [number, number] | null}} shares 0..1; first and last frame
 */
export function kept(summary, threshold) {
  const first = summary.peaks.findIndex((peak) => peak > 0 && peak + 1e-6 >= threshold);
  if (first < 0) return { evidence: 0, volume: 0, frames: null };
  const last = summary.peaks.findLastIndex((peak) => peak > 0 && peak + 1e-6 >= threshold);
  const bin = Math.floor(threshold * BINS + 1e-9);
  const past = Math.max(threshold * BINS - bin, 0);
  /** @param {Float64Array} sums */
  const above = (sums) => sums[bin] - past * (sums[bin] - sums[bin + 1]);
  return {
    evidence: above(summary.evidence) / summary.evidence[0],
    volume: above(summary.voxels) / summary.size,
    frames: [first, last],
  };
}
