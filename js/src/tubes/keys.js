// The list of keys, and where each of them works.
import { h } from "../shared/dom.js";

const KEYS = `space|play or pause
← →|previous, next frame
Home End|first, last frame
↑ ↓|next, previous layer
[ ]|lower, raise the threshold
− + (not on the tube)|lower, raise the threshold
− + 0 (on the tube)|zoom out, in, reset
Shift + arrows (on the tube)|rotate
Shift + arrows (on the frame)|move a crosshair and read its value; Esc removes it
arrows, Home, End (on a slider or menu)|move this control
< >|slower, faster
m|tube or all frames
f|full screen
?|show or hide this list`;

/** The panel that lists the keys, hidden at first. */
export const createKeyList = () =>
  h(
    "div",
    { class: "ne-keys", role: "group", "aria-label": "Keyboard shortcuts", tabindex: -1, hidden: true },
    h(
      "dl",
      {},
      ...KEYS.split("\n").flatMap((line) => {
        const [key, does] = line.split("|");
        return [h("dt", {}, key), h("dd", {}, does)];
      }),
    ),
  );
