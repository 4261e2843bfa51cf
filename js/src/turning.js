// The hand that turns the tube: buttons, drag, wheel, keys. The camera is nobody's trait: none of it is ever sent.
import { turn, VIEWS, zoomBy } from "./camera.js";
import { h } from "./dom.js";

/** What stands beside the frame. @param {import("./slider.js").Hands} hands @param {AbortSignal} signal */
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
    button.addEventListener("click", press, { signal });
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

/**
 * @param {import("./camera.js").Camera} camera
 * @param {HTMLElement} root
 * @param {() => void} invalidate
 * @param {AbortSignal} signal
 */
export function buttonsFor(camera, root, invalidate, signal) {
  const group = h("div", { class: "ne-views", role: "group", "aria-label": "Turn the tube" });
  for (const [name, view] of Object.entries(VIEWS).sort(([a], [b]) => Number(a === "reset") - Number(b === "reset"))) {
    const title = { front: "Along time, first frame in front", side: "Time from left to right", top: "From above" }[
      name
    ];
    const button = h("button", { type: "button", "data-name": name, title: title ?? "Back to the first view" }, name);
    button.addEventListener("click", () => look(camera, view, name, root, invalidate), { signal });
    group.append(button);
  }
  root.dataset.camera ??= "reset";
  return group;
}

/**
 * @param {import("./camera.js").Camera} camera
 * @param {import("./camera.js").Camera} view
 * @param {string} name
 * @param {HTMLElement} root
 * @param {() => void} invalidate
 */
function look(camera, view, name, root, invalidate) {
  Object.assign(camera, view);
  root.dataset.camera = name;
  invalidate();
}

/**
 * Drag turns, the wheel zooms once the tube has the focus (else the notebook scrolls), a double click resets.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./camera.js").Camera} camera
 * @param {HTMLElement} root
 * @param {() => void} invalidate
 * @param {AbortSignal} signal
 */
export function addGestures(canvas, camera, root, invalidate, signal) {
  /** @param {number} right @param {number} down */
  const turned = (right, down) => {
    turn(camera, right, down);
    root.dataset.camera = "free";
    invalidate();
  };
  canvas.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture?.(event.pointerId);
    },
    { signal },
  );
  canvas.addEventListener(
    "pointermove",
    (event) => {
      if (event.buttons & 1) turned(event.movementX * 0.009, event.movementY * 0.009);
    },
    { signal },
  );
  canvas.addEventListener("dblclick", () => look(camera, VIEWS.reset, "reset", root, invalidate), { signal });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!canvas.matches(":focus") && !event.ctrlKey) return;
      event.preventDefault();
      root.dataset.camera = "free";
      zoomBy(camera, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
      invalidate();
    },
    { signal, passive: false },
  );
  canvas.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const zoom = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }[event.key];
      if (zoom || event.key === "0") {
        event.preventDefault();
        if (!zoom) return look(camera, VIEWS.reset, "reset", root, invalidate);
        root.dataset.camera = "free";
        zoomBy(camera, zoom);
        return invalidate();
      }
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!by || !event.shiftKey) return;
      event.preventDefault();
      turned(by[0] * 0.12, by[1] * 0.12);
    },
    { signal },
  );
}
