// The button that starts and stops the clips of a view.
import { h, icon, on } from "./dom.js";

const PLAY = "M4 2.5v11l9-5.5z";
const PAUSE = "M4 2.5h3v11H4zM9 2.5h3v11H9z";

/** A button that starts and stops the clips. @param {() => void} press @param {AbortSignal} signal */
export function createPlayButton(press, signal) {
  const button = h("button", { type: "button", "data-name": "play", class: "ne-play" });
  on(button, "click", press, signal);
  return {
    button,
    /** @param {boolean} isPlaying */
    show(isPlaying) {
      const action = isPlaying ? "pause" : "play";
      if (button.ariaLabel === action) return;
      button.replaceChildren(icon(isPlaying ? PAUSE : PLAY));
      button.ariaLabel = action;
      button.title = `${action} the clips`;
    },
  };
}
