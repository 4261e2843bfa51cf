// The viewer of one content: creates the parts and keeps them in step with the model.

import { decodeFrames } from "../shared/decode_frames.js";
import { createScheduler, h, listen, onAbort, onResize } from "../shared/dom.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { createWindowedFrames } from "../shared/window.js";
import { createControls, createPlayBar } from "./controls.js";
import { createFrameCanvas, createFrameView } from "./frame_view.js";
import { addKeyboard } from "./keyboard.js";
import { createFields } from "./layer_values.js";
import { createMontage } from "./montage.js";
import { followPlayback, frameDuration } from "./player.js";
import { createCrosshair, createReadout, pointWords, timelineWords } from "./readout.js";
import { explained, keptWords, positionWords, quantityOf, verdict } from "./text.js";
import { curves, kept } from "./threshold.js";
import { createCounter } from "./threshold_counter.js";
import { createLevels } from "./threshold_level.js";
import { createTimeline } from "./timeline.js";
import { createToolbar } from "./toolbar.js";
import { MOVABLE, readViewState } from "./view_state.js";
import { createCameraButtons, createModeButtons } from "./volume/orbit_controls.js";
import { createTubeView } from "./volume/view.js";

/** @typedef {import("./traits.js").TubeModel} TubeModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {ReturnType<typeof createParts>} Parts */

/**
 * What several views may share: with "own" controls a view has all of them; with "shared" ones, the play bar, the buttons of
 * the view and the camera, and the settings of the display stand outside it.
 * @typedef {"own" | "shared"} ControlsOption
 */

/** Play bar, and buttons of the view and the camera. @param {Content} content @param {import("./view_state.js").Handlers} handlers @param {import("./volume/camera.js").Orbit} orbit @param {AbortSignal} signal */
function createOwnControls(content, handlers, orbit, signal) {
  const playBar = createPlayBar(content, handlers, signal);
  const modes = createModeButtons(handlers, signal);
  const cameraButtons = createCameraButtons(orbit, signal);
  return {
    playBar: playBar.element,
    tools: h("div", { class: "ne-tools" }, modes.element, cameraButtons),
    /** @param {ViewState} view */
    show(view) {
      playBar.show(view);
      modes.show(view.mode);
      cameraButtons.hidden = view.mode !== "tube";
    },
  };
}

/** Create the elements of the view. @param {HTMLElement} root @param {Content} content @param {import("./view_state.js").Handlers} handlers @param {import("./volume/camera.js").Orbit} orbit @param {ControlsOption} option @param {AbortSignal} signal */
function createParts(root, content, handlers, orbit, option, signal) {
  const timeline = createTimeline(content, handlers, signal);
  const own = option === "own" ? createOwnControls(content, handlers, orbit, signal) : null;
  if (!own) timeline.leaveTabOrder();
  const controls = createControls(content, handlers, signal, option);
  const canvas = createFrameCanvas(content);
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  const beside = h("div", { class: "ne-beside" });
  const bar = h("div", { class: "ne-bar" }); // readout and toolbar
  const frame = h("div", { class: "ne-stage ne-stage-frame" }, canvas);
  const left = h("div", { class: "ne-left" }, frame, timeline.element, own?.playBar ?? "");
  const right = h("div", { class: "ne-right" }, beside, own?.tools ?? "");
  root.append(
    controls.head,
    h("div", { class: "ne-stages" }, left, bar, timeline.choice, right),
    controls.caption,
    controls.check,
    controls.rows,
    liveRegion,
  );
  return {
    timeline,
    canvas,
    frame,
    beside,
    bar,
    liveRegion,
    /** Height beside the frame, its timeline and play bar; undefined if they stand above, or are those of a comparison. */
    room() {
      if (!own) return undefined;
      const [bottom, top] = [own.playBar.getBoundingClientRect().bottom, beside.getBoundingClientRect().top];
      return bottom > top ? bottom - top - own.tools.offsetHeight - 6 : undefined;
    },
    /** @param {ViewState} view @param {string} summary what the threshold keeps */
    show(view, summary) {
      timeline.show(view);
      controls.show(view, summary);
      own?.show(view);
    },
    /** Tell screen readers the result of a gesture. @param {ViewState} view @param {string} summary */
    announce(view, summary) {
      const text = positionWords(content, view, `${verdict(explained(content, view))}. ${summary}`);
      if (!view.playing && liveRegion.textContent !== text) liveRegion.textContent = text;
    },
  };
}

/**
 * Part of the shown map that the threshold keeps, as text and as curves; null while it is counted.
 * @param {Content} content
 * @param {(view: ViewState) => import("./threshold.js").Summary | undefined} counter
 * @param {ViewState} view
 */
