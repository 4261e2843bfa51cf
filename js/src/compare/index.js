// CompareViewer: two tube viewers of one clip side by side. They share frame, playback and camera; layer, threshold and
// class are separate, unless they are linked.

import { followScheme, h, listen, on, onAbort } from "../shared/dom.js";
import { registerModel } from "../shared/live_models.js";
import { StateError } from "../shared/validate.js";
import createTubeViewer from "../tubes/index.js";
import { explained, verdict } from "../tubes/text.js";
import { CONTENT, readContent } from "../tubes/traits.js";
import { readViewState } from "../tubes/view_state.js";
import { Orbit } from "../tubes/volume/camera.js";
import { createSides } from "./side_model.js";

/** @typedef {import("./side_model.js").CompareModel} CompareModel */
/** @typedef {ReturnType<typeof createSides>} Sides */

const ORDINALS = ["first", "second"];
/** Traits that the headings depend on. */
const HEADING_TRAITS = [...CONTENT, "layer", "target", "against", "frame_signal"];

/** Prediction and layer that a side shows, as strings; empty if its traits are malformed (its viewer says why). @param {Sides[0]} side */
function describeSide(side) {
  try {
    const content = readContent(side);
    const view = readViewState(side, content);
    return [verdict({ ...explained(content, view), rival: null }), `layer ${content.layers[view.layer].name}`];
  } catch (error) {
    if (error instanceof StateError) return ["", ""];
    throw error;
  }
}

/** Call `show` now and whenever a side shows something else. @param {Sides} sides @param {() => void} show @param {AbortSignal} signal */
function followSides(sides, show, signal) {
  for (const side of sides) for (const name of HEADING_TRAITS) listen(side, `change:${name}`, show, signal);
  show();
}

/** Titles of both sides; malformed ones are empty. @param {CompareModel} model */
const titlesOf = (model) =>
  [0, 1].map((k) => (typeof model.get("titles")?.[k] === "string" ? model.get("titles")[k] : ""));

/** Headings of the sides: the title, and what differs from the other side. @param {CompareModel} model @param {Sides} sides @param {AbortSignal} signal */
function createHeadings(model, sides, signal) {
  const groups = sides.map(() => {
    const [title, differences] = [h("b", {}), h("span", {})];
    const heading = h("p", { class: "ne-side-title" }, title, differences);
    return { title, differences, heading, element: h("div", { class: "ne-side", role: "group" }, heading) };
  });
  const show = () => {
    const descriptions = sides.map(describeSide);
    const titles = titlesOf(model);
    for (const [k, { title, differences, heading, element }] of groups.entries()) {
      const different = descriptions[k].filter((text, part) => text && text !== descriptions[1 - k][part]);
      title.textContent = titles[k];
      differences.textContent = different.join(", ");
      heading.hidden = !titles[k] && different.length === 0;
      const label = [`${ORDINALS[k]} explanation`, titles[k], ...different];
      element.setAttribute("aria-label", label.filter(Boolean).join(", "));
    }
  };
  listen(model, "change:titles", show, signal);
  followSides(sides, show, signal);
  return groups.map(({ element }) => element);
}

/** Checkbox that links layer and threshold of both sides. @param {CompareModel} model @param {Sides} sides @param {AbortSignal} signal */
function createLinkBox(model, sides, signal) {
  const box = h("input", { type: "checkbox", "data-name": "linked" });
  const show = () => {
    box.checked = model.get("linked") === true;
  };
  const onChange = () => {
    model.set("linked", box.checked);
    if (box.checked) for (const name of ["layer", "threshold"]) sides[1].copyFrom(sides[0], name);
    try {
      model.save_changes();
    } catch {
      // The kernel is gone; the view works without it.
    }
  };
  on(box, "change", onChange, signal);
  listen(model, "change:linked", show, signal);
  show();
  return h("label", {}, box, " same threshold and layer on both sides, if both have the layer");
}

/** Note on what cannot be compared: colours, and the lanes if both sides draw one. @param {Sides} sides @param {AbortSignal} signal */
function createNote(sides, signal) {
  const note = h("span");
  const show = () => {
    const haveLanes = sides.every((side) => side.get("frame_signal") !== null && side.get("frame_signals")?.length);
    note.textContent = `Each side has its own scale: do not compare colours${haveLanes ? " or plotted signals" : ""}.`;
  };
  followSides(sides, show, signal);
  return note;
}

/** Forward keys pressed in the header to the first viewer. @param {HTMLElement} header @param {HTMLElement} first @param {AbortSignal} signal */
function forwardKeys(header, first, signal) {
  const forward = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation(); // keep letters from the notebook, where they are commands
    if (event.key === " " || event.key === "Enter") return;
    const { key, shiftKey, repeat } = event;
    const copy = new KeyboardEvent(event.type, { key, shiftKey, repeat, cancelable: true });
    if (!first.querySelector(".ne-tubes")?.dispatchEvent(copy)) event.preventDefault();
  };
  for (const type of /** @type {const} */ (["keydown", "keyup"])) on(header, type, forward, signal);
}

export default () => ({
  initialize: registerModel,
  /** @param {{model: CompareModel, el: HTMLElement, signal?: AbortSignal}} host */
  render({ model, el, signal }) {
    const lifetime = new AbortController();
    const end = () => lifetime.abort();
    if (signal?.aborted) return end;
    signal?.addEventListener("abort", end, { once: true, signal: lifetime.signal });
    const sides = createSides(model);
    const elements = createHeadings(model, sides, lifetime.signal);
    const header = h(
      "div",
      { class: "ne-compare-head" },
      createLinkBox(model, sides, lifetime.signal),
      createNote(sides, lifetime.signal),
    );
    forwardKeys(header, elements[0], lifetime.signal);
    const root = h("div", { class: "ne-compare", role: "group" });
    const showLabel = () =>
      root.setAttribute("aria-label", titlesOf(model).filter(Boolean).join(" and ") || "two explanations");
    listen(model, "change:titles", showLabel, lifetime.signal);
    showLabel();
    root.append(header, h("div", { class: "ne-pair" }, ...elements));
    el.append(root);
    followScheme(root, el);
    onAbort(lifetime.signal, () => root.remove());
    const orbit = new Orbit();
    for (const [k, side] of sides.entries())
      createTubeViewer().render({ model: side, el: elements[k], signal: lifetime.signal, orbit });
    return end;
  },
});
