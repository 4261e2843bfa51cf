// The threshold as a fraction of the maximum, which a share of the evidence or the default stands for. Until every voxel of
// the map is counted, a sample of them is.
import { plan } from "../shared/interpolate.js";
import { createLruCache } from "../shared/lru_cache.js";
import { shareAt, summarise, THRESHOLD, thresholdForShare } from "./threshold.js";
import { countedKey } from "./threshold_counter.js";

/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./threshold.js").Summary} Summary */

const LEAST_SHARE = 0.25; // of the evidence: where THRESHOLD keeps less, the default is lower
const SIDE = 32; // samples along the longer side of a frame
const CACHED = 24;

/** Share of the evidence that a view asks for; null for a threshold of the maximum. @param {ViewState} view */
const wantedShare = ({ setting, threshold_by: unit }) =>
  unit === "evidence" ? setting : unit === "default" && setting === THRESHOLD ? LEAST_SHARE : null;

/**
 * @param {number[]} size clip: [time, height, width]
 * @param {(view: ViewState) => import("./layer_values.js").Field} fields
 * @param {(view: ViewState) => Summary | undefined} counter
 */
export function createLevels(size, fields, counter) {
  /** @type {ReturnType<typeof createLruCache<Summary>>} */
  const samples = createLruCache(CACHED);
  /** @param {ViewState} view */
  const sample = (view) => {
    const key = countedKey(view);
    const cached = samples.get(key);
    if (cached) return cached;
    const field = fields(view);
    const zoom = Math.min(1, SIDE / Math.max(size[1], size[2]));
    const sampled = summarise(plan(size, field.shape, field.geometry, zoom), field, view.sign === "negative" ? -1 : 1);
    samples.set(key, sampled);
    return sampled;
  };
  const summaryOf = (/** @type {ViewState} */ view) => counter(view) ?? sample(view);
  return {
    /** The view state with its threshold as a fraction of the maximum. @param {ViewState} view @returns {ViewState} */
    resolve(view) {
      const share = wantedShare(view);
      if (share === null) return view;
      const threshold = thresholdForShare(summaryOf(view), share);
      return { ...view, threshold: view.threshold_by === "default" ? Math.min(THRESHOLD, threshold) : threshold };
    },
    /** The setting in another unit that shows the same, about. @param {ViewState} view @param {string} unit */
    converted: (view, unit) =>
      unit === "evidence"
        ? Math.max(Math.round(100 * shareAt(summaryOf(view), view.threshold)), 1) / 100
        : Number(view.threshold.toPrecision(2)),
  };
}
