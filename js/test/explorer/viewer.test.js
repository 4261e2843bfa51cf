// @vitest-environment jsdom
// The explorer with a fake model: what each control asks, what answers change, and what works without a kernel.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/explorer/index.js";
import { context2d } from "../helpers.js";
import { edit, explorerState, KernelModel } from "./helpers.js";

let model;
let el;
let cleanup;
let drawn;

beforeEach(() => {
  drawn = [];
  vi.stubGlobal("createImageBitmap", async (blob) => ({ width: 6, height: 4, size: blob.size, close() {} }));
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:x", revokeObjectURL() {} }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) =>
    kind === "2d" ? context2d(drawn) : null,
  );
});
afterEach(() => {
  cleanup?.();
  document.body.replaceChildren();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function render(changes = {}, more = {}) {
  model = Object.assign(new KernelModel(explorerState(changes)), more);
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el });
  if (model.sent.length) model.end(model.sent[0]); // the first hello
  await vi.waitFor(() => expect(root().dataset.ready ?? root().dataset.error).toBe("true"));
  if (root().dataset.ready && model.get("tubes").size)
    await vi.waitFor(() => expect(tubes().dataset.ready).toBe("true"));
}
const root = () => el.querySelector(".ne-explorer");
const tubes = () => root().querySelector(".ne-slot > :not(.ne-slot-next) > .ne-tubes");
const find = (name, index = 0) => root().querySelectorAll(`[data-name="${name}"]`)[index];
const texts = (selector) => [...root().querySelectorAll(selector)].map(text);
const text = (element) => element.textContent.replaceAll("\u00a0", " ");
const fire = (target, type, more = {}) =>
  target.dispatchEvent(Object.assign(new Event(type, { bubbles: true, cancelable: true }), more));
const press = (target, key, more = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  target.dispatchEvent(event);
  return event;
};
const choose = (select, value) => {
  select.value = value;
  fire(select, "change");
};
const settle = () => new Promise((done) => setTimeout(done));
/** Set traits as Python does, in one message, then end the newest request. */
async function answer(changes = {}, end = "done", words = "") {
  const request = model.newest;
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  await settle();
  model.end(request, end, words);
  await settle();
}
const SCORES = { logits: [1, 2, 3], probabilities: [0.31, 0.55, 0.14] };

describe("classes", () => {
  test("each has its value now and before, as text and as bars", async () => {
    await render({ after: SCORES });
    expect(texts(".ne-class-name")).toEqual(["kick", "<b>wave</b>", "clap"]);
    expect(texts(".ne-class-value")).toEqual(["31 %", "55 %", "14 %"]);
    expect(texts(".ne-classes small")).toEqual([" was 70 %", " was 20 %", " was 10 %"]);
    expect([
      root().querySelector(".ne-class-before").style.width,
      root().querySelector(".ne-class-after").style.width,
    ]).toEqual(["70%", "31%"]);
    expect(root().querySelector(".ne-classes b")).toBe(null); // names are text
  });

  test("a click explains a class, with Shift or the second button it is compared with", async () => {
    await render();
    find("explain", 1).click();
    expect(model.newest).toMatchObject({
      type: "request",
      settled: true,
      target: 1,
      against: null,
      wants: ["tubes"],
      frame: 1,
    });
    expect(find("explain", 1).ariaPressed).toBe("true"); // before the answer
    find("explain", 2).dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    expect(model.newest).toMatchObject({ target: 1, against: 2 });
    find("than", 0).click();
    expect(model.newest).toMatchObject({ target: 1, against: 0 });
    expect(find("than", 1).disabled).toBe(true);
  });
});

