// VisualizationViewer: clips that were made for a network, beside their starts and the nearest real clips.

import { mountView } from "../shared/lifecycle.js";
import { registerModel } from "../shared/live_models.js";
import { CONTENT, readContent } from "./traits.js";
import { mount } from "./viewer.js";

export default () => ({
  initialize: registerModel,
  /** @param {{model: import("./traits.js").VisualizationModel, el: HTMLElement, signal?: AbortSignal}} context */
  render({ model, el, signal }) {
    return mountView(
      { model, el, signal },
      {
        kind: "ne-visualization",
        name: "Visualization",
        content: CONTENT,
        mount: (root, contentSignal) => mount(model, root, readContent(model), contentSignal),
      },
    );
  },
});
