// The heading of each side: its title, what differs from the other sides, and, if the clips differ, the frame that it shows.

import { h, listen } from "../shared/dom.js";
import { StateError } from "../shared/validate.js";
import { explained, frameWords, layerPhrase, verdict } from "../tubes/text.js";
import { CONTENT, readContent } from "../tubes/traits.js";
import { readViewState } from "../tubes/view_state.js";

/** @typedef {import("./side_model.js").CompareModel} CompareModel */
/** @typedef {import("./side_model.js").Side} Side */

const ORDINALS = ["first", "second", "third", "fourth"];
const COUNTS = ["no", "one", "two", "three", "four"];
/** Traits that the description of a side depends on. */
const DESCRIBED = [...CONTENT, "layer", "target", "against", "threshold", "frame_signal"];

/** What a side shows; null if its traits are malformed (its viewer says why). @param {Side} side */
export function readSide(side) {
  try {
    const content = readContent(side);
    return { content, view: readViewState(side, content) };
  } catch (error) {
    if (error instanceof StateError) return null;
    throw error;
  }
}

/** Call `show` now and whenever a side shows something else. @param {Side[]} sides @param {() => void} show @param {AbortSignal} signal */
export function followSides(sides, show, signal) {
  for (const side of sides) for (const name of DESCRIBED) listen(side, `change:${name}`, show, signal);
  show();
}

/** Title of each side; malformed ones are empty. @param {CompareModel} model @param {number} count */
function titlesOf(model, count) {
  const titles = model.get("titles");
  return Array.from({ length: count }, (_, k) => (typeof titles?.[k] === "string" ? titles[k] : ""));
}

/** Title of each side, or what it is called without one. @param {CompareModel} model @param {number} count */
export const namesOf = (model, count) => titlesOf(model, count).map((title, k) => title || ORDINALS[k]);

/** Name of the whole comparison. @param {CompareModel} model @param {number} count */
export const comparisonName = (model, count) =>
  titlesOf(model, count).filter(Boolean).join(" and ") || `${COUNTS[count]} explanations`;

/** "frame 5 of 16 · 0.33 s" of a side's own clip; empty if it is malformed. @param {Side} side */
export function sideFrameWords(side) {
  const [size, times, frame] = [side.get("size"), side.get("times"), side.get("frame")];
  return Array.isArray(size) && Array.isArray(times) && Number.isInteger(frame)
    ? frameWords({ size, times }, frame)
    : "";
}

/** Prediction and layer that a side shows; empty if it is malformed. @param {Side} side */
function describeSide(side) {
  const shown = readSide(side);
  if (!shown) return ["", ""];
  const { content, view } = shown;
  return [verdict({ ...explained(content, view), rival: null }), layerPhrase(content.layers[view.layer])];
}

/**
 * The element of each side, with its heading.
 * @param {CompareModel} model
 * @param {Side[]} sides
 * @param {AbortSignal} signal
 */
export function createHeadings(model, sides, signal) {
  const groups = sides.map(() => {
    const [title, differences, frame] = [h("b", {}), h("span", {}), h("span", { class: "ne-side-frame" })];
    const heading = h("p", { class: "ne-side-title" }, title, differences, frame);
    return { title, differences, frame, heading, element: h("div", { class: "ne-side", role: "group" }, heading) };
  });
  const show = () => {
    const descriptions = sides.map(describeSide);
    const titles = titlesOf(model, sides.length);
    for (const [k, { title, differences, heading, element }] of groups.entries()) {
      const different = descriptions[k].filter(
        (text, part) => text && descriptions.some((other) => other[part] !== text),
      );
      title.textContent = titles[k];
      differences.textContent = different.join(", ");
      heading.hidden = !titles[k] && different.length === 0 && model.get("alignment") === "clip";
      const label = [`${ORDINALS[k]} explanation`, titles[k], ...different];
      element.setAttribute("aria-label", label.filter(Boolean).join(", "));
    }
  };
  const showFrames = () => {
    const hasOwnFrames = model.get("alignment") !== "clip";
    for (const [k, { frame }] of groups.entries()) frame.textContent = hasOwnFrames ? sideFrameWords(sides[k]) : "";
  };
  for (const name of ["titles", "alignment"]) listen(model, `change:${name}`, show, signal);
  for (const name of ["frame", "clips", "alignment"]) listen(model, `change:${name}`, showFrames, signal);
  followSides(sides, show, signal);
  showFrames();
  return groups.map(({ element }) => element);
}