describe("edits", () => {
  const two = () => render({ edit_list: [edit("A"), edit("B")] });
  const order = () =>
    model.newest.edits.map(({ edit: { edit: kind }, enabled }) => kind + (enabled ? "" : "-")).join("");

  test("chips say what Python says; a click switches one off, the cross removes it", async () => {
    await two();
    expect(texts("[data-name=toggle]")).toEqual(["words of A", "words of B"]);
    find("toggle", 1).click();
    expect([order(), find("toggle", 1).ariaPressed]).toEqual(["AB-", "false"]);
    find("remove", 0).click();
    expect([order(), texts("[data-name=toggle]")]).toEqual(["B-", ["words of B"]]);
  });

  test("Alt and arrows move one and keep the focus, Delete removes it", async () => {
    await two();
    find("toggle", 0).focus();
    expect(press(document.activeElement, "ArrowRight", { altKey: true }).defaultPrevented).toBe(true);
    expect([order(), document.activeElement]).toEqual(["BA", find("toggle", 1)]);
    press(document.activeElement, "ArrowRight", { altKey: true });
    expect(model.asked).toHaveLength(1); // it is the last one already
    press(document.activeElement, "Delete");
    expect([order(), document.activeElement]).toEqual(["B", find("toggle", 0)]);
    expect(root().querySelector(":scope > .ne-live").textContent).toBe("Edit removed");
  });

  test("one is dragged to the place of another", async () => {
    await two();
    const [first, second] = root().querySelectorAll(".ne-edit");
    fire(second, "dragstart");
    expect(fire(first, "dragover")).toBe(false);
    fire(first, "drop");
    expect(order()).toBe("BA");
  });

  test("the menu offers each kind with its fields", async () => {
    await render();
    choose(find("edit-kind"), "Brighten");
    const factor = find("factor");
    expect([factor.value, factor.min, factor.max]).toEqual(["1.3", "0", "4"]);
    factor.value = "9";
    find("add-edit").click();
    expect(model.newest.edits).toEqual([{ edit: { edit: "Brighten", factor: 4 }, enabled: true }]);
    choose(find("edit-kind"), "Ablate");
    choose(find("layer"), "stem");
    find("channels").value = "3, 7";
    find("add-edit").click();
    expect(model.newest.edits[1].edit).toEqual({ edit: "Ablate", layer: "stem", channels: [3, 7] });
    choose(find("edit-kind"), "Reverse");
    const [from, to] = root().querySelectorAll("[data-name=frames]");
    [from.value, to.value] = ["2", "3"];
    find("add-edit").click();
    expect(model.newest.edits[2].edit).toEqual({ edit: "Reverse", frames: [1, 3] });
  });
});

describe("the method", () => {
  test("is chosen from a menu that names slow ones; knobs follow their ranges", async () => {
    await render();
    expect([...find("method").options].map((option) => option.text)).toEqual(["Tubes", "Pyramid (slow)"]);
    const side = find("side");
    side.value = "99";
    fire(side, "change");
    expect(model.newest.knobs).toEqual({ tubes: { side: 16 } });
    const flag = find("pooled");
    flag.checked = true;
    fire(flag, "change");
    expect(model.newest.knobs).toEqual({ tubes: { side: 16, pooled: true } });
    expect(text(find("knobs"))).toBe("settings of the method (2 changed)");
  });

  test("one that makes a pyramid turns to it, and the request wants it", async () => {
    await render();
    choose(find("method"), "pyramid");
    expect(find("tab-pyramid").ariaSelected).toBe("true");
    expect(model.newest).toMatchObject({ method: "pyramid", wants: ["tubes", "pyramid"] });
  });

  test("the tab of a pyramid that is not there asks for it, once", async () => {
    await render();
    find("tab-pyramid").click();
    expect(model.newest).toMatchObject({ type: "request", settled: true, wants: ["tubes", "pyramid"] });
    expect(text(find("want-pyramid").parentElement)).toContain("no pyramid of this step");
  });
});

