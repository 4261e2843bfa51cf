// The name of a concept, which readers can type.
import { h, on } from "../shared/dom.js";
import { checkName, MAX_NAME } from "./text.js";

/**
 * @param {number} concept
 * @param {() => string[]} getNames
 * @param {(name: string) => void} rename called once with a new, valid name
 * @param {AbortSignal} signal
 */
export function createNameInput(concept, getNames, rename, signal) {
  const input = h("input", {
    type: "text",
    class: "ne-name",
    "data-name": "name",
    "aria-label": `name of concept ${concept + 1}`,
    dir: "auto",
    maxlength: MAX_NAME,
    autocomplete: "off",
    spellcheck: "false",
  });
  const problem = h("span", { class: "ne-problem", role: "alert" });
  const showProblem = (/** @type {string} */ text) => {
    problem.textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  const show = () => {
    const name = getNames()[concept];
    if (input.value !== name) input.value = name;
    input.title = `${name}: type another name, it is kept with the concepts`;
    showProblem("");
  };
  const take = () => {
    const found = checkName(input.value, getNames(), concept);
    if ("problem" in found) return showProblem(found.problem);
    if (found.name !== getNames()[concept]) rename(found.name);
    show();
  };
  on(input, "change", take, signal);
  const onKey = (/** @type {KeyboardEvent} */ { key }) => {
    if (key === "Enter") take();
    if (key === "Escape") show();
  };
  on(input, "keydown", onKey, signal);
  on(input, "input", () => showProblem(""), signal);
  return {
    element: h("div", { class: "ne-naming" }, input, problem),
    /** Show the name of the model, unless the reader is typing. */
    show() {
      if (!input.matches(":focus")) show();
    },
  };
}
