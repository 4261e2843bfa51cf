// How the frames show the clip's values: the window of a grey clip as two sliders, the colours of flow as a wheel.
import { h, on } from "../shared/dom.js";
import { createSlider } from "../shared/inputs.js";
import { greyValues } from "../shared/window.js";

/** @typedef {import("../shared/window.js").PictureState} PictureState */
/** @typedef {import("./view_state.js").Handlers} Handlers */

const STOPS = 1000; // of a slider, at most

/** Whole numbers as they are, others with four digits, as in Python. @param {number} value */
const numberText = (value) => String(value % 1 ? Number(value.toPrecision(4)) : value).replace("-", "−");
/** @param {number[]} range */
const rangeText = ([low, high]) => `${numberText(low)} to ${numberText(high)}`;

/**
 * Level and width of the window of a grey clip, in the unit of its values.
 * @param {import("../shared/window.js").GreyValues} values
 * @param {Handlers} handlers
 * @param {(label: string, control: HTMLElement, output: HTMLElement, name: string, note: string) => HTMLElement} row
 * @param {AbortSignal} signal
 */
function createWindow({ range, low, high, step }, handlers, row, signal) {
  const span = high - low || 1;
  const stops = Math.min(STOPS, Math.max(Math.round(span / step), 1));
  let [level, width] = [0, 1];
  // The square gives narrow windows the finer steps. Positions and values are whole multiples of the step.
  const snapped = (/** @type {number} */ value) => Math.round(value / step) * step;
  const move = (/** @type {"level" | "width"} */ name, /** @type {number} */ stop) => {
    if (name === "level") level = low + snapped((span * stop) / stops);
    else width = Math.max(snapped(span * (stop / stops) ** 2), step);
    handlers.move("window", [level - width / 2, level + width / 2]);
  };
  const reset = h("button", { type: "button", "data-name": "reset-window" }, "reset");
  const resetWindow = () => {
    handlers.move("window", null);
    handlers.done();
  };
  on(reset, "click", resetWindow, signal);
  const [levels, widths] = /** @type {const} */ (["level", "width"]).map((name) => {
    const slider = createSlider(
      name,
      `${name} of the window`,
      { max: stops, step: 1 },
      { move, done: handlers.done },
      signal,
    );
    const text = h("span");
    const output = h("span", { class: "ne-value" }, text, name === "width" ? reset : "");
    return { ...slider, text, row: row(name, slider.input, output, `window-${name}`, "of the window") };
  });
  return {
    element: h("div", { role: "group", "aria-label": "Window of the grey values" }, levels.row, widths.row),
    /** @param {{window: number[] | null}} view */
    show({ window }) {
      const shown = window ?? range;
      [level, width] = [(shown[0] + shown[1]) / 2, shown[1] - shown[0]];
      levels.show(Math.round((stops * (level - low)) / span), numberText(level));
      widths.show(Math.round(stops * Math.sqrt(width / span)), numberText(width));
      levels.text.textContent = numberText(level);
      widths.text.textContent = `${numberText(width)} (${rangeText(shown)}) `;
      reset.disabled = window === null;
    },
  };
}

/** Key to the colours of flow. @param {number[]} range of the magnitude */
function createFlowKey(range) {
  const words = `Flow: the hue is the direction, the brightness the magnitude, ${rangeText(range)} from the middle to the rim.`;
  return h("div", { class: "ne-flow" }, h("i", { class: "ne-wheel", "aria-hidden": "true" }), h("span", {}, words));
}

/**
 * Controls of the picture, or nothing for a clip of colours.
 * @param {PictureState | undefined} picture
 * @param {Handlers} handlers
 * @param {Parameters<typeof createWindow>[2]} row
 * @param {AbortSignal} signal
 * @returns {{element: HTMLElement | string, show: (view: {window: number[] | null}) => void}}
 */
export function createPictureControls(picture, handlers, row, signal) {
  const values = greyValues(picture);
  if (values) return createWindow(values, handlers, row, signal);
  const isFlow = picture?.kind === "flow" && picture.range;
  return { element: isFlow ? createFlowKey(isFlow) : "", show() {} };
}
