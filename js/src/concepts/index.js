// ConceptViewer: the concepts of a class, with the clips that show them and what the network loses without them.

import { mountView } from "../shared/lifecycle.js";
import { registerModel } from "../shared/live_models.js";
import { CONTENT, readContent } from "./traits.js";
import { mount } from "./viewer.js";

export default () => ({
  initialize: registerModel,
  /** @param {{model: import("./traits.js").ConceptModel, el: HTMLElement, signal?: AbortSignal}} context */
  render({ model, el, signal }) {
    return mountView(
      { model, el, signal },
      {
        kind: "ne-concepts",
        name: "Concepts",
        content: CONTENT,
        mount: (root, contentSignal) => mount(model, root, readContent(model), contentSignal),
      },
    );
  },
});
