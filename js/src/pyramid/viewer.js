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
import { bandWords, linkTip, linkWords, unitTip, unitWords } from "./text.js";
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
 * @property {number | null} link - edge under the pointer or chosen by key
 * @property {number | null} band - row under the pointer, if the pointer is not over a unit
 * @property {string} bandText - caption of that row
 */

const NOTHING = { unit: null, band: null, isInside: false };

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
  const tip = h("div", { class: "ne-pyramid-tip", "aria-hidden": "true", hidden: true });
  const container = h("div", { class: "ne-pyramid-stage" }, canvas);
  container.style.setProperty("--ne-rows", String(content.rows.length));
  const viewport = createViewport(content, getState, container, camera);
  /** @type {LocalState} */
  const localState = { focus: 0, row: getState().row, hovered: null, link: null, band: null, bandText: "" };
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
    liveRegion.textContent = localState.link === null ? controls.summary() : linkWords(content, localState.link);
  };
  const redraw = () => {
    controls.showZoom(camera.zoom);
    invalidate();
  };
  const update = () => {
    const state = getState();
    moveFocus(content, state, viewport, localState);
    const caption = captionOf(content, state, viewport, localState, isFocused(tree.element));
    controls.show(state, caption, viewport.graph, viewport.kept(), viewport.drawn());
    invalidate();
  };
  const callbacks = { set: commits.set, done, redraw, update };
  const actions = createActions(content, getState, viewport, localState, callbacks);
  const controls = createControls(content, { move: commits.set, done, play() {} }, actions, signal);
  const getShown = () => ({
    kept: viewport.kept(),
    drawn: viewport.drawn(),
    collapsed: getState().collapsed,
    focus: localState.focus,
  });
  const tree = createTree(content, viewport.graph, getShown, actions, signal);
  const tubes = createTubes(content, viewport.graph, commits, signal);
  container.append(tree.element, tip);
  const left = h("div", {}, container, controls.caption, controls.legend, controls.rows);
  root.append(
    controls.head,
    controls.verdict,
    h("div", { class: "ne-pyramid-views" }, left, tubes.element),
    liveRegion,
  );
  /** @type {(x: number, y: number) => number | null} */
  let linkAt = () => null;
  const hover = createHover(
    content,
    viewport,
    localState,
    { element: tree.element, tip },
    (x, y) => linkAt(x, y),
    update,
  );
  addPointerHandlers(tree.element, actions, hover, signal);
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
      const renderer = createRenderer(content, viewport.graph, bitmaps, canvas);
      linkAt = renderer.linkAt;
      const getResolution = createAdaptiveResolution(invalidate, signal);
      paint = createPainter({
        root,
        content,
        getState,
        viewport,
        localState,
        tree,
        draw: renderer.draw,
        getResolution,
      });
      onResize(container, invalidate, signal);
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** Move the focus to the row that the row trait was changed to, and away from pruned units. @param {Content} content @param {ViewState} state @param {Viewport} viewport @param {LocalState} localState */
function moveFocus({ units, edges }, { row }, viewport, localState) {
  const [kept, { link }] = [viewport.drawn(), localState];
  if (row !== localState.row && units.row[localState.focus] !== row)
    localState.focus = viewport.graph.keptUnits(row, kept)[0] ?? 0;
  localState.row = row;
  if (!kept[localState.focus]) localState.focus = 0;
  if (localState.hovered !== null && !kept[localState.hovered]) localState.hovered = null;
  if (link !== null && !(kept[edges.child[link]] && kept[edges.parent[link]])) localState.link = null;
}

/** Caption of the hovered link or row, or of the hovered, focused or selected unit, else of the chosen row. @param {Content} content @param {ViewState} state @param {Viewport} viewport @param {LocalState} localState @param {boolean} hasFocus */
function captionOf(content, { selected, row }, { graph, kept }, localState, hasFocus) {
  const unit = localState.hovered ?? (hasFocus ? localState.focus : selected[selected.length - 1]);
  if (localState.link !== null) return linkWords(content, localState.link);
  if (localState.bandText) return localState.bandText;
  return unit === undefined ? rowSentences(content, graph, kept(), row) : unitWords(content, graph, kept(), unit);
}

/** @param {Content} content @param {Viewport["graph"]} graph @param {Uint8Array} kept @param {number} row */
const rowSentences = (content, graph, kept, row) =>
  bandWords(content, { row, units: graph.keptUnits(row, kept), coverage: graph.coverage(row, kept) });

/** Handler of pointer positions; without a position the pointer has left. @param {Content} content @param {Viewport} viewport @param {LocalState} localState @param {{element: HTMLElement, tip: HTMLElement}} elements @param {(x: number, y: number) => number | null} linkAt @param {() => void} update @returns {(x?: number, y?: number) => void} */
function createHover(content, viewport, localState, { element, tip }, linkAt, update) {
  return (x, y = 0) => {
    const { unit, band: nearest, isInside } = x === undefined ? NOTHING : viewport.hitTest(x, y);
    const link = x === undefined || isInside ? null : linkAt(x, y);
    const band = link === null ? nearest : null;
    const hoveredBand = unit === null ? band : null;
    const bandText = hoveredBand ? rowSentences(content, viewport.graph, viewport.kept(), hoveredBand.row) : "";
    tip.hidden = link === null && unit === null;
    if (x !== undefined && !tip.hidden) {
      tip.textContent = link === null ? unitTip(content, viewport.kept(), unit ?? 0) : linkTip(content, link);
      const [width, height] = [element.clientWidth || 640, element.clientHeight || 600];
      const top = y + 40 > height ? y - 28 : y + 16; // below the pointer, at the lower edge above it
      tip.style.transform = `translate(${Math.max(Math.min(x + 14, width - tip.offsetWidth - 4), 0)}px, ${top}px)`;
    }
    if (localState.hovered === unit && localState.link === link && localState.bandText === bandText) return;
    Object.assign(localState, { hovered: unit, link, band: hoveredBand?.row ?? null, bandText });
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
