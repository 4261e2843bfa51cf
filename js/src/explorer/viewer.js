// The explorer: head, classes, edits, history and stage, kept in step with the controller.
import { h, on } from "../shared/dom.js";
import { isForeignKey } from "../shared/inputs.js";
import { showError } from "../shared/lifecycle.js";
import { createBars } from "./bars.js";
import { createBrushTools } from "./brush_tools.js";
import { createChips } from "./chips.js";
import { createComparison } from "./comparison.js";
import { createController } from "./controller.js";
import { createEditMenu } from "./edit_menu.js";
import { createFrameOverlay } from "./frame_overlay.js";
import { createHistory } from "./history.js";
import { createMade } from "./made.js";
import { createMethodPicker } from "./method_picker.js";
import { createNetwork } from "./network.js";
import { createProgress } from "./progress.js";
import { createStage } from "./stage.js";

/** @typedef {import("./traits.js").ExplorerModel} ExplorerModel */
/** @typedef {import("./controller.js").Shown} Shown */

/** A group of controls that need the kernel. @param {string} label @param {...HTMLElement} content */
const kernelControls = (label, ...content) => h("fieldset", { class: "ne-plain", "aria-label": label }, ...content);

/** @param {string} title @param {...HTMLElement} content */
const block = (title, ...content) => h("div", { class: "ne-block" }, h("h2", {}, title), ...content);

/**
 * Show the explorer until the signal aborts.
 * @param {ExplorerModel} model
 * @param {HTMLElement} root
 * @param {AbortSignal} signal
 */
export function mount(model, root, signal) {
  const liveRegion = h("p", { class: "ne-live", "aria-live": "polite" });
  const say = (/** @type {string} */ text) => {
    if (!signal.aborted) liveRegion.textContent = text;
  };
  const parts = createParts(say, () => controller, signal);
  const { stage, tools, overlay, comparison } = parts;
  let spoken = model.get("words");
  /** @param {Shown} shown */
  const update = (shown) => {
    parts.show(shown);
    const { isWorking, isOffline, coarse, connection } = shown;
    root.dataset.working = isWorking ? "settled" : coarse ? "coarse" : "";
    root.toggleAttribute("data-waiting", isWorking && !shown.isStreaming); // what is shown is old
    root.dataset.kernel = isOffline ? "none" : connection.kernel;
    root.dataset.ready = "true";
    if (isWorking || coarse || spoken === shown.words) return;
    spoken = shown.words;
    say(spoken);
  };
  const controller = createController(
    model,
    {
      update,
      wants: stage.wants,
      frame: stage.frame,
      showFrame: overlay.showEdited,
      compared: comparison.show,
      failed: (error) => showError(root, error),
    },
    signal,
  );
  root.append(...parts.elements, liveRegion);
  addKeyboard(root, parts.history, controller, signal);
  controller.start();
  return tools;
}

