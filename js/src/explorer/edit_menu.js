// The menu "Add an edit": its kind, and the fields of the kind.
import { h, on } from "../shared/dom.js";
import { createField } from "./fields.js";

/** @typedef {import("./traits.js").EditKind} EditKind */

/**
 * @param {(edit: import("./traits.js").Edit) => void} add
 * @param {AbortSignal} signal
 */
export function createEditMenu(add, signal) {
  const select = h("select", { "data-name": "edit-kind", "aria-label": "kind of edit" });
  const fields = h("div", { class: "ne-knobs" });
  const help = h("p", { class: "ne-note" });
  const apply = h("button", { type: "button", "data-name": "add-edit" }, "Add");
  const element = h(
    "details",
    { class: "ne-drawer" },
    h("summary", { "data-name": "edit-menu" }, "Add an edit"),
    h("div", { class: "ne-edit-menu" }, select, help, fields, apply),
  );
  /** @type {EditKind[]} */
  let kinds = [];
  /** @type {import("./fields.js").EditContext} */
  let context = { size: [1, 1, 1], layers: [] };
  /** @type {[string, () => any][]} name and reader of each field */
  let readers = [];
  let lifetime = new AbortController();
  let shown = "";

  const choose = () => {
    const kind = kinds.find(({ edit }) => edit === select.value);
    lifetime.abort();
    lifetime = new AbortController();
    const made = (kind?.fields ?? []).map((field) => ({
      field,
      ...createField(field, field.value, context, () => {}, lifetime.signal),
    }));
    readers = made.map(({ field, read }) => [field.name, read]);
    fields.replaceChildren(...made.map(({ element: control }) => control));
    help.textContent = kind?.help ?? "";
  };
  const onAdd = () => {
    const values = readers.map(([name, read]) => [name, read()]).filter(([, value]) => value !== null);
    add({ edit: select.value, ...Object.fromEntries(values) });
  };
  on(select, "change", choose, signal);
  on(apply, "click", onAdd, signal);
  return {
    element,
    /** @param {EditKind[]} offered @param {import("./fields.js").EditContext} clip */
    show(offered, clip) {
      const key = JSON.stringify([offered, clip]);
      if (key === shown) return;
      shown = key;
      [kinds, context] = [offered, clip];
      const chosen = select.value;
      const groups = /** @type {const} */ (["clip", "network"]).map((of) => {
        const options = kinds
          .filter((kind) => kind.of === of)
          .map(({ edit, name }) => h("option", { value: edit }, name));
        return h("optgroup", { label: `the ${of}`, hidden: !options.length }, ...options);
      });
      select.replaceChildren(...groups);
      if (kinds.some(({ edit }) => edit === chosen)) select.value = chosen;
      element.hidden = !kinds.length;
      choose();
    },
  };
}
