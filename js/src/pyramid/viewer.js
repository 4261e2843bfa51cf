// The viewer of one content: creates its parts and keeps them in step with the model.

import { decodeFrames } from "../shared/decode_frames.js";
import { createScheduler, h, listen, onAbort, onResize } from "../shared/dom.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { createTree, isForeignKey } from "./accessible_tree.js";
import { createActions } from "./actions.js";
import { createRenderer } from "./canvas.js";
import { createControls } from "./controls.js";
import { addPointerHandlers } from "./pointer.js";
import { createAdaptiveResolution, createPainter, isFocused } from "./render_loop.js";
import { bandWords, headWords, unitWords } from "./text.js";
import { MOVABLE, readViewState } from "./traits.js";
import { createTubes } from "./tube_panel.js";
import { createViewport } from "./viewport.js";

/** @typedef {import("./traits.js").PyramidModel} PyramidModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").ViewState} ViewState */
/** @typedef {import("./viewport.js").Viewport} Viewport */
/**
 * State of this view that no trait holds.
 * @typedef {Object} LocalState
 * @property {number} focus - focused unit
 * @property {number} row - last value of the row trait
 * @property {number | null} hovered - unit under the pointer
 * @property {number | null} band - row under the pointer, if the pointer is not over a unit
 * @property {string} bandText - caption of that row
 */

const MANY_ROWS = 60; // a pyramid with more is drawn higher

/**
 * Show a content until the signal aborts.
 * @param {PyramidModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {import("./viewport.js").Camera} camera
 * @param {AbortSignal} signal
 */
export function mount(model, root, content, camera, signal) {
  const commits = createCommits(model, signal);
  const getState = () => readViewState(model, content);
  const canvas = h("canvas", { class: "ne-pyramid-canvas", "aria-hidden": "true" });
  const rowCount = content.rows.length > MANY_ROWS ? "many" : "few";
  const container = h("div", { class: "ne-pyramid-stage", "data-rows": rowCount }, canvas);
  const viewport = createViewport(content, getState, container, camera);
  /** @type {LocalState} */
  const localState = { focus: 0, row: getState().row, hovered: null, band: null, bandText: "" };
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  /** @type {(() => void) | undefined} */
  let paint;
  const draw = () => {
    try {
      paint?.();
    } catch (error) {
      paint = undefined;
      showError(root, error);
    }
  };
  const invalidate = createScheduler(draw, signal);
  const done = () => {
    commits.commit();
    liveRegion.textContent = controls.summary();
  };
  const redraw = () => {
    controls.showZoom(camera.zoom);
    invalidate();
  };
  const update = () => {
    const state = getState();
    moveFocus(content, state, viewport, localState);
    const caption = captionOf(content, state, viewport, localState, isFocused(tree.element));
    controls.show(state, caption, viewport.graph, viewport.kept());
    invalidate();
  };
  const callbacks = { set: commits.set, done, redraw, update };
  const actions = createActions(content, getState, viewport, localState, callbacks);
  const controls = createControls(content, { move: commits.set, done, play() {} }, actions, signal);
  const getShown = () => ({ kept: viewport.kept(), collapsed: getState().collapsed, focus: localState.focus });
  const tree = createTree(content, viewport.graph, getShown, actions, signal);
  const tubes = createTubes(content, viewport.graph, commits, signal);
  container.append(tree.element);
  const left = h("div", {}, container, controls.legend, controls.rows);
  root.append(
    controls.head,
    controls.caption,
    h("div", { class: "ne-pyramid-views" }, left, tubes.element),
    liveRegion,
  );
  addPointerHandlers(tree.element, actions, createHover(content, viewport, localState, tree.element, update), signal);
  // Keys must not reach the notebook as commands ("d d" deletes a cell).
  root.addEventListener("keydown", (event) => isForeignKey(event) || event.stopPropagation(), { signal });
  for (const type of ["focus", "blur"]) tree.element.addEventListener(type, update, { signal });
  observeModel(model, commits, getState, signal, () => {
    update();
    tubes.show(getState(), viewport.kept());
  });
  redraw();
  decodeFrames(content.frames)
    .then((bitmaps) => {
      const close = () => {
        for (const bitmap of bitmaps) bitmap.close();
      };
      if (signal.aborted) return close();
      onAbort(signal, close);
      const render = createRenderer(content, viewport.graph, bitmaps, canvas);
      const getResolution = createAdaptiveResolution(invalidate, signal);
      paint = createPainter({ root, content, getState, viewport, localState, tree, draw: render, getResolution });
      onResize(container, invalidate, signal);
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** Move the focus to the row that the row trait was changed to, and away from pruned units. @param {Content} content @param {ViewState} state @param {Viewport} viewport @param {LocalState} localState */
function moveFocus({ units }, { row }, viewport, localState) {
  const kept = viewport.kept();
  if (row !== localState.row && units.row[localState.focus] !== row)
    localState.focus = viewport.graph.keptUnits(row, kept)[0] ?? 0;
  localState.row = row;
  if (!kept[localState.focus]) localState.focus = 0;
  if (localState.hovered !== null && !kept[localState.hovered]) localState.hovered = null;
}

/** Caption of the hovered row, or of the hovered, focused or selected unit, else of the class. @param {Content} content @param {ViewState} state @param {Viewport} viewport @param {LocalState} localState @param {boolean} hasFocus */
function captionOf(content, { selected }, { graph, kept }, localState, hasFocus) {
  const unit = localState.hovered ?? (hasFocus ? localState.focus : selected[selected.length - 1]);
  if (localState.bandText) return localState.bandText;
  return unit === undefined ? headWords(content, graph, kept()) : unitWords(content, graph, kept(), unit);
}

/** Handler of pointer positions; without a position the pointer has left. @param {Content} content @param {Viewport} viewport @param {LocalState} localState @param {HTMLElement} element @param {() => void} update @returns {(x?: number, y?: number) => void} */
function createHover(content, viewport, localState, element, update) {
  return (x, y) => {
    const { unit, band } = x === undefined ? { unit: null, band: null } : viewport.hitTest(x, y ?? 0);
    const hoveredBand = unit === null ? band : null;
    const bandText = hoveredBand ? bandWords(content, hoveredBand) : "";
    if (localState.hovered === unit && localState.bandText === bandText) return;
    Object.assign(localState, { hovered: unit, band: hoveredBand?.row ?? null, bandText });
    element.style.cursor = band ? "pointer" : "default";
    update();
  };
}

/**
 * Follow changes of the traits by this view, other views and Python.
 * @param {PyramidModel} model @param {import("../shared/kernel_sync.js").Commits<import("./actions.js").Movable>} commits @param {() => ViewState} getState
 * @param {AbortSignal} signal @param {() => void} changed
 */
function observeModel(model, commits, getState, signal, changed) {
  // With prefers-reduced-motion, never autoplay.
  const isReducedMotion = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  if (isReducedMotion && getState().playing) commits.set("playing", false);
  for (const name of MOVABLE) {
    const listener = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      changed();
    };
    listen(model, `change:${name}`, listener, signal);
  }
  changed();
}
