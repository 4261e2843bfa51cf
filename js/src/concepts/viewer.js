// The viewer of one content: creates its parts and keeps them in step with the model.
import { createScheduler, h, isReducedMotion, listen, on } from "../shared/dom.js";
import { isForeignKey } from "../shared/inputs.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { watchVisible } from "../shared/visible.js";
import { createControls } from "./controls.js";
import { createCurves } from "./curves.js";
import { addExemplarHandlers } from "./exemplar_events.js";
import { createFrames } from "./frames.js";
import { clipOf, createList } from "./list.js";
import { createPainter } from "./painter.js";
import { createPlayer } from "./player.js";
import { MOVABLE, readViewState } from "./traits.js";

/** @typedef {import("./traits.js").ConceptModel} ConceptModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Movable} Movable */
/** @typedef {import("./row.js").Exemplar} Exemplar */
/** @typedef {import("../shared/kernel_sync.js").Commits<Movable>} Commits */

/**
 * Show a content until the signal aborts.
 * @param {ConceptModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {AbortSignal} signal
 */
export function mount(model, root, content, signal) {
  /** @type {Commits} */
  const commits = createCommits(model, signal);
  const getState = () => readViewState(model, content);
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  const done = () => {
    commits.commit();
    liveRegion.textContent = controls.summary();
  };
  /** @type {import("./painter.js").Painter | undefined} */
  let painter;
  const guard = (/** @type {() => void} */ act) => () => {
    try {
      act();
    } catch (error) {
      painter = undefined; // nothing is drawn any more
      showError(root, error);
    }
  };
  const actions = createActions(content, commits, getState, done);
  const update = guard(() => {
    const state = getState();
    const { concepts, count } = list.shown(state);
    list.show(state, player);
    controls.show(state, count);
    frames.follow();
    root.dataset.shown = concepts.join();
    root.dataset.selected = state.selected.join();
    root.dataset.playing = String(state.playing);
    invalidate();
  });
  const list = createList(content, getState, actions.rename, update, signal);
  const close = () => {
    const opened = list.opened(getState());
    actions.select(null);
    opened?.button.focus();
  };
  const draw = guard(() => {
    if (!painter) return;
    paint(painter, { content, list, visible, frames, player }, getState());
    root.dataset.painted = String(Number(root.dataset.painted ?? 0) + 1);
    root.dataset.frame = String(frames.now());
    root.dataset.ready = "true";
  });
  const invalidate = createScheduler(draw, signal);
  const visible = watchVisible(
    list.exemplars.map(({ button }) => button),
    invalidate,
    signal,
  );
  const frames = createFrames(content, () => getState().playing, invalidate, signal);
  const play = () => {
    if (getState().playing) frames.hold();
    actions.change("playing", !getState().playing);
  };
  const moveFrame = (/** @type {"frame"} */ _, /** @type {number} */ frame) => {
    frames.hold(frame);
    commits.set("playing", false);
    invalidate();
  };
  const player = createPlayer(content, { play, close, move: moveFrame, done: commits.commit }, signal);
  const handlers = { move: commits.set, done, play };
  const controls = createControls(content, handlers, actions.showEverything, signal);
  const pointing = { select: actions.select, close, activate: frames.activate, grid: list.grid, getState };
  addExemplarHandlers(list.element, list.exemplars, pointing, signal);
  on(root, "keydown", (event) => isForeignKey(event) || event.stopPropagation(), signal);
  root.dataset.fills = String(content.fills.length);
  root.style.setProperty("--ne-fills", String(Math.max(content.fills.length, 1)));
  root.append(
    ...[controls.head, controls.verdict, controls.origin, controls.bar, controls.legend, controls.columns],
    ...[list.element, controls.empty, list.more, createCurves(content.curves), controls.caveats, liveRegion],
  );
  if (isReducedMotion() && getState().playing) commits.set("playing", false);
  observeModel(model, commits, update, signal);
  createPainter(content, signal)
    .then((made) => {
      painter = made;
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** Changes of the model, each with one message. @param {Content} content @param {Commits} commits @param {() => import("./traits.js").ViewState} getState @param {() => void} done */
function createActions(content, commits, getState, done) {
  /** @param {Movable} name @param {any} value */
  const change = (name, value) => {
    commits.set(name, value);
    commits.commit();
  };
  return {
    change,
    /** @param {number} concept @param {string} name */
    rename: (concept, name) =>
      change(
        "names",
        getState().names.map((old, k) => (k === concept ? name : old)),
      ),
    /** @param {Exemplar | null} exemplar */
    select: (exemplar) => change("selected", exemplar ? [exemplar.concept, clipOf(content, exemplar).index] : []),
    /** Remove the filters. */
    showEverything() {
      commits.set("max_q", 1);
      commits.set("min_presence", 0);
      done();
    },
  };
}

/** Follow changes of the traits by this view, other views and Python. @param {ConceptModel} model @param {Commits} commits @param {() => void} update @param {AbortSignal} signal */
function observeModel(model, commits, update, signal) {
  for (const name of MOVABLE) {
    const changed = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      update();
    };
    listen(model, `change:${name}`, changed, signal);
  }
  update();
}

/** Draw the exemplars that can be seen and have another frame than before; each is drawn once, for paper. @param {import("./painter.js").Painter} painter @param {{content: Content, list: import("./list.js").List, visible: (button: Element) => boolean, frames: import("./frames.js").Frames, player: import("./player.js").Player}} parts @param {import("./traits.js").ViewState} state */
function paint(painter, { content, list, visible, frames, player }, state) {
  const opened = list.opened(state);
  for (const exemplar of list.exemplars) {
    const { concept, position, canvas } = exemplar;
    if (exemplar !== opened && canvas.dataset.frame && !visible(exemplar.button)) continue;
    const clip = content.rows[concept].exemplars[position];
    const frame = frames.of(exemplar, () => painter.bestFrame(clip, concept));
    if (exemplar === opened) {
      painter.draw(player.canvas, clip, concept, frame);
      player.showFrame(frame);
    }
    if (canvas.dataset.frame === String(frame)) continue;
    painter.draw(canvas, clip, concept, frame);
    canvas.dataset.frame = String(frame);
  }
}
