// Each viewer of a comparison reads the model through a side, under the trait names of a tube viewer. Shared traits (how
// evidence is drawn) keep their names; traits of one side get a prefix; its clip comes from the list of clips, and its frame
// from the step that all sides show.

/** @typedef {import("../tubes/traits.js").TubeModel} TubeModel */
/** @typedef {import("../tubes/traits.js").TubeViewerState} TubeViewerState */

export const SIDES = /** @type {const} */ (["a", "b", "c", "d"]);
/** Traits of a tube viewer that each side has for itself: `a_layer`, `b_layer` and so on. */
export const SIDE_TRAITS = /** @type {const} */ ([
  "layers",
  "maps",
  "targets",
  "caveats",
  "frame_signals",
  "layer",
  "threshold",
  "threshold_by",
  "target",
  "against",
  "frame_signal",
]);

/**
 * Traits beside those of the sides, one per line; a Python test compares the names with the widget's class.
 * @typedef {Object} SharedState
 * @property {string[]} titles - title of each side; a title may be empty
 * @property {number[]} size - [steps, height, width]: a step is a value of `frame`
 * @property {number[]} times - seconds of each step; empty where unknown
 * @property {DataView[]} frames - the JPEGs of all clips, each once
 * @property {ClipState[]} clips - the clip of each side
 * @property {string} alignment - how frames of the sides correspond: "clip", "frame", "time" or "elapsed"
 * @property {boolean} linked - whether changing the layer or threshold of one side changes the others' too
 * @property {number} frame - the step shown; all following traits are as in TubeViewerState
 * @property {boolean} playing
 * @property {number} speed
 * @property {string} mode
 * @property {string} sign
 * @property {string} scale
 * @property {string} colours
 * @property {number} opacity
 * @property {number[] | null} window
 */
/** @typedef {{size: number[], times: number[], picture: import("../shared/window.js").PictureState, frames: number[], shown: number[], steps: number[]}} ClipState `frames`: index of each JPEG; `shown`: the frame shown at each step; `steps`: the step of each frame */
/** @typedef {typeof SIDES[number]} SideName */
/** @typedef {{[Name in typeof SIDE_TRAITS[number] as `${SideName}_${Name}`]: TubeViewerState[Name]}} SideState */
/** @typedef {SharedState & SideState} CompareViewerState */
/** @typedef {import("../shared/model.js").WidgetModel<CompareViewerState>} CompareModel */

/** One side of the model, as a model of a tube viewer. @implements {TubeModel} */
export class Side {
  /** @type {CompareModel} */
  #model;
  /** @type {number} */
  #index;
  /** The sides of the model, with this one. @type {Side[]} */
  #sides;

  /** @param {CompareModel} model @param {number} index @param {Side[]} sides */
  constructor(model, index, sides) {
    this.#model = model;
    this.#index = index;
    this.#sides = sides;
  }

  /** The model's name of a trait, or of the trait that its value comes from. @param {string} name */
  traitName(name) {
    const isOwn = SIDE_TRAITS.some((own) => own === name);
    const source = ["size", "times", "picture"].includes(name) ? "clips" : name;
    return /** @type {keyof CompareViewerState} */ (isOwn ? `${SIDES[this.#index]}_${name}` : source);
  }

  /** @returns {Partial<ClipState>} */
  get #clip() {
    return this.#model.get("clips")?.[this.#index] ?? {};
  }

  /** @param {string} name @returns {any} */
  get(name) {
    if (name === "title") return ""; // shown in the heading above the side
    const value = /** @type {any} */ (this.#model.get(this.traitName(name)));
    const { size, times, frames, picture, shown } = this.#clip;
    if (name === "size") return size;
    if (name === "times") return times;
    if (name === "picture") return picture;
    if (name === "frames") return frames?.map((index) => value?.[index]);
    if (name === "frame") return shown?.[Math.min(Math.max(value, 0), shown.length - 1)];
    return value;
  }

  /** Called for user input only: Python sets traits on the model itself, and no link follows it. @param {string} name @param {any} value */
  set(name, value) {
    this.#model.set(this.traitName(name), name === "frame" ? this.#clip.steps?.[value] : value);
    if (this.#model.get("linked")) for (const side of this.#sides) if (side !== this) side.copyFrom(this, name);
  }

  /** Copy a trait from another side, if it can be linked: the threshold, or a layer that both have. @param {Side} side @param {string} name */
  copyFrom(side, name) {
    if (name === "threshold" || name === "threshold_by") this.#model.set(this.traitName(name), side.get(name));
    if (name !== "layer") return;
    const index = layerIndex(this.get("layers"), side.get("layers")?.[side.get("layer")]?.name);
    if (index >= 0) this.#model.set(this.traitName(name), index);
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
    return `change:${this.traitName(event.slice("change:".length))}`;
  }
}

/** Index of a layer by name; -1 if there is none. @param {unknown} layers @param {string | undefined} name */
function layerIndex(layers, name) {
  return Array.isArray(layers) ? layers.findIndex((layer) => layer?.name === name) : -1;
}

/** The sides of a model, linked to each other. @param {CompareModel} model */
export function createSides(model) {
  const { length: count = 2 } = model.get("clips") ?? [];
  /** @type {Side[]} */
  const sides = [];
  for (let k = 0; k < Math.min(Math.max(count, 2), SIDES.length); k++) sides.push(new Side(model, k, sides));
  return sides;
}
