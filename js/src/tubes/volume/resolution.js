// Adaptive resolution of the tube. A slow GPU (software rendering) draws at half the size while the tube moves and at full
// size at rest; a fast one always draws with up to twice the pixels, for smooth edges.
import { onAbort } from "../../shared/dom.js";

const MOVING = 350; // ms: draws that follow the end of one sooner than this are one movement
const REST = 160; // ms without a draw before the tube is drawn once more at rest
const FAST = 40; // ms within which a fast GPU has drawn the tube
const MAX_PIXELS = 900_000; // per draw at rest; beyond, software rendering takes seconds

/**
 * @param {() => void} invalidate request a draw
 * @param {() => boolean} isDrawing whether the GPU is still working on the last draw
 * @param {AbortSignal} signal
 */
export function adaptiveResolution(invalidate, isDrawing, signal) {
  let lastDraw = Number.NEGATIVE_INFINITY;
  let isResting = false;
  let sharpDraws = 0; // the first one also compiles the shaders, so it is not measured
  /** @type {boolean | undefined} unknown until measured */
  let isFast;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  onAbort(signal, () => clearTimeout(timer));

  const drawAtRest = () => {
    isResting = true;
    invalidate();
  };
  const drawWhenDone = () => {
    if (isDrawing()) timer = setTimeout(drawWhenDone, REST);
    else drawAtRest();
  };
  /** Wait for a sharp draw to finish, and measure it from the second one on. @param {number} started @param {number} count of sharp draws so far */
  const measure = (started, count) => {
    if (signal.aborted) return;
    const took = performance.now() - started;
    if (isDrawing()) {
      requestAnimationFrame(() => measure(started, count));
      return;
    }
    lastDraw = performance.now(); // what follows a slow draw is still part of the movement
    if (count === 1) return drawAtRest();
    const canRefine = isFast === undefined && took < FAST;
    isFast = isFast !== false && took < FAST; // once found slow, it stays slow
    if (canRefine) drawAtRest();
  };

  return {
    /**
     * Resolution of the draw that begins now.
     * @param {number} area CSS pixels
     * @returns {{ratio: number, sharp: boolean}} canvas pixels per CSS pixel; whether the tube is at rest
     */
    next(area) {
      const now = performance.now();
      const sharp = isResting || (now - lastDraw >= MOVING && !isDrawing());
      isResting = false;
      lastDraw = now;
      clearTimeout(timer);
      if (!sharp) timer = setTimeout(drawWhenDone, REST);
      const wanted = Math.min(Math.max(globalThis.devicePixelRatio || 1, isFast ? 2 : 1), 2);
      const limit = Math.sqrt(((isFast ? 3 : 1) * MAX_PIXELS) / area);
      return { ratio: Math.min(wanted, limit) * (sharp || isFast ? 1 : 0.5), sharp };
    },
    /** Call after a sharp draw. */
    drawn() {
      measure(performance.now(), ++sharpDraws);
    },
  };
}
