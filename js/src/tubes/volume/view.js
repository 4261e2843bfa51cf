// The 3D view: its canvas, and the life of its WebGL context.

import { h, on, onAbort, onResize, pixelRatio } from "../../shared/dom.js";
import { plan, rowsToFrames } from "../../shared/interpolate.js";
import { quantityOf } from "../text.js";
import { placeLabels } from "./axis_labels.js";
import { basisOf, extent, halfBox, scaleToFit } from "./camera.js";
import { addGestures } from "./orbit_controls.js";
import { drawProjections, projectVolume } from "./projections.js";
import { castRay } from "./ray.js";
import { createVolume } from "./renderer.js";
import { adaptiveResolution } from "./resolution.js";

const MARGIN = 34; // CSS pixels around the box, for the labels
const SIDE_LABELS = 40; // CSS pixels more in width, for the labels beside the box
const RELEASE_AFTER = 5000; // ms out of view before the context is released: a page can hold 16

/** @typedef {import("../view_state.js").ViewState} ViewState */
/** @typedef {import("../layer_values.js").Field} Field */

/**
 * @param {Object} parts
 * @param {import("../traits.js").Content} parts.content
 * @param {import("../../shared/window.js").FramePicture[]} parts.bitmaps drawn in the window of the view
 * @param {import("./camera.js").Orbit} parts.orbit kept by the caller, so that it outlives the content
 * @param {HTMLElement} parts.root carries data-gl
 * @param {() => void} parts.invalidate request a draw
 * @param {AbortSignal} parts.signal
 */
