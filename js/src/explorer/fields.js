// Inputs for the knobs of a method and the fields of an edit, built from their description.
import { h, on } from "../shared/dom.js";
import { isNumbers } from "../shared/validate.js";

/** @typedef {import("./traits.js").Field} Field */
/** @typedef {{size: number[], layers: string[]}} EditContext the clip that is edited, and names of the network's layers */

/** Half-open span of two numbers that count from 1; null for all frames, where that is the default. @param {number} first @param {number} last @param {number} frames @param {unknown} standard */
export function spanOf(first, last, frames, standard = null) {
  const clamp = (/** @type {number} */ value) => Math.min(Math.max(Math.round(value) || 1, 1), frames);
  const [a, b] = [clamp(first), clamp(last)].sort((one, other) => one - other);
  return standard === null && a === 1 && b === frames ? null : [a - 1, b];
}

/** Whole numbers of a list, "0, 3, 7". @param {string} text */
export const readNumbers = (text) => (text.match(/\d+/g) ?? []).map(Number);

const pixels = ["left", "top", "right", "bottom"];

/**
 * An input with its label.
 * @param {Field} field
 * @param {any} value
 * @param {EditContext} context
 * @param {(value: any) => void} changed
 * @param {AbortSignal} signal
 */
export function createField(field, value, { size: [frames, height, width], layers }, changed, signal) {
  const { name, kind, low, high, help, value: standard } = field;
  const label = name.replaceAll("_", " ");
  /** @param {Record<string, any>} attributes */
  const input = (attributes) => {
    const element = h("input", { "data-name": name, "aria-label": label, ...attributes });
    on(element, "change", () => changed(read()), signal);
    return element;
  };
  /** @param {string} part @param {number} initial @param {number} least @param {number} most */
  const number = (part, initial, least, most) =>
    input({ type: "number", min: least, max: most, value: initial, "aria-label": `${label}: ${part}` });
  /** @param {HTMLInputElement} element @param {any} fallback */
  const numberOf = (element, fallback) => {
    const entered = element.valueAsNumber;
    if (!Number.isFinite(entered)) return fallback;
    const clamped = Math.min(Math.max(entered, low ?? entered), high ?? entered);
    return kind === "number" ? clamped : Math.round(clamped);
  };
  let read = /** @type {() => any} */ (() => value);
  /** @type {(HTMLElement | string)[]} */
  let controls;
  if (kind === "flag") {
    const box = input({ type: "checkbox" });
    box.checked = value === true;
    read = () => box.checked;
    controls = [box];
  } else if (kind === "choice" || kind === "layer") {
    const select = h("select", { "data-name": name, "aria-label": label });
    const choices = kind === "layer" ? layers : (field.choices ?? []).map(String);
    for (const choice of choices) select.append(h("option", { value: choice }, choice));
    select.value = String(value ?? choices[choices.length - 1]);
    on(select, "change", () => changed(read()), signal);
    read = () => select.value;
    controls = [select];
  } else if (kind === "frames") {
    const [from, to] = isNumbers(value, 2) ? value : [0, frames];
    const [first, last] = [number("from", from + 1, 1, frames), number("to", to, 1, frames)];
    read = () => spanOf(first.valueAsNumber, last.valueAsNumber, frames, standard);
    controls = [first, " to ", last];
  } else if (kind === "frame") {
    const box = number(`1 to ${frames}`, (value ?? 0) + 1, 1, frames);
    read = () => Math.min(Math.max(Math.round(box.valueAsNumber) || 1, 1), frames) - 1;
    controls = [box];
  } else if (kind === "region") {
    const sides = isNumbers(value, 4)
      ? value
      : [width / 4, height / 4, (3 * width) / 4, (3 * height) / 4].map(Math.round);
    const boxes = pixels.map((side, k) => number(side, sides[k], 0, k % 2 ? height : width));
    read = () => boxes.map((box) => Math.round(box.valueAsNumber) || 0);
    controls = boxes;
  } else if (kind === "channels" || kind === "text") {
    const box = input({ type: "text", value: [value ?? ""].flat().join(", ") });
    if (kind === "channels") box.placeholder = "0, 3, 7";
    const given = () => (kind === "channels" ? readNumbers(box.value) : box.value);
    read = () => (box.value.trim() ? given() : standard);
    controls = [box];
  } else {
    const box = input({
      type: "number",
      step: kind === "whole" ? 1 : "any",
      min: low ?? undefined,
      max: high ?? undefined,
    });
    box.value = String(value ?? "");
    read = () => numberOf(box, standard);
    controls = [box];
  }
  const element = h(
    "div",
    { class: `ne-knob ne-knob-${kind}` },
    h("span", { class: "ne-knob-name" }, label),
    ...controls,
  );
  if (help) element.append(h("small", {}, help));
  return { element, read: () => read() };
}