/** @param {(text: string) => void} say @param {() => ReturnType<typeof createController>} act @param {AbortSignal} signal */
function createParts(say, act, signal) {
  const title = h("span", { class: "ne-title" });
  const words = h("p", { class: "ne-words" });
  const caveats = h("ul", { class: "ne-caveats" });
  const bars = createBars(
    { explain: (index) => act().explain(index), compare: (index) => act().compareWith(index) },
    signal,
  );
  const method = createMethodPicker(
    {
      choose(key) {
        stage.choose(key);
        act().chooseMethod(key);
      },
      turn: (knob, value) => act().turn(knob, value),
    },
    signal,
  );
  const chips = createChips(
    {
      toggle: (index) => act().toggle(index),
      remove: (index) => act().remove(index),
      move: (from, to) => act().move(from, to),
    },
    say,
    signal,
  );
  const menu = createEditMenu((edit) => act().add(edit), signal);
  const history = createHistory(
    {
      goTo: (index) => act().goTo(index),
      pin: (index, pinned) => act().pin(index, pinned),
      compare: (a, b) => act().compare(a, b),
    },
    say,
    signal,
  );
  const progress = createProgress(
    { cancel: () => act().cancel(), retry: () => act().retry(), dismiss: () => act().dismiss() },
    signal,
  );
  const tools = createBrushTools(
    {
      preview: (edit) => act().preview(edit),
      add(edit) {
        act().add(edit);
        stage.release();
      },
      cancel() {
        act().dropPreview();
        stage.release();
      },
      say,
    },
    signal,
  );
  const overlay = createFrameOverlay(tools.brush.showPicture, () => stage.frame(), signal);
  const made = createMade(signal);
  const network = createNetwork((layer) => stage.chooseLayer(layer), signal);
  /** @type {Shown | undefined} */
  let last;
  let shownCaveats = "";
  const showNetwork = () => last && network.show(last.state, last.edits, stage.tubes());
  const stage = createStage(
    {
      tools,
      made,
      wantPyramid: () => act().askAgain(),
      ablate: (edits) => act().add(...edits),
      tubesShown(tubes) {
        overlay.follow(tubes);
        tubes.on("change:layer", showNetwork);
        showNetwork();
      },
    },
    signal,
  );
  const comparison = createComparison(signal);
  const head = kernelControls("Method", method.label, method.drawer);
  const editing = kernelControls("Edits", chips.element, menu.element);
  const brushing = kernelControls("Brush", tools.element);
  const side = h(
    "div",
    { class: "ne-side-column" },
    block("Classes", bars.element),
    block("Edits", editing),
    h("div", { class: "ne-block" }, history.drawer),
  );
  const main = h(
    "div",
    { class: "ne-main-column" },
    h("div", { class: "ne-main-tools" }, brushing, overlay.button),
    network.element,
    stage.element,
  );
  return {
    ...{ stage, tools, overlay, comparison, history },
    elements: [
      h("div", { class: "ne-explorer-head" }, title, head, history.buttons),
      method.help,
      h("div", { class: "ne-answer" }, words, progress.line),
      progress.element,
      h("div", { class: "ne-columns" }, side, main),
      comparison.element,
      caveats,
    ],
    /** @param {Shown} shown */
    show(shown) {
      last = shown;
      const { state, edits, coarse, isOffline, isPyramidFresh } = shown;
      title.textContent = state.title;
      words.textContent = shown.words;
      const others = state.caveats.filter((text) => !state.tubes.caveats?.includes(text)); // the tubes say their own
      if (shownCaveats !== others.join()) caveats.replaceChildren(...others.map((text) => h("li", {}, text)));
      shownCaveats = others.join();
      caveats.hidden = !shownCaveats;
      for (const group of [head, editing, brushing]) group.disabled = isOffline;
      tools.disable(isOffline);
      method.show(state);
      bars.show(state, isOffline, coarse);
      chips.show(edits, state.edit_kinds);
      menu.show(state.edit_kinds, {
        size: state.tubes.size ?? state.clip_state.size,
        layers: state.layers.map(({ name }) => name),
      });
      history.show(state, isOffline);
      progress.show(shown);
      overlay.show(state.clip_state.frames, edits.length > 0);
      stage.show(state, isOffline, isPyramidFresh);
      showNetwork();
    },
  };
}

/** Undo and redo; other keys do not reach the notebook. @param {HTMLElement} root @param {ReturnType<typeof createHistory>} history @param {ReturnType<typeof createController>} controller @param {AbortSignal} signal */
function addKeyboard(root, history, controller, signal) {
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (!isForeignKey(event)) return event.stopPropagation();
    const key = event.key.toLowerCase();
    const isTyping = /** @type {Element} */ (event.target).matches(
      "textarea, input:not([type=checkbox], [type=range])",
    );
    if (isTyping || event.altKey || !(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
    event.preventDefault();
    event.stopPropagation();
    const isRedo = key === "y" || event.shiftKey;
    if (isRedo ? history.canRedo() : history.canUndo()) controller.goTo(history.step() + (isRedo ? 1 : -1));
  };
  on(root, "keydown", onKey, signal);
}
