// The controls that a comparison has once: play bar, view and camera buttons, the link of the sides, settings, legend.

import { h, listen, on } from "../shared/dom.js";
import { createSlider } from "../shared/inputs.js";
import { createCommits } from "../shared/kernel_sync.js";
import { createLegend, createPlayBar } from "../tubes/controls.js";
import { addKeyboard } from "../tubes/keyboard.js";
import { followPlayback } from "../tubes/player.js";
import { createSharedSettings } from "../tubes/settings.js";
import { explained, quantityOf, sides as sideWords } from "../tubes/text.js";
import { readViewState } from "../tubes/view_state.js";
import { createCameraButtons, createModeButtons } from "../tubes/volume/orbit_controls.js";
import { followSides, namesOf, readSide, sideFrameWords } from "./headings.js";
import { readTimeline } from "./timeline.js";

/** @typedef {import("./side_model.js").CompareModel} CompareModel */
/** @typedef {import("./side_model.js").Side} Side */
/** @typedef {import("../tubes/view_state.js").ViewState} ViewState */
/** @typedef {import("../tubes/view_state.js").Movable} Movable */

/** @type {Movable[]} */
const SHARED = ["frame", "playing", "speed", "mode", "sign", "scale", "colours", "opacity"];
const LINKS = {
  clip: "",
  frame: " The clips differ: the sides are linked by frame number.",
  time: " The clips differ: each side shows its frame nearest in time, in seconds of the video.",
  elapsed: " The clips differ: each side shows its frame nearest in time, in seconds since its first frame.",
};

/** Checkbox that links layer and threshold of all sides. @param {CompareModel} model @param {Side[]} sides @param {AbortSignal} signal */
function createLinkBox(model, sides, signal) {
  const box = h("input", { type: "checkbox", "data-name": "linked" });
  const show = () => {
    box.checked = model.get("linked") === true;
  };
  const onChange = () => {
    model.set("linked", box.checked);
    const [first, ...others] = sides;
    if (box.checked)
      for (const side of others) for (const name of ["layer", "threshold_by", "threshold"]) side.copyFrom(first, name);
    try {
      model.save_changes();
    } catch {
      // The kernel is gone; the view works without it.
    }
  };
  on(box, "change", onChange, signal);
  listen(model, "change:linked", show, signal);
  show();
  const which = sides.length > 2 ? "all sides, where they have it" : "both sides, if both have the layer";
  return h("label", {}, box, ` same threshold and layer on ${which}`);
}

/** Note on what cannot be compared, colours and the lanes if all sides draw one, and on how the clips are linked. @param {CompareModel} model @param {Side[]} sides @param {AbortSignal} signal */
function createNote(model, sides, signal) {
  const note = h("span", { class: "ne-compare-note" });
  const show = () => {
    const haveLanes = sides.every((side) => side.get("frame_signal") !== null && side.get("frame_signals")?.length);
    const link = LINKS[/** @type {keyof typeof LINKS} */ (model.get("alignment"))] ?? "";
    note.textContent = `Each side has its own scale: do not compare colours${haveLanes ? " or plotted signals" : ""}.${link}`;
  };
  followSides(sides, show, signal);
  return note;
}

/** One legend while all sides are linked and have the same; otherwise each side shows its own. @param {CompareModel} model @param {Side[]} sides @param {HTMLElement} compare carries data-legend @param {AbortSignal} signal */
function createSharedLegend(model, sides, compare, signal) {
  const first = readSide(sides[0]);
  const legend = first && createLegend(first.content, false);
  const show = () => {
    const shown = sides.map(readSide);
    const keys = shown.map((side) => side && legendKey(side));
    const isShared = model.get("linked") === true && keys.every((key) => key !== null && key === keys[0]);
    compare.dataset.legend = isShared ? "shared" : "own";
    if (!legend) return;
    legend.element.hidden = !isShared;
    if (shown[0]) legend.show(shown[0].view);
  };
  for (const name of ["linked", "sign", "scale", "colours"]) listen(model, `change:${name}`, show, signal);
  followSides(sides, show, signal);
  return legend ? [legend.element] : [];
}

