// PyramidViewer: a class and, layer by layer, the kernels that inform it, to be climbed by hand. life.js is the life of a
// view; pyramid_scene.js wires its parts together, pyramid_state.js says what is shown.
import { mountView } from "../shared/lifecycle.js";
import { CONTENT, readContent } from "./traits.js";
import { mount } from "./viewer.js";

export default () => ({
  /** @param {{model: import("./traits.js").PyramidModel, el: HTMLElement, signal?: AbortSignal}} given */
  render({ model, el, signal }) {
    const camera = { x: 0, y: 0, zoom: 1 }; // outlives new content
    return mountView(
      { model, el, signal },
      {
        kind: "ne-pyramid",
        name: "Class feature pyramid",
        content: CONTENT,
        mount: (root, own) => mount(model, root, readContent(model), camera, own),
      },
    );
  },
});
