// The picture over the frame of the tube viewer: the edited frame while the reader brushes, or the clip before the edits.
import { h, on } from "../shared/dom.js";
import { bytesOf } from "../shared/validate.js";

/**
 * @param {(bitmap: ImageBitmap | null) => void} draw
 * @param {() => number} frame index of the frame shown
 * @param {AbortSignal} signal
 */
export function createFrameOverlay(draw, frame, signal) {
  const button = h(
    "button",
    { type: "button", "data-name": "before", "aria-pressed": "false" },
    "clip before the edits",
  );
  button.title = "Show the frame as it is without edits";
  /** @type {DataView[]} */
  let frames = [];
  let isBefore = false;
  let latest = 0;
  const show = async (/** @type {DataView | null} */ jpeg) => {
    const count = ++latest;
    if (!jpeg) return draw(null);
    const bitmap = await createImageBitmap(new Blob([bytesOf(jpeg, "frame")], { type: "image/jpeg" })).catch(
      () => null,
    );
    if (count === latest && !signal.aborted) draw(bitmap);
    bitmap?.close();
  };
  const showBefore = () => show(isBefore ? frames[Math.min(frame(), frames.length - 1)] : null);
  const press = () => {
    isBefore = !isBefore;
    button.ariaPressed = String(isBefore);
    showBefore();
  };
  on(button, "click", press, signal);
  return {
    button,
    /** Show a picture of the edited frame, or none. @param {DataView | null} jpeg */
    showEdited: (jpeg) => (jpeg ? show(jpeg) : showBefore()),
    /** Follow the frame of a tube viewer. @param {{on: (event: string, listener: () => void) => void}} tubes */
    follow(tubes) {
      tubes.on("change:frame", showBefore);
      showBefore();
    },
    /** @param {DataView[]} clip frames before the edits @param {boolean} isEdited */
    show(clip, isEdited) {
      frames = clip;
      button.disabled = !isEdited;
      if (!isEdited && isBefore) press();
    },
  };
}
