// TubeViewer: where in space and time a network found its evidence, to be moved through by hand. life.js is the life of a
// view; scene.js wires its parts together, state.js says what is shown, commit.js what the kernel hears.

import { live } from "../shared/lifecycle.js";
import { CONTENT, readContent } from "./traits.js";
import { mount } from "./viewer.js";
import { Orbit } from "./volume/camera.js";

/** @typedef {import("./traits.js").TubeModel} TubeModel */

export default () => ({
  /** @param {{model: TubeModel, el: HTMLElement, signal?: AbortSignal, orbit?: Orbit}} given an orbit that other views share */
  render({ model, el, signal, orbit = new Orbit() }) {
    return live(
      { model, el, signal },
      {
        kind: "ne-tubes",
        name: "Saliency tubes",
        content: CONTENT,
        mount: (root, own) => mount(model, root, readContent(model), orbit, own),
      },
    );
  },
});
