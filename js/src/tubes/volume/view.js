// The tube's place in the page: its canvas and the life of the graphics context.

import { h, on, onResize, pixelRatio, whenOver } from "../../shared/dom.js";
import { plan, rowsToFrames } from "../../shared/interpolate.js";
import { quantityOf } from "../text.js";
import { placeLabels } from "./axis_labels.js";
import { basisOf, halfBox, scaleToFit } from "./camera.js";
import { addGestures } from "./orbit_controls.js";
import { drawFlat, project } from "./projections.js";
import { createVolume } from "./renderer.js";
import { createSharpness } from "./resolution.js";

const MARGIN = 34; // CSS pixels around the box, for the labels
const NAMES = 40; // pixels more for the names beside the box
const FORGOTTEN = 5000; // ms out of view after which the graphics are given back: a page holds 16 contexts

/** @typedef {import("../view_state.js").Position} Position */
/** @typedef {import("../layer_values.js").Field} Field */

/**
 * @param {Object} given
 * @param {import("../traits.js").Content} given.content
 * @param {ImageBitmap[]} given.bitmaps
 * @param {import("./camera.js").Orbit} given.orbit kept by the caller, so that it outlives new content
 * @param {HTMLElement} given.root carries data-gl
 * @param {() => void} given.invalidate ask for a draw
 * @param {AbortSignal} given.signal
 */
export function createTubeView({ content, bitmaps, orbit, root, invalidate, signal }) {
  const note = h("p", { class: "ne-tube-note", hidden: true });
  const labels = h("div", { class: "ne-labels", "aria-hidden": "true" });
  const stage = h("div", { class: "ne-stage ne-stage-tube" }, labels, note);
  const half = halfBox(content.size);
  const { camera } = orbit;
  /** @type {HTMLCanvasElement | undefined} */
  let canvas;
  /** @type {WebGL2RenderingContext | null} */
  let gl = null;
  /** @type {ReturnType<typeof createVolume> | null} */
  let volume = null;
  /** @type {ReturnType<typeof project> | null} */
  let flat = null;
  let uploaded = "";
  let inView = typeof IntersectionObserver === "undefined";
  const alive = () => (gl?.isContextLost() ? null : volume);
  const busy = () => alive()?.busy() ?? false;
  const sharpness = createSharpness(invalidate, () => alive()?.drawing() ?? false, signal);

  const freshCanvas = () => {
    const made = h("canvas", {
      class: "ne-tube",
      tabindex: 0,
      role: "img",
      "aria-label": `The ${quantityOf(content)} as a body in the clip's space and time. Shift and arrow keys turn it, plus and minus zoom.`,
    });
    canvas?.remove();
    stage.prepend(made);
    addGestures(made, orbit, signal);
    canvas = made;
    uploaded = "";
    return made;
  };

  /** Without WebGL2, or where it breaks: flat pictures, and a line that says so. @param {string} why */
  const fallBack = (why) => {
    gl = null;
    volume = null;
    freshCanvas();
    root.dataset.gl = "none";
    root.dataset.flat = "true";
    note.textContent = `${why}: the tube is shown flat, from three sides.`;
    note.hidden = false;
    invalidate();
  };

  const start = () => {
    const made = freshCanvas();
    gl =
      made.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true }) ?? null;
    if (!gl) return fallBack("This browser has no WebGL2");
    made.addEventListener("webglcontextlost", lost, { signal });
    made.addEventListener("webglcontextrestored", restored, { signal });
    restored();
  };
  const restored = () => {
    try {
      volume = gl && createVolume(gl, content.size, bitmaps);
    } catch (error) {
      if (gl?.isContextLost()) return undefined; // it will say so itself
      return fallBack(error instanceof Error ? error.message : String(error));
    }
    uploaded = "";
    note.hidden = true;
    root.dataset.gl = "webgl2";
    invalidate();
  };
  const lost = (/** @type {Event} */ event) => {
    if (event.target !== canvas) return; // one that was given back
    event.preventDefault(); // so that the browser may give it back
    volume = null;
    root.dataset.gl = "lost";
    labels.replaceChildren();
    note.textContent = "The browser took the graphics away; click here to have the tube back.";
    note.hidden = false;
  };
  const release = () => {
    if (!gl) return;
    const extension = gl.getExtension("WEBGL_lose_context");
    [gl, volume] = [null, null];
    canvas?.remove();
    canvas = undefined;
    root.dataset.gl = "released";
    labels.replaceChildren();
    extension?.loseContext();
  };
  /** Who needs his context again after losing it takes a fresh one. */
  const revive = () => {
    if (gl?.isContextLost()) start();
  };
  on(stage, "pointerdown", revive, signal);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;
  onResize(stage, invalidate, signal);
  onSight(stage, signal, (visible) => {
    inView = visible;
    clearTimeout(leaving);
    if (!visible) {
      leaving = setTimeout(release, FORGOTTEN);
      return;
    }
    revive();
    invalidate();
  });
  signal.addEventListener("abort", () => {
    clearTimeout(leaving);
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
  });

  /** @param {Field} field */
  const upload = (field) => {
    if (uploaded === field.key) return;
    const made = plan(content.size, field.shape, field.geometry);
    if (volume) volume.setMap(rowsToFrames(made, field.values), field);
    else flat = project(made, field.values);
    uploaded = field.key;
  };

  /** @param {Position} at @param {Field} field */
  const draw = (at, field) => {
    if (!canvas && inView) start();
    if (!canvas || gl?.isContextLost()) return;
    const width = stage.clientWidth || 480;
    const height = stage.clientHeight || 300;
    const flatly = { ratio: pixelRatio(), sharp: true };
    const { ratio, sharp } = volume ? sharpness.next(width * height) : flatly;
    const [wide, tall] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    upload(field);
    if (volume) {
      const scale = scaleToFit(basisOf(camera), half, width - NAMES, height, MARGIN) * camera.zoom;
      volume.draw(at, camera, scale * ratio, accentOf(root), ratio, sharp);
      if (sharp) sharpness.drew();
      placeLabels(labels, camera, half, width, height, scale, content);
    } else if (flat && !drawFlat(canvas, flat, at, content.size[0], ratio)) {
      note.textContent = "This browser can draw neither WebGL2 nor a canvas; the tube is not shown.";
    }
  };
  return { stage, draw, busy };
}

/** The theme's accent, for the border of the frame in the tube. @param {HTMLElement} root */
function accentOf(root) {
  const found = getComputedStyle(root)
    .getPropertyValue("--ne-slab")
    .match(/[\d.]+/g);
  return found?.length === 3 ? found.map((part) => Number(part) / 255) : [0.9, 0.95, 1];
}

/** Watch whether the stage is in view, or nearly so. @param {HTMLElement} stage @param {AbortSignal} signal @param {(visible: boolean) => void} seen */
function onSight(stage, signal, seen) {
  if (typeof IntersectionObserver === "undefined") return;
  const sights = new IntersectionObserver((entries) => seen(entries[entries.length - 1].isIntersecting), {
    rootMargin: "200px",
  });
  sights.observe(stage);
  whenOver(signal, () => sights.disconnect());
}
