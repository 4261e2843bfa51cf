// The viewer of one content: creates its parts and keeps them in step with the model.
import { createScheduler, h, isReducedMotion, listen, on, onResize } from "../shared/dom.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { watchVisible } from "../shared/visible.js";
import { createPlayer, frameDuration } from "../tubes/player.js";
import { createCard } from "./card.js";
import { createControls } from "./controls.js";
import { addKeyboard } from "./keyboard.js";
import { createPainter } from "./painter.js";
import { MOVABLE, readViewState } from "./traits.js";

/** @typedef {import("./traits.js").VisualizationModel} VisualizationModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Movable} Movable */
/** @typedef {import("../shared/kernel_sync.js").Commits<Movable>} Commits */

/**
 * Show a content until the signal aborts.
 * @param {VisualizationModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {AbortSignal} signal
 */
export function mount(model, root, content, signal) {
  /** @type {Commits} */
  const commits = createCommits(model, signal);
  const getState = () => readViewState(model, content);
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  const cards = content.rows.map((_, index) => createCard(content, index));
  const buttons = cards.map(({ button }) => button);
  const actions = createActions(commits, getState, cards, () => {
    liveRegion.textContent = controls.summary();
  });
  const controls = createControls(content, actions, signal);
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
  const update = guard(() => {
    const state = getState();
    for (const [k, card] of cards.entries()) card.show(state, painter?.flows[k] ?? null);
    controls.show(state);
    for (const name of MOVABLE) root.dataset[name] = String(state[name]);
    invalidate();
  });
  const showFrame = guard(() => {
    const { frame } = getState();
    controls.showFrame(frame);
    root.dataset.frame = String(frame);
    invalidate();
  });
  const draw = guard(() => {
    if (!painter) return;
    const state = getState();
    for (const card of cards) if (visible(card.element) || !card.made.dataset.drawn) painter.paint(card, state);
    root.dataset.painted = String(Number(root.dataset.painted ?? 0) + 1);
    root.dataset.ready = "true";
  });
  const invalidate = createScheduler(draw, signal);
  const visible = watchVisible(
    cards.map(({ element }) => element),
    invalidate,
    signal,
  );
  for (const { index, button } of cards) on(button, "click", () => actions.toggle(index), signal);
  addKeyboard(root, buttons, { ...actions, getState }, content.size[0] - 1, signal);
  onResize(root, invalidate, signal);
  const list = h("ol", { class: "ne-cards" }, ...cards.map(({ element }) => element));
  root.append(controls.head, controls.bar, list, controls.caveats, liveRegion);
  if (isReducedMotion() && getState().playing) commits.set("playing", false);
  observeModel(model, content, commits, { update, showFrame, getState, guard }, signal);
  createPainter(content, signal)
    .then((made) => {
      painter = made;
      update();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** Changes of the model, each gesture with one message at its end. @param {Commits} commits @param {() => import("./traits.js").ViewState} getState @param {import("./card.js").Card[]} cards @param {() => void} announce */
function createActions(commits, getState, cards, announce) {
  const done = () => {
    commits.commit();
    announce();
  };
  /** @param {Movable} name @param {any} value */
  const change = (name, value) => {
    commits.set(name, value);
    commits.commit();
  };
  /** Show a made clip large, or none. @param {number} index */
  const select = (index) => change("selected", index);
  return {
    done,
    /** @param {Movable} name @param {any} value */
    move(name, value) {
      if (name === "frame") commits.set("playing", false);
      commits.set(name, value);
    },
    play: () => change("playing", !getState().playing),
    flip: () => change("arrows", !getState().arrows),
    toggle: (/** @type {number} */ index) => select(getState().selected === index ? -1 : index),
    close() {
      const { button } = cards[getState().selected];
      select(-1);
      button.focus();
    },
  };
}

/** Follow changes of the traits by this view, other views and Python, and play without messages. @param {VisualizationModel} model @param {Content} content @param {Commits} commits @param {{update: () => void, showFrame: () => void, guard: (act: () => void) => () => void, getState: () => import("./traits.js").ViewState}} view @param {AbortSignal} signal */
function observeModel(model, { size, times }, commits, { update, showFrame, getState, guard }, signal) {
  for (const name of MOVABLE) {
    const changed = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      (name === "frame" ? showFrame : update)();
    };
    listen(model, `change:${name}`, changed, signal);
  }
  update();
  const play = createPlayer(
    () => ({ ...getState(), speed: 1 }),
    size[0],
    (frame) => frameDuration(times, frame),
    (frame) => commits.set("frame", frame),
    signal,
  );
  const schedule = guard(play);
  for (const name of ["frame", "playing"]) listen(model, `change:${name}`, schedule, signal);
  schedule();
}
