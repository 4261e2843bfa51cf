// The threshold as a fraction of the maximum, which a share of the evidence or the default stands for. Until every voxel of
// the map is counted, a sample of them is.
import { plan } from "../shared/interpolate.js";
import { createLruCache } from "../shared/lru_cache.js";
import { kept, shareAt, summarise, THRESHOLD, thresholdForShare } from "./threshold.js";
import { countedKey } from "./threshold_counter.js";

/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./threshold.js").Summary} Summary */

/** Shares of the evidence: where THRESHOLD keeps less, the default is lower. @type {Record<string, number>} */
const LEAST_SHARES = { sharp: 0.5, detail: 0.5 };
const LEAST_SHARE = 0.25; // of the other kinds of layers
const SIDE = 32; // samples along the longer side of a frame
const CACHED = 24;

/**
 * @param {number[]} size clip: [time, height, width]
 * @param {{kind: string}[]} layers
 * @param {(view: ViewState) => import("./layer_values.js").Field} fields
 * @param {(view: ViewState) => Summary | undefined} counter
 */
export function createLevels(size, layers, fields, counter) {
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
  /** The default counts the sign with more evidence: a class that is not there keeps a high threshold. @param {ViewState} view */
  const defaultOf = (view) => {
    const summary = summaryOf(view);
    const flipped = { ...view, sign: view.sign === "negative" ? "positive" : "negative" };
    const stronger = kept(summary, 0).against > 0.5 ? sample(flipped) : summary;
    return Math.min(THRESHOLD, thresholdForShare(stronger, LEAST_SHARES[layers[view.layer].kind] ?? LEAST_SHARE));
  };
  return {
    /** The view state with its threshold as a fraction of the maximum. @param {ViewState} view @returns {ViewState} */
    resolve(view) {
      const { setting, threshold_by: unit } = view;
      if (unit === "evidence") return { ...view, threshold: thresholdForShare(summaryOf(view), setting) };
      return unit === "default" && setting === THRESHOLD ? { ...view, threshold: defaultOf(view) } : view;
    },
    /** The setting in another unit that shows the same, about. @param {ViewState} view @param {string} unit */
    converted: (view, unit) =>
      unit === "evidence"
        ? Math.max(Math.round(100 * shareAt(summaryOf(view), view.threshold)), 1) / 100
        : Number(view.threshold.toPrecision(2)),
  };
}
