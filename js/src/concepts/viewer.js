// The viewer of one content: creates its parts and keeps them in step with the model.
import { createScheduler, h, listen, on, onAbort } from "../shared/dom.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { arrange } from "./arrange.js";
import { createClock, isReducedMotion } from "./clock.js";
import { createControls } from "./controls.js";
import { axisOf } from "./effect_chart.js";
import { addExemplarHandlers } from "./exemplar_events.js";
import { isForeignKey } from "./keyboard.js";
import { createPainter } from "./painter.js";
import { createPlayer } from "./player.js";
import { createRow } from "./row.js";
import { MOVABLE, readViewState } from "./traits.js";

/** @typedef {import("./traits.js").ConceptModel} ConceptModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./row.js").Exemplar} Exemplar */

const FIRST_ROWS = 10; // shown until readers ask for all

/**
 * Show a content until the signal aborts.
 * @param {ConceptModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {AbortSignal} signal
 */
export function mount(model, root, content, signal) {
  /** @type {import("../shared/kernel_sync.js").Commits<import("./traits.js").Movable>} */
  const commits = createCommits(model, signal);
  const getState = () => readViewState(model, content);
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  const done = () => {
    commits.commit();
    liveRegion.textContent = controls.summary();
  };
  /** @param {import("./traits.js").Movable} name @param {any} value */
  const change = (name, value) => {
    commits.set(name, value);
    commits.commit();
  };
  const play = () => {
    if (getState().playing) frames.hold();
    change("playing", !getState().playing);
  };
  const showEverything = () => {
    commits.set("max_q", 1);
    commits.set("min_presence", 0);
    done();
  };
  const controls = createControls(content, { move: commits.set, done, play }, showEverything, signal);
  const axis = axisOf(content.rows.flatMap(({ effects }) => effects));
  const rename = (/** @type {number} */ concept, /** @type {string} */ name) =>
    change("names", getState().names.with(concept, name));
  const rows = content.rows.map((_, k) =>
    createRow(
      content,
      k,
      axis,
      () => getState().names,
      (name) => rename(k, name),
      signal,
    ),
  );
  const exemplars = rows.flatMap((row) => row.exemplars);
  const list = h("ol", { class: "ne-concept-list" }, ...rows.map(({ element }) => element));
  const more = h("button", { type: "button", class: "ne-more", "data-name": "more" });
  let hasMore = true;
  const showMore = () => {
    hasMore = false;
    update();
  };
  on(more, "click", showMore, signal);
  const select = (/** @type {Exemplar | null} */ exemplar) =>
    change("selected", exemplar ? [exemplar.concept, clipOf(content, exemplar).index] : []);
  const close = () => {
    const opened = selectedOf(content, exemplars, getState());
    select(null);
    opened?.button.focus();
  };
  const moveFrame = (/** @type {"frame"} */ _, /** @type {number} */ frame) => {
    frames.hold(frame);
    commits.set("playing", false);
    invalidate();
  };
  const player = createPlayer(content, { play, close, move: moveFrame, done: commits.commit }, signal);
  const shownRows = () => arrange(content, getState()).map((k) => rows[k].exemplars);
  const activate = (/** @type {Exemplar | null} */ exemplar) => {
    frames.activate(exemplar);
    invalidate();
  };
  addExemplarHandlers(list, exemplars, { select, close, activate, shownRows, getState }, signal);
  on(root, "keydown", (event) => isForeignKey(event) || event.stopPropagation(), signal);

  /** @type {import("./painter.js").Painter | undefined} */
  let painter;
  const visible = watchVisible(exemplars, () => invalidate(), signal);
  const draw = () => {
    if (!painter) return;
    try {
      paint(painter, { content, exemplars, visible, frames, player }, getState());
    } catch (error) {
      painter = undefined;
      return showError(root, error);
    }
    root.dataset.painted = String(Number(root.dataset.painted ?? 0) + 1);
    root.dataset.frame = String(frames.frame());
    root.dataset.ready = "true";
  };
  const invalidate = createScheduler(draw, signal);
  const frames = createFrames(content, () => getState().playing, invalidate, signal);

  const update = () => {
    const state = getState();
    const order = arrange(content, state);
    const opened = selectedOf(content, exemplars, state);
    if (opened && order.indexOf(opened.concept) >= FIRST_ROWS) hasMore = false;
    const limit = hasMore ? FIRST_ROWS : order.length;
    if (order.some((k, place) => list.children[place] !== rows[k].element))
      list.prepend(...order.map((k) => rows[k].element));
    for (const [k, row] of rows.entries()) {
      const place = order.indexOf(k);
      row.element.hidden = place < 0 || place >= limit;
      row.show(state, place);
    }
    more.hidden = order.length <= limit;
    more.textContent = `show ${order.length - limit} more`;
    if (opened) {
      rows[opened.concept].element.append(player.element);
      player.show(state, opened.position);
    } else player.element.remove();
    controls.show(state, order.length);
    frames.follow();
    root.dataset.shown = order.slice(0, limit).join();
    root.dataset.selected = state.selected.join();
    root.dataset.playing = String(state.playing);
    invalidate();
  };
  root.dataset.fills = String(content.fills.length);
  root.style.setProperty("--ne-fills", String(Math.max(content.fills.length, 1)));
  root.append(
    ...[controls.head, controls.verdict, controls.bar, controls.legend, controls.columns],
    ...[list, controls.empty, more, controls.caveats, liveRegion],
  );
  if (isReducedMotion() && getState().playing) commits.set("playing", false);
  for (const name of MOVABLE) {
    const changed = () => {
      if (!commits.isSetting()) commits.noteExternalChange(name);
      guarded(update, root);
    };
    listen(model, `change:${name}`, changed, signal);
  }
  update();
  createPainter(content, signal)
    .then((made) => {
      painter = made;
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** Run an update; show the error if the state is invalid. @param {() => void} update @param {HTMLElement} root */
function guarded(update, root) {
  try {
    update();
  } catch (error) {
    showError(root, error);
  }
}

/** @param {Content} content @param {Exemplar} exemplar */
const clipOf = ({ rows, clips }, { concept, position }) => clips[rows[concept].exemplars[position]];

/** The exemplar that is shown large. @param {Content} content @param {Exemplar[]} exemplars @param {import("./traits.js").ViewState} view */
const selectedOf = (content, exemplars, { selected: [concept, clip] }) =>
  exemplars.find((exemplar) => exemplar.concept === concept && clipOf(content, exemplar).index === clip);

/**
 * The frame of each exemplar: of the clock while it plays, else the one that was held, else that in which its concept covers
 * most. The exemplar under the pointer or with the focus plays also while the others do not.
 * @param {Content} content @param {() => boolean} isPlaying @param {() => void} changed @param {AbortSignal} signal
 */
function createFrames({ size, times }, isPlaying, changed, signal) {
  const clock = createClock(size[0], times, changed, signal);
  /** @type {number | null} */
  let held = null;
  /** @type {Exemplar | null} */
  let active = null;
  const follow = () => clock.run(isPlaying() || (active !== null && !isReducedMotion()));
  return {
    follow,
    frame: clock.frame,
    /** @param {number} [frame] that of the clock by default */
    hold(frame = clock.frame()) {
      held = frame;
      clock.set(frame);
    },
    /** @param {Exemplar | null} exemplar */
    activate(exemplar) {
      active = exemplar;
      follow();
    },
    /** @param {Exemplar} exemplar @param {() => number} best */
    of(exemplar, best) {
      const plays = isPlaying() || (exemplar === active && !isReducedMotion());
      return plays ? clock.frame() : (held ?? best());
    },
  };
}

/** Draw the exemplars that can be seen and have another frame than before. @param {import("./painter.js").Painter} painter @param {{content: Content, exemplars: Exemplar[], visible: (exemplar: Exemplar) => boolean, frames: ReturnType<typeof createFrames>, player: import("./player.js").Player}} parts @param {import("./traits.js").ViewState} state */
function paint(painter, { content, exemplars, visible, frames, player }, state) {
  const opened = selectedOf(content, exemplars, state);
  for (const exemplar of exemplars) {
    const { concept, position, canvas } = exemplar;
    if (exemplar !== opened && !visible(exemplar) && canvas.dataset.frame) continue; // each is drawn once, for paper
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

/** Whether an exemplar is near the part of the page that is seen. @param {Exemplar[]} exemplars @param {() => void} changed @param {AbortSignal} signal */
function watchVisible(exemplars, changed, signal) {
  if (typeof IntersectionObserver === "undefined") return () => true;
  /** @type {Set<Element>} */
  const seen = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target);
      changed();
    },
    { rootMargin: "300px" },
  );
  for (const { button } of exemplars) observer.observe(button);
  onAbort(signal, () => observer.disconnect());
  return (/** @type {Exemplar} */ { button }) => seen.has(button);
}
