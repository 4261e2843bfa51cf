// One model, two sides: each viewer of a comparison sees the model through a side, under the names that it knows. What
// both share (the clip, its frame, how evidence is drawn) is one trait; what is each side's own has a prefix.

/** @typedef {import("../tubes/traits.js").CourseState} CourseState */
/** @typedef {import("../tubes/traits.js").LayerState} LayerState */
/** @typedef {import("../tubes/traits.js").TargetState} TargetState */
/** @typedef {import("../tubes/traits.js").TubeModel} TubeModel */

/**
 * One trait per line; a Python test compares the names with the widget's class.
 * @typedef {Object} CompareViewerState
 * @property {string[]} titles - what the two sides are called; a title may be empty
 * @property {number[]} size - the clip that both networks saw: [time, height, width]
 * @property {number[]} times - seconds of each frame; empty where unknown
 * @property {DataView[]} frames - one JPEG per frame, for both sides
 * @property {LayerState[]} a_layers - of the first side, as in TubeViewerState; so are the next four
 * @property {DataView[]} a_maps
 * @property {TargetState[]} a_targets
 * @property {string[]} a_caveats
 * @property {CourseState[]} a_courses
 * @property {LayerState[]} b_layers - of the second side
 * @property {DataView[]} b_maps
 * @property {TargetState[]} b_targets
 * @property {string[]} b_caveats
 * @property {CourseState[]} b_courses
 * @property {number} a_layer - index of the layer that the first side shows
 * @property {number} a_threshold - fraction 0..1 of the largest absolute value of its layer and target
 * @property {number} a_target - index of its target
 * @property {number | null} a_against - index of its target whose map is subtracted
 * @property {number | null} a_course - index of its course drawn on its timeline
 * @property {number} b_layer
 * @property {number} b_threshold
 * @property {number} b_target
 * @property {number | null} b_against
 * @property {number | null} b_course
 * @property {boolean} linked - whether a hand that moves the layer or the threshold of one side moves the other's too
 * @property {number} frame - index of the frame shown, on both sides; so is all that follows
 * @property {boolean} playing
 * @property {number} speed
 * @property {string} mode
 * @property {string} sign
 * @property {string} scale
 * @property {string} colours
 * @property {number} opacity
 */

/** @typedef {{get: <K extends keyof CompareViewerState>(name: K) => CompareViewerState[K], set: <K extends keyof CompareViewerState>(name: K, value: CompareViewerState[K]) => void, save_changes: () => void, on: (event: string, listener: () => void) => void, off: (event: string, listener: () => void) => void}} CompareModel */

const OWN = ["layers", "maps", "targets", "caveats", "courses", "layer", "threshold", "target", "against", "course"];

/** A side of the model, as the tube viewer wants a model. @implements {TubeModel} */
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

  /** What the model calls a trait. @param {string} name */
  #called(name) {
    return /** @type {keyof CompareViewerState} */ (OWN.includes(name) ? `${this.#prefix}_${name}` : name);
  }

  /** @param {string} name @returns {any} */
  get(name) {
    if (name === "title") return ""; // it stands above the side
    return this.#model.get(this.#called(name));
  }

  /** Only hands set what can be linked; what Python sets, it sets on the model itself. @param {string} name @param {any} value */
  set(name, value) {
    this.#model.set(this.#called(name), value);
    if (this.#model.get("linked") && this.other) this.other.follow(this, name);
  }

  /** Come to where another side is, if a trait can be linked: the threshold, and a layer that both have. @param {Side} side @param {string} name */
  follow(side, name) {
    if (name === "threshold") this.#model.set(this.#called(name), side.get(name));
    if (name !== "layer") return;
    const place = indexOf(this.get("layers"), side.get("layers")?.[side.get("layer")]?.name);
    if (place >= 0) this.#model.set(this.#called(name), place);
  }

  save_changes() {
    this.#model.save_changes();
  }

  /** @param {string} event @param {() => void} listener */
  on(event, listener) {
    this.#model.on(this.#event(event), listener);
  }

  /** @param {string} event @param {() => void} listener */
  off(event, listener) {
    this.#model.off(this.#event(event), listener);
  }

  /** @param {string} event */
  #event(event) {
    return `change:${this.#called(event.slice("change:".length))}`;
  }
}

/** Place of a layer among others; -1 where there is none of that name. @param {unknown} layers @param {string | undefined} name */
function indexOf(layers, name) {
  return Array.isArray(layers) ? layers.findIndex((layer) => layer?.name === name) : -1;
}

/** Both sides of a model. @param {CompareModel} model @returns {[Side, Side]} */
export function sidesOf(model) {
  const [a, b] = [new Side(model, "a"), new Side(model, "b")];
  [a.other, b.other] = [b, a];
  return [a, b];
}
