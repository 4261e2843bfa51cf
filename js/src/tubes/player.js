// Playback. Several views of one model may play at once: each waits for a full frame duration after the last change of
// frame, by whichever view, so that together they play no faster than one.
import { listen, onAbort } from "../shared/dom.js";

const DURATION = { min: 100, unknown: 125, max: 500 }; // ms per frame; short clips are slowed down

/**
 * Duration of a frame at normal speed, in ms.
 * @param {number[]} times seconds of each frame
 * @param {number} frame
 */
export function frameDuration(times, frame) {
  if (times.length < 2) return DURATION.unknown;
  const next = frame + 1 < times.length ? frame + 1 : frame;
  const duration = 1000 * (times[next] - times[next - 1]);
  return Math.min(Math.max(duration || DURATION.unknown, DURATION.min), DURATION.max);
}

/**
 * Play while the model says so, and send at most two messages a second.
 * @param {import("../shared/model.js").WidgetModel<any>} model
 * @param {() => import("./view_state.js").ViewState} viewState
 * @param {number} frames
 * @param {(frame: number) => number} duration ms of each frame at normal speed
 * @param {import("../shared/kernel_sync.js").Commits<import("./view_state.js").Movable>} commits
 * @param {AbortSignal} signal
 */
export function followPlayback(model, viewState, frames, duration, commits, signal) {
  const showFrame = (/** @type {number} */ frame) => {
    commits.set("frame", frame);
    commits.commitThrottled();
  };
  const schedule = createPlayer(viewState, frames, duration, showFrame, signal);
  // With prefers-reduced-motion, never autoplay.
  const isReduced = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  if (isReduced && viewState().playing) commits.set("playing", false);
  for (const name of ["frame", "playing", "speed"]) listen(model, `change:${name}`, schedule, signal);
  schedule();
}

/**
 * @param {() => Pick<import("./view_state.js").ViewState, "playing" | "frame" | "speed">} viewState
 * @param {number} frames
 * @param {(frame: number) => number} duration ms of each frame at normal speed
 * @param {(frame: number) => void} showFrame
 * @param {AbortSignal} signal
 * @returns {() => void} schedules the next frame, or stops: call it when the frame, `playing` or the speed has changed
 */
export function createPlayer(viewState, frames, duration, showFrame, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = () => clearTimeout(timer);
  onAbort(signal, stop);
  const advance = () => {
    // A hidden page pauses, so that it sends nothing; it checks again one frame later.
    if (document.hidden) schedule();
    else showFrame((viewState().frame + 1) % frames);
  };
  const schedule = () => {
    stop();
    const { playing, frame, speed } = viewState();
    if (playing && frames > 1 && !signal.aborted) timer = setTimeout(advance, duration(frame) / speed);
  };
  return schedule;
}
