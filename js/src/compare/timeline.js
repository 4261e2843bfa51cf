// The timeline that all sides share. Its steps are frame numbers, or times if the clips differ in length or rate.

import { seconds } from "../shared/text.js";
import { isShape, need, readTimes } from "../shared/validate.js";
import { frameDuration } from "../tubes/player.js";
import { frameWords } from "../tubes/text.js";

/** @typedef {import("./side_model.js").CompareModel} CompareModel */
/** @typedef {import("./side_model.js").ClipState} ClipState */
/** @typedef {ReturnType<typeof readTimeline>} Timeline */

const SHORTEST = 16; // ms: a step that lasts less is not seen
const LONGEST = 500; // ms, as of a frame

/** @param {CompareModel} model */
export function readTimeline(model) {
  const [size, alignment] = [model.get("size"), model.get("alignment")];
  need(isShape(size), `\`size\` must be three whole numbers above 0 (steps, height, width)`, size);
  const times = readTimes(model, size[0]);
  const hasTimes = (alignment === "time" || alignment === "elapsed") && times.length > 0;
  return {
    alignment,
    size,
    times,
    /** "frame 5 of 16 · 0.33 s"; without a time if each clip has its own; "time 0.33 s" @param {number} step */
    words: (step) =>
      hasTimes ? `time ${seconds(times[step])}` : frameWords({ size, times: alignment === "clip" ? times : [] }, step),
    /** Milliseconds that a step lasts at normal speed. */
    duration: hasTimes
      ? durationBetween(times, model.get("clips"))
      : (/** @type {number} */ step) => frameDuration(times, step),
  };
}

/** Steps last as long as they lie apart, on a scale on which the clip with the shortest intervals plays as it does alone. @param {number[]} times @param {ClipState[]} clips @returns {(step: number) => number} */
function durationBetween(times, clips) {
  const intervals = clips.flatMap(({ times: own }) => (own[own.length - 1] - own[0]) / (own.length - 1) || []);
  const shortest = Math.min(...intervals);
  const scale = Number.isFinite(shortest) ? frameDuration([0, shortest], 0) / shortest : 1000; // ms per second
  return (step) => {
    const next = Math.min(step + 1, times.length - 1);
    return Math.min(Math.max((times[next] - times[next - 1]) * scale || 0, SHORTEST), LONGEST);
  };
}
