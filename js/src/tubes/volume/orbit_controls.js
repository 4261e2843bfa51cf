// Controls of the 3D view: buttons, drag, wheel and keys. The camera is local: it is not a trait and is never sent.
import { h, on } from "../../shared/dom.js";
import { ARROWS } from "../../shared/inputs.js";

/** Buttons that choose the view beside the frame. @param {import("../view_state.js").Handlers} handlers @param {AbortSignal} signal */
export function createModeButtons(handlers, signal) {
  const buttons = /** @type {const} */ ([
    ["tube", "tube"],
    ["montage", "all frames"],
  ]).map(([mode, text]) => {
    const button = h("button", { type: "button", "data-name": `mode-${mode}`, title: `show ${text} (m)` }, text);
    const press = () => {
      handlers.move("mode", mode);
      handlers.done();
    };
    on(button, "click", press, signal);
    return { mode, button };
  });
  return {
    element: h(
      "div",
      { class: "ne-views", role: "group", "aria-label": "View beside the frame" },
      ...buttons.map(({ button }) => button),
    ),
    /** @param {string} shown */
    show(shown) {
      for (const { mode, button } of buttons) button.setAttribute("aria-pressed", String(mode === shown));
    },
  };
}

const TITLES = {
  front: "View along time, first frame in front",
  side: "View from the side, time from left to right",
  top: "View from above, time from left to right",
  reset: "Reset the view",
};

/** Buttons that choose a view of the tube. @param {import("./camera.js").Orbit} orbit @param {AbortSignal} signal */
export function createCameraButtons(orbit, signal) {
  const group = h("div", { class: "ne-views ne-camera", role: "group", "aria-label": "View of the tube" });
  for (const [name, title] of /** @type {[keyof typeof TITLES, string][]} */ (Object.entries(TITLES))) {
    const button = h("button", { type: "button", "data-name": name, title }, name);
    on(button, "click", () => orbit.lookFrom(name), signal);
    group.append(button);
  }
  return group;
}

/**
 * Drag rotates, the wheel zooms if the tube has the focus (otherwise the notebook scrolls), a double click resets.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./camera.js").Orbit} orbit
 * @param {AbortSignal} signal
 */
export function addGestures(canvas, orbit, signal) {
  on(
    canvas,
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture?.(event.pointerId);
    },
    signal,
  );
  on(
    canvas,
    "pointermove",
    (event) => {
      if (event.buttons & 1) orbit.turn(event.movementX * 0.009, event.movementY * 0.009);
    },
    signal,
  );
  on(canvas, "dblclick", () => orbit.lookFrom("reset"), signal);
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!canvas.matches(":focus") && !event.ctrlKey) return;
      event.preventDefault();
      orbit.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
    },
    { signal, passive: false },
  );
  on(
    canvas,
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const zoom = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }[event.key];
      const direction = ARROWS[event.key];
      if (event.key === "0") orbit.lookFrom("reset");
      else if (zoom) orbit.zoom(zoom);
      else if (direction && event.shiftKey) orbit.turn(direction[0] * 0.12, direction[1] * 0.12);
      else return;
      event.preventDefault();
    },
    signal,
  );
}
