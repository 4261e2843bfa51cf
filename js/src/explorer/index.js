// Explorer: edits of a clip and a network, and predictions and explanations that follow. viewer.js wires the parts, controller.js
// turns what the reader does into requests, client.js exchanges messages with the kernel.
import { mountView } from "../shared/lifecycle.js";
import { registerModel } from "../shared/live_models.js";
import { mount } from "./viewer.js";

export default () => ({
  initialize: registerModel,
  /** @param {{model: import("./traits.js").ExplorerModel, el: HTMLElement, signal?: AbortSignal}} context */
  render: ({ model, el, signal }) =>
    mountView(
      { model, el, signal },
      { kind: "ne-explorer", name: "Explorer", content: [], mount: (root, lifetime) => mount(model, root, lifetime) },
    ),
});
