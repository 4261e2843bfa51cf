// CompareViewer: two tube viewers of one clip side by side. They share the frame, the play and the camera; the layer, the
// threshold and the class are each side's own, unless they are linked.

import { followScheme, h, listen, on, whenOver } from "../shared/dom.js";
import createTubeViewer from "../tubes/index.js";
import { explained, verdict } from "../tubes/text.js";
import { CONTENT, readContent, StateError } from "../tubes/traits.js";
import { readPosition } from "../tubes/view_state.js";
import { Orbit } from "../tubes/volume/camera.js";
import { sidesOf } from "./side_model.js";

/** @typedef {import("./side_model.js").CompareModel} CompareModel */
/** @typedef {ReturnType<typeof sidesOf>} Sides */

const PLACES = ["first", "second"];
/** What the words above the sides speak of. */
const NAMED = [...CONTENT, "layer", "target", "against", "course"];

/** What a side shows now, in words; nothing where it cannot be read (its viewer says why). @param {Sides[0]} side */
function shownBy(side) {
  try {
    const content = readContent(side);
    const at = readPosition(side, content);
    return [verdict({ ...explained(content, at), rival: null }), `layer ${content.layers[at.layer].name}`];
  } catch (error) {
    if (error instanceof StateError) return ["", ""];
    throw error;
  }
}

/** Show now, and whenever what either side shows is another. @param {Sides} sides @param {() => void} show @param {AbortSignal} signal */
function follow(sides, show, signal) {
  for (const side of sides) for (const name of NAMED) listen(side, `change:${name}`, show, signal);
  show();
}

/** A place above each side: its title, and what it shows that the other does not. @param {CompareModel} model @param {Sides} sides @param {AbortSignal} signal */
function createHeadings(model, sides, signal) {
  const groups = sides.map(() => {
    const [title, differs] = [h("b", {}), h("span", {})];
    const heading = h("p", { class: "ne-side-title" }, title, differs);
    return { title, differs, heading, element: h("div", { class: "ne-side", role: "group" }, heading) };
  });
  const show = () => {
    const shown = sides.map(shownBy);
    const titles = model.get("titles") ?? [];
    for (const [k, { title, differs, heading, element }] of groups.entries()) {
      const own = shown[k].filter((words, part) => words && words !== shown[1 - k][part]);
      title.textContent = typeof titles[k] === "string" ? titles[k] : "";
      differs.textContent = own.join(", ");
      heading.hidden = !title.textContent && own.length === 0;
      const words = [`${PLACES[k]} explanation`, title.textContent, ...own];
      element.setAttribute("aria-label", words.filter(Boolean).join(", "));
    }
  };
  listen(model, "change:titles", show, signal);
  follow(sides, show, signal);
  return groups.map(({ element }) => element);
}

/** The switch that makes both sides move as one. @param {CompareModel} model @param {Sides} sides @param {AbortSignal} signal */
function createLink(model, sides, signal) {
  const box = h("input", { type: "checkbox", "data-name": "linked" });
  const show = () => {
    box.checked = model.get("linked") === true;
  };
  const choose = () => {
    model.set("linked", box.checked);
    if (box.checked) for (const name of ["layer", "threshold"]) sides[1].follow(sides[0], name);
    try {
      model.save_changes();
    } catch {
      // The kernel is gone. The view lives without it.
    }
  };
  on(box, "change", choose, signal);
  listen(model, "change:linked", show, signal);
  show();
  return h("label", {}, box, " one layer and threshold for both, where both have that layer");
}

/** What cannot be compared: colours, and lanes where both sides draw one. @param {Sides} sides @param {AbortSignal} signal */
function createNote(sides, signal) {
  const note = h("span");
  const show = () => {
    const drawn = sides.every((side) => side.get("course") !== null && side.get("courses")?.length);
    const what = drawn ? "colours and lines beneath the evidence" : "colours";
    note.textContent = `Each side is on its own scale: ${what} cannot be compared.`;
  };
  follow(sides, show, signal);
  return note;
}

/** Keys on the switch are the viewers' as well: the first one answers. @param {HTMLElement} head @param {HTMLElement} first @param {AbortSignal} signal */
function passKeys(head, first, signal) {
  const pass = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Tab" || event.key === "Escape") return;
    event.stopPropagation(); // a letter here must not be a command of the notebook
    if (event.key === " " || event.key === "Enter") return;
    const { key, shiftKey, repeat } = event;
    const again = new KeyboardEvent(event.type, { key, shiftKey, repeat, cancelable: true });
    if (!first.querySelector(".ne-tubes")?.dispatchEvent(again)) event.preventDefault();
  };
  for (const type of /** @type {const} */ (["keydown", "keyup"])) on(head, type, pass, signal);
}

export default () => ({
  /** @param {{model: CompareModel, el: HTMLElement, signal?: AbortSignal}} given */
  render({ model, el, signal }) {
    const life = new AbortController();
    const end = () => life.abort();
    if (signal?.aborted) return end;
    signal?.addEventListener("abort", end, { once: true, signal: life.signal });
    const sides = sidesOf(model);
    const places = createHeadings(model, sides, life.signal);
    const head = h(
      "div",
      { class: "ne-compare-head" },
      createLink(model, sides, life.signal),
      createNote(sides, life.signal),
    );
    passKeys(head, places[0], life.signal);
    const root = h("div", { class: "ne-compare", role: "group", "aria-label": "Two explanations of one clip" });
    root.append(head, h("div", { class: "ne-pair" }, ...places));
    el.append(root);
    followScheme(root, el);
    whenOver(life.signal, () => root.remove());
    const orbit = new Orbit();
    for (const [k, side] of sides.entries())
      createTubeViewer().render({ model: side, el: places[k], signal: life.signal, orbit });
    return end;
  },
});
