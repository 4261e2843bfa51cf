// How much of the evidence a threshold keeps, when and where. notebook_explain/explanations/threshold.py is the oracle:
// counted on the positive part of the stretched map. A map is gone through once; then every threshold is at hand.
import { slice } from "../shared/interpolate.js";

/** @typedef {import("./layer_values.js").Field} Field */
/** @typedef {{evidence: number, volume: number, frames: [number, number] | null, core: [number, number] | null, place: string, against: number}} Kept shares 0..1; first and last frame; where; share of the other side in all */

const BINS = 1000; // whole per cents are edges of bins, so the slider's stops are exact
const COARSE = 100; // of each frame
const CORE = 0.7;
const MOVES = 0.25;
const SPREAD = 0.22;
const LOW = 0.4;
const HIGH = 0.6;
/** Moments of the kept evidence in a frame: its sum, and its sums weighted by y, y*y, x, x*x (shares of the picture). */
const MOMENTS = 5;

/**
 * What has to be kept of a stretched map to answer every threshold at once. Sums are cumulative: bin k and all above it.
 * @typedef {Object} Summary
 * @property {Float64Array} evidence
 * @property {Float64Array} voxels
 * @property {number} size - voxels of the clip
 * @property {Float32Array} peaks - largest value of each frame
 * @property {Float64Array} moments - [frame, coarse bin, moment]
 * @property {Float64Array} others - [frame, coarse bin] evidence for the other side
 */

/**
 * Counting, one frame at a time.
 * @param {import("../shared/interpolate.js").Plan} made one sample per pixel
 * @param {Pick<Field, "values" | "weights">} field
 * @param {1 | -1} side 1 counts the evidence for, -1 the evidence against
 */
export function startSummary(made, { values, weights }, side = 1) {
  const frames = made.time.low.length;
  const { width, height } = made;
  const picture = new Float32Array(width * height);
  /** @type {Summary} */
  const summary = {
    evidence: new Float64Array(BINS + 2),
    voxels: new Float64Array(BINS + 2),
    size: frames * picture.length,
    peaks: new Float32Array(frames),
    moments: new Float64Array(frames * (COARSE + 2) * MOMENTS),
    others: new Float64Array(frames * (COARSE + 2)),
  };
  const { evidence, voxels, peaks, moments, others } = summary;
  return {
    /** @param {number} f */
    count(f) {
      slice(made, values, f, picture);
      const weight = weights ? weights[f] : 1;
      const row = f * (COARSE + 2);
      for (let y = 0, p = 0; y < height; y++) {
        const down = (y + 0.5) / height;
        for (let x = 0; x < width; x++, p++) {
          const value = side * picture[p];
          // The nudge keeps what rounding brought a hair below an edge, the peak above all, in its bin.
          if (value > 0) {
            if (value > peaks[f]) peaks[f] = value;
            const bin = Math.min(Math.floor((value + 1e-6) * BINS), BINS);
            const own = value * weight;
            const across = (x + 0.5) / width;
            evidence[bin] += own;
            voxels[bin]++;
            const at = (row + Math.floor((bin * COARSE) / BINS)) * MOMENTS;
            moments[at] += own;
            moments[at + 1] += own * down;
            moments[at + 2] += own * down * down;
            moments[at + 3] += own * across;
            moments[at + 4] += own * across * across;
          } else if (value < 0) {
            others[row + Math.min(Math.floor((1e-6 - value) * COARSE), COARSE)] -= value * weight;
          }
        }
      }
    },
    finish() {
      cumulate(evidence, 0, BINS + 2, 1);
      cumulate(voxels, 0, BINS + 2, 1);
      for (let f = 0; f < frames; f++) {
        cumulate(others, f * (COARSE + 2), COARSE + 2, 1);
        cumulate(moments, f * (COARSE + 2) * MOMENTS, COARSE + 2, MOMENTS);
      }
      return summary;
    },
  };
}

/** @param {Float64Array} sums @param {number} from @param {number} count @param {number} width */
function cumulate(sums, from, count, width) {
  for (let k = from + (count - 1) * width - 1; k >= from; k--) sums[k] += sums[k + width];
}

/** @param {import("../shared/interpolate.js").Plan} made @param {Pick<Field, "values" | "weights">} field @param {1 | -1} [side] @returns {Summary} */
export function summarise(made, field, side = 1) {
  const counting = startSummary(made, field, side);
  for (let f = 0; f < made.time.low.length; f++) counting.count(f);
  return counting.finish();
}

/**
 * The sum at and above a threshold: exact where a bin begins, between two beginnings on a straight line.
 * @param {Float64Array} sums
 * @param {number} threshold
 * @param {number} bins
 * @param {number} [from]
 * @param {number} [width]
 */
function above(sums, threshold, bins, from = 0, width = 1) {
  const bin = Math.floor(threshold * bins + 1e-9);
  const past = Math.max(threshold * bins - bin, 0);
  const at = from + bin * width;
  return sums[at] - past * (sums[at] - sums[at + width]);
}

/**
 * @param {Summary} summary
 * @param {number} threshold fraction of the scale, 0..1
 * @returns {Kept}
 */
