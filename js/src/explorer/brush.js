// The brush over the frame of the tube viewer, and the picture of the edited frame that comes back while it moves.
import { contextOf, h, on, svg } from "../shared/dom.js";
import { ARROWS } from "../shared/inputs.js";
import { middleBox, movedBox, outlineOf, shapeOf } from "./shape.js";

/** @typedef {import("./shape.js").Shape} Shape */
/** @typedef {import("./shape.js").Tool} Tool */

const STEP = 0.02; // of the picture's side, for each press of an arrow key

/**
 * @param {Object} handlers
 * @param {(shape: Shape) => void} handlers.move - the shape changes; the gesture goes on
 * @param {(shape: Shape) => void} handlers.apply - the shape is finished
 * @param {() => void} handlers.cancel - the gesture has ended without a shape
 * @param {(text: string) => void} handlers.say
 * @param {AbortSignal} signal
 */
export function createBrush({ move, apply, cancel, say }, signal) {
  const picture = h("canvas", { "aria-hidden": "true", hidden: true });
  const outline = svg("path", {});
  const drawing = svg("svg", { "aria-hidden": "true", preserveAspectRatio: "none" }, outline);
  const element = h("div", { class: "ne-frame ne-brush" }, picture, drawing);
  let size = [1, 1]; // height and width in pixels of the clip
  /** @type {Tool | null} */
  let tool = null;
  /** Positions of the pointer since it was pressed. @type {number[][] | null} */
  let path = null;
  /** @type {Shape | null} */
  let shape = null;

  /** @param {Shape | null} now */
  const draw = (now) => {
    shape = now;
    outline.setAttribute("d", now ? outlineOf(now) : "");
  };
  const stop = () => {
    const wasBrushing = path !== null || shape !== null;
    path = null;
    draw(null);
    if (wasBrushing) cancel();
  };
  const finish = () => {
    const finished = shape;
    path = null;
    draw(null);
    if (finished) apply(finished);
    else cancel();
  };
  /** @param {PointerEvent} event */
  const positionOf = ({ clientX, clientY }) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [((clientX - left) / width) * size[1], ((clientY - top) / height) * size[0]];
  };
  const press = (/** @type {PointerEvent} */ event) => {
    if (!tool || event.button !== 0) return;
    event.preventDefault();
    element.focus({ preventScroll: true });
    element.setPointerCapture?.(event.pointerId);
    path = [positionOf(event)];
    draw(null);
  };
  const drag = (/** @type {PointerEvent} */ event) => {
    if (!tool || !path) return;
    path.push(positionOf(event));
    draw(shapeOf(tool, path, size));
    if (shape) move(shape);
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const arrow = ARROWS[event.key];
    const isForeign = event.ctrlKey || event.metaKey || event.altKey || event.key === "Tab";
    if (
      !tool ||
      isForeign ||
      !(
        arrow ||
        event.key === "Enter" ||
        (event.key === "Escape" && path !== null) ||
        (event.key === "Escape" && shape)
      )
    )
      return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") return stop();
    if (event.key === "Enter" && shape) return finish();
    const steps = [1, 0].map((axis) => Math.max(1, Math.round(STEP * size[axis])));
    const last = shape?.box ?? middleBox(size);
    const [dx, dy] = shape && arrow ? [arrow[0] * steps[0], arrow[1] * steps[1]] : [0, 0];
    const box = movedBox(last, dx, dy, event.shiftKey, size);
    draw({ tool: tool === "free" ? "box" : tool, box, points: [] });
    if (shape) move(shape);
    say(`left ${box[0]}, top ${box[1]}, right ${box[2]}, bottom ${box[3]}`);
  };
  on(element, "pointerdown", press, signal);
  on(element, "pointermove", drag, signal);
  on(element, "pointerup", () => path && finish(), signal);
  on(element, "pointercancel", stop, signal);
  on(element, "keydown", onKey, signal);
  return {
    element,
    stop,
    /** Whether a shape is being drawn. */
    isActive: () => path !== null || shape !== null,
    /** Follow the clip's size. @param {number[]} clip [time, height, width] */
    resize([, height, width]) {
      size = [height, width];
      drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
      element.style.setProperty("--ne-aspect", String(width / height));
    },
    /** Choose a tool, or none: then the frame reads values as without a brush. @param {Tool | null} chosen */
    choose(chosen) {
      if (chosen !== tool) stop();
      tool = chosen;
      element.toggleAttribute("data-on", chosen !== null);
      for (const [name, value] of Object.entries({
        tabindex: "0",
        role: "application",
        "aria-label": "Brush: arrow keys move a box, Shift + arrow keys change its size, Enter applies, Escape cancels",
      }))
        if (chosen) element.setAttribute(name, value);
        else element.removeAttribute(name);
    },
    /** Show a picture over the frame, or none. @param {ImageBitmap | null} bitmap */
    showPicture(bitmap) {
      picture.hidden = bitmap === null;
      if (!bitmap) return;
      Object.assign(picture, { width: bitmap.width, height: bitmap.height });
      contextOf(picture).drawImage(bitmap, 0, 0);
    },
  };
}
