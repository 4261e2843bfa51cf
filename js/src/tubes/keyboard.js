// Keys, while the focus is anywhere in the view: space plays, arrows step through frames and layers.
import { on } from "../shared/dom.js";
import { CHOICES, SPEEDS } from "./view_state.js";

/** @typedef {import("./view_state.js").Position} Position */
/** @typedef {import("../shared/inputs.js").Hands} Hands */

/** Keys that a focused control needs for itself. @param {Element} target @param {string} key */
function isNative(target, key) {
  if (target.matches("select")) return true;
  if (target.matches("button, summary")) return key === " " || key === "Enter";
  return target.matches("input") && /^(Arrow|Home|End|Page)/.test(key);
}

/**
 * What a key does: the trait and its new value.
 * @param {string} key
 * @param {Position} at
 * @param {import("./traits.js").Content} content
 * @returns {[import("./view_state.js").Movable, number | string] | undefined}
 */
function actionOf(key, at, { size, layers }) {
  /** @param {number} value @param {number} most */
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  const faster = SPEEDS.find((speed) => speed > at.speed) ?? at.speed;
  const slower = SPEEDS.findLast((speed) => speed < at.speed) ?? at.speed;
  const threshold = (/** @type {number} */ by) => Math.round(100 * within(at.threshold + by, 1)) / 100;
  switch (key) {
    case "ArrowLeft":
      return ["frame", within(at.frame - 1, size[0] - 1)];
    case "ArrowRight":
      return ["frame", within(at.frame + 1, size[0] - 1)];
    case "ArrowUp":
      return ["layer", within(at.layer + 1, layers.length - 1)];
    case "ArrowDown":
      return ["layer", within(at.layer - 1, layers.length - 1)];
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
      return ["mode", CHOICES.mode[1 - CHOICES.mode.indexOf(at.mode)]];
    default:
      return undefined;
  }
}

/**
 * @param {HTMLElement} root
 * @param {() => Position} position
 * @param {import("./traits.js").Content} content
 * @param {Hands} hands
 * @param {AbortSignal} signal
 */
export function addKeyboard(root, position, content, { move, done, play }, signal) {
  let moved = false;
  // Only a key's own gesture ends here: the focus may be leaving for a slider that a hand already holds.
  const end = () => {
    if (moved) done();
    moved = false;
  };
  on(
    root,
    "keydown",
    (event) => {
      // Chords belong to the notebook and the browser; so do Tab and Escape.
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Tab" || event.key === "Escape" || (event.key === "Enter" && event.shiftKey)) return;
      event.stopPropagation(); // a letter here must not be a command of the notebook ("d d" deletes the cell)
      const target = /** @type {Element} */ (event.target);
      if (event.defaultPrevented || (event.shiftKey && event.key.startsWith("Arrow")) || isNative(target, event.key))
        return;
      if (event.key === " ") {
        event.preventDefault();
        if (!event.repeat) play();
        return;
      }
      const action = actionOf(event.key, position(), content);
      if (!action) return;
      event.preventDefault();
      moved = true;
      move(...action);
    },
    signal,
  );
  on(root, "keyup", end, signal);
  on(root, "focusout", end, signal);
}
