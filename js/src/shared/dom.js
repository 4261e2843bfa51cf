// Building elements. Text only ever goes in as text, never as markup.

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | undefined>} [attributes] true sets an empty attribute, false and undefined none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Light or dark as the page says of the place where a view stands; where it does not say, the view's style sheet decides.
 * @param {HTMLElement} root
 * @param {HTMLElement} place
 */
export function followScheme(root, place) {
  if (/^(light|dark)$/.test(getComputedStyle(place).colorScheme)) root.style.colorScheme = "inherit";
}

/**
 * Listen to an element until the signal aborts.
 * @template {keyof HTMLElementEventMap} K
 * @param {HTMLElement} target
 * @param {K} type
 * @param {(event: HTMLElementEventMap[K]) => void} listener
 * @param {AbortSignal} signal
 */
export const on = (target, type, listener, signal) => target.addEventListener(type, listener, { signal });

/** @param {AbortSignal} signal @param {() => void} end */
export const whenOver = (signal, end) => signal.addEventListener("abort", end, { once: true });

/** What a canvas is drawn with. @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} [how] */
export function contextOf(canvas, how) {
  const context = canvas.getContext("2d", how);
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/** Canvas pixels for each CSS pixel: more than two are not seen. */
export const pixelRatio = () => Math.min(globalThis.devicePixelRatio || 1, 2);

/**
 * Run `draw` once before the next repaint, however often it is asked for.
 * @param {() => void} draw
 * @param {AbortSignal} signal
 */
export function createScheduler(draw, signal) {
  let request = 0;
  whenOver(signal, () => cancelAnimationFrame(request));
  return () => {
    if (request || signal.aborted) return;
    request = requestAnimationFrame(() => {
      request = 0;
      draw();
    });
  };
}

/**
 * Listen to a model until the signal aborts.
 * @param {{on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} model
 * @param {string} event
 * @param {() => void} listener
 * @param {AbortSignal} signal
 */
export function listen(model, event, listener, signal) {
  model.on(event, listener);
  whenOver(signal, () => model.off(event, listener));
}

/**
 * Watch an element's size until the signal aborts.
 * @param {HTMLElement} element
 * @param {() => void} resized
 * @param {AbortSignal} signal
 */
export function onResize(element, resized, signal) {
  if (typeof ResizeObserver === "undefined") return;
  const sizes = new ResizeObserver(resized);
  sizes.observe(element);
  whenOver(signal, () => sizes.disconnect());
}