describe("answers", () => {
  test("traits are shown when they come, words are read aloud, and the draft follows", async () => {
    await render();
    find("explain", 1).click();
    expect(root().dataset.working).toBe("settled");
    await answer({ target: 1, after: SCORES, words: "kick 70 % to 31 %" });
    expect(root().dataset.working).toBe("");
    expect([text(root().querySelector(".ne-words")), text(root().querySelector(":scope > .ne-live"))]).toEqual([
      "kick 70 % to 31 %",
      "kick 70 % to 31 %",
    ]);
    expect(texts(".ne-class-value")).toEqual(["31 %", "55 %", "14 %"]);
  });

  test("an error is said in words as text, and the state before is kept", async () => {
    await render({ edit_list: [edit("A")] });
    find("add-edit").click();
    expect(texts("[data-name=toggle]")).toEqual(["words of A", "reverse …"]);
    await answer({}, "error", "<i>no frames</i> are left");
    expect(text(root().querySelector("[role=alert]"))).toContain("<i>no frames</i> are left");
    expect(texts("[data-name=toggle]")).toEqual(["words of A"]);
    expect(model.newest.type).toBe("request");
    find("dismiss").click();
    expect(root().querySelector("[role=alert]").hidden).toBe(true);
  });

  test("progress is shown and can be cancelled; then the state before is there again", async () => {
    await render();
    find("explain", 1).click();
    const request = model.newest;
    model.answer(request, { part: "progress", stage: "Occlusion", done: 3, total: 8, left: 5 });
    expect(text(root().querySelector(".ne-progress"))).toContain("Occlusion · 3 of 8 · about 5 s left");
    find("cancel").click();
    expect(model.newest).toMatchObject({ type: "cancel", id: request.id });
    model.end(request, "cancelled");
    expect([find("explain", 0).ariaPressed, find("cancel").disabled]).toEqual(["true", true]);
  });

  test("a superseded request leaves the newer one in work", async () => {
    await render();
    find("explain", 1).click();
    const first = model.newest;
    find("explain", 2).click();
    model.end(first, "superseded");
    expect([root().dataset.working, find("explain", 2).ariaPressed]).toEqual(["settled", "true"]);
  });

  test("partial tubes replace those before when they are drawn, with the reader's settings", async () => {
    await render();
    const first = tubes();
    const slider = first.querySelector("[data-name=threshold]");
    slider.value = "0.7";
    fire(slider, "input");
    fire(slider, "change");
    find("explain", 1).click();
    const state = model.get("tubes");
    model.answer(model.newest, {
      part: "tubes",
      state: { ...state, layers: [...state.layers].reverse(), caveats: ["partial"] },
    });
    expect([first.isConnected, root().hasAttribute("data-waiting")]).toEqual([true, false]);
    slider.value = "0.6"; // the reader goes on while the new ones are drawn
    fire(slider, "input");
    await vi.waitFor(() => expect(tubes().textContent).toContain("partial"));
    expect(first.isConnected).toBe(false);
    await vi.waitFor(() => expect([tubes().dataset.threshold, tubes().dataset.layer]).toEqual(["0.6", "1"]));
    await answer({}, "cancelled");
    await vi.waitFor(() => expect(tubes().textContent).not.toContain("partial"));
  });

  test("results of the same step are not drawn again: a page finds its live model, a pyramid comes to the tubes", async () => {
    await render();
    const first = tubes();
    model.set("tubes", { ...model.get("tubes") });
    model.set("history", [...model.get("history")]);
    await settle();
    expect([root().querySelectorAll(".ne-tubes").length, tubes()]).toEqual([1, first]);
    model.set("step", 0);
    model.set("tubes", { ...model.get("tubes") });
    // The new viewer stands behind the old one until it is drawn.
    const isNew = () => [...root().querySelectorAll(".ne-tubes")].some((each) => each !== first);
    await vi.waitFor(() => expect(isNew()).toBe(true));
  });

  test("what Python sets by itself is shown too", async () => {
    await render();
    model.set("edit_list", [edit("A")]);
    model.set("step", 0);
    await settle();
    expect([texts("[data-name=toggle]"), text(find("history"))]).toEqual([["words of A"], "history: step 1 of 2"]);
    model.set("target", 99);
    await settle();
    expect([root().dataset.error, text(root())]).toEqual(["true", expect.stringContaining("`target`")]);
  });
});

