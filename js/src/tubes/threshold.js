// Share of the evidence that a threshold keeps, when and where, counted on the positive part of the upsampled map. One pass
// over a map answers every threshold. The reference implementation is notebook_explain/explanations/threshold.py.
import { slice } from "../shared/interpolate.js";

/** @typedef {import("./layer_values.js").Field} Field */
/** @typedef {{evidence: number, volume: number, frames: [number, number] | null, core: [number, number] | null, place: string, against: number}} Kept fractions 0..1; first and last frame; position in the picture; fraction of all evidence that is of the other sign */

const BINS = 14000; // of `binAt`
const COARSE = 100; // bins per frame
const CORE = 0.7;
const MOVES = 0.25;
const SPREAD = 0.22;
const LOW = 0.4;
const HIGH = 0.6;
/** Moments of a frame's evidence: its sum, and its sums weighted by y, y*y, x, x*x (fractions of the picture). */
const MOMENTS = 5;

/** Default threshold, a fraction of the maximum. */
export const THRESHOLD = 0.4;

/**
 * Bin of a fraction 0..1 of the maximum, fractional. Bins are ten times finer below 10 %, and again below 1 %, where most
 * values of a fine map lie. Whole percents are bin edges, so the slider's stops are exact.
 * @param {number} value
 */
const binAt = (value) =>
  value < 0.01 ? value * 5e5 : value < 0.1 ? 5000 + (value - 0.01) * 5e4 : 9500 + (value - 0.1) * 5e3;
/** Lower edge of a bin. @param {number} bin */
const edgeOf = (bin) => (bin < 5000 ? bin / 5e5 : bin < 9500 ? 0.01 + (bin - 5000) / 5e4 : 0.1 + (bin - 9500) / 5e3);

/**
 * Sums over an upsampled map that answer every threshold. They are cumulative: bin k and all bins above it.
 * @typedef {Object} Summary
 * @property {Float64Array} evidence
 * @property {Float64Array} voxels
 * @property {number} size - number of voxels of the clip
 * @property {Float32Array} peaks - largest value per frame
 * @property {Float64Array} moments - [frame, coarse bin, moment]
 * @property {Float64Array} opposite - [frame, coarse bin] evidence of the other sign
 */

/**
 * Count a map one frame at a time.
 * @param {import("../shared/interpolate.js").Plan} planned one sample per pixel
 * @param {Pick<Field, "values" | "weights">} field
 * @param {1 | -1} side 1 counts the evidence for, -1 the evidence against
 */
export function startSummary(planned, { values, weights }, side = 1) {
  const frames = planned.time.low.length;
  const { width, height } = planned;
  const picture = new Float32Array(width * height);
  /** @type {Summary} */
  const summary = {
    evidence: new Float64Array(BINS + 2),
    voxels: new Float64Array(BINS + 2),
    size: frames * picture.length,
    peaks: new Float32Array(frames),
    moments: new Float64Array(frames * (COARSE + 2) * MOMENTS),
    opposite: new Float64Array(frames * (COARSE + 2)),
  };
  const { evidence, voxels, peaks, moments, opposite } = summary;
  return {
    /** @param {number} f */
    count(f) {
      slice(planned, values, f, picture);
      const weight = weights ? weights[f] : 1;
      const row = f * (COARSE + 2);
      for (let y = 0, p = 0; y < height; y++) {
        const down = (y + 0.5) / height;
        for (let x = 0; x < width; x++, p++) {
          const value = side * picture[p];
          // 1e-6 keeps values that rounding moved just below an edge (the peak above all) in their bin.
          if (value > 0) {
            if (value > peaks[f]) peaks[f] = value;
            const bin = Math.min(Math.floor(binAt(value + 1e-6)), BINS);
            const amount = value * weight;
            const across = (x + 0.5) / width;
            evidence[bin] += amount;
            voxels[bin]++;
            const first = (row + Math.min(Math.floor((value + 1e-6) * COARSE), COARSE)) * MOMENTS;
            moments[first] += amount;
            moments[first + 1] += amount * down;
            moments[first + 2] += amount * down * down;
            moments[first + 3] += amount * across;
            moments[first + 4] += amount * across * across;
          } else if (value < 0) {
            opposite[row + Math.min(Math.floor((1e-6 - value) * COARSE), COARSE)] -= value * weight;
          }
        }
      }
    },
    finish() {
      cumulate(evidence, 0, BINS + 2, 1);
      cumulate(voxels, 0, BINS + 2, 1);
      for (let f = 0; f < frames; f++) {
        cumulate(opposite, f * (COARSE + 2), COARSE + 2, 1);
        cumulate(moments, f * (COARSE + 2) * MOMENTS, COARSE + 2, MOMENTS);
      }
      return summary;
    },
  };
}