function thresholdSummary(content, counter, view) {
  const summary = counter(view);
  if (!summary) return null;
  const numbers = kept(summary, view.threshold);
  const { counted, opposite } = curves(summary, view.threshold);
  const zeros = counted.all.map(() => 0);
  const none = { all: zeros, kept: zeros };
  const isAgainst = view.sign === "negative";
  return {
    numbers,
    text: keptWords(
      numbers,
      content,
      isAgainst ? "against" : "for",
      explained(content, view),
      quantityOf(content, view.layer),
    ),
    evidence: {
      positive: isAgainst ? none : counted,
      negative: isAgainst ? counted : view.sign === "both" ? opposite : none,
    },
  };
}

/**
 * Mount the viewer of one content, until the signal aborts.
 * @param {TubeModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {import("./volume/camera.js").Orbit} orbit
 * @param {AbortSignal} signal
 * @param {import("./index.js").Options} [options]
 */
export function mount(model, root, content, orbit, signal, { link, tools, controls = "own" } = {}) {
  /** @type {import("../shared/kernel_sync.js").Commits<import("./view_state.js").Movable>} */
  const commits = createCommits(/** @type {any} */ (model), signal);
  const viewState = () => levels.resolve(readViewState(model, content));
  const fields = createFields(content);
  /** @type {((view: ViewState) => void) | undefined} */
  let paint;
  const invalidate = createScheduler(() => paint?.(viewState()), signal);
  const counter = createCounter(content.size, fields, () => update(), signal);
  const levels = createLevels(content.size, content.layers, fields, counter);
  const summaryOf = (/** @type {ViewState} */ view) => thresholdSummary(content, counter, view);
  /** @type {import("./view_state.js").Handlers} */
  const handlers = {
    move(name, value) {
      const view = viewState();
      if (name === "threshold_by") commits.set("threshold", levels.converted(view, value));
      if (name === "threshold" && view.threshold_by === "default") commits.set("threshold_by", "maximum");
      commits.set(name, value);
    },
    done() {
      commits.commit();
      parts.announce(viewState(), summaryOf(viewState())?.text ?? "");
    },
    play() {
      commits.set("playing", !viewState().playing);
      commits.commit();
    },
  };
  const parts = createParts(root, content, handlers, orbit, controls, signal);
  const update = () => {
    parts.show(viewState(), summaryOf(viewState())?.text ?? "");
    invalidate();
  };
  const readout = createReadout(viewState, parts.liveRegion, signal);
  const { say } = readout;
  const toolbar = createToolbar({ root, content, viewState, handlers, orbit, say, link, tools }, signal);
  parts.bar.append(readout.element, toolbar.element, toolbar.keyList);
  addKeyboard(root, viewState, content, handlers, signal);
  const duration = (/** @type {number} */ frame) => frameDuration(content.times, frame);
  if (controls === "own") followPlayback(model, viewState, content.size[0], duration, commits, signal);
  followModel(model, commits, update, signal);
  const onCameraMove = () => {
    root.dataset.camera = orbit.view;
    invalidate();
  };
  orbit.addEventListener("moved", onCameraMove, { signal });
  onCameraMove();
  update();
  decodeFrames(content.frames)
    .then(async (jpegs) => {
      const close = () => {
        for (const jpeg of jpegs) jpeg.close();
      };
      if (signal.aborted) return close();
      onAbort(signal, close);
      const { pictures: bitmaps, show: showWindow } = await createWindowedFrames(jpegs, content.picture);
      if (signal.aborted) return undefined;
      const pickFrame = (/** @type {number} */ frame) => {
        handlers.move("frame", frame);
        handlers.done();
      };
      const tube = createTubeView({ content, bitmaps, orbit, root, invalidate, signal });
      const montage = createMontage(content, bitmaps, pickFrame, signal);
      const showValues = createValues(content, readout, { parts, tube, montage, fields, summaryOf }, signal);
      paint = createPainter(root, {
        parts,
        bitmaps,
        showWindow,
        fields,
        summaryOf,
        frameView: createFrameView(parts.canvas, content, bitmaps),
        tube,
        montage,
        showValues,
        invalidate,
      });
      onResize(root, invalidate, signal);
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/**
 * Show the values under the pointer and the crosshair.
 * @param {Content} content
 * @param {ReturnType<typeof createReadout>} readout
 * @param {Pick<Parameters<typeof createPainter>[1], "parts" | "tube" | "montage" | "fields" | "summaryOf">} view
 * @param {AbortSignal} signal
 * @returns {() => void} shows them again after a change
 */
function createValues(content, { follow, pin, show }, { parts, tube, montage, fields, summaryOf }, signal) {
  const { size } = content;
  /** @param {ViewState} view @param {import("./volume/ray.js").Point | null} point */
  const words = (view, point) => point && pointWords(content, view, fields(view), point);
  /** @param {ViewState} view @param {{x: number, y: number} | null} pixel */
  const wordsAt = (view, pixel) => words(view, pixel && { ...pixel, frame: view.frame });
  const [{ canvas }, [frames, height, width]] = [parts, size];
  /** @param {number} part @param {number} whole @param {number} count */
  const indexOf = (part, whole, count) => Math.min(Math.max(Math.floor((part / whole) * count), 0), count - 1);
  follow(canvas, (left, top, view) =>
    wordsAt(view, { x: indexOf(left, canvas.clientWidth, width), y: indexOf(top, canvas.clientHeight, height) }),
  );
  follow(montage.canvas, (left, top, view) => words(view, montage.pick(left, top)));
  follow(tube.container, (left, top, view) => words(view, tube.pick(left, top, view, fields(view))));
  const { input } = parts.timeline;
  follow(input, (left, _, view) =>
    timelineWords(content, view, summaryOf(view)?.evidence, indexOf(left, input.clientWidth, frames)),
  );
  const onMove = (/** @type {{x: number, y: number} | null} */ pixel) => pin((view) => wordsAt(view, pixel));
  const crosshair = createCrosshair(canvas, size, onMove, signal);
  parts.frame.append(crosshair.element);
  return () => {
    crosshair.show();
    show();
  };
}

/**
 * Follow every change of the view state, whether it comes from this view, a linked one, Python or playback.
 * @param {TubeModel} model
 * @param {import("../shared/kernel_sync.js").Commits<import("./view_state.js").Movable>} commits
 * @param {() => void} update
 * @param {AbortSignal} signal
 */
function followModel(model, commits, update, signal) {
  for (const name of MOVABLE) {
    const onChange = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      update();
    };
    listen(model, `change:${name}`, onChange, signal);
  }
}

/**
 * @param {HTMLElement} root
 * @param {Object} view
 * @param {Parts} view.parts
 * @param {import("../shared/window.js").FramePicture[]} view.bitmaps
 * @param {(window: number[] | null) => void} view.showWindow draws the bitmaps in a window
 * @param {ReturnType<typeof createFields>} view.fields
 * @param {(view: ViewState) => ReturnType<typeof thresholdSummary>} view.summaryOf
 * @param {ReturnType<typeof createFrameView>} view.frameView
 * @param {ReturnType<typeof createTubeView>} view.tube
 * @param {ReturnType<typeof createMontage>} view.montage
 * @param {() => void} view.showValues
 * @param {() => void} view.invalidate
 * @returns {(view: ViewState) => void}
 */
function createPainter(
  root,
  { parts, bitmaps, showWindow, fields, summaryOf, frameView, tube, montage, showValues, invalidate },
) {
  let painted = 0;
  /** State at the last draw of each part: turning the tube leaves the frame as it is. @type {Record<string, string>} */
  const drawn = {};
  /** @param {string} name @param {unknown} state @param {() => void} draw */
  const drawIfChanged = (name, state, draw) => {
    const key = JSON.stringify(state);
    if (drawn[name] !== key) draw();
    drawn[name] = key;
  };
  return (view) => {
    if (view.mode === "tube" && tube.busy()) return invalidate();
    const { container } = view.mode === "tube" ? tube : montage;
    if (container.parentElement !== parts.beside) parts.beside.replaceChildren(container);
    const { playing, speed, mode, ...look } = view;
    try {
      const field = fields(view);
      const summary = summaryOf(view);
      showWindow(view.window);
      drawIfChanged("frame", look, () => frameView.draw(view, field));
      const { frame, ...withoutFrame } = look;
      const width = parts.beside.clientWidth;
      drawIfChanged("timeline", [withoutFrame, summary !== null, width], () =>
        parts.timeline.draw(bitmaps, summary?.evidence, view),
      );
      const room = parts.room();
      if (mode === "tube") tube.draw(view, field);
      else drawIfChanged("montage", [look, width, room], () => montage.draw(view, field, room));
      showValues();
      root.dataset.kept = summary ? JSON.stringify(summary.numbers) : "";
    } catch (error) {
      return showError(root, error);
    }
    for (const name of MOVABLE) root.dataset[name] = String(view[name]);
    root.dataset.setting = String(view.setting);
    root.dataset.painted = String(++painted);
    root.dataset.ready = "true";
  };
}