describe("history", () => {
  test("undo and redo show the step before and after, also by keys", async () => {
    await render();
    expect(find("redo").disabled).toBe(true);
    find("undo").click();
    expect(model.newest).toMatchObject({ type: "step", index: 0 });
    await answer({ step: 0 });
    press(root(), "z", { ctrlKey: true });
    expect(model.asked).toHaveLength(1); // there is nothing before the first step
    press(root(), "Z", { ctrlKey: true, shiftKey: true });
    expect(model.newest).toMatchObject({ type: "step", index: 1 });
    await answer({ step: 1 });
    press(find("fill"), "z", { metaKey: true });
    expect(model.newest).toMatchObject({ type: "step", index: 0 });
    const count = model.asked.length;
    press(find("first-frame"), "z", { ctrlKey: true }); // typing has an undo of its own
    expect(model.asked).toHaveLength(count);
  });

  test("a step can be shown, pinned and compared with another", async () => {
    const { history } = explorerState();
    await render({ history: [...history, { ...history[1], id: 2 }] });
    expect(find("show-step", 1).getAttribute("aria-current")).toBe("step");
    find("show-step", 0).click();
    expect(model.newest).toMatchObject({ type: "step", index: 0 });
    find("pin", 1).click();
    expect(model.newest).toMatchObject({ type: "pin", index: 1, pinned: true });
    expect(find("compare").disabled).toBe(true);
    for (const index of [2, 1, 0]) find("mark", index).click(); // the last two marked count
    find("compare").click();
    expect(model.newest).toMatchObject({ type: "compare", a: 0, b: 1 });
  });

  test("the code of a step is copied, or shown where the browser does not copy", async () => {
    await render();
    const copied = [];
    vi.stubGlobal("navigator", { clipboard: { writeText: async (code) => copied.push(code) } });
    find("copy-code").click();
    find("copy-step", 0).click();
    await settle();
    expect(copied).toEqual(["code 1", "code 0"]);
    vi.stubGlobal("navigator", {});
    find("copy-step", 0).click();
    await settle();
    const code = root().querySelector(".ne-code");
    expect([code.hidden, code.value]).toEqual([false, "code 0"]);
  });
});

