// Everything about one content of the model: its parts, and how they move together.

import { createScheduler, h, listen, onResize, whenOver } from "../shared/dom.js";
import { createCommits } from "../shared/kernel_sync.js";
import { showError } from "../shared/lifecycle.js";
import { createControls, createPlayBar } from "./controls.js";
import { createFrameCanvas, createFrameView, decodeFrames } from "./frame_view.js";
import { addKeyboard } from "./keyboard.js";
import { createFields } from "./layer_values.js";
import { createMontage } from "./montage.js";
import { createPlayer } from "./player.js";
import { explained, keptWords, positionWords, quantityOf, verdict } from "./text.js";
import { curves, kept } from "./threshold.js";
import { createCounter } from "./threshold_counter.js";
import { createTimeline } from "./timeline.js";
import { MOVABLE, readPosition } from "./view_state.js";
import { buttonsFor, modesFor } from "./volume/orbit_controls.js";
import { createTubeView } from "./volume/view.js";

/** @typedef {import("./traits.js").TubeModel} TubeModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {ReturnType<typeof createParts>} Parts */

/** The elements of a scene, wired to the hands that move them. @param {HTMLElement} root @param {Content} content @param {import("../shared/inputs.js").Hands} hands @param {HTMLElement} views @param {AbortSignal} signal */
function createParts(root, content, hands, views, signal) {
  const timeline = createTimeline(content, hands, signal);
  const playBar = createPlayBar(content, hands, signal);
  const controls = createControls(content, hands, signal);
  const modes = modesFor(hands, signal);
  const canvas = createFrameCanvas(content);
  const live = h("p", { class: "ne-live", "aria-live": "polite" });
  const beside = h("div", { class: "ne-beside" });
  const left = h(
    "div",
    { class: "ne-left" },
    h("div", { class: "ne-stage ne-stage-frame" }, canvas),
    timeline.element,
    playBar.element,
  );
  const right = h("div", { class: "ne-right" }, beside, h("div", { class: "ne-tools" }, modes.element, views));
  root.append(
    controls.head,
    h("div", { class: "ne-stages" }, left, timeline.choice, right),
    controls.caption,
    controls.rows,
    live,
  );
  return {
    timeline,
    canvas,
    beside,
    /** @param {Position} at @param {string} words */
    show(at, words) {
      timeline.show(at);
      playBar.show(at);
      controls.show(at, words);
      modes.show(at.mode);
      views.hidden = at.mode !== "tube";
    },
    /** For readers, when a gesture has ended. @param {Position} at @param {string} words */
    say(at, words) {
      const spoken = positionWords(content, at, `${verdict(explained(content, at))}. ${words}`);
      if (!at.playing && live.textContent !== spoken) live.textContent = spoken;
    },
  };
}

/**
 * What the threshold keeps of what is shown, in words and as curves; null while it is counted.
 * @param {Content} content
 * @param {(at: Position) => import("./threshold.js").Summary | undefined} counter
 * @param {Position} at
 */
function found(content, counter, at) {
  const summary = counter(at);
  if (!summary) return null;
  const numbers = kept(summary, at.threshold);
  const { own, other } = curves(summary, at.threshold);
  const none = { all: own.all.map(() => 0), kept: own.all.map(() => 0) };
  const against = at.sign === "negative";
  return {
    numbers,
    words: keptWords(
      numbers,
      content.size[0],
      against ? "against" : "for",
      explained(content, at),
      quantityOf(content, at.layer),
    ),
    evidence: { positive: against ? none : own, negative: against ? own : at.sign === "both" ? other : none },
  };
}

/**
 * Everything about one content, until the signal aborts.
 * @param {TubeModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {import("./volume/camera.js").Orbit} orbit
 * @param {AbortSignal} signal
 */