export function kept(summary, threshold) {
  const { evidence, voxels, peaks, size, others } = summary;
  let other = 0;
  for (let f = 0; f < peaks.length; f++) other += others[f * (COARSE + 2)];
  const against = other > 0 ? other / (other + evidence[0]) : 0;
  const first = peaks.findIndex((peak) => peak > 0 && peak + 1e-6 >= threshold);
  if (first < 0) return { evidence: 0, volume: 0, frames: null, core: null, place: "", against };
  const last = peaks.findLastIndex((peak) => peak > 0 && peak + 1e-6 >= threshold);
  const found = Array.from(peaks, (_, f) =>
    Array.from({ length: MOMENTS }, (_, k) =>
      above(summary.moments, threshold, COARSE, f * (COARSE + 2) * MOMENTS + k, MOMENTS),
    ),
  );
  return {
    evidence: above(evidence, threshold, BINS) / evidence[0],
    volume: above(voxels, threshold, BINS) / size,
    frames: [first, last],
    core: coreOf(found.map(([sum]) => sum)),
    place: placeOf(found),
    against,
  };
}

/**
 * Evidence of each frame, all of it and what a threshold keeps, on the counted side and on the other.
 * @param {Summary} summary
 * @param {number} threshold
 */
export function curves({ peaks, moments, others }, threshold) {
  const frames = [...peaks.keys()];
  /** @param {number} least */
  const own = (least) => frames.map((f) => above(moments, least, COARSE, f * (COARSE + 2) * MOMENTS, MOMENTS));
  /** @param {number} least */
  const other = (least) => frames.map((f) => above(others, least, COARSE, f * (COARSE + 2)));
  return { own: { all: own(0), kept: own(threshold) }, other: { all: other(0), kept: other(threshold) } };
}

/** The shortest run of frames that holds most of the weight; of several the one that holds most, the first of equals. @param {number[]} weight @returns {[number, number]} */
function coreOf(weight) {
  const total = weight.reduce((sum, part) => sum + part, 0);
  let best = /** @type {[number, number]} */ ([0, weight.length - 1]);
  let most = Number.POSITIVE_INFINITY; // a run as long as the best so far has to hold more, by more than float32 rounds
  for (let first = 0; first < weight.length; first++) {
    let sum = 0;
    for (let last = first; last < weight.length && last - first <= best[1] - best[0]; last++) {
      sum += weight[last];
      const shorter = last - first < best[1] - best[0];
      if (sum < CORE * total * (1 - 1e-9) || !(shorter || sum > most + 1e-6 * total)) continue;
      [best, most] = [[first, last], sum];
    }
  }
  return best;
}

/**
 * Low (0), middle (1), high (2) or spread (-1) along one axis, at the beginning and at the end.
 * @param {number[][]} found moments of each frame
 * @param {number} at 1 for y, 3 for x
 */
function thirds(found, at) {
  /** @param {(moments: number[], frame: number) => number} part */
  const sum = (part) => found.reduce((whole, moments, frame) => whole + part(moments, frame), 0);
  const total = sum(([weight]) => weight);
  const when = sum(([weight], frame) => weight * frame) / total;
  const duration = sum(([weight], frame) => weight * (frame - when) ** 2) / total;
  const middle = sum((moments) => moments[at]) / total;
  const slope = duration > 1e-9 ? sum((moments, frame) => (frame - when) * moments[at]) / total / duration : 0;
  const rest = sum((moments) => moments[at + 1]) / total - middle ** 2 - slope ** 2 * duration;
  if (Math.sqrt(Math.max(rest, 0)) > SPREAD) return [-1, -1];
  const way = slope * Math.sqrt(3 * duration);
  /** @param {number} place */
  const third = (place) => (place < LOW ? 0 : place > HIGH ? 2 : 1);
  return Math.abs(2 * way) >= MOVES ? [third(middle - way), third(middle + way)] : [third(middle), third(middle)];
}

const DOWN = ["top", "middle", "bottom"];
const ACROSS = ["left", "middle", "right"];

/** @param {number[][]} found moments of each frame */
function placeOf(found) {
  const [down, across] = [thirds(found, 1), thirds(found, 3)];
  const [start, end] = [0, 1].map((k) => [down[k], across[k]]);
  if (start[0] !== end[0] || start[1] !== end[1]) return `moving from ${stop(start)} to ${stop(end)}`;
  const [y, x] = start;
  if (y < 0) return ["down the left side", "down the middle", "down the right side"][x] ?? "all over the picture";
  if (x < 0) return `across the ${DOWN[y]}`;
  if (y === 1) return ["on the left", "in the centre", "on the right"][x];
  return `at ${stop(start)}`;
}

/** The start or the end of a movement. @param {number[]} thirds */
function stop([y, x]) {
  if (x < 0) return `the ${DOWN[y]}`;
  if (y < 0) return `the ${ACROSS[x]}`;
  if (x === 1) return y === 1 ? "the centre" : `the ${DOWN[y]}`;
  return y === 1 ? `the ${ACROSS[x]}` : `${["upper", "", "lower"][y]} ${ACROSS[x]}`;
}