/** Cumulative sums from the last bin down, in place. @param {Float64Array} sums @param {number} from @param {number} count bins @param {number} width sums per bin */
function cumulate(sums, from, count, width) {
  for (let k = from + (count - 1) * width - 1; k >= from; k--) sums[k] += sums[k + width];
}

/** Count a whole map at once. @param {import("../shared/interpolate.js").Plan} planned @param {Pick<Field, "values" | "weights">} field @param {1 | -1} [side] @returns {Summary} */
export function summarise(planned, field, side = 1) {
  const counting = startSummary(planned, field, side);
  for (let f = 0; f < planned.time.low.length; f++) counting.count(f);
  return counting.finish();
}

/**
 * Sum at and above a threshold: exact at bin edges, interpolated linearly between them.
 * @param {Float64Array} sums
 * @param {number} at bin of the threshold, fractional
 * @param {number} [from]
 * @param {number} [width]
 */
function above(sums, at, from = 0, width = 1) {
  const bin = Math.floor(at + 1e-9);
  const past = Math.max(at - bin, 0);
  const index = from + bin * width;
  return sums[index] - past * (sums[index] - sums[index + width]);
}

/**
 * The highest threshold that keeps at least a share of the evidence, to within a bin; THRESHOLD if there is none.
 * @param {Pick<Summary, "evidence">} summary
 * @param {number} share 0..1
 */
export function thresholdForShare({ evidence }, share) {
  if (evidence[0] === 0) return THRESHOLD;
  return edgeOf(evidence.findLastIndex((sum) => sum > 0 && sum >= share * evidence[0] * (1 - 1e-9)));
}

/** Share of the evidence that a threshold keeps; 0 if there is none. @param {Pick<Summary, "evidence">} summary @param {number} threshold */
export const shareAt = ({ evidence }, threshold) => above(evidence, binAt(threshold)) / (evidence[0] || 1);

/**
 * Count what a threshold keeps.
 * @param {Summary} summary
 * @param {number} threshold fraction of the scale, 0..1
 * @returns {Kept}
 */
export function kept(summary, threshold) {
  const { evidence, voxels, peaks, size, opposite } = summary;
  let total = 0;
  for (let f = 0; f < peaks.length; f++) total += opposite[f * (COARSE + 2)];
  const against = total > 0 ? total / (total + evidence[0]) : 0;
  const first = peaks.findIndex((peak) => peak > 0 && peak + 1e-6 >= threshold);
  if (first < 0) return { evidence: 0, volume: 0, frames: null, core: null, place: "", against };
  const last = peaks.findLastIndex((peak) => peak > 0 && peak + 1e-6 >= threshold);
  const frameMoments = Array.from(peaks, (_, f) =>
    Array.from({ length: MOMENTS }, (_, k) =>
      above(summary.moments, threshold * COARSE, f * (COARSE + 2) * MOMENTS + k, MOMENTS),
    ),
  );
  return {
    evidence: shareAt(summary, threshold),
    volume: above(voxels, binAt(threshold)) / size,
    frames: [first, last],
    core: coreOf(frameMoments.map(([sum]) => sum)),
    place: regionWords(frameMoments),
    against,
  };
}

/**
 * Evidence per frame, in total and above a threshold: of the counted sign and of the opposite one.
 * @param {Summary} summary
 * @param {number} threshold
 */
