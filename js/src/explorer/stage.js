// The stage: tubes, pyramid and what else the method made, as tabs or side by side. Frame and playback are linked.

import createPyramidViewer from "../pyramid/index.js";
import { h, on, onResize } from "../shared/dom.js";
import createTubeViewer from "../tubes/index.js";
import { Orbit } from "../tubes/volume/camera.js";
import { carryPyramid, carryTubes, selectedChannels } from "./carry.js";
import { createSlot } from "./slot.js";
import { isFull } from "./traits.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */
/** @typedef {import("../shared/model.js").Model} Model */

const WIDE = 880; // pixels, from which on the panels stand side by side; a view of 1200 pixels has so much room for them
const PANELS = /** @type {const} */ (["tubes", "pyramid", "made"]);
const NAMES = { tubes: "Tubes", pyramid: "Pyramid", made: "Made by the method" };
const LINKED = ["frame", "playing"];

/**
 * @param {Object} handlers
 * @param {ReturnType<typeof import("./brush_tools.js").createBrushTools>} handlers.tools
 * @param {ReturnType<typeof import("./made.js").createMade>} handlers.made - what else a method makes
 * @param {() => void} handlers.wantPyramid - the reader asks for the pyramid
 * @param {(edits: import("./traits.js").Edit[]) => void} handlers.ablate
 * @param {(model: Model) => void} handlers.tubesShown - a tube viewer has taken its place
 * @param {AbortSignal} signal
 */
export function createStage({ tools, made, wantPyramid, ablate, tubesShown }, signal) {
  /** @type {typeof PANELS[number]} */
  let chosen = "tubes";
  let [isWide, isOffline, isFresh] = [false, false, false];
  /** @type {ExplorerState | undefined} */
  let state;
  const isHeld = () => tools.brush.isActive();
  /** Models of the views that are shown, by panel. @type {Map<string, Model>} */
  const models = new Map();
  /** Follow frame and playback of a new view. @param {string} name @param {Model} model */
  const link = (name, model) => {
    models.set(name, model);
    for (const trait of LINKED) {
      const follow = () => {
        if (models.get(name) !== model) return;
        for (const [other, to] of models) if (other !== name) to.set(trait, model.get(trait));
      };
      model.on(`change:${trait}`, follow);
    }
  };
  const orbit = new Orbit();
  const camera = { x: 0, y: 0, zoom: 1 };
  const tubes = createSlot(
    {
      render: (context) => createTubeViewer().render({ ...context, orbit }),
      carry: carryTubes,
      isHeld,
      shown(root, model, { size }) {
        link("tubes", model);
        tools.brush.showPicture(null);
        tools.attach(root, size);
        tubesShown(model);
      },
    },
    signal,
  );
  const pyramid = createSlot(
    {
      render: (context) => createPyramidViewer().render({ ...context, camera }),
      carry: carryPyramid,
      isHeld: () => false,
      shown(_, model) {
        const first = models.get("tubes");
        if (first) for (const trait of LINKED) model.set(trait, first.get(trait));
        link("pyramid", model);
        model.on("change:selected", showAblate);
        showAblate();
      },
    },
    signal,
  );
  const { element: ablation, show: showAblate } = createAblation(
    () => pyramid.model(),
    () => !isOffline,
    ablate,
    signal,
  );
  const askText = h("span", {}, "There is no pyramid of this step yet. ");
  const askButton = h("button", { type: "button", "data-name": "want-pyramid" }, "Make the pyramid");
  const ask = h("p", { class: "ne-note" }, askText, askButton);
  on(askButton, "click", wantPyramid, signal);
  const none = h("p", { class: "ne-note" }, "There are no tubes of this step yet.");
  const contents = { tubes: [none, tubes.element], pyramid: [ask, ablation, pyramid.element], made: [made.element] };
  const tabs = PANELS.map((name) => {
    const tab = h("button", { type: "button", role: "tab", "data-name": `tab-${name}` }, NAMES[name]);
    on(tab, "click", () => press(name), signal);
    return tab;
  });
  const panels = PANELS.map((name) =>
    h("div", { class: `ne-panel ne-panel-${name}`, role: "tabpanel", "aria-label": NAMES[name] }, ...contents[name]),
  );
  const tablist = h("div", { class: "ne-tabs", role: "tablist", "aria-label": "Results" }, ...tabs);
  const element = h("div", { class: "ne-stage-area" }, tablist, h("div", { class: "ne-panels" }, ...panels));
  const isThere = (/** @type {string} */ name) => name !== "made" || made.isFull();
  /** @param {typeof PANELS[number]} name */
  const choose = (name) => {
    chosen = name;
    arrange();
  };
  /** A tab chosen by the reader: a pyramid of this step is made when it is looked at. @param {typeof PANELS[number]} name */
  const press = (name) => {
    choose(name);
    if (name === "pyramid" && !isFresh && !isOffline) wantPyramid();
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const shown = tabs.filter((tab) => !tab.hidden);
    const index = shown.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    shown[(index + step + shown.length) % shown.length].focus();
    event.preventDefault();
  };
  on(tablist, "keydown", onKey, signal);

  const arrange = () => {
    if (!state) return;
    if (!isThere(chosen)) chosen = "tubes";
    const hasPyramid = isFull(state.pyramid);
    // Beside the tubes stands what there is; a pyramid that is not there yet is a tab.
    const isSplit = isWide && isFull(state.tubes) && (hasPyramid || made.isFull());
    element.toggleAttribute("data-split", isSplit);
    for (const [k, name] of PANELS.entries()) {
      const isShown = isSplit
        ? isThere(name) && (name !== "pyramid" || hasPyramid || chosen === name)
        : name === chosen;
      panels[k].hidden = !isShown;
      tabs[k].hidden = !isThere(name) || (isSplit && name !== "pyramid");
      tabs[k].ariaSelected = String(isSplit ? isShown : name === chosen);
      tabs[k].tabIndex = name === chosen || isSplit ? 0 : -1;
    }
    tablist.hidden = isSplit && hasPyramid;
    none.hidden = isFull(state.tubes);
    ask.hidden = isFresh;
    askText.textContent = hasPyramid
      ? "This pyramid is of an earlier step. "
      : "There is no pyramid of this step yet. ";
    askButton.disabled = isOffline;
    pyramid.element.toggleAttribute("data-stale", !isFresh);
    pyramid.element.hidden = !hasPyramid;
    if (hasPyramid && !panels[1].hidden) pyramid.show(state.pyramid);
    showAblate();
  };
  const resize = () => {
    const { width } = element.getBoundingClientRect();
    if (isWide === width >= WIDE) return;
    isWide = width >= WIDE;
    arrange();
  };
  onResize(element, resize, signal);
  return {
    element,
    /** What a settled request should make. */
    wants: () => (panels[1].hidden ? ["tubes"] : ["tubes", "pyramid"]),
    tubes: () => tubes.model(),
    /** Show the layer of a name in the tubes, if they have it. @param {string} layer */
    chooseLayer(layer) {
      const index = /** @type {any[]} */ (tubes.model()?.get("layers") ?? []).findIndex(({ name }) => name === layer);
      if (index >= 0) tubes.model()?.set("layer", index);
    },
    /** Turn to what a method makes. @param {string} key */
    choose(key) {
      const makes = state?.methods.find((method) => method.key === key)?.makes;
      if (makes) choose(makes === "tubes" || makes === "pyramid" ? makes : "made");
    },
    /** Frame shown, in the clip with the edits. */
    frame: () => tubes.model()?.get("frame") ?? 0,
    /** A gesture of the brush has ended: a view that waited may take its place. */
    release: tubes.swap,
    /** @param {ExplorerState} now @param {boolean} offline @param {boolean} isPyramidFresh */
    show(now, offline, isPyramidFresh) {
      state = now;
      isOffline = offline;
      isFresh = isPyramidFresh;
      if (isFull(now.tubes)) tubes.show(now.tubes);
      made.show(now);
      arrange();
    },
  };
}

