// Which frame of each exemplar is shown.
import { isReducedMotion } from "../shared/dom.js";
import { createClock } from "./clock.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./row.js").Exemplar} Exemplar */
/** @typedef {ReturnType<typeof createFrames>} Frames */

/**
 * The frame of each exemplar: of the clock while it plays, else the one that was held, else that in which its concept covers
 * most. The exemplar under the pointer or with the focus plays also while the others do not.
 * @param {Content} content @param {() => boolean} isPlaying @param {() => void} changed @param {AbortSignal} signal
 */
export function createFrames({ size, times }, isPlaying, changed, signal) {
  const clock = createClock(size[0], times, changed, signal);
  /** @type {number | null} */
  let held = null;
  /** @type {Exemplar | null} */
  let active = null;
  const follow = () => clock.run(isPlaying() || (active !== null && !isReducedMotion()));
  return {
    follow,
    now: clock.frame,
    /** @param {number} [frame] that of the clock by default */
    hold(frame = clock.frame()) {
      held = frame;
      clock.set(frame);
    },
    /** @param {Exemplar | null} exemplar */
    activate(exemplar) {
      active = exemplar;
      follow();
      changed();
    },
    /** @param {Exemplar} exemplar @param {() => number} best */
    of(exemplar, best) {
      const plays = isPlaying() || (exemplar === active && !isReducedMotion());
      return plays ? clock.frame() : (held ?? best());
    },
  };
}
