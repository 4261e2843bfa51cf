// The steps so far: go back, go forth, show one, pin it, compare two, copy one as Python.
import { h, on } from "../shared/dom.js";
import { percent } from "../shared/text.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */
/** @typedef {import("./traits.js").Step} Step */

/**
 * @param {{goTo: (index: number) => void, pin: (index: number, pinned: boolean) => void, compare: (a: number, b: number) => void}} actions
 * @param {(text: string) => void} say
 * @param {AbortSignal} signal
 */
export function createHistory(actions, say, signal) {
  const list = h("ol", { class: "ne-steps" });
  const compare = h("button", { type: "button", "data-name": "compare" }, "Compare the two marked");
  const code = h("textarea", {
    class: "ne-code",
    readonly: true,
    rows: 6,
    hidden: true,
    "aria-label": "code of the step",
  });
  const summary = h("summary", { "data-name": "history" });
  const drawer = h("details", { class: "ne-drawer" }, summary, list, compare, code);
  const button = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ title) =>
    h("button", { type: "button", "data-name": name, title }, text);
  const undo = button("undo", "↶ undo", "Show the step before (Ctrl+Z)");
  const redo = button("redo", "↷ redo", "Show the step after (Ctrl+Shift+Z)");
  const copyShown = button("copy-code", "copy as Python", "Copy the code of the step shown");
  const buttons = h("span", { class: "ne-undo", role: "group", "aria-label": "History" }, undo, redo, copyShown);
  /** @type {ExplorerState} */
  let state;
  let isOffline = false;
  /** Ids of the steps to compare, the last two marked. @type {number[]} */
  let marked = [];

  /** @param {Step | undefined} step */
  const copy = async (step) => {
    if (!step) return;
    code.value = step.code;
    try {
      await navigator.clipboard.writeText(step.code);
      code.hidden = true;
      say("Code copied.");
    } catch {
      drawer.open = true; // the browser does not allow copying: the code can be selected
      code.hidden = false;
      code.focus();
      code.select();
      say("Copy the code from here.");
    }
  };
  const marks = () => /** @type {HTMLInputElement[]} */ ([...list.querySelectorAll("[data-name=mark]")]);
  const showMarks = () => {
    marked = marked.filter((id) => state.history.some((step) => step.id === id));
    compare.disabled = isOffline || marked.length !== 2;
    for (const box of marks()) box.checked = marked.includes(Number(box.dataset.id));
  };
  const mark = (/** @type {number} */ id) => {
    marked = marked.includes(id) ? marked.filter((other) => other !== id) : [...marked, id].slice(-2);
    showMarks();
  };
  const onCompare = () => {
    const [a, b] = marked.map((id) => state.history.findIndex((step) => step.id === id)).sort((one, two) => one - two);
    actions.compare(a, b);
  };
  /** @param {Step} step @param {number} index */
  const createRow = (step, index) => {
    const { id, words, pinned, top } = step;
    const [label, probability] = top ?? [];
    const best =
      label === undefined || words.includes(label)
        ? ""
        : `${label} ${typeof probability === "number" ? percent(probability) : ""}`;
    const show = h(
      "button",
      { type: "button", "data-name": "show-step", class: "ne-step" },
      h("b", {}, words),
      ` ${best}`,
    );
    if (index === state.step) show.setAttribute("aria-current", "step");
    const pin = button("pin", pinned ? "unpin" : "pin", "A pinned step stays in the list");
    pin.ariaPressed = String(pinned);
    const box = h("input", {
      type: "checkbox",
      "data-name": "mark",
      "data-id": id,
      "aria-label": `compare step ${index + 1}`,
    });
    const python = button("copy-step", "Python", "Copy the code of this step");
    show.disabled = pin.disabled = isOffline;
    on(show, "click", () => actions.goTo(index), signal);
    on(pin, "click", () => actions.pin(index, !pinned), signal);
    on(box, "change", () => mark(id), signal);
    on(python, "click", () => copy(step), signal);
    return h("li", {}, box, show, h("span", {}, pin, python));
  };
  on(compare, "click", onCompare, signal);
  on(undo, "click", () => actions.goTo(state.step - 1), signal);
  on(redo, "click", () => actions.goTo(state.step + 1), signal);
  on(copyShown, "click", () => copy(state.history[state.step]), signal);
  return {
    buttons,
    drawer,
    step: () => state.step,
    canUndo: () => !undo.disabled,
    canRedo: () => !redo.disabled,
    /** @param {ExplorerState} now @param {boolean} offline */
    show(now, offline) {
      const isSame = state && state.history === now.history && state.step === now.step && isOffline === offline;
      state = now;
      isOffline = offline;
      const { history, step } = state;
      undo.disabled = isOffline || step <= 0;
      redo.disabled = isOffline || step >= history.length - 1;
      copyShown.disabled = !history[step]?.code;
      if (isSame) return;
      summary.textContent = `history: step ${Math.min(step + 1, history.length)} of ${history.length}`;
      const active = list.contains(document.activeElement) ? document.activeElement : null;
      const [index, name] = [
        [...list.children].findIndex((row) => row.contains(active)),
        active?.getAttribute("data-name"),
      ];
      list.replaceChildren(...history.map(createRow));
      if (active)
        /** @type {HTMLElement | null} */ (list.children[index]?.querySelector(`[data-name=${name}]`))?.focus();
      showMarks();
    },
  };
}
