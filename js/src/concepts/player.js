// The selected exemplar, large, below its row.
import { h, on } from "../shared/dom.js";
import { createSlider } from "../shared/inputs.js";
import { createPlayButton } from "../shared/play_button.js";
import { createClipCanvas } from "./row.js";
import { callOf, clipWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {ReturnType<typeof createPlayer>} Player */

const SIDE = 512; // pixels of the canvas

/**
 * @param {Content} content
 * @param {{play: () => void, close: () => void, move: (name: "frame", value: number) => void, done: () => void}} handlers
 * @param {AbortSignal} signal
 */
export function createPlayer(content, handlers, signal) {
  const canvas = createClipCanvas(content, SIDE);
  canvas.setAttribute("aria-hidden", "true");
  const play = createPlayButton(handlers.play, signal);
  const frames = content.size[0];
  const slider = createSlider("frame", "frame", { max: frames - 1, step: 1 }, handlers, signal);
  const number = h("span", { class: "ne-value" });
  const close = h("button", { type: "button", "data-name": "close", title: "Close (Escape)" }, "close");
  on(close, "click", handlers.close, signal);
  const words = h("div", { class: "ne-clip-words" });
  const bar = h("div", { class: "ne-clip-bar" }, play.button, slider.input, number);
  const element = h(
    "div",
    { class: "ne-large", role: "group", "aria-label": "the clip, large" },
    h("div", { class: "ne-large-clip" }, canvas, bar),
    h("div", {}, words, close),
  );
  return {
    element,
    canvas,
    /** @param {import("./traits.js").ViewState} view @param {number} position of the clip among the exemplars */
    show({ names, selected: [concept, index], playing }, position) {
      play.show(playing);
      const row = content.rows[concept];
      const texts = clipWords(content, row, position, names[concept]);
      const name = h("p", { class: "ne-clip-name" }, content.clips[row.exemplars[position]].name);
      const call = h("p", { class: "ne-hint" }, "In Python: ", h("code", {}, callOf(concept, index)));
      words.replaceChildren(name, ...texts.map((text) => h("p", {}, text)), call);
    },
    /** @param {number} frame */
    showFrame(frame) {
      slider.show(frame, `frame ${frame + 1} of ${frames}`);
      number.textContent = `${frame + 1} of ${frames}`;
    },
  };
}