export function mount(model, root, content, orbit, signal) {
  const commits = createCommits(model, signal);
  const position = () => readPosition(model, content);
  const fields = createFields(content);
  /** @type {((at: Position) => void) | undefined} */
  let paint;
  const invalidate = createScheduler(() => paint?.(position()), signal);
  const counter = createCounter(content.size, fields, () => moved(), signal);
  const told = (/** @type {Position} */ at) => found(content, counter, at);
  const hands = {
    move: commits.set,
    done() {
      commits.commit();
      parts.say(position(), told(position())?.words ?? "");
    },
    play() {
      commits.set("playing", !position().playing);
      commits.commit();
    },
  };
  const parts = createParts(root, content, hands, buttonsFor(orbit, signal), signal);
  const moved = () => {
    parts.show(position(), told(position())?.words ?? "");
    invalidate();
  };
  addKeyboard(root, position, content, hands, signal);
  follow(model, position, content, commits, moved, signal);
  const turned = () => {
    root.dataset.camera = orbit.view;
    invalidate();
  };
  orbit.addEventListener("moved", turned, { signal });
  turned();
  moved();
  decodeFrames(content.frames)
    .then((bitmaps) => {
      const close = () => {
        for (const bitmap of bitmaps) bitmap.close();
      };
      if (signal.aborted) return close();
      whenOver(signal, close);
      const pick = (/** @type {number} */ frame) => {
        hands.move("frame", frame);
        hands.done();
      };
      paint = painter(root, {
        parts,
        bitmaps,
        fields,
        told,
        frameView: createFrameView(parts.canvas, content, bitmaps),
        tube: createTubeView({ content, bitmaps, orbit, root, invalidate, signal }),
        montage: createMontage(content, bitmaps, pick, signal),
        invalidate,
      });
      onResize(root, invalidate, signal);
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/**
 * Whatever moves, by this hand, by another view's, by Python's or by playing, is followed.
 * @param {TubeModel} model
 * @param {() => Position} position
 * @param {Content} content
 * @param {import("../shared/kernel_sync.js").Commits} commits
 * @param {() => void} moved
 * @param {AbortSignal} signal
 */
function follow(model, position, content, commits, moved, signal) {
  const go = (/** @type {number} */ frame) => {
    commits.set("frame", frame);
    commits.commitAtMost();
  };
  const beat = createPlayer(position, content, go, signal);
  // Whoever asks for less motion starts it with his own hand.
  const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  if (still && position().playing) commits.set("playing", false);
  for (const name of MOVABLE) {
    const changed = () => {
      if (!commits.setting()) commits.heard(name);
      if (name === "frame" || name === "playing" || name === "speed") beat();
      moved();
    };
    listen(model, `change:${name}`, changed, signal);
  }
  beat();
}

/**
 * @param {HTMLElement} root
 * @param {Object} given
 * @param {Parts} given.parts
 * @param {ImageBitmap[]} given.bitmaps
 * @param {(at: Position) => import("./layer_values.js").Field} given.fields
 * @param {(at: Position) => ReturnType<typeof found>} given.told what the threshold keeps, once it is counted
 * @param {ReturnType<typeof createFrameView>} given.frameView
 * @param {ReturnType<typeof createTubeView>} given.tube
 * @param {ReturnType<typeof createMontage>} given.montage
 * @param {() => void} given.invalidate
 */
function painter(root, { parts, bitmaps, fields, told, frameView, tube, montage, invalidate }) {
  let painted = 0;
  /** What was last drawn where: a turn of the tube leaves the frame as it is. @type {Record<string, string>} */
  const drawn = {};
  /** @param {string} name @param {unknown} wanted @param {() => void} draw */
  const once = (name, wanted, draw) => {
    const key = JSON.stringify(wanted);
    if (drawn[name] !== key) draw();
    drawn[name] = key;
  };
  return (/** @type {Position} */ at) => {
    if (at.mode === "tube" && tube.busy()) return invalidate();
    const stage = at.mode === "tube" ? tube.stage : montage.stage;
    if (stage.parentElement !== parts.beside) parts.beside.replaceChildren(stage);
    const { playing, speed, mode, ...look } = at;
    try {
      const field = fields(at);
      const counted = told(at);
      once("frame", look, () => frameView.draw(at, field));
      const { frame, ...still } = look;
      const width = parts.beside.clientWidth;
      once("timeline", [still, counted !== null, width], () => parts.timeline.draw(bitmaps, counted?.evidence, at));
      if (mode === "tube") tube.draw(at, field);
      else once("montage", [look, width], () => montage.draw(at, field));
      root.dataset.kept = counted ? JSON.stringify(counted.numbers) : "";
    } catch (error) {
      return showError(root, error);
    }
    for (const name of MOVABLE) root.dataset[name] = String(at[name]);
    root.dataset.painted = String(++painted);
    root.dataset.ready = "true";
  };
}
