// Pointer input: hovering, clicking, panning by dragging, zooming with the wheel.

const DRAG_DISTANCE = 4; // pixels; a press that moves further is a drag, not a click

/**
 * @param {HTMLElement} element
 * @param {import("./actions.js").Actions} actions
 * @param {(x?: number, y?: number) => void} hover called without a position when the pointer leaves
 * @param {AbortSignal} signal
 */
export function addPointerHandlers(element, actions, hover, signal) {
  /** @type {{x: number, y: number, isDragging: boolean} | null} */
  let pressed = null;
  const positionOf = (/** @type {MouseEvent} */ event) => {
    const { left, top } = element.getBoundingClientRect();
    return /** @type {const} */ ([event.clientX - left, event.clientY - top]);
  };
  /** @template {keyof HTMLElementEventMap} K @param {K} type @param {(event: HTMLElementEventMap[K]) => void} listener */
  const on = (type, listener) => element.addEventListener(type, listener, { signal, passive: false });
  on("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.focus({ preventScroll: true });
    pressed = { x: event.clientX, y: event.clientY, isDragging: false };
  });
  on("pointermove", (event) => {
    if (!pressed || !(event.buttons & 1)) return hover(...positionOf(event));
    const [dx, dy] = [event.clientX - pressed.x, event.clientY - pressed.y];
    if (!pressed.isDragging && Math.hypot(dx, dy) < DRAG_DISTANCE) return;
    if (!pressed.isDragging) element.setPointerCapture?.(event.pointerId);
    actions.pan(dx, dy);
    pressed = { x: event.clientX, y: event.clientY, isDragging: true };
  });
  on("pointerup", (event) => {
    const isMultiple = event.shiftKey || event.ctrlKey || event.metaKey;
    if (pressed && !pressed.isDragging) actions.click(...positionOf(event), isMultiple);
    pressed = null;
  });
  on("pointercancel", () => {
    pressed = null;
  });
  on("pointerleave", () => hover());
  on("dblclick", () => actions.zoom(0));
  on("wheel", (event) => {
    // Without the focus, the wheel scrolls the notebook.
    if (!element.matches(":focus") && !event.ctrlKey) return;
    event.preventDefault();
    actions.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...positionOf(event));
  });
}
