// TubeViewer: where in space and time a network found its evidence, to be moved through by hand. This file wires the
// parts together; state.js says what is shown, commit.js what the kernel hears.
import { VIEWS } from "./camera.js";
import { createCommits } from "./commit.js";
import { createControls } from "./controls.js";
import { createScheduler, h, listen } from "./dom.js";
import { kept, summarise } from "./evidence.js";
import { createFrameView, decodeFrames } from "./frame_canvas.js";
import { addKeyboard } from "./keyboard.js";
import { createPlayer } from "./player.js";
import { CONTENT, MOVABLE, mapOf, readContent, readPosition } from "./state.js";
import { plan } from "./stretch.js";
import { createTubeView } from "./tube_canvas.js";
import { keptWords, positionWords } from "./words.js";

/** @typedef {import("./state.js").TubeModel} TubeModel */
/** @typedef {import("./state.js").Content} Content */
/** @typedef {import("./state.js").Position} Position */

const COUNT_AFTER = 120; // ms of rest before the evidence of a layer not met before is counted

/** Say what is wrong where the view would be. @param {HTMLElement} root @param {unknown} error */
function showError(root, error) {
  const words = error instanceof Error ? error.message : String(error);
  delete root.dataset.ready;
  root.dataset.error = "true";
  root.replaceChildren(h("p", { class: "ne-error", role: "alert" }, `This view cannot be drawn: ${words}.`));
}

/**
 * Counts what a threshold keeps. A layer's map is gone through once, when the hand rests; then every threshold is at hand.
 * @param {Content} content
 * @param {AbortSignal} signal
 * @param {() => void} counted
 */
function createCounter(content, signal, counted) {
  /** @type {Map<string, import("./evidence.js").Summary>} */
  const summaries = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return (/** @type {Position} */ at) => {
    const key = `${at.layer} ${at.target}`;
    const summary = summaries.get(key);
    clearTimeout(timer);
    if (summary) return keptWords(content.targets[at.target].name, kept(summary, at.threshold));
    timer = setTimeout(() => {
      const { shape, geometry } = content.layers[at.layer];
      summaries.set(key, summarise(plan(content.size, shape, geometry), mapOf(content, at.layer, at.target)));
      counted();
    }, COUNT_AFTER);
    return "";
  };
}

/**
 * Everything about one content of the model, until the signal aborts.
 * @param {TubeModel} model
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {import("./camera.js").Camera} camera
 * @param {AbortSignal} signal
 */
function mount(model, root, content, camera, signal) {
  const commits = createCommits(model, signal);
  const position = () => readPosition(model, content);
  /** @type {((at: Position) => void) | undefined} */
  let paint;
  const invalidate = createScheduler(() => paint?.(position()), signal);

  const live = h("p", { class: "ne-live", "aria-live": "polite" });
  const counter = createCounter(content, signal, () => show());
  let words = "";
  const show = () => {
    const at = position();
    controls.show(at);
    words = counter(at);
    controls.showKept(words || "counting the evidence …");
  };
  /** @param {"frame" | "layer" | "threshold" | "target"} name @param {number} value */
  const move = (name, value) => commits.set(name, value);
  const done = () => {
    commits.commit();
    const spoken = positionWords(content, position(), words);
    if (!position().playing && live.textContent !== spoken) live.textContent = spoken;
  };
  const play = () => {
    commits.set("playing", !position().playing);
    commits.commit();
  };
  const controls = createControls(content, { move, done, play }, signal);
  addKeyboard(root, { ...keysFor(position, content, move), play, done, frames: content.size[0] }, signal);
  const beat = createPlayer(
    position,
    content,
    (frame) => {
      move("frame", frame);
      commits.commitAtMost();
    },
    signal,
  );

  for (const name of MOVABLE) {
    const changed = () => {
      if (!commits.setting()) commits.heard(name);
      if (name === "frame" || name === "playing") beat();
      show();
      invalidate();
    };
    listen(model, `change:${name}`, changed, signal);
  }

  const canvas = h("canvas", {
    class: "ne-frame",
    role: "img",
    "aria-label": "The frame, with the evidence found in it",
  });
  canvas.style.aspectRatio = `${content.size[2]} / ${content.size[1]}`;
  const stages = h("div", { class: "ne-stages" }, h("div", { class: "ne-stage ne-stage-frame" }, canvas));
  root.append(controls.head, stages, controls.rows, live);
  show();
  beat();

  decodeFrames(content.frames)
    .then((bitmaps) => {
      const close = () => {
        for (const bitmap of bitmaps) bitmap.close();
      };
      if (signal.aborted) return close();
      signal.addEventListener("abort", close, { once: true });
      const frameView = createFrameView(canvas, content, bitmaps);
      const tube = createTubeView({ content, bitmaps, camera, root, invalidate, signal });
      stages.append(tube.stage);
      paint = painter(root, content, frameView, tube, invalidate);
      invalidate();
    })
    .catch((error) => signal.aborted || showError(root, error));
}

