// Counting what a threshold keeps. A map is gone through once, a few frames at a time while the hand rests; then every
// threshold is at hand.
import { whenOver } from "../shared/dom.js";
import { plan } from "../shared/interpolate.js";
import { createRecent } from "../shared/lru_cache.js";
import { startSummary } from "./threshold.js";

/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("./threshold.js").Summary} Summary */

const REST = 120; // ms of rest before a map not met before is counted
const SLICE = 12; // ms of counting at a time: less than a frame of the screen
const KEPT = 24; // summaries at hand

/**
 * @param {number[]} size clip: [time, height, width]
 * @param {(at: Position) => import("./layer_values.js").Field} fields
 * @param {() => void} counted
 * @param {AbortSignal} signal
 * @returns {(at: Position) => Summary | undefined} the summary of what is shown; it is counted where it is not yet
 */
export function createCounter(size, fields, counted, signal) {
  /** @type {ReturnType<typeof createRecent<Summary>>} */
  const summaries = createRecent(KEPT);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let underway = "";
  whenOver(signal, () => clearTimeout(timer));

  /** @param {Position} at @param {string} key */
  const begin = (at, key) => {
    const field = fields(at);
    const counting = startSummary(plan(size, field.shape, field.geometry), field, at.sign === "negative" ? -1 : 1);
    let frame = 0;
    const go = () => {
      const end = performance.now() + SLICE;
      while (frame < size[0] && performance.now() < end) counting.count(frame++);
      if (frame < size[0]) {
        timer = setTimeout(go);
        return;
      }
      summaries.set(key, counting.finish());
      underway = "";
      counted();
    };
    go();
  };

  return (at) => {
    const key = `${at.layer} ${at.target} ${at.against} ${at.scale} ${at.sign === "negative"}`;
    const summary = summaries.get(key);
    if (summary || underway === key) return summary;
    clearTimeout(timer);
    underway = key;
    timer = setTimeout(() => begin(at, key), REST);
    return undefined;
  };
}
