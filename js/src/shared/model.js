// A widget's model where no kernel stands behind it: on an offline page, and for a view inside another view.

/** Changes stay on the page. */
export class Model {
  /** @type {Record<string, any>} */
  #state;
  /** @type {Map<string, Set<(...given: any[]) => void>>} */
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
    for (const key of changed) this.#emit(`change:${key}`, this, changes[key]);
    if (changed.length) this.#emit("change", this);
  }

  save_changes() {}
  send() {}

  /** @param {string} events separated by blanks @param {(...given: any[]) => void} listener */
  on(events, listener) {
    for (const event of events.split(/\s+/)) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event)?.add(listener);
    }
  }

  /** @param {string} [events] all of them when left out @param {(...given: any[]) => void} [listener] likewise */
  off(events, listener) {
    for (const event of events ? events.split(/\s+/) : [...this.#listeners.keys()]) {
      if (listener) this.#listeners.get(event)?.delete(listener);
      else this.#listeners.delete(event);
    }
  }

  /** @param {string} event @param {...any} given */
  #emit(event, ...given) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...given);
  }
}
