// The head: title, method and its knobs.
import { h, on } from "../shared/dom.js";
import { createField } from "./fields.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */

/**
 * @param {{choose: (method: string) => void, turn: (knob: import("./traits.js").Field, value: any) => void}} actions
 * @param {AbortSignal} signal
 */
export function createMethodPicker(actions, signal) {
  const select = h("select", { "data-name": "method" });
  const label = h("label", { class: "ne-method" }, "method ", select);
  const help = h("p", { class: "ne-note" });
  const fields = h("div", { class: "ne-knobs" });
  const summary = h("summary", { "data-name": "knobs" });
  const drawer = h("details", { class: "ne-drawer" }, summary, fields);
  on(select, "change", () => actions.choose(select.value), signal);
  let lifetime = new AbortController();
  let shown = "";
  return {
    label,
    help,
    drawer,
    /** @param {ExplorerState} state */
    show({ methods, method, knobs, clip_state: clip, layers }) {
      const listed = JSON.stringify(methods.map(({ key, name, slow }) => [key, name, slow]));
      if (select.dataset.methods !== listed)
        select.replaceChildren(
          ...methods.map(({ key, name, slow }) => h("option", { value: key }, slow ? `${name} (slow)` : name)),
        );
      select.dataset.methods = listed;
      select.value = method;
      const chosen = methods.find(({ key }) => key === method);
      const values = knobs[method] ?? {};
      const count = Object.keys(values).length;
      help.textContent = chosen?.help ?? "";
      summary.textContent = `settings of the method${count ? ` (${count} changed)` : ""}`;
      drawer.hidden = !chosen?.knobs.length;
      const key = JSON.stringify([method, chosen?.knobs, values]);
      if (key === shown || !chosen) return;
      shown = key;
      lifetime.abort();
      lifetime = new AbortController();
      const context = { size: clip.size, layers: layers.map(({ name }) => name) };
      const focused = fields.contains(document.activeElement) && document.activeElement?.getAttribute("data-name");
      fields.replaceChildren(
        ...chosen.knobs.map(
          (knob) =>
            createField(
              knob,
              knob.name in values ? values[knob.name] : knob.value,
              context,
              (value) => actions.turn(knob, value),
              lifetime.signal,
            ).element,
        ),
      );
      if (focused) /** @type {HTMLElement | null} */ (fields.querySelector(`[data-name="${focused}"]`))?.focus();
    },
  };
}
