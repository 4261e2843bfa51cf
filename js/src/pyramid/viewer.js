// Everything about one content of the model: its parts, and how they move together.

import { decodeFrames } from "../shared/decode_frames.js";
import { createScheduler, h, listen, onResize } from "../shared/dom.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { createTree, isForeign } from "./accessible_tree.js";
import { createActs } from "./actions.js";
import { createPicture } from "./canvas.js";
import { createControls } from "./controls.js";
import { addHand } from "./pointer.js";
import { createFineness, createPainter, isFocused } from "./render_loop.js";
import { bandWords, headWords, unitWords } from "./text.js";
import { MOVABLE, readPlace } from "./traits.js";
import { createTubes } from "./tube_panel.js";
import { createSight } from "./viewport.js";

/** @typedef {import("./traits.js").PyramidModel} PyramidModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{focus: number, row: number, hot: number | null, band: number | null, words: string}} Own what is nobody's trait: the unit in focus, the row last seen, what the pointer is at */

/**
 * Everything about one content, until the signal aborts.
 * @param {PyramidModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {import("./viewport.js").Camera} camera kept by the caller, so that it outlives new content
 * @param {AbortSignal} signal
 */
export function mount(model, root, content, camera, signal) {
  const commits = /** @type {any} */ (createCommits(/** @type {any} */ (model), signal));
  const place = () => readPlace(model, content);
  const canvas = h("canvas", { class: "ne-pyramid-canvas", "aria-hidden": "true" });
  const many = content.rows.length > 60 ? "many" : "few";
  const stage = h("div", { class: "ne-pyramid-stage", "data-rows": many }, canvas);
  const sight = createSight(content, place, stage, camera);
  /** @type {Own} */
  const own = { focus: 0, row: place().row, hot: null, band: null, words: "" };
  const live = h("p", { class: "ne-live", "aria-live": "polite" });
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
    live.textContent = controls.told();
  };
  const zoomed = () => {
    controls.zoomed(camera.zoom);
    invalidate();
  };
  const moved = () => {
    follow(content, place(), sight, own);
    controls.show(place(), wordsOf(content, place(), sight, own, isFocused(tree.element)), sight.graph, sight.stays());
    invalidate();
  };
  const acts = createActs(content, place, sight, own, { set: commits.set, done, zoomed, moved });
  const controls = createControls(content, { move: commits.set, done, play() {} }, acts, signal);
  const now = () => ({ stays: sight.stays(), collapsed: place().collapsed, focus: own.focus });
  const tree = createTree(content, sight.graph, now, acts, signal);
  const tubes = createTubes(content, sight.graph, commits, signal);
  stage.append(tree.element);
  const left = h("div", {}, stage, controls.legend, controls.rows);
  root.append(controls.head, controls.caption, h("div", { class: "ne-pyramid-views" }, left, tubes.element), live);
  addHand(tree.element, acts, pointer(content, sight, own, tree.element, moved), signal);
  // A letter here must not be a command of the notebook ("d d" deletes the cell).
  root.addEventListener("keydown", (event) => isForeign(event) || event.stopPropagation(), { signal });
  for (const name of ["focus", "blur"]) tree.element.addEventListener(name, moved, { signal });
  hear(model, commits, place, signal, () => {
    moved();
    tubes.show(place(), sight.stays());
  });
  zoomed();
  decodeFrames(content.frames)
    .then((bitmaps) => {
      const close = () => {
        for (const bitmap of bitmaps) bitmap.close();
      };
      if (signal.aborted) return close();
      signal.addEventListener("abort", close, { once: true });
      const picture = createPicture(content, sight.graph, bitmaps, canvas);
      const fineness = createFineness(invalidate, signal);
      paint = createPainter({ root, content, place, sight, own, tree, draw: picture, fineness });
      onResize(stage, invalidate, signal);
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** The focus goes where the rows went: who walks by the slider goes on from there by the keys. @param {Content} content @param {import("./traits.js").Place} place @param {import("./viewport.js").Sight} sight @param {Own} own */
function follow({ units }, { row }, sight, own) {
  const stays = sight.stays();
  if (row !== own.row && units.row[own.focus] !== row) own.focus = sight.graph.of(row, stays)[0] ?? 0;
  own.row = row;
  if (!stays[own.focus]) own.focus = 0;
  if (own.hot !== null && !stays[own.hot]) own.hot = null;
}

/** What is pointed at, in focus or selected, in words; else what the class is made of. @param {Content} content @param {import("./traits.js").Place} place @param {import("./viewport.js").Sight} sight @param {Own} own @param {boolean} focused */
function wordsOf(content, { selected }, { graph, stays }, own, focused) {
  const unit = own.hot ?? (focused ? own.focus : selected[selected.length - 1]);
  if (own.words) return own.words;
  return unit === undefined ? headWords(content, graph, stays()) : unitWords(content, graph, stays(), unit);
}

/** @param {Content} content @param {import("./viewport.js").Sight} sight @param {Own} own @param {HTMLElement} element @param {() => void} moved @returns {(x?: number, y?: number) => void} nowhere: it has left */
function pointer(content, sight, own, element, moved) {
  return (x, y) => {
    const { unit, band } = x === undefined ? { unit: null, band: null } : sight.under(x, y ?? 0);
    const words = unit === null && band ? bandWords(content, band) : "";
    if (own.hot === unit && own.words === words) return;
    [own.hot, own.band, own.words] = [unit, unit === null && band ? band.row : null, words];
    element.style.cursor = band ? "pointer" : "default";
    moved();
  };
}

/**
 * Whatever moves, by this hand, by another view's or by Python's, is followed, from now on.
 * @param {PyramidModel} model @param {any} commits @param {() => import("./traits.js").Place} place
 * @param {AbortSignal} signal @param {() => void} moved
 */
function hear(model, commits, place, signal, moved) {
  // Whoever asks for less motion starts it with his own hand.
  const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  if (still && place().playing) commits.set("playing", false);
  for (const name of MOVABLE) {
    const changed = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      moved();
    };
    listen(/** @type {any} */ (model), `change:${name}`, changed, signal);
  }
  moved();
}
