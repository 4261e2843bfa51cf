// Widget models: the interface that anywidget gives a view, and a model without a kernel.

/**
 * The part of anywidget's model that the views use.
 * @template {object} State traits by name
 * @typedef {{get: <K extends keyof State>(name: K) => State[K], set: <K extends keyof State>(name: K, value: State[K]) => void, save_changes: () => void, send?: (content: unknown) => void, on: (event: string, listener: (...args: any[]) => void) => void, off: (event: string, listener: (...args: any[]) => void) => void}} WidgetModel
 */

/** A model without a kernel, for an offline page or for a view inside another view. Changes stay in the browser. */
export class Model {
  /** @type {Record<string, any>} */
  #state;
  /** @type {Map<string, Set<(...args: any[]) => void>>} */
  #listeners = new Map();

  /** @param {Record<string, any>} state */
  constructor(state) {
    this.#state = state;
  }

  /** @param {string} name */
  get(name) {
    return this.#state[name];
  }

  /** @param {string | Record<string, any>} name @param {any} [value] */
  set(name, value) {
    const changes = typeof name === "string" ? { [name]: value } : name;
    const changed = Object.keys(changes).filter((key) => this.#state[key] !== changes[key]);
    Object.assign(this.#state, changes);
    for (const key of changed) this.emit(`change:${key}`, this, changes[key]);
    if (changed.length) this.emit("change", this);
  }

  save_changes() {}
  /** Messages go nowhere: there is no kernel. @param {unknown} _content */
  send(_content) {}
  /** Whether messages reach a kernel. */
  get hasKernel() {
    return false;
  }

  /** @param {string} events separated by blanks @param {(...args: any[]) => void} listener */
  on(events, listener) {
    for (const event of events.split(/\s+/)) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event)?.add(listener);
    }
  }

  /** @param {string} [events] all events if left out @param {(...args: any[]) => void} [listener] all listeners if left out */
  off(events, listener) {
    for (const event of events ? events.split(/\s+/) : [...this.#listeners.keys()]) {
      if (listener) this.#listeners.get(event)?.delete(listener);
      else this.#listeners.delete(event);
    }
  }

  /** Call the listeners of an event. @param {string} event @param {...any} args */
  emit(event, ...args) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...args);
  }
}
