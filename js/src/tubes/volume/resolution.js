// Adaptive resolution of the tube. A slow GPU (software rendering) draws at half the size while the tube moves and at full
// size at rest; a fast one always draws with up to twice the pixels, for smooth edges.
import { onAbort } from "../../shared/dom.js";

const MOVING = 350; // ms: draws closer together than this are one movement
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
  /** Wait for a draw to finish; measure it from the second one on. @param {number} started @param {number} count of sharp draws so far */
  const measure = (started, count) => {
    if (signal.aborted) return;
    const took = performance.now() - started;
    if (isDrawing() && (count === 1 || took < FAST)) requestAnimationFrame(() => measure(started, count));
    else if (count === 1) drawAtRest();
    else {
      const canRefine = isFast === undefined && took < FAST;
      isFast = took < FAST;
      if (canRefine) drawAtRest();
    }
  };

  return {
    /**
     * Resolution of the draw that begins now.
     * @param {number} area CSS pixels
     * @returns {{ratio: number, sharp: boolean}} canvas pixels per CSS pixel; whether the tube is at rest
     */
    next(area) {
      const now = performance.now();
      const sharp = isResting || now - lastDraw >= MOVING;
      isResting = false;
      lastDraw = now;
      clearTimeout(timer);
      if (!sharp) timer = setTimeout(drawAtRest, REST);
      const wanted = Math.min(Math.max(globalThis.devicePixelRatio || 1, isFast ? 2 : 1), 2);
      const limit = Math.sqrt(((isFast ? 3 : 1) * MAX_PIXELS) / area);
      return { ratio: Math.min(wanted, limit) * (sharp || isFast ? 1 : 0.5), sharp };
    },
    /** Call after a sharp draw. A GPU once found slow is not measured again. */
    drawn() {
      if (isFast !== false) measure(performance.now(), ++sharpDraws);
    },
  };
}
