// Each viewer of a comparison reads the model through a side, under the trait names of a tube viewer. Shared traits (the
// clip, its frame, how evidence is drawn) keep their names; traits of one side get a prefix.

/** @typedef {import("../tubes/traits.js").FrameSignalState} FrameSignalState */
/** @typedef {import("../tubes/traits.js").LayerState} LayerState */
/** @typedef {import("../tubes/traits.js").TargetState} TargetState */
/** @typedef {import("../tubes/traits.js").TubeModel} TubeModel */

/**
 * One trait per line; a Python test compares the names with the widget's class.
 * @typedef {Object} CompareViewerState
 * @property {string[]} titles - titles of the two sides; a title may be empty
 * @property {number[]} size - the clip that both networks saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty where unknown
 * @property {DataView[]} frames - one JPEG per frame, for both sides
 * @property {LayerState[]} a_layers - of the first side, as in TubeViewerState; likewise the next four
 * @property {DataView[]} a_maps
 * @property {TargetState[]} a_targets
 * @property {string[]} a_caveats
 * @property {FrameSignalState[]} a_frame_signals
 * @property {LayerState[]} b_layers - of the second side
 * @property {DataView[]} b_maps
 * @property {TargetState[]} b_targets
 * @property {string[]} b_caveats
 * @property {FrameSignalState[]} b_frame_signals
 * @property {number} a_layer - index of the first side's layer
 * @property {number} a_threshold - fraction 0..1 of the largest absolute value of its layer and target
 * @property {number} a_target - index of its target
 * @property {number | null} a_against - index of its target whose map is subtracted
 * @property {number | null} a_frame_signal - index of its frame signal on its timeline
 * @property {number} b_layer
 * @property {number} b_threshold
 * @property {number} b_target
 * @property {number | null} b_against
 * @property {number | null} b_frame_signal
 * @property {boolean} linked - whether changing the layer or threshold of one side changes the other's too
 * @property {number} frame - index of the frame shown on both sides; all following traits are shared too
 * @property {boolean} playing
 * @property {number} speed
 * @property {string} mode
 * @property {string} sign
 * @property {string} scale
 * @property {string} colours
 * @property {number} opacity
 */

/** @typedef {import("../shared/model.js").WidgetModel<CompareViewerState>} CompareModel */

const SIDE_TRAITS = [
  "layers",
  "maps",
  "targets",
  "caveats",
  "frame_signals",
  "layer",
  "threshold",
  "target",
  "against",
  "frame_signal",
];

/** One side of the model, as a model of a tube viewer. @implements {TubeModel} */
class Side {
  /** @type {CompareModel} */
  #model;
  /** @type {string} */
  #prefix;
  /** @type {Side | undefined} */
  other;

  /** @param {CompareModel} model @param {"a" | "b"} prefix */
  constructor(model, prefix) {
    this.#model = model;
    this.#prefix = prefix;
  }

  /** The model's name of a trait. @param {string} name */
  #traitName(name) {
    return /** @type {keyof CompareViewerState} */ (SIDE_TRAITS.includes(name) ? `${this.#prefix}_${name}` : name);
  }

  /** @param {string} name @returns {any} */
  get(name) {
    if (name === "title") return ""; // shown in the heading above the side
    return this.#model.get(this.#traitName(name));
  }

  /** Called for user input only: Python sets traits on the model itself, and no link follows it. @param {string} name @param {any} value */
  set(name, value) {
    this.#model.set(this.#traitName(name), value);
    if (this.#model.get("linked") && this.other) this.other.copyFrom(this, name);
  }

  /** Copy a trait from another side, if it can be linked: the threshold, or a layer that both have. @param {Side} side @param {string} name */
  copyFrom(side, name) {
    if (name === "threshold") this.#model.set(this.#traitName(name), side.get(name));
    if (name !== "layer") return;
    const index = layerIndex(this.get("layers"), side.get("layers")?.[side.get("layer")]?.name);
    if (index >= 0) this.#model.set(this.#traitName(name), index);
  }

  save_changes() {
    this.#model.save_changes();
  }

  /** @param {string} event @param {() => void} listener */
  on(event, listener) {
    this.#model.on(this.#eventName(event), listener);
  }

  /** @param {string} event @param {() => void} listener */
  off(event, listener) {
    this.#model.off(this.#eventName(event), listener);
  }

  /** The model's name of a change event. @param {string} event */
  #eventName(event) {
    return `change:${this.#traitName(event.slice("change:".length))}`;
  }
}

/** Index of a layer by name; -1 if there is none. @param {unknown} layers @param {string | undefined} name */
function layerIndex(layers, name) {
  return Array.isArray(layers) ? layers.findIndex((layer) => layer?.name === name) : -1;
}

/** Both sides of a model, linked to each other. @param {CompareModel} model @returns {[Side, Side]} */
export function createSides(model) {
  const [a, b] = [new Side(model, "a"), new Side(model, "b")];
  [a.other, b.other] = [b, a];
  return [a, b];
}
