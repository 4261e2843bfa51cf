// TubeViewer: the evidence of a network in space and time. shared/lifecycle.js mounts it, viewer.js wires its parts
// together, traits.js says what it shows, shared/kernel_sync.js when the kernel gets a message.

import { mountView } from "../shared/lifecycle.js";
import { registerModel } from "../shared/live_models.js";
import { CONTENT, readContent } from "./traits.js";
import { mount } from "./viewer.js";
import { Orbit } from "./volume/camera.js";

/** @typedef {import("./traits.js").TubeModel} TubeModel */
/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{model: any, el: HTMLElement, signal?: AbortSignal, orbit?: Orbit} & Options} Host an orbit is passed by views that share one */
/** @typedef {{link?: import("./toolbar.js").Link, tools?: readonly string[], controls?: import("./viewer.js").ControlsOption}} Options what the page offers; the buttons of the toolbar, all by default; "shared" where a view around this one has the shared controls */

/** @param {Host} host @param {readonly string[]} traits whose change mounts the view again @param {() => Content} content */
const render = ({ model, el, signal, link, tools, controls, orbit = new Orbit(link?.state.camera) }, traits, content) =>
  mountView(
    { model, el, signal },
    {
      kind: "ne-tubes",
      name: "Saliency tubes",
      content: traits,
      mount: (root, lifetime) => mount(model, root, content(), orbit, lifetime, { link, tools, controls }),
    },
  );

/**
 * Render plain values: the model's `content` is a Content, beside the traits of a view state.
 * @param {Host} host
 * @returns {() => void} cleanup
 */
export const renderValues = (host) => render(host, ["content"], () => host.model.get("content"));

export default () => ({
  initialize: registerModel,
  /** @param {Host & {model: TubeModel}} host */
  render: (host) => render(host, CONTENT, () => readContent(host.model)),
});