describe("the brush", () => {
  const brush = () => root().querySelector(".ne-brush");
  const point = (type, clientX, clientY) => fire(brush(), type, { clientX, clientY, button: 0, pointerId: 1 });
  /** The overlay is 60 pixels wide and 40 high, ten for each of the clip. */
  async function start(tool = "box") {
    await render();
    brush().getBoundingClientRect = () => ({ left: 0, top: 0, width: 60, height: 40 });
    find(`brush-${tool}`).click();
  }
  const hidden = () => model.newest.edits.map((item) => item.edit);

  test("asks while it moves, the newest only, and once on release", async () => {
    await start();
    point("pointerdown", 10, 10);
    for (const x of [30, 40, 50]) point("pointermove", x, 30);
    expect(model.asked.map(({ settled }) => settled)).toEqual([false]);
    expect(hidden()).toEqual([{ edit: "Occlude", box: [1, 1, 3, 3], fill: "blur" }]);
    point("pointerup", 50, 30);
    expect(model.asked).toHaveLength(1); // it waits for the coarse one
    model.end(model.newest);
    expect(model.asked.map(({ settled }) => settled)).toEqual([false, true]);
    expect(hidden()).toEqual([{ edit: "Occlude", box: [1, 1, 5, 3], fill: "blur" }]);
    expect(texts("[data-name=toggle]")).toEqual(["Occlude …"]);
  });

  test("shows the values and the edited frame that come back; Escape takes them away", async () => {
    await start("ellipse");
    point("pointerdown", 10, 10);
    point("pointermove", 40, 30);
    const frame = new DataView(new ArrayBuffer(77));
    model.answer(model.newest, { part: "probabilities", after: SCORES, words: "kick falls", frame: { $buffer: 0 } }, [
      frame,
    ]);
    expect([texts(".ne-class-value")[0], text(root().querySelector(".ne-words")), root().dataset.working]).toEqual([
      "31 %",
      "kick falls",
      "coarse",
    ]);
    await vi.waitFor(() => expect(drawn.some((picture) => picture.size === 77)).toBe(true));
    press(brush(), "Escape");
    expect([texts(".ne-class-value")[0], brush().querySelector("canvas").hidden]).toEqual(["70 %", true]);
    const late = model.newest;
    model.answer(late, { part: "probabilities", after: SCORES, words: "late", frame: null });
    model.end(late);
    expect([texts(".ne-class-value")[0], model.asked]).toEqual(["70 %", [late]]);
  });

  test.each(["before", "after", "long before"])(
    "a settled request that a dropped gesture replaced is asked again, if it ends %s it",
    async (when) => {
      await start();
      find("explain", 1).click();
      const replaced = model.newest;
      point("pointerdown", 10, 10);
      point("pointermove", 40, 30);
      const coarse = model.newest;
      if (when !== "after") model.end(replaced, "superseded");
      if (when === "long before") model.end(coarse);
      press(brush(), "Escape");
      if (when === "after") model.end(replaced, "superseded");
      expect(find("explain", 1).ariaPressed).toBe("true");
      if (when !== "long before") model.end(coarse);
      expect(model.asked).toHaveLength(3);
      expect(model.newest).toMatchObject({ settled: true, target: 1, edits: [] });
    },
  );

  test("new tubes wait until the gesture has ended", async () => {
    await start();
    point("pointerdown", 10, 10);
    point("pointermove", 40, 30);
    const first = tubes();
    model.set("tubes", { ...model.get("tubes"), caveats: ["newer"] });
    model.set("history", [{ ...model.get("history")[0], id: 9 }]);
    model.set("step", 0);
    await vi.waitFor(() => expect(root().querySelector(".ne-slot-next .ne-tubes")?.dataset.ready).toBe("true"));
    await settle();
    expect([tubes(), first.contains(brush())]).toEqual([first, true]);
    press(brush(), "Escape");
    expect([tubes() === first, tubes().contains(brush())]).toEqual([false, true]);
  });

  test("a click without a drag asks nothing", async () => {
    await start();
    point("pointerdown", 10, 10);
    point("pointermove", 11, 11);
    point("pointerup", 11, 11);
    expect(model.asked).toEqual([]);
  });

  test("without a tool, the pointer is left to the tube viewer", async () => {
    await render();
    point("pointerdown", 10, 10);
    point("pointermove", 40, 30);
    expect([model.asked, brush().hasAttribute("tabindex")]).toEqual([[], false]);
  });

  test("keys move and size a box, Enter applies it; the frame stays", async () => {
    await start();
    press(brush(), "ArrowRight");
    press(brush(), "ArrowRight");
    press(brush(), "ArrowDown", { shiftKey: true });
    expect(model.get("tubes").frame).toBe(1);
    model.end(model.newest);
    expect(hidden()).toEqual([{ edit: "Occlude", box: [3, 1, 5, 4], fill: "blur" }]);
    model.end(model.newest);
    press(brush(), "Enter");
    expect(model.newest).toMatchObject({ settled: true, edits: [{ edit: { box: [3, 1, 5, 4] } }] });
    expect(tubes().dataset.frame).toBe("1");
  });

  test("an edit covers the frames chosen on the timeline or typed, with the fill and the side chosen", async () => {
    await start();
    const bar = root().querySelector(".ne-span");
    bar.getBoundingClientRect = () => ({ left: 0, width: 40 });
    const drag = (type, clientX) => fire(bar, type, { clientX, button: 0, pointerId: 1 });
    drag("pointerdown", 35);
    drag("pointermove", 12);
    drag("pointerup", 12);
    expect([find("first-frame").value, find("last-frame").value]).toEqual(["2", "4"]);
    choose(find("last-frame"), "3");
    choose(find("fill"), "grey");
    find("outside").checked = true;
    press(brush(), "ArrowRight");
    expect(hidden()).toEqual([{ edit: "Occlude", box: [2, 1, 4, 3], frames: [1, 3], fill: "grey", outside: true }]);
    find("all-frames").click();
    expect([find("first-frame").value, find("last-frame").value]).toEqual(["1", "4"]);
  });

  test("the clip before the edits lies over the frame while the button is pressed", async () => {
    await render({ edit_list: [edit("A")] });
    const before = find("before");
    before.click();
    await vi.waitFor(() => expect(brush().querySelector("canvas").hidden).toBe(false));
    before.click();
    expect([brush().querySelector("canvas").hidden, before.ariaPressed]).toEqual([true, "false"]);
    before.click();
    model.set("edit_list", []);
    await settle();
    expect([before.disabled, before.ariaPressed]).toEqual([true, "false"]); // there is nothing to go back to
  });
});

