// How finely the tube is drawn. Software graphics get half the size while it moves and the full size at rest; a quick
// card gets twice the pixels, for smooth borders, all the time.
import { whenOver } from "../../shared/dom.js";

const MOVING = 350; // ms: draws closer together than this are one movement
const REST = 160; // ms without a draw after which it is drawn once more, at rest
const QUICK = 40; // ms within which a quick card has drawn the tube
const MOST_PIXELS = 900_000; // drawn at rest; beyond, software graphics take seconds

/**
 * @param {() => void} invalidate ask for a draw
 * @param {() => boolean} busy whether the graphics still work on the last draw
 * @param {AbortSignal} signal
 */
export function createSharpness(invalidate, busy, signal) {
  let lastDraw = Number.NEGATIVE_INFINITY;
  let resting = false;
  let drawn = 0; // at rest; the first one also compiles the shaders, and says nothing of the rest
  /** @type {boolean | undefined} unknown at first */
  let quick;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  whenOver(signal, () => clearTimeout(timer));

  const drawAtRest = () => {
    resting = true;
    invalidate();
  };
  /** Wait for a draw to be done, and learn from the second one on. @param {number} started @param {number} count */
  const learn = (started, count) => {
    if (signal.aborted) return;
    const took = performance.now() - started;
    if (busy() && (count === 1 || took < QUICK)) requestAnimationFrame(() => learn(started, count));
    else if (count === 1) drawAtRest();
    else {
      const finer = quick === undefined && took < QUICK;
      quick = took < QUICK;
      if (finer) drawAtRest();
    }
  };

  return {
    /**
     * How to draw now.
     * @param {number} area CSS pixels
     * @returns {{ratio: number, sharp: boolean}} canvas pixels per CSS pixel; whether it rests
     */
    next(area) {
      const now = performance.now();
      const sharp = resting || now - lastDraw >= MOVING;
      resting = false;
      lastDraw = now;
      clearTimeout(timer);
      if (!sharp) timer = setTimeout(drawAtRest, REST);
      const wanted = Math.min(Math.max(globalThis.devicePixelRatio || 1, quick ? 2 : 1), 2);
      const most = Math.sqrt(((quick ? 3 : 1) * MOST_PIXELS) / area);
      return { ratio: Math.min(wanted, most) * (sharp || quick ? 1 : 0.5), sharp };
    },
    /** Call after a draw at rest. Once found slow, the graphics are not asked again. */
    drew() {
      if (quick !== false) learn(performance.now(), ++drawn);
    },
  };
}