export function curves({ peaks, moments, opposite }, threshold) {
  const frames = [...peaks.keys()];
  /** @param {number} min */
  const countedAbove = (min) => frames.map((f) => above(moments, min * COARSE, f * (COARSE + 2) * MOMENTS, MOMENTS));
  /** @param {number} min */
  const oppositeAbove = (min) => frames.map((f) => above(opposite, min * COARSE, f * (COARSE + 2)));
  return {
    counted: { all: countedAbove(0), kept: countedAbove(threshold) },
    opposite: { all: oppositeAbove(0), kept: oppositeAbove(threshold) },
  };
}

/** Shortest run of frames that holds CORE of the weight; among several the heaviest one, then the first. @param {number[]} weights per frame @returns {[number, number]} first and last frame */
function coreOf(weights) {
  const total = weights.reduce((sum, part) => sum + part, 0);
  let best = /** @type {[number, number]} */ ([0, weights.length - 1]);
  let bestSum = Number.POSITIVE_INFINITY; // an equally long run must hold more, by more than float32 rounding
  for (let first = 0; first < weights.length; first++) {
    let sum = 0;
    for (let last = first; last < weights.length && last - first <= best[1] - best[0]; last++) {
      sum += weights[last];
      const isShorter = last - first < best[1] - best[0];
      if (sum < CORE * total * (1 - 1e-9) || !(isShorter || sum > bestSum + 1e-6 * total)) continue;
      [best, bestSum] = [[first, last], sum];
    }
  }
  return best;
}

/**
 * Third of the picture along one axis, at the start and at the end: low (0), middle (1), high (2) or spread out (-1).
 * @param {number[][]} frameMoments
 * @param {number} axis first moment of the axis: 1 for y, 3 for x
 */
function thirds(frameMoments, axis) {
  /** @param {(moments: number[], frame: number) => number} part */
  const sum = (part) => frameMoments.reduce((partial, moments, frame) => partial + part(moments, frame), 0);
  const total = sum(([weight]) => weight);
  const when = sum(([weight], frame) => weight * frame) / total;
  const duration = sum(([weight], frame) => weight * (frame - when) ** 2) / total;
  const middle = sum((moments) => moments[axis]) / total;
  const slope = duration > 1e-9 ? sum((moments, frame) => (frame - when) * moments[axis]) / total / duration : 0;
  const rest = sum((moments) => moments[axis + 1]) / total - middle ** 2 - slope ** 2 * duration;
  if (Math.sqrt(Math.max(rest, 0)) > SPREAD) return [-1, -1];
  const shift = slope * Math.sqrt(3 * duration);
  /** @param {number} position */
  const third = (position) => (position < LOW ? 0 : position > HIGH ? 2 : 1);
  if (Math.abs(2 * shift) < MOVES) return [third(middle), third(middle)];
  return [third(middle - shift), third(middle + shift)];
}

const DOWN = ["top", "middle", "bottom"];
const ACROSS = ["left", "middle", "right"];

/** Position of the evidence in the picture, as text. @param {number[][]} frameMoments */
function regionWords(frameMoments) {
  const [down, across] = [thirds(frameMoments, 1), thirds(frameMoments, 3)];
  const [start, end] = [0, 1].map((k) => [down[k], across[k]]);
  if (start[0] !== end[0] || start[1] !== end[1]) return `moving from ${region(start)} to ${region(end)}`;
  const [y, x] = start;
  if (y < 0) return ["down the left side", "down the middle", "down the right side"][x] ?? "all over the picture";
  if (x < 0) return `across the ${DOWN[y]}`;
  if (y === 1) return ["on the left", "in the centre", "on the right"][x];
  return `at ${region(start)}`;
}

/** Region at the start or the end of a movement. @param {number[]} thirds */
function region([y, x]) {
  if (x < 0) return `the ${DOWN[y]}`;
  if (y < 0) return `the ${ACROSS[x]}`;
  if (x === 1) return y === 1 ? "the centre" : `the ${DOWN[y]}`;
  return y === 1 ? `the ${ACROSS[x]}` : `${["upper", "", "lower"][y]} ${ACROSS[x]}`;
}
