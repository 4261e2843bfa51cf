// The clock of all clips: they loop together, so that one frame number holds for all of them.
import { onAbort } from "../shared/dom.js";
import { frameDuration } from "../tubes/player.js";

/**
 * @typedef {Object} Clock
 * @property {() => number} frame - the frame of the clips that play
 * @property {(frame: number) => void} set
 * @property {(isRunning: boolean) => void} run - start or stop
 */

/**
 * @param {number} frames
 * @param {number[]} times seconds of each frame; empty if unknown
 * @param {() => void} changed called when the frame has changed
 * @param {AbortSignal} signal
 * @returns {Clock}
 */
export function createClock(frames, times, changed, signal) {
  let [frame, running] = [0, false];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const schedule = () => {
    timer = setTimeout(tick, frameDuration(times, frame));
  };
  const tick = () => {
    // A hidden page pauses; it checks again one frame later.
    if (!document.hidden) {
      frame = (frame + 1) % frames;
      changed();
    }
    schedule();
  };
  onAbort(signal, stop);
  return {
    frame: () => frame,
    set(value) {
      frame = value;
    },
    run(isRunning) {
      if (isRunning === running || frames < 2 || signal.aborted) return;
      running = isRunning;
      if (running) schedule();
      else stop();
    },
  };
}
