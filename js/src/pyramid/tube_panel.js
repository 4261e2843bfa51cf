// The linked tube: a TubeViewer inside the view, on a model of its own, which shows where the selected units look, or,
// with nothing selected, where the chosen row does. The frame and the playing are shared, both ways.
import { h } from "../shared/dom.js";
import { Model } from "../shared/model.js";
import tubeViewer from "../tubes/index.js";
import { unitName } from "./text.js";
import { rowTube, tubeState, unitTube } from "./unit_maps.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").ViewState} ViewState */

const REST = 150; // ms of rest before other tubes are shown: while a slider is dragged nothing new is made
const FIRST = { target: 0, against: null, threshold: 0.4, speed: 1, mode: "tube", sign: "both", scale: "clip" };
const LOOK = { colours: "diverging", opacity: 0.6 };

/** What is to be shown, and how it is called. @param {Content} content @param {import("./graph.js").Graph} graph @param {ViewState} place @param {Uint8Array} stays */
export function tubesOf(content, graph, { selected, row }, stays) {
  const own = selected.flatMap((unit) => unitTube(content, unit) ?? []);
  if (own.length) {
    return { tubes: own, title: `Where ${own[own.length - 1].name} looked` };
  }
  // The class and a linear layer have no place in the clip: then the next row below that has, else one above.
  const order = [...content.rows.keys()].sort(
    (a, b) => Number(a < row) - Number(b < row) || Math.abs(a - row) - Math.abs(b - row),
  );
  for (const at of order) {
    const tube = rowTube(content, at, graph.keptUnits(at, stays));
    if (!tube) continue;
    const asked = selected.length ? unitName(content, selected[0]) : content.rows[row].name;
    const instead = at === row && !selected.length ? "" : ` (${asked} has no map)`;
    return { tubes: [tube], title: `Where ${tube.name} look, weighted by score${instead}` };
  }
  return { tubes: [], title: "These layers have no place in the clip: there is no tube." };
}

/**
 * @param {Content} content @param {import("./graph.js").Graph} graph
 * @param {{set: (name: "frame" | "playing", value: any) => void, commit: () => void}} outer
 * @param {AbortSignal} signal
 */
export function createTubes(content, graph, outer, signal) {
  const title = h("p", { class: "ne-heading" });
  const inside = h("div", {});
  const element = h("div", { class: "ne-tube-panel", role: "group", "aria-label": "The tube" }, title, inside);
  /** @type {Model | undefined} */
  let inner;
  let key = "";
  let words = "";
  /** @type {string[]} */
  let names = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** Of several units one is shown: its name follows the choice. */
  const entitle = () => {
    const at = inner?.get("layer") ?? names.length - 1;
    const one = `Where ${names[at]} looked: ${at + 1} of ${names.length} chosen, "layer" shows another`;
    title.textContent = names.length > 1 ? one : words;
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  /** @param {Record<string, any>} state */
  const begin = (state) => {
    inner = new Model({ ...FIRST, ...LOOK, ...state });
    inner.save_changes = outer.commit;
    inner.on("change:layer", entitle);
    for (const name of /** @type {const} */ (["frame", "playing"]))
      inner.on(`change:${name}`, () => outer.set(name, inner?.get(name)));
    tubeViewer().render({ model: /** @type {any} */ (inner), el: inside, signal });
  };
  /** @param {ViewState} place @param {Uint8Array} stays */
  const settle = (place, stays) => {
    const { tubes, title: said } = tubesOf(content, graph, place, stays);
    const next = JSON.stringify([said, place.selected]) + (tubes[0]?.values.join() ?? "");
    if (next === key) return;
    key = next;
    words = said;
    names = tubes.map(({ name }) => name);
    inside.hidden = !tubes.length;
    element.dataset.tubes = String(tubes.length);
    if (!tubes.length) return entitle();
    inside.style.minHeight = `${inside.offsetHeight}px`; // nothing jumps while one view makes way for the next
    const state = { ...tubeState({ ...content, title: "" }, tubes), layer: tubes.length - 1 };
    if (inner) inner.set(state);
    else begin({ ...state, frame: place.frame, playing: place.playing });
    entitle();
    setTimeout(() => inside.style.removeProperty("min-height"), 500);
  };
  return {
    element,
    /** @param {ViewState} place @param {Uint8Array} stays */
    show(place, stays) {
      inner?.set({ frame: place.frame, playing: place.playing });
      clearTimeout(timer);
      timer = setTimeout(settle, inner ? REST : 0, place, stays);
    },
  };
}
