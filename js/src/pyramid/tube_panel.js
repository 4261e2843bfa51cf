// The linked tube: a tube viewer inside the pyramid that shows the maps of the selected units or, with nothing selected, of
// the chosen row. Frame and playback are shared in both directions; everything else is local to the panel.
import { h, onAbort } from "../shared/dom.js";
import { Model } from "../shared/model.js";
import { renderValues } from "../tubes/index.js";
import { unitName } from "./text.js";
import { rowTube, tubeContent, unitTube } from "./unit_maps.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").ViewState} ViewState */

const REST = 150; // ms without a change before other tubes are shown: nothing is made while a slider is dragged
const DEFAULTS = { target: 0, against: null, threshold: 0.4, speed: 1, mode: "tube", sign: "both", scale: "clip" };
const LOOK = { threshold_by: "default", colours: "diverging", opacity: 0.6 };

/** Tubes to show, and their title. @param {Content} content @param {import("./graph.js").Graph} graph @param {ViewState} view @param {Uint8Array} stays units kept by the threshold */
export function tubesOf(content, graph, { selected, row }, stays) {
  const selectedTubes = selected.flatMap((unit) => unitTube(content, unit) ?? []);
  if (selectedTubes.length) {
    return { tubes: selectedTubes, title: `Activity of ${selectedTubes[selectedTubes.length - 1].name}` };
  }
  // The class and linear layers have no maps: take the next row below that has one, else the nearest above.
  const order = [...content.rows.keys()].sort(
    (a, b) => Number(a < row) - Number(b < row) || Math.abs(a - row) - Math.abs(b - row),
  );
  for (const candidate of order) {
    const tube = rowTube(content, candidate, graph.keptUnits(candidate, stays));
    if (!tube) continue;
    const wanted = selected.length ? unitName(content, selected[0]) : content.rows[row].name;
    const note = candidate === row && !selected.length ? "" : ` (${wanted} has no map)`;
    return { tubes: [tube], title: `Activity of ${tube.name}, weighted by score${note}` };
  }
  return { tubes: [], title: "None of these layers has a map, so there is no tube to show." };
}

/**
 * @param {Content} content @param {import("./graph.js").Graph} graph
 * @param {{set: (name: "frame" | "playing", value: any) => void, commit: () => void}} outer the pyramid's commits
 * @param {AbortSignal} signal
 */
export function createTubes(content, graph, outer, signal) {
  const heading = h("p", { class: "ne-heading" });
  const inside = h("div", {});
  const element = h("div", { class: "ne-tube-panel", role: "group", "aria-label": "Linked tube" }, heading, inside);
  /** @type {Model | undefined} */
  let inner;
  let shownKey = "";
  let title = "";
  /** @type {string[]} */
  let names = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** With several units selected, the heading follows the layer chosen in the panel. */
  const showHeading = () => {
    const index = inner?.get("layer") ?? names.length - 1;
    const several = `Activity of ${names[index]} (${index + 1} of ${names.length} selected; "selected unit" switches)`;
    heading.textContent = names.length > 1 ? several : title;
  };
  onAbort(signal, () => clearTimeout(timer));

  /** @param {Record<string, any>} state */
  const start = (state) => {
    inner = new Model({ ...DEFAULTS, ...LOOK, ...state });
    inner.save_changes = outer.commit;
    inner.on("change:layer", showHeading);
    for (const name of /** @type {const} */ (["frame", "playing"]))
      inner.on(`change:${name}`, () => outer.set(name, inner?.get(name)));
    renderValues({ model: inner, el: inside, signal });
  };
  /** @param {ViewState} view @param {Uint8Array} stays */
  const update = (view, stays) => {
    const { tubes, title: newTitle } = tubesOf(content, graph, view, stays);
    const key = JSON.stringify([newTitle, view.selected]) + (tubes[0]?.values.join() ?? "");
    if (key === shownKey) return;
    shownKey = key;
    title = newTitle;
    names = tubes.map(({ name }) => name);
    inside.hidden = !tubes.length;
    element.dataset.tubes = String(tubes.length);
    if (!tubes.length) return showHeading();
    inside.style.minHeight = `${inside.offsetHeight}px`; // keep the height while one viewer replaces the other
    const state = { content: tubeContent(content, tubes), layer: tubes.length - 1 };
    if (inner) inner.set(state);
    else start({ ...state, frame: view.frame, playing: view.playing });
    showHeading();
    setTimeout(() => inside.style.removeProperty("min-height"), 500);
  };
  return {
    element,
    /** @param {ViewState} view @param {Uint8Array} stays */
    show(view, stays) {
      inner?.set({ frame: view.frame, playing: view.playing });
      clearTimeout(timer);
      timer = setTimeout(update, inner ? REST : 0, view, stays);
    },
  };
}
