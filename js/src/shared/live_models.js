// Live models of a window: a page in a cell's output (host.js) finds the model of its widget here, by id. The widget manager
// of a notebook creates the model although no output shows the widget itself.

/** @typedef {import("./model.js").WidgetModel<any>} LiveModel */
/** @typedef {EventTarget & {models: Map<string, LiveModel>}} Registry an event with the id as its type follows every change */

const KEY = Symbol.for("notebook_explain models"); // pages and widgets of all versions share one registry

/** @param {any} window @returns {Registry} */
export const registryOf = (window) => (window[KEY] ??= Object.assign(new EventTarget(), { models: new Map() }));

/**
 * Register a model under its `_page_id` until the signal aborts: the `initialize` of every view.
 * @param {{model: LiveModel, signal?: AbortSignal}} context
 */
export function registerModel({ model, signal }) {
  const id = model.get("_page_id");
  if (typeof id !== "string" || !id) return;
  const registry = registryOf(globalThis);
  registry.models.set(id, model);
  registry.dispatchEvent(new Event(id));
  const remove = () => {
    if (registry.models.get(id) !== model) return;
    registry.models.delete(id);
    registry.dispatchEvent(new Event(id));
  };
  signal?.addEventListener("abort", remove, { once: true });
}
