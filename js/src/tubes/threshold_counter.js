// Counting what every threshold keeps of a map. It starts when the view has rested for a moment and works through a few
// frames at a time; the summaries of the maps counted last are kept.
import { onAbort } from "../shared/dom.js";
import { plan } from "../shared/interpolate.js";
import { createLruCache } from "../shared/lru_cache.js";
import { startSummary } from "./threshold.js";

/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./threshold.js").Summary} Summary */

const REST = 120; // ms without another map before counting starts
const SLICE = 12; // ms of counting at a time: less than a frame of the screen
const CACHED = 24; // summaries

/** Identifies the values that are counted. @param {ViewState} view */
export const countedKey = (view) =>
  `${view.layer} ${view.target} ${view.against} ${view.scale} ${view.sign === "negative"}`;

/**
 * @param {number[]} size clip: [time, height, width]
 * @param {(view: ViewState) => import("./layer_values.js").Field} fields
 * @param {() => void} onCounted
 * @param {AbortSignal} signal
 * @returns {(view: ViewState) => Summary | undefined} summary of the map shown; undefined while it is counted
 */
export function createCounter(size, fields, onCounted, signal) {
  /** @type {ReturnType<typeof createLruCache<Summary>>} */
  const summaries = createLruCache(CACHED);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let pending = "";
  onAbort(signal, () => clearTimeout(timer));

  /** @param {ViewState} view @param {string} key */
  const start = (view, key) => {
    const field = fields(view);
    const counting = startSummary(plan(size, field.shape, field.geometry), field, view.sign === "negative" ? -1 : 1);
    let frame = 0;
    const countSlice = () => {
      const end = performance.now() + SLICE;
      while (frame < size[0] && performance.now() < end) counting.count(frame++);
      if (frame < size[0]) {
        timer = setTimeout(countSlice);
        return;
      }
      summaries.set(key, counting.finish());
      pending = "";
      onCounted();
    };
    countSlice();
  };

  return (view) => {
    const key = countedKey(view);
    const summary = summaries.get(key);
    if (summary || pending === key) return summary;
    clearTimeout(timer);
    pending = key;
    timer = setTimeout(() => start(view, key), REST);
    return undefined;
  };
}
