// PyramidViewer: a class and, layer by layer, the kernels that contribute to it.

import { mountView } from "../shared/lifecycle.js";
import { registerModel } from "../shared/live_models.js";
import { CONTENT, readContent } from "./traits.js";
import { mount } from "./viewer.js";

export default () => ({
  initialize: registerModel,
  /** @param {{model: import("./traits.js").PyramidModel, el: HTMLElement, signal?: AbortSignal, camera?: import("./viewport.js").Camera}} context the camera is kept when the content is replaced; views that follow each other may share one */
  render({ model, el, signal, camera = { x: 0, y: 0, zoom: 1 } }) {
    return mountView(
      { model, el, signal },
      {
        kind: "ne-pyramid",
        name: "Class feature pyramid",
        content: CONTENT,
        mount: (root, contentSignal) => mount(model, root, readContent(model), camera, contentSignal),
      },
    );
  },
});
