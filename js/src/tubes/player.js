// Playback. Several views of one model may play at once: each waits for a full frame duration after the last change of
// frame, by whichever view, so that together they play no faster than one.
import { onAbort } from "../shared/dom.js";

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
 * @param {() => import("./view_state.js").ViewState} viewState
 * @param {import("./traits.js").Content} content
 * @param {(frame: number) => void} showFrame
 * @param {AbortSignal} signal
 * @returns {() => void} schedules the next frame, or stops: call it when the frame, `playing` or the speed has changed
 */
export function createPlayer(viewState, content, showFrame, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = () => clearTimeout(timer);
  onAbort(signal, stop);
  const advance = () => {
    // A hidden page pauses, so that it sends nothing; it checks again one frame later.
    if (document.hidden) schedule();
    else showFrame((viewState().frame + 1) % content.size[0]);
  };
  const schedule = () => {
    stop();
    const { playing, frame, speed } = viewState();
    if (playing && content.size[0] > 1 && !signal.aborted)
      timer = setTimeout(advance, frameDuration(content.times, frame) / speed);
  };
  return schedule;
}
