// Keys: space plays, left and right step through the frames, up and down go from card to card, Escape closes the large one.
import { on } from "../shared/dom.js";
import { ARROWS, isForeignKey } from "../shared/inputs.js";

/** @typedef {import("./traits.js").ViewState} ViewState */

/**
 * The frame that a key leads to.
 * @param {string} key @param {number} frame @param {number} last
 * @returns {number | undefined}
 */
export function nextFrame(key, frame, last) {
  if (key === "Home") return 0;
  if (key === "End") return last;
  const right = ARROWS[key]?.[0];
  return right ? Math.min(Math.max(frame + right, 0), last) : undefined;
}

/**
 * @param {HTMLElement} root
 * @param {HTMLButtonElement[]} buttons that show a made clip large, in their order
 * @param {Object} actions
 * @param {() => ViewState} actions.getState
 * @param {(name: "frame", value: number) => void} actions.move
 * @param {() => void} actions.done
 * @param {() => void} actions.play
 * @param {() => void} actions.flip
 * @param {() => void} actions.close
 * @param {number} last frame
 * @param {AbortSignal} signal
 */
export function addKeyboard(root, buttons, { getState, move, done, play, flip, close }, last, signal) {
  let hasMoved = false;
  const end = () => {
    if (hasMoved) done();
    hasMoved = false;
  };
  /** Perform what a key stands for; whether it stands for anything. @param {KeyboardEvent} event */
  const perform = ({ key, target, repeat }) => {
    const element = /** @type {Element} */ (target);
    const button = buttons.indexOf(/** @type {HTMLButtonElement} */ (element));
    if (key === "Escape" && getState().selected >= 0) close();
    else if (element.matches("input")) return false;
    else if (key === "a" && !repeat) flip();
    else if (key === " " && !element.matches("button")) {
      if (!repeat) play();
    } else if (ARROWS[key]?.[1]) {
      const next = buttons[button + ARROWS[key][1]];
      if (button < 0 || !next) return false;
      next.focus();
    } else {
      const frame = nextFrame(key, getState().frame, last);
      if (frame === undefined) return false;
      hasMoved = true;
      move("frame", frame);
    }
    return true;
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (isForeignKey(event)) return;
    event.stopPropagation(); // letters are commands of the notebook
    if (perform(event)) event.preventDefault(); // the page does not scroll
  };
  on(root, "keydown", onKey, signal);
  on(root, "keyup", end, signal);
  on(root, "focusout", end, signal);
}
