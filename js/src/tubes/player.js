// Running frames. Several views of one model may play at once: each waits a full beat after whoever moved last, so that
// together they run no faster than one.
import { whenOver } from "../shared/dom.js";

const BEAT = { least: 100, usual: 125, most: 500 }; // ms; short clips are slowed so that one can follow

/**
 * How long a frame stands.
 * @param {number[]} times
 * @param {number} frame
 */
export function beatOf(times, frame) {
  if (times.length < 2) return BEAT.usual;
  const next = frame + 1 < times.length ? frame + 1 : frame;
  const beat = 1000 * (times[next] - times[next - 1]);
  return Math.min(Math.max(beat || BEAT.usual, BEAT.least), BEAT.most);
}

/**
 * @param {() => import("./view_state.js").Position} position
 * @param {import("./traits.js").Content} content
 * @param {(frame: number) => void} go
 * @param {AbortSignal} signal
 */
export function createPlayer(position, content, go, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = () => clearTimeout(timer);
  whenOver(signal, stop);
  const beat = () => {
    // A hidden page stands still, so that nothing is sent for nobody; it looks again a beat later.
    if (document.hidden) wait();
    else go((position().frame + 1) % content.size[0]);
  };
  /** Begin a new beat, or stop: call whenever the frame or `playing` changed. */
  const wait = () => {
    stop();
    const { playing, frame, speed } = position();
    if (playing && content.size[0] > 1 && !signal.aborted)
      timer = setTimeout(beat, beatOf(content.times, frame) / speed);
  };
  return wait;
}
