// Keyboard control while the focus is in the view: space plays, arrow keys step through frames and layers.
import { on } from "../shared/dom.js";
import { CHOICES, SPEEDS } from "./view_state.js";

/** @typedef {import("./view_state.js").ViewState} ViewState */
/** @typedef {import("./view_state.js").Movable} Movable */

/** Return whether a focused control handles a key itself. @param {Element} target @param {string} key */
function isNative(target, key) {
  if (target.matches("select")) return true;
  if (target.matches("button, summary, [type=checkbox]")) return key === " " || key === "Enter";
  return target.matches("[type=range]") && /^(Arrow|Home|End|Page)/.test(key);
}

/**
 * The trait that a key changes, and its new value.
 * @param {string} key
 * @param {ViewState} view
 * @param {import("./traits.js").Content} content
 * @returns {[Movable, number | string] | undefined}
 */
function actionOf(key, view, { size, layers }) {
  /** @param {number} value @param {number} max */
  const clamp = (value, max) => Math.min(Math.max(value, 0), max);
  const faster = SPEEDS.find((speed) => speed > view.speed) ?? view.speed;
  const slower = SPEEDS.findLast((speed) => speed < view.speed) ?? view.speed;
  const from = view.threshold_by === "evidence" ? view.setting : view.threshold;
  const threshold = (/** @type {number} */ step) => Math.round(100 * clamp(from + step, 1)) / 100;
  switch (key) {
    case "ArrowLeft":
      return ["frame", clamp(view.frame - 1, size[0] - 1)];
    case "ArrowRight":
      return ["frame", clamp(view.frame + 1, size[0] - 1)];
    case "ArrowUp":
      return ["layer", clamp(view.layer + 1, layers.length - 1)];
    case "ArrowDown":
      return ["layer", clamp(view.layer - 1, layers.length - 1)];
    case "Home":
      return ["frame", 0];
    case "End":
      return ["frame", size[0] - 1];
    case "[":
    case "-":
      return ["threshold", threshold(-0.01)];
    case "]":
    case "+":
    case "=":
      return ["threshold", threshold(0.01)];
    case "<":
      return ["speed", slower];
    case ">":
      return ["speed", faster];
    case "m":
      return ["mode", CHOICES.mode[1 - CHOICES.mode.indexOf(view.mode)]];
    default:
      return undefined;
  }
}

/**
 * @param {HTMLElement} root
 * @param {() => ViewState} viewState
 * @param {import("./traits.js").Content} content
 * @param {import("./view_state.js").Handlers} handlers
 * @param {AbortSignal} signal
 */
export function addKeyboard(root, viewState, content, { move, done, play }, signal) {
  let hasMoved = false;
  // End only a gesture of the keyboard: the focus may be moving to a slider that a pointer already drags.
  const end = () => {
    if (hasMoved) done();
    hasMoved = false;
  };
  on(
    root,
    "keydown",
    (event) => {
      // Shortcuts with modifiers belong to the notebook and the browser; so do Tab and Escape.
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Tab" || event.key === "Escape" || (event.key === "Enter" && event.shiftKey)) return;
      event.stopPropagation(); // keep letters from the notebook, where they are commands ("d d" deletes the cell)
      const target = /** @type {Element} */ (event.target);
      if (event.defaultPrevented || (event.shiftKey && event.key.startsWith("Arrow")) || isNative(target, event.key))
        return;
      if (event.key === " ") {
        event.preventDefault();
        if (!event.repeat) play();
        return;
      }
      const action = actionOf(event.key, viewState(), content);
      if (!action) return;
      event.preventDefault();
      hasMoved = true;
      move(...action);
    },
    signal,
  );
  on(root, "keyup", end, signal);
  on(root, "focusout", end, signal);
}
