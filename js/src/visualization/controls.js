// Heading, toolbar and caveats around the cards.
import { h, on } from "../shared/dom.js";
import { createSlider } from "../shared/inputs.js";
import { createPlayButton } from "../shared/play_button.js";
import { lastStep } from "./traits.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Movable} Movable */

/** "step 40 of 120", or "preview 3 of 8" if the made clips have different steps. @param {Content} content @param {number} step */
export function shownStep({ rows }, step) {
  const [{ steps }, ...others] = rows;
  const isSame = others.every((row) => row.steps.join() === steps.join());
  return isSame ? `step ${steps[step]} of ${steps[steps.length - 1]}` : `preview ${step + 1} of ${lastStep(rows) + 1}`;
}

/**
 * @param {Content} content
 * @param {import("../shared/inputs.js").Handlers<Movable> & {flip: () => void}} handlers
 * @param {AbortSignal} signal
 */
export function createControls(content, handlers, signal) {
  const { title, caveats, rows, size } = content;
  const play = createPlayButton(handlers.play, signal);
  const steps = lastStep(rows);
  const frame = createSlider("frame", "frame", { max: size[0] - 1, step: 1 }, handlers, signal);
  const step = createSlider("step", "step of the optimisation", { max: steps, step: 1 }, handlers, signal);
  const [frameText, stepText] = [h("span", { class: "ne-value" }), h("span", { class: "ne-value" })];
  const hasFlow = rows.some(({ flow }) => flow);
  const about = hasFlow
    ? "How pixels move from this frame to the next (key: a)"
    : "These clips were made without a flow";
  const arrows = h("button", { type: "button", "data-name": "arrows", title: about, disabled: !hasFlow }, "arrows");
  on(arrows, "click", handlers.flip, signal);
  return {
    head: h("p", { class: "ne-title", hidden: !title }, title),
    bar: h(
      "div",
      { class: "ne-bar", role: "toolbar", "aria-label": "playback and steps" },
      play.button,
      h("label", {}, frame.input, frameText),
      h("label", { hidden: !steps }, step.input, stepText),
      arrows,
    ),
    caveats: h(
      "div",
      { class: "ne-caveats", hidden: !caveats.length },
      h("ul", {}, ...caveats.map((text) => h("li", {}, text))),
    ),
    /** Text that screen readers announce when a gesture has ended. */
    summary: () => [frameText, ...(steps ? [stepText] : [])].map(({ textContent }) => textContent).join(", "),
    /** @param {number} value */
    showFrame(value) {
      frameText.textContent = `frame ${value + 1} of ${size[0]}`;
      frame.show(value, frameText.textContent);
    },
    /** @param {import("./traits.js").ViewState} view */
    show(view) {
      this.showFrame(view.frame);
      play.show(view.playing);
      stepText.textContent = shownStep(content, view.step);
      step.show(view.step, stepText.textContent);
      arrows.setAttribute("aria-pressed", String(view.arrows && hasFlow));
    },
  };
}