/** The button that ablates the units selected in the pyramid. @param {() => Model | null} model @param {() => boolean} hasKernel @param {(edits: import("./traits.js").Edit[]) => void} ablate @param {AbortSignal} signal */
function createAblation(model, hasKernel, ablate, signal) {
  const button = h("button", { type: "button", "data-name": "ablate" });
  const to = h("select", { "data-name": "ablate-to", "aria-label": "ablate to" });
  for (const [value, text] of [
    ["zero", "to zero"],
    ["mean", "to its mean"],
  ])
    to.append(h("option", { value }, text));
  const note = h("span", { class: "ne-note" });
  const element = h("p", { class: "ne-ablation" }, button, to, note);
  button.title = "Switch off the kernels selected in the pyramid";
  const chosen = () => {
    const shown = model();
    return shown && hasKernel() ? selectedChannels(shown) : [];
  };
  const press = () => ablate(chosen().map(([layer, channels]) => ({ edit: "Ablate", layer, channels, to: to.value })));
  on(button, "click", press, signal);
  return {
    element,
    show() {
      const shown = model();
      const count = chosen().reduce((sum, [, channels]) => sum + channels.length, 0);
      element.hidden = !shown;
      button.textContent = count ? `Ablate selected (${count})` : "Ablate selected";
      const isOther = count === 0 && shown?.get("selected").length > 0;
      note.textContent = isOther ? "Only kernels can be ablated, not sums or the clip." : "";
      button.disabled = count === 0;
      to.disabled = !hasKernel();
    },
  };
}
