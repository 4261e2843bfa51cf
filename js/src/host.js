// Host of an offline page: runs widgets that follow anywidget's front-end module standard (AFM), without kernel or network.
// The page holds <script type="application/json" id="ne-data">{modules: {key: {esm, css}}, widgets: [{module, state}]}
// and an element #app. Widgets with the same module share one import.
import { Model } from "./shared/model.js";

/** Decode JSON values; bytes are stored as {"$b64": "..."}. @param {any} value @returns {any} */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$b64 === "string") {
    const text = atob(value.$b64);
    return new DataView(Uint8Array.from(text, (char) => char.charCodeAt(0)).buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, decode(part)]));
}

/** Import a module from its source text. @param {string} esm */
async function importText(esm) {
  const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Render one widget. @param {any} module @param {Record<string, any>} state @param {HTMLElement} el */
async function startWidget(module, state, el) {
  const widget = typeof module === "function" ? await module() : module;
  const model = new Model(decode(state));
  const { signal } = new AbortController();
  const experimental = { invoke: () => Promise.reject(new Error("an offline page has no kernel")) };
  await widget.initialize?.({ model, signal, experimental });
  await widget.render?.({ model, el, signal, experimental });
}

/** Render all widgets of a page. @param {Document} page @param {(esm: string) => Promise<any>} [load] */
export async function run(page, load = importText) {
  const app = page.getElementById("app") ?? page.body;
  try {
    const { modules, widgets } = JSON.parse(page.getElementById("ne-data")?.textContent ?? "");
    /** @type {Map<string, Promise<any>>} */
    const loaded = new Map();
    for (const [key, { esm, css }] of Object.entries(modules)) {
      loaded.set(key, load(esm));
      loaded.get(key)?.catch(() => {}); // reported below, in each widget's section
      const style = page.createElement("style");
      style.textContent = css ?? "";
      page.head.append(style);
    }
    for (const { module, state } of widgets) {
      const el = app.appendChild(page.createElement("section"));
      try {
        if (!loaded.has(module)) throw new Error(`this page contains no module '${module}'`);
        await startWidget(await loaded.get(module), state, el);
        el.dataset.afm = "ready";
      } catch (error) {
        el.dataset.afm = "error";
        el.textContent = String(error);
      }
    }
  } catch (error) {
    app.append(`This page could not be read: ${error}`);
  }
  page.documentElement.dataset.afm = "done";
}

if (typeof document !== "undefined" && document.getElementById("ne-data")) run(document);
