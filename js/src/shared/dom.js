// DOM helpers. Text is always inserted as text, never as markup.

/**
 * Create an element.
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

/** Create an element of a drawing. @param {string} tag @param {Record<string, string | number>} attributes @param {...(Node | string)} children */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A picture for a button, 16 units wide and high. @param {string} path */
export const icon = (path) => svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: path }));

/**
 * Inherit the page's color scheme if it sets one; otherwise the style sheet decides.
 * @param {HTMLElement} root element of the view
 * @param {HTMLElement} parent element of the page that holds the view
 */
export function followScheme(root, parent) {
  if (/^(light|dark)$/.test(getComputedStyle(parent).colorScheme)) root.style.colorScheme = "inherit";
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

/** Call back once when the signal aborts. @param {AbortSignal} signal @param {() => void} callback */
export const onAbort = (signal, callback) => signal.addEventListener("abort", callback, { once: true });

/** 2D context of a canvas; throws if the browser has none. @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} [settings] */
export function contextOf(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/** Canvas pixels per CSS pixel, at most 2: more cannot be seen. */
export const pixelRatio = () => Math.min(globalThis.devicePixelRatio || 1, 2);

/**
 * Coalesce calls: `draw` runs once before the next repaint.
 * @param {() => void} draw
 * @param {AbortSignal} signal
 */
export function createScheduler(draw, signal) {
  let request = 0;
  onAbort(signal, () => cancelAnimationFrame(request));
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
 * @param {{on: (event: string, listener: any) => void, off: (event: string, listener: any) => void}} model
 * @param {string} event
 * @param {(...args: any[]) => void} listener
 * @param {AbortSignal} signal
 */
export function listen(model, event, listener, signal) {
  model.on(event, listener);
  onAbort(signal, () => model.off(event, listener));
}

/**
 * Watch an element's size until the signal aborts.
 * @param {HTMLElement} element
 * @param {() => void} listener
 * @param {AbortSignal} signal
 */
export function onResize(element, listener, signal) {
  if (typeof ResizeObserver === "undefined") return;
  const observer = new ResizeObserver(listener);
  observer.observe(element);
  onAbort(signal, () => observer.disconnect());
}

/** Whether readers have asked for less motion: then nothing plays by itself. */
export const isReducedMotion = () => Boolean(globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches);
