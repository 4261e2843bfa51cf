// Model of a page in a cell's output, connected to the widget's live model while there is one.
import { registryOf } from "../shared/live_models.js";
import { Model } from "../shared/model.js";

/** @typedef {import("../shared/live_models.js").LiveModel} LiveModel */
/** @typedef {{id: string, content: string[], movable: string[]}} Link id of the live model, and the traits that it shares */

/** Model of a page that passes changes on to a live model, and follows it. */
export class ConnectedModel extends Model {
  /** @type {LiveModel | null} */
  #live = null;

  /** Follow a live model until the signal aborts. @param {LiveModel} live @param {Link} link @param {AbortSignal} signal */
  connect(live, { content, movable }, signal) {
    this.#live = live;
    for (const name of movable) super.set(name, live.get(name));
    for (const name of [...content, ...movable]) {
      const follow = () => super.set(name, live.get(name));
      live.on(`change:${name}`, follow);
      signal.addEventListener("abort", () => live.off(`change:${name}`, follow), { once: true });
    }
    const receive = (/** @type {any[]} */ ...message) => this.emit("msg:custom", ...message);
    live.on("msg:custom", receive);
    signal.addEventListener("abort", () => {
      live.off("msg:custom", receive);
      this.#live = null;
      this.emit("kernel");
    });
    this.emit("kernel");
  }

  /** Whether there is a live model. A "kernel" event follows each change. */
  get hasKernel() {
    return this.#live !== null;
  }

  /** Send a message to the widget, if there is a live model. @param {unknown} content */
  send(content) {
    this.#live?.send?.(content);
  }

  /** @param {string | Record<string, any>} name @param {any} [value] */
  set(name, value) {
    super.set(name, value);
    const changes = typeof name === "string" ? { [name]: value } : name;
    for (const [key, changed] of Object.entries(changes)) this.#live?.set(key, changed);
  }

  save_changes() {
    this.#live?.save_changes();
  }
}

/**
 * Call back with the live model of an id, now or when it appears, and again when another one takes its place.
 * @param {string} id
 * @param {(live: LiveModel, signal: AbortSignal) => void} callback the signal aborts when the model or the page goes
 */
export function followLiveModel(id, callback) {
  let registry;
  try {
    if (window.parent === window) return;
    registry = registryOf(window.parent);
  } catch {
    return; // the page is inside a page of another origin
  }
  let current = new AbortController();
  const connect = () => {
    current.abort();
    current = new AbortController();
    const live = registry.models.get(id);
    if (live) callback(live, current.signal);
  };
  registry.addEventListener(id, connect);
  window.addEventListener("pagehide", () => {
    current.abort();
    registry.removeEventListener(id, connect);
  });
  connect();
}
