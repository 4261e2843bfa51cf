// Host of a page: runs widgets that follow anywidget's front-end module standard (AFM), without kernel or network. In the
// output of a cell, the page connects to the widget's live model while the notebook has one.
// The page holds an element #app and <script id="ne-data">, packed: {modules: {key: {esm, css}}, widgets: [{module, state,
// link}]}. Widgets with the same module share one import. A widget without state appears with its live model only.
import { ConnectedModel, followLiveModel } from "./connected_model.js";
import { createLink } from "./link.js";
import { unpack } from "./unpack.js";

/** @typedef {{esm: string, css?: string}} Source */
/** @typedef {{module?: string, state?: Record<string, any>, link?: import("./connected_model.js").Link}} PageWidget */

/** Import a module from its source text. @param {string} esm */
async function importText(esm) {
  const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  try {
    return (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @typedef {{state: Record<string, any>, copy: (more: Record<string, any>) => Promise<string>}} PageLink state in the address of the page */

/** Render one widget. @param {any} module @param {ConnectedModel} model @param {HTMLElement} el @param {PageLink} [link] */
async function startWidget(module, model, el, link) {
  const widget = typeof module === "function" ? await module() : module;
  const { signal } = new AbortController();
  const experimental = { invoke: () => Promise.reject(new Error("a page has no kernel")) };
  await widget.initialize?.({ model, signal, experimental });
  await widget.render?.({ model, el, signal, experimental, link });
}

/** Render all widgets of a page. @param {Document} page @param {(esm: string) => Promise<any>} [load] */
export async function run(page, load = importText) {
  const app = page.getElementById("app") ?? page.body;
  /** @type {Map<string, Promise<any>>} */
  const loaded = new Map();
  /** @param {string} key @param {Source} source */
  const addModule = (key, { esm, css }) => {
    loaded.set(key, load(esm));
    loaded.get(key)?.catch(() => {}); // reported below, in each widget's section
    const style = page.createElement("style");
    style.textContent = css ?? "";
    page.head.append(style);
  };
  /** @param {string} module @param {ConnectedModel} model @param {PageLink} [link] */
  const addWidget = async (module, model, link) => {
    const el = app.appendChild(page.createElement("section"));
    try {
      if (!loaded.has(module)) throw new Error(`this page contains no module '${module}'`);
      await startWidget(await loaded.get(module), model, el, link);
      el.dataset.afm = "ready";
    } catch (error) {
      el.dataset.afm = "error";
      el.textContent = String(error);
    }
  };
  /** Render a widget whose state only its live model has. @param {import("./connected_model.js").Link} link */
  const addLiveWidget = (link) => {
    /** @type {ConnectedModel | undefined} */
    let model;
    followLiveModel(link.id, (live, signal) => {
      if (!model) {
        addModule(link.id, { esm: live.get("_esm"), css: live.get("_css") });
        model = new ConnectedModel(Object.fromEntries(link.content.map((name) => [name, live.get(name)])));
        model.connect(live, link, signal);
        app.replaceChildren(); // the picture that stood for the widget
        addWidget(link.id, model);
      } else model.connect(live, link, signal);
    });
  };
  try {
    /** @type {{modules: Record<string, Source>, widgets: PageWidget[]}} */
    const { modules, widgets } = await unpack(page.getElementById("ne-data")?.textContent ?? "");
    for (const [key, source] of Object.entries(modules)) addModule(key, source);
    // A page inside another one has no address of its own.
    const view = page.defaultView;
    const hasAddress = view && view === view.parent && view.location.protocol !== "about:";
    for (const [index, { module, state, link }] of widgets.entries()) {
      if (!state || !module) {
        if (link) addLiveWidget(link);
        continue;
      }
      const address = hasAddress ? createLink(view, index) : null;
      const model = new ConnectedModel({ ...state, ...address?.valuesFor(state) });
      if (link) followLiveModel(link.id, (live, signal) => model.connect(live, link, signal));
      await addWidget(
        module,
        model,
        address ? { state: address.state, copy: (more) => address.copy(model, state, more) } : undefined,
      );
    }
  } catch (error) {
    app.append(`This page could not be read: ${error}`);
  }
  page.documentElement.dataset.afm = "done";
}

if (typeof document !== "undefined" && document.getElementById("ne-data")) {
  run(document);
  addEventListener("hashchange", () => location.reload()); // someone opened another link on the same page
}