export function createTubeView({ content, bitmaps, orbit, root, invalidate, signal }) {
  const note = h("p", { class: "ne-tube-note", hidden: true });
  const labels = h("div", { class: "ne-labels", "aria-hidden": "true" });
  const container = h("div", { class: "ne-stage ne-stage-tube" }, labels, note);
  const half = halfBox(content.size);
  const { camera } = orbit;
  /** @type {HTMLCanvasElement | undefined} */
  let canvas;
  /** @type {WebGL2RenderingContext | null} */
  let gl = null;
  /** @type {ReturnType<typeof createVolume> | null} */
  let volume = null;
  /** @type {ReturnType<typeof projectVolume> | null} */
  let projections = null;
  let uploadedKey = "";
  let isVisible = typeof IntersectionObserver === "undefined";
  const liveVolume = () => (gl?.isContextLost() ? null : volume);
  const busy = () => liveVolume()?.busy() ?? false;
  const resolution = adaptiveResolution(invalidate, () => liveVolume()?.drawing() ?? false, signal);

  const replaceCanvas = () => {
    const fresh = h("canvas", {
      class: "ne-tube",
      tabindex: 0,
      role: "img",
      "aria-label": `3D view of the ${quantityOf(content)} in space and time. Shift + arrow keys rotate, plus and minus zoom.`,
    });
    canvas?.remove();
    container.prepend(fresh);
    addGestures(fresh, orbit, signal);
    canvas = fresh;
    uploadedKey = "";
    return fresh;
  };

  /** Without WebGL2, or after an error: draw projections, and show a note. @param {string} reason */
  const fallBack = (reason) => {
    gl = null;
    volume = null;
    replaceCanvas();
    root.dataset.gl = "none";
    root.dataset.flat = "true";
    note.textContent = `${reason}: three flat views are shown instead of the tube.`;
    note.hidden = false;
    invalidate();
  };

  const start = () => {
    const fresh = replaceCanvas();
    gl =
      fresh.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true }) ?? null;
    if (!gl) return fallBack("This browser has no WebGL2");
    fresh.addEventListener("webglcontextlost", onContextLost, { signal });
    fresh.addEventListener("webglcontextrestored", onContextRestored, { signal });
    onContextRestored();
  };
  const onContextRestored = () => {
    try {
      volume = gl && createVolume(gl, content.size, bitmaps);
    } catch (error) {
      if (gl?.isContextLost()) return undefined; // onContextLost follows
      return fallBack(error instanceof Error ? error.message : String(error));
    }
    uploadedKey = "";
    note.hidden = true;
    root.dataset.gl = "webgl2";
    invalidate();
  };
  const onContextLost = (/** @type {Event} */ event) => {
    if (event.target !== canvas) return; // a released context
    event.preventDefault(); // lets the browser restore the context
    volume = null;
    root.dataset.gl = "lost";
    labels.replaceChildren();
    note.textContent = "The browser stopped the 3D graphics. Click here to restore the tube.";
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
  /** Replace a lost context by a new one. */
  const revive = () => {
    if (gl?.isContextLost()) start();
  };
  on(container, "pointerdown", revive, signal);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let releaseTimer;
  onResize(container, invalidate, signal);
  onVisibilityChange(container, signal, (visible) => {
    isVisible = visible;
    clearTimeout(releaseTimer);
    if (!visible) {
      releaseTimer = setTimeout(release, RELEASE_AFTER);
      return;
    }
    revive();
    invalidate();
  });
  onAbort(signal, () => {
    clearTimeout(releaseTimer);
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
  });

  /** @param {Field} field */
  const upload = (field) => {
    if (uploadedKey === field.key) return;
    const planned = plan(content.size, field.shape, field.geometry);
    if (volume) volume.setMap(rowsToFrames(planned, field.values), field);
    else projections = projectVolume(planned, field.values);
    uploadedKey = field.key;
  };

  /** Size of the canvas, and the scale of the tube on it: CSS pixels per world unit. */
  const measure = () => {
    const [width, height] = [canvas?.clientWidth || 480, canvas?.clientHeight || 300];
    const scale = scaleToFit(basisOf(camera), half, width - SIDE_LABELS, height, MARGIN) * camera.zoom;
    return { width, height, scale };
  };

  /** On paper the tube keeps its shape and is cropped to the box with its labels. @param {number} width @param {number} height @param {number} scale */
  const setPrintCrop = (width, height, scale) => {
    const { right, up } = basisOf(camera);
    const cropOf = (/** @type {number} */ side, /** @type {number[]} */ axis) =>
      `${Math.max(0, 50 - (50 * extent(axis, half) * scale + 100 * (MARGIN + SIDE_LABELS)) / side)}%`;
    container.style.setProperty("--ne-tube-aspect", `${width / height}`);
    container.style.setProperty("--ne-crop", `${cropOf(height, up)} ${cropOf(width, right)}`);
  };

  /** @param {ViewState} view @param {Field} field */
  const draw = (view, field) => {
    if (!canvas && isVisible) start();
    if (!canvas || gl?.isContextLost()) return;
    const { width, height, scale } = measure();
    const { ratio, sharp } = volume ? resolution.next(width * height) : { ratio: pixelRatio(), sharp: true };
    if (sharp) setPrintCrop(width, height, scale);
    const canvasSize = {
      width: Math.max(1, Math.round(width * ratio)),
      height: Math.max(1, Math.round(height * ratio)),
    };
    if (canvas.width !== canvasSize.width || canvas.height !== canvasSize.height) Object.assign(canvas, canvasSize);
    upload(field);
    if (volume) {
      volume.setFrame(view.frame, String(view.window));
      volume.draw(view, camera, scale * ratio, accentOf(root), ratio, sharp);
      if (sharp) resolution.drawn();
      placeLabels(labels, camera, half, width, height, scale, content);
    } else if (projections && !drawProjections(canvas, projections, view, content.size[0], ratio)) {
      note.textContent = "This browser has neither WebGL2 nor a 2D canvas, so the tube cannot be shown.";
    }
  };

  /** What lies under a position on the canvas; null without a tube. @param {number} left CSS pixels @param {number} top @param {ViewState} view @param {Field} field */
  const pick = (left, top, view, field) => {
    const { width, height, scale } = measure();
    if (!liveVolume()) return null;
    return castRay(content.size, field, view, camera, (left - width / 2) / scale, (height / 2 - top) / scale);
  };
  return { container, draw, busy, pick };
}

/** Border colour of the frame in the tube, from the theme, 0..1. @param {HTMLElement} root */
function accentOf(root) {
  const parts = getComputedStyle(root)
    .getPropertyValue("--ne-slab")
    .match(/[\d.]+/g);
  return parts?.length === 3 ? parts.map((part) => Number(part) / 255) : [0.9, 0.95, 1];
}

/** Watch whether an element is in view, or nearly so. @param {HTMLElement} element @param {AbortSignal} signal @param {(visible: boolean) => void} listener */
function onVisibilityChange(element, signal, listener) {
  if (typeof IntersectionObserver === "undefined") return;
  const observer = new IntersectionObserver((entries) => listener(entries[entries.length - 1].isIntersecting), {
    rootMargin: "200px",
  });
  observer.observe(element);
  onAbort(signal, () => observer.disconnect());
}