describe("without a kernel", () => {
  const KERNEL_CONTROLS = ["explain", "than", "undo", "want-pyramid", "show-step", "pin"];

  test("controls that need one are disabled and it is said why; the others work", async () => {
    await render({ edit_list: [edit("A")] }, { hasKernel: false });
    expect([root().dataset.kernel, text(root().querySelector(".ne-notice"))]).toEqual([
      "none",
      expect.stringContaining("No kernel"),
    ]);
    for (const name of KERNEL_CONTROLS) expect(find(name).disabled, name).toBe(true);
    for (const name of ["method", "toggle", "add-edit", "brush-box", "fill", "first-frame"])
      expect(find(name).matches(":disabled"), name).toBe(true);
    expect([find("copy-code").disabled, find("filter").disabled, find("before").disabled]).toEqual([
      false,
      false,
      false,
    ]);
    find("tab-pyramid").click();
    press(root(), "z", { ctrlKey: true });
    expect(model.sent).toEqual([]);
    const slider = tubes().querySelector("[data-name=frame]");
    slider.value = "3";
    fire(slider, "input");
    await vi.waitFor(() => expect(tubes().dataset.frame).toBe("3"));
  });

  test("a kernel that never answers is none; with its first answer, the controls work", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    model = new KernelModel(explorerState());
    el = document.body.appendChild(document.createElement("div"));
    cleanup = widget().render({ model, el });
    vi.advanceTimersByTime(2000);
    expect([root().dataset.kernel, find("explain").disabled]).toEqual(["none", true]);
    expect(find("retry").hidden).toBe(false);
    model.end(model.sent[0]);
    expect([root().dataset.kernel, find("explain").disabled]).toEqual(["ready", false]);
  });

  test("a kernel that falls silent keeps the controls, and offers to try again", async () => {
    await render();
    vi.useFakeTimers({ shouldAdvanceTime: true });
    find("explain", 1).click();
    vi.advanceTimersByTime(4000);
    expect([root().dataset.kernel, find("explain").disabled, find("retry").hidden]).toEqual(["silent", false, false]);
    const request = model.newest;
    find("retry").click();
    expect({ ...model.newest, id: 0 }).toEqual({ ...request, id: 0 });
    expect(model.newest.id).toBeGreaterThan(request.id);
  });
});

test("the map of the network chooses the layer of the tubes, and says which layer has no map", async () => {
  await render();
  const slider = find("network");
  const move = (value) => {
    slider.value = String(value);
    fire(slider, "input");
  };
  move(2);
  await vi.waitFor(() => expect(tubes().dataset.layer).toBe("1"));
  expect(slider.getAttribute("aria-valuetext")).toBe("last · conv · 1 × 1 × 1 · 16 channels");
  move(1);
  expect(text(root().querySelector(".ne-map .ne-note"))).toBe("hidden · conv · 1 channel · no map");
});

test("caveats that the tubes do not say stand below, and a step does not name its class twice", async () => {
  const { history } = explorerState();
  const caveats = ["The preprocessing was guessed.", "<b>Edits</b> count frames from 0."];
  await render({ caveats, history: [history[0], { ...history[1], words: "kick falls" }] });
  expect(texts(":scope > .ne-caveats li")).toEqual(["<b>Edits</b> count frames from 0."]);
  expect(texts(".ne-step")).toEqual(["as it is kick 70 %", "kick falls "]);
});

test("a clip and a figure that a method made stand in a panel of their own", async () => {
  const jpeg = new DataView(new ArrayBuffer(3));
  await render({ animation: { frames: [jpeg, jpeg], text: "what it looks for", rows: [["score", "<b>3</b>"]] } });
  expect([find("tab-made").hidden, texts(".ne-made-rows dd")]).toEqual([false, ["<b>3</b>"]]);
  model.set("animation", {});
  model.set("figure", { png: jpeg, text: "a chart" });
  await settle();
  expect(root().querySelector(".ne-figure").alt).toBe("a chart");
  model.set("figure", {});
  await settle();
  expect(find("tab-made").hidden).toBe(true);
});

test("at its end the view leaves no listener and no element", async () => {
  await render();
  cleanup();
  expect([model.listening, el.children.length]).toEqual([0, 0]);
});
