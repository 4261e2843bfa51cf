// Keys, while the focus is anywhere in the view: space plays, arrows step through frames and layers.

/** @typedef {{step: (name: "frame" | "layer" | "threshold", by: number) => void, go: (frame: number) => void, play: () => void, done: () => void, frames: number}} Keys */

/** Keys that a focused control needs for itself. @param {Element} target @param {string} key */
function isNative(target, key) {
  if (target.matches("select")) return true;
  if (target.matches("button")) return key === " " || key === "Enter";
  return target.matches("input") && /^(Arrow|Home|End|Page)/.test(key);
}

/** @param {string} key @param {Keys} keys @returns {(() => void) | undefined} */
function actionOf(key, { step, go, frames }) {
  switch (key) {
    case "ArrowLeft":
      return () => step("frame", -1);
    case "ArrowRight":
      return () => step("frame", 1);
    case "ArrowUp":
      return () => step("layer", 1);
    case "ArrowDown":
      return () => step("layer", -1);
    case "Home":
      return () => go(0);
    case "End":
      return () => go(frames - 1);
    case "[":
    case "-":
      return () => step("threshold", -0.01);
    case "]":
    case "+":
    case "=":
      return () => step("threshold", 0.01);
    default:
      return undefined;
  }
}

/**
 * @param {HTMLElement} root
 * @param {Keys} keys
 * @param {AbortSignal} signal
 */
export function addKeyboard(root, keys, signal) {
  root.addEventListener(
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
        if (!event.repeat) keys.play();
        return;
      }
      const action = actionOf(event.key, keys);
      if (!action) return;
      event.preventDefault();
      action();
    },
    { signal },
  );
  root.addEventListener("keyup", keys.done, { signal });
  root.addEventListener("focusout", keys.done, { signal });
}
