// The effect of one fill as a bar with its interval, above the bar of the change without any model.
import { h } from "../shared/dom.js";
import { SIGNIFICANT } from "./arrange.js";
import { digitsOf, effectWords, intervalWords, qWords, signedFixed } from "./text.js";

/** @typedef {import("./traits.js").Effect} Effect */

/** Ends of the axis that all charts share. @param {Effect[]} effects @returns {[number, number]} */
export function axisOf(effects) {
  const ends = [0, ...effects.flatMap(({ low, high, value, bar }) => [low, high, value, bar])];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  return high > low ? [low, high] : [0, 1];
}

/**
 * @param {Effect} effect
 * @param {string} question
 * @param {[number, number]} axis
 */
export function createEffectChart(effect, question, [low, high]) {
  const { value, q, bar } = effect;
  const digits = digitsOf(high - low);
  const at = (/** @type {number} */ number) => (100 * (number - low)) / (high - low);
  const span = (/** @type {string} */ kind, /** @type {number} */ from, /** @type {number} */ to) => {
    const part = h("i", { class: `ne-${kind}` });
    part.style.left = `${at(Math.min(from, to))}%`;
    part.style.width = `${at(Math.max(from, to)) - at(Math.min(from, to))}%`;
    return part;
  };
  const sign = value < 0 ? "against" : "for";
  const chart = h(
    "div",
    { class: "ne-chart", "data-sign": sign, "data-sure": String(q <= SIGNIFICANT) },
    span("bar", 0, value),
    span("interval", effect.low, effect.high),
    span("no-model", 0, bar),
    span("zero", 0, 0),
  );
  return h(
    "div",
    { class: "ne-effect", title: effectWords(effect, question, digits) },
    h("span", { class: "ne-question" }, question),
    h("div", { role: "img", "aria-label": effectWords(effect, question, digits) }, chart),
    h("p", {}, h("b", {}, signedFixed(value, digits)), ` ${qWords(q)}`),
    h("p", {}, intervalWords(effect, digits)),
  );
}