/** @param {() => Position} position @param {Content} content @param {(name: "frame" | "layer" | "threshold", value: number) => void} move */
function keysFor(position, content, move) {
  const most = { frame: content.size[0] - 1, layer: content.layers.length - 1, threshold: 1 };
  return {
    /** @param {"frame" | "layer" | "threshold"} name @param {number} by */
    step(name, by) {
      const to = Math.min(Math.max(position()[name] + by, 0), most[name]);
      move(name, name === "threshold" ? Math.round(to * 100) / 100 : to);
    },
    /** @param {number} frame */
    go: (frame) => move("frame", frame),
  };
}

/**
 * @param {HTMLElement} root
 * @param {Content} content
 * @param {ReturnType<typeof createFrameView>} frameView
 * @param {ReturnType<typeof createTubeView>} tube
 * @param {() => void} invalidate
 */
function painter(root, content, frameView, tube, invalidate) {
  let painted = 0;
  let framed = ""; // a turn of the tube leaves the frame as it is
  return (/** @type {Position} */ at) => {
    if (tube.busy()) return invalidate();
    try {
      const wanted = JSON.stringify([at.frame, at.layer, at.threshold, at.target]);
      if (framed !== wanted) frameView.draw(at, mapOf(content, at.layer, at.target));
      framed = wanted;
      tube.draw(at);
    } catch (error) {
      return showError(root, error);
    }
    for (const name of /** @type {const} */ (["frame", "layer", "threshold", "target"]))
      root.dataset[name] = String(at[name]);
    root.dataset.painted = String(++painted);
    root.dataset.ready = "true";
  };
}

export default () => ({
  /** @param {{model: TubeModel, el: HTMLElement, signal?: AbortSignal}} given */
  render({ model, el, signal }) {
    const life = new AbortController();
    const camera = { ...VIEWS.reset };
    let scene = new AbortController();
    const show = () => {
      scene.abort();
      scene = new AbortController();
      const own = scene.signal;
      const root = h("div", { class: "ne-tubes", role: "group", tabindex: -1, "aria-label": "Saliency tubes" });
      own.addEventListener("abort", () => root.remove(), { once: true });
      el.append(root);
      try {
        const content = readContent(model);
        if (content.title) root.setAttribute("aria-label", `Saliency tubes: ${content.title}`);
        mount(model, root, content, camera, own);
      } catch (error) {
        showError(root, error);
      }
    };
    // Python may replace several parts one after the other; they belong together only when the last has come.
    let waiting = false;
    const replaced = () => {
      if (waiting) return;
      waiting = true;
      queueMicrotask(() => {
        waiting = false;
        if (!life.signal.aborted) show();
      });
    };
    for (const name of CONTENT) listen(model, `change:${name}`, replaced, life.signal);
    life.signal.addEventListener("abort", () => scene.abort(), { once: true });
    const end = () => life.abort();
    if (signal?.aborted) return end;
    signal?.addEventListener("abort", end, { once: true, signal: life.signal });
    show();
    return end;
  },
});
