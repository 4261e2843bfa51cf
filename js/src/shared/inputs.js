// A slider whose gesture ends once: on release, or when a key held down comes up. Mouse, touch and keys are the browser's.
import { h, on } from "./dom.js";

/** @typedef {import("../tubes/view_state.js").Movable} Movable */

/**
 * @typedef {Object} Hands what the controls do; the viewer decides what it means
 * @property {(name: Movable, value: number | string | null) => void} move - while a gesture lasts
 * @property {() => void} done - when it has ended
 * @property {() => void} play - start or stop
 */

/**
 * @param {Movable} name
 * @param {string} label
 * @param {{max: number, step: number}} range
 * @param {Hands} hands
 * @param {AbortSignal} signal
 */
export function createSlider(name, label, { max, step }, hands, signal) {
  const input = h("input", { type: "range", "data-name": name, "aria-label": label, min: 0, max, step });
  input.disabled = max === 0;
  let [held, moved] = [false, false];
  const move = () => {
    moved = true;
    hands.move(name, Number(input.value));
  };
  // The hand that goes on to another slider moves that one before this one loses the focus: it has nothing to end then.
  const end = () => {
    if (moved) hands.done();
    moved = false;
  };
  const released = () => {
    held = false;
    end();
  };
  on(input, "input", move, signal);
  on(input, "keydown", () => (held = true), signal);
  on(input, "change", () => held || end(), signal);
  on(input, "keyup", released, signal);
  on(input, "blur", released, signal);
  return {
    input,
    /** @param {number} value @param {string} words */
    show(value, words) {
      if (Number(input.value) !== value) input.value = String(value);
      input.style.setProperty("--ne-done", max ? `${(100 * value) / max}%` : "0%");
      input.setAttribute("aria-valuetext", words);
    },
  };
}

/**
 * A slider over a picture of its stops: stop k of n lies in the middle of the k-th n-th of its width.
 * @param {Movable} name
 * @param {string} label
 * @param {number} stops
 * @param {Hands} hands
 * @param {AbortSignal} signal
 * @param {...HTMLElement} pictures
 */
export function createStrip(name, label, stops, hands, signal, ...pictures) {
  const { input, show } = createSlider(name, label, { max: stops - 1, step: 1 }, hands, signal);
  const head = h("div", { class: "ne-playhead" });
  const element = h("div", { class: `ne-strip ne-strip-${name}` }, ...pictures, head, input);
  element.style.setProperty("--ne-stop", `${100 / stops}%`);
  return {
    element,
    input,
    /** @param {number} value @param {string} words */
    show(value, words) {
      show(value, words);
      head.style.left = `${(100 * value) / stops}%`;
    },
  };
}

/**
 * A choice among a few, as a menu.
 * @param {Movable} name
 * @param {string} label
 * @param {[string, string][]} options value and words
 * @param {Hands} hands
 * @param {(value: string) => number | string | null} read
 * @param {AbortSignal} signal
 */
export function createMenu(name, label, options, hands, read, signal) {
  const select = h("select", { "data-name": name, "aria-label": label });
  for (const [value, words] of options) select.append(h("option", { value }, words));
  on(
    select,
    "change",
    () => {
      hands.move(name, read(select.value));
      hands.done();
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
