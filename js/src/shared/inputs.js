// Sliders and menus. A slider's gesture ends once: on release of the pointer, or when a held key comes up.
import { h, on } from "./dom.js";

/** Direction of each arrow key: right and down. @type {Record<string, number[]>} */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Whether a key belongs to the browser or the notebook. @param {KeyboardEvent} event */
export const isForeignKey = ({ key, shiftKey, ctrlKey, metaKey, altKey }) =>
  ctrlKey || metaKey || altKey || key === "Tab" || (key === "Enter" && shiftKey);

/**
 * Actions of the controls on the view.
 * @template {string} Name traits that controls change
 * @typedef {Object} Handlers
 * @property {(name: Name, value: any) => void} move - a control has moved; the gesture goes on
 * @property {() => void} done - the gesture has ended
 * @property {() => void} play - start or stop
 */

/**
 * @template {string} Name
 * @param {Name} name
 * @param {string} label
 * @param {{max: number, step: number}} range
 * @param {Pick<Handlers<Name>, "move" | "done">} handlers
 * @param {AbortSignal} signal
 */
export function createSlider(name, label, { max, step }, handlers, signal) {
  const input = h("input", { type: "range", "data-name": name, "aria-label": label, min: 0, max, step });
  input.disabled = max === 0;
  let [isKeyDown, hasMoved] = [false, false];
  const move = () => {
    hasMoved = true;
    handlers.move(name, Number(input.value));
  };
  // A pointer that goes on to another slider moves that one before this one loses the focus: then nothing is left to end.
  const end = () => {
    if (hasMoved) handlers.done();
    hasMoved = false;
  };
  const release = () => {
    isKeyDown = false;
    end();
  };
  on(input, "input", move, signal);
  on(input, "keydown", () => (isKeyDown = true), signal);
  on(input, "change", () => isKeyDown || end(), signal);
  on(input, "keyup", release, signal);
  on(input, "blur", release, signal);
  return {
    input,
    /** @param {number} value @param {string} text the value for screen readers */
    show(value, text) {
      if (Number(input.value) !== value) input.value = String(value);
      input.style.setProperty("--ne-done", max ? `${(100 * value) / max}%` : "0%");
      input.setAttribute("aria-valuetext", text);
    },
  };
}

/**
 * A slider over a picture of its stops: stop k of n is centred on the k-th n-th of the width.
 * @template {string} Name
 * @param {Name} name
 * @param {string} label
 * @param {number} stops
 * @param {Pick<Handlers<Name>, "move" | "done">} handlers
 * @param {AbortSignal} signal
 * @param {...HTMLElement} pictures
 */
export function createStrip(name, label, stops, handlers, signal, ...pictures) {
  const { input, show } = createSlider(name, label, { max: stops - 1, step: 1 }, handlers, signal);
  const head = h("div", { class: "ne-playhead" });
  const element = h("div", { class: `ne-strip ne-strip-${name}` }, ...pictures, head, input);
  element.style.setProperty("--ne-stop", `${100 / stops}%`);
  return {
    element,
    input,
    /** @param {number} value @param {string} text the value for screen readers */
    show(value, text) {
      show(value, text);
      head.style.left = `${(100 * value) / stops}%`;
    },
  };
}

/**
 * A drop-down menu.
 * @template {string} Name
 * @param {Name} name
 * @param {string} label
 * @param {[string, string][]} options value and text of each
 * @param {Pick<Handlers<Name>, "move" | "done">} handlers
 * @param {(value: string) => number | string | null} parse option value to trait value
 * @param {AbortSignal} signal
 */
export function createMenu(name, label, options, handlers, parse, signal) {
  const select = h("select", { "data-name": name, "aria-label": label });
  for (const [value, text] of options) select.append(h("option", { value }, text));
  on(
    select,
    "change",
    () => {
      handlers.move(name, parse(select.value));
      handlers.done();
    },
    signal,
  );
  return {
    select,
    /** @param {number | string | null} value */
    show(value) {
      if (select.value !== String(value)) select.value = String(value);
    },
  };
}