/** What a legend depends on, beside shared traits. @param {NonNullable<ReturnType<typeof readSide>>} side */
const legendKey = ({ content, view }) =>
  JSON.stringify([view.threshold, sideWords(explained(content, view)), quantityOf(content)]);

/** @param {import("./timeline.js").Timeline} timeline @param {import("../tubes/view_state.js").Handlers} handlers @param {AbortSignal} signal */
function createSharedPlayBar(timeline, handlers, signal) {
  const playBar = createPlayBar(timeline, handlers, signal, (_, step) => timeline.words(step));
  const slider = createSlider("frame", "frame", { max: timeline.size[0] - 1, step: 1 }, handlers, signal);
  playBar.element.firstChild?.after(slider.input);
  return {
    element: playBar.element,
    /** @param {ViewState} view @param {string} text */
    show(view, text) {
      playBar.show(view);
      slider.show(view.frame, text);
    },
  };
}

/** A content that has a timeline and nothing else. @param {import("./timeline.js").Timeline} timeline @returns {import("../tubes/traits.js").Content} */
function contentOf({ size, times }) {
  const none = { layers: [], targets: [], caveats: [], frames: [], frame_signals: [] };
  return { size, times, title: "", mapOf: () => new Float32Array(), ...none };
}

/**
 * Mount the shared controls, until the signal aborts.
 * @param {CompareModel} model
 * @param {Side[]} sides
 * @param {HTMLElement} root
 * @param {HTMLElement} compare
 * @param {import("../tubes/volume/camera.js").Orbit} orbit
 * @param {AbortSignal} signal
 */
export function mountSharedControls(model, sides, root, compare, orbit, signal) {
  const timeline = readTimeline(model);
  const steps = contentOf(timeline);
  /** @type {import("../shared/kernel_sync.js").Commits<Movable>} */
  const commits = createCommits(/** @type {any} */ (model), signal);
  const viewState = () => readViewState(/** @type {any} */ (model), steps);
  const frameText = () => {
    const own = timeline.alignment === "clip" ? [] : sides.map(sideFrameWords);
    const named = namesOf(model, sides.length).flatMap((name, k) => (own[k] ? `${name} ${own[k]}` : []));
    return [timeline.words(viewState().frame), ...named].join(", ");
  };
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  const handlers = {
    /** @param {Movable} name @param {any} value */
    move: (name, value) => SHARED.includes(name) && commits.set(name, value),
    done() {
      commits.commit();
      if (!viewState().playing) liveRegion.textContent = frameText();
    },
    play() {
      commits.set("playing", !viewState().playing);
      commits.commit();
    },
  };
  const playBar = createSharedPlayBar(timeline, handlers, signal);
  const modes = createModeButtons(handlers, signal);
  const cameraButtons = createCameraButtons(orbit, signal);
  const contents = sides.flatMap((side) => readSide(side)?.content ?? []);
  const settings = createSharedSettings(contents, handlers, signal);
  const legend = createSharedLegend(model, sides, compare, signal);
  root.append(
    playBar.element,
    h("div", { class: "ne-tools" }, modes.element, cameraButtons, createLinkBox(model, sides, signal), ...legend),
    createNote(model, sides, signal),
    settings.element,
    liveRegion,
  );
  const show = () => {
    const view = viewState();
    playBar.show(view, frameText());
    modes.show(view.mode);
    cameraButtons.hidden = view.mode !== "tube";
    settings.show(view);
  };
  addKeyboard(root, viewState, steps, handlers, signal);
  followPlayback(model, viewState, timeline.size[0], timeline.duration, commits, signal);
  for (const name of SHARED) {
    const onChange = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      show();
    };
    listen(model, `change:${name}`, onChange, signal);
  }
  show();
}
