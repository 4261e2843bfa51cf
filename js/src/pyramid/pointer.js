// The hand on the pyramid: it points, clicks, drags what is zoomed, turns the wheel. The camera is nobody's trait.

const MOVED = 4; // pixels from which a press is a drag and no click

/**
 * @param {HTMLElement} element
 * @param {import("./actions.js").Acts} acts
 * @param {(x?: number, y?: number) => void} point nowhere: it has left
 * @param {AbortSignal} signal
 */
export function addHand(element, acts, point, signal) {
  /** @type {{x: number, y: number, moved: boolean} | null} */
  let pressed = null;
  const where = (/** @type {MouseEvent} */ event) => {
    const { left, top } = element.getBoundingClientRect();
    return /** @type {const} */ ([event.clientX - left, event.clientY - top]);
  };
  /** @template {keyof HTMLElementEventMap} K @param {K} name @param {(event: HTMLElementEventMap[K]) => void} listener */
  const on = (name, listener) => element.addEventListener(name, listener, { signal, passive: false });
  on("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.focus({ preventScroll: true });
    pressed = { x: event.clientX, y: event.clientY, moved: false };
  });
  on("pointermove", (event) => {
    if (!pressed || !(event.buttons & 1)) return point(...where(event));
    const [dx, dy] = [event.clientX - pressed.x, event.clientY - pressed.y];
    if (!pressed.moved && Math.hypot(dx, dy) < MOVED) return;
    if (!pressed.moved) element.setPointerCapture?.(event.pointerId);
    acts.pan(dx, dy);
    pressed = { x: event.clientX, y: event.clientY, moved: true };
  });
  on("pointerup", (event) => {
    if (pressed && !pressed.moved) acts.click(...where(event), event.shiftKey || event.ctrlKey || event.metaKey);
    pressed = null;
  });
  on("pointercancel", () => {
    pressed = null;
  });
  on("pointerleave", () => point());
  on("dblclick", () => acts.zoom(0));
  on("wheel", (event) => {
    // Without the focus the notebook scrolls.
    if (!element.matches(":focus") && !event.ctrlKey) return;
    event.preventDefault();
    acts.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...where(event));
  });
}
