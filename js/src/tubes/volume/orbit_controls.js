// The hand that turns the tube: buttons, drag, wheel, keys. The camera is nobody's trait: none of it is ever sent.
import { h, on } from "../../shared/dom.js";

/** What stands beside the frame. @param {import("../../shared/inputs.js").Hands} hands @param {AbortSignal} signal */
export function modesFor(hands, signal) {
  const buttons = /** @type {const} */ ([
    ["tube", "tube"],
    ["montage", "all frames"],
  ]).map(([mode, words]) => {
    const button = h("button", { type: "button", "data-name": `mode-${mode}`, title: "switch (m)" }, words);
    const press = () => {
      hands.move("mode", mode);
      hands.done();
    };
    on(button, "click", press, signal);
    return { mode, button };
  });
  return {
    element: h(
      "div",
      { class: "ne-views", role: "group", "aria-label": "Beside the frame" },
      ...buttons.map(({ button }) => button),
    ),
    /** @param {string} shown */
    show(shown) {
      for (const { mode, button } of buttons) button.setAttribute("aria-pressed", String(mode === shown));
    },
  };
}

const TITLES = {
  front: "Along time, first frame in front",
  side: "Time from left to right",
  top: "From above",
  reset: "Back to the first view",
};

/** @param {import("./camera.js").Orbit} orbit @param {AbortSignal} signal */
export function buttonsFor(orbit, signal) {
  const group = h("div", { class: "ne-views", role: "group", "aria-label": "Turn the tube" });
  for (const [name, title] of /** @type {[keyof typeof TITLES, string][]} */ (Object.entries(TITLES))) {
    const button = h("button", { type: "button", "data-name": name, title }, name);
    on(button, "click", () => orbit.look(name), signal);
    group.append(button);
  }
  return group;
}

/**
 * Drag turns, the wheel zooms once the tube has the focus (else the notebook scrolls), a double click resets.
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
  on(canvas, "dblclick", () => orbit.look("reset"), signal);
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
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "0") orbit.look("reset");
      else if (zoom) orbit.zoom(zoom);
      else if (by && event.shiftKey) orbit.turn(by[0] * 0.12, by[1] * 0.12);
      else return;
      event.preventDefault();
    },
    signal,
  );
}
