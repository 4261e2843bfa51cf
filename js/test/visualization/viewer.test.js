// @vitest-environment jsdom
// Visualization viewer in a page: cards, steps, arrows, keyboard, playback, messages, lifecycle; everything but pixels.
import { Blob as NodeBlob } from "node:buffer";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/visualization/index.js";
import { context2d, decode, FakeModel } from "../helpers.js";
import examples from "./examples.json";

let model;
let el;
let cleanup;
let closed;

beforeEach(() => {
  closed = 0;
  vi.stubGlobal("Blob", NodeBlob);
  vi.stubGlobal("createImageBitmap", async () => ({ close: () => closed++ }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(() => context2d());
});
afterEach(() => {
  cleanup?.();
  cleanup = undefined;
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const root = () => el.querySelector(".ne-visualization");
const find = (name) => root().querySelector(`[data-name=${name}]`);
const card = (index) => root().querySelector(`[data-index="${index}"]`);
const button = (index) => card(index).querySelector(".ne-show");
const made = (index) => card(index).querySelector(".ne-made");
const arrows = (index) => card(index).querySelector(".ne-arrows");
const isLarge = (index) => card(index).classList.contains("ne-large");
const key = (target, name, options = {}) => {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...options });
  target.dispatchEvent(event);
  return event;
};
const lift = (target) => target.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
const slide = (name, value) => {
  find(name).value = String(value);
  find(name).dispatchEvent(new Event("input", { bubbles: true }));
};
const release = (name) => find(name).dispatchEvent(new Event("change", { bubbles: true }));

async function render(changes = {}, example = 0) {
  model = new FakeModel({ ...decode(examples[example].state), playing: false, ...changes });
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el });
  await vi.waitFor(() => expect(root().dataset.ready ?? root().dataset.error).toBe("true"));
}

describe("cards", () => {
  test("show all clips in step, a still and its numbers", async () => {
    await render({ frame: 3 });
    const shown = [...card(0).querySelectorAll("canvas:not(.ne-arrows)")].map(({ dataset }) => dataset.drawn);
    expect(shown).toEqual(["clip 1 0", "clip 0 3", "clip 2 3"]); // start, made, nearest
    const members = [...card(1).querySelectorAll(".ne-members canvas")].map(({ dataset }) => dataset.frame);
    expect(members).toEqual(["3", "3"]);
    expect(card(0).querySelector(".ne-warnings").textContent).toBe("score above anything real: 1.5 ×");
    expect(card(0).querySelector("dl").textContent).toContain("1.5 × the best of 4 real clips");
    expect(root().querySelector(".ne-caveats").textContent).toBe("A caveat.");
  });

  test("open large one at a time, each with one message; a second press or Escape closes", async () => {
    await render();
    button(0).click();
    expect([model.get("selected"), model.saved, isLarge(0), button(0).ariaExpanded]).toEqual([0, 1, true, "true"]);
    button(1).click();
    expect([isLarge(0), isLarge(1), model.saved]).toEqual([false, true, 2]);
    button(1).click();
    expect([model.get("selected"), isLarge(1)]).toEqual([-1, false]);
    button(0).click();
    key(find("play"), "Escape");
    expect([model.get("selected"), document.activeElement]).toEqual([-1, button(0)]);
  });

  test("without real clips, a flow or movement say so", async () => {
    await render({ arrows: true }, 2);
    expect(find("arrows").disabled).toBe(true);
    expect(find("step").closest("label").hidden).toBe(true);
    expect(card(0).querySelector("[data-kind=nearest]").textContent).toBe("no real clips were given");
    expect(card(0).querySelector("[data-kind=nearest] canvas")).toBe(null);
    expect(card(0).querySelector(".ne-warnings").textContent).toContain("no gradient reached the canvas");
    expect(card(0).querySelector("[data-kind=made]").textContent).toContain("made without a flow: no arrows");
  });

  test("without any step have no curve", async () => {
    const [row] = decode(examples[2].state).rows;
    const bare = { ...row, steps: [0], curve: { steps: [], values: [] } };
    const { flows } = decode(examples[2].state);
    await render({ rows: [bare], flows: flows.slice(0, 1) }, 2);
    expect(card(0).querySelector("svg")).toBe(null);
    expect(card(0).querySelector("dl").textContent).toContain("0 steps");
  });

  test("show names as text", async () => {
    const rows = decode(examples[0].state).rows;
    const name = "<img src=x onerror=alert(1)>";
    await render({ rows: [{ ...rows[0], name, best: [{ name, probability: 1 }] }, rows[1]] });
    expect(card(0).textContent).toContain(name);
    expect(el.querySelector("img")).toBe(null);
  });
});

describe("steps", () => {
  test("are previews until the last one, which is the made clip; a drag is one message", async () => {
    await render({ frame: 2 });
    expect(made(0).dataset.drawn).toBe("clip 0 2");
    for (const value of [1, 0, 1]) slide("step", value);
    expect([model.get("step"), model.saved]).toEqual([1, 0]);
    await vi.waitFor(() =>
      expect([made(0), made(1)].map(({ dataset }) => dataset.drawn)).toEqual(["preview 1 2", "preview 3 2"]),
    );
    expect(root().querySelector(".ne-bar").textContent).toContain("step 5 of 10");
    expect(card(0).querySelector("[data-kind=made]").textContent).toContain("after 5 of 10 steps");
    expect(card(0).querySelector("circle").getAttribute("cx")).not.toBe("258");
    release("step");
    expect(model.saved).toBe(1);
  });

  test("that differ are counted as previews; a made clip with fewer shows its last one", async () => {
    await render({ step: 1 }, 1);
    expect(root().querySelector(".ne-bar").textContent).toContain("preview 2 of 3");
    expect([made(0), made(1)].map(({ dataset }) => dataset.drawn)).toEqual(["preview 1 0", "clip 3 0"]);
    model.set("step", 0);
    await vi.waitFor(() => expect(made(1).dataset.drawn).toBe("preview 2 0"));
  });
});

describe("arrows", () => {
  test("are drawn over the made clip at the last step, and none at the last frame", async () => {
    await render();
    expect(arrows(0).hidden).toBe(true);
    find("arrows").click();
    expect([model.get("arrows"), model.saved, find("arrows").getAttribute("aria-pressed")]).toEqual([true, 1, "true"]);
    await vi.waitFor(() => expect(Number(arrows(0).dataset.count)).toBeGreaterThan(50));
    expect([arrows(0).hidden, arrows(1).hidden]).toEqual([false, true]); // the second clip has no flow
    slide("frame", 5);
    await vi.waitFor(() => expect(arrows(0).dataset.count).toBe("0"));
    slide("step", 0);
    await vi.waitFor(() => expect(arrows(0).hidden).toBe(true));
    expect(card(0).querySelector("[data-kind=made]").textContent).toContain("arrows are of the last step");
  });
});

describe("keys", () => {
  test("step through frames with one message when the key comes up, and stop playback", async () => {
    await render({ playing: true, frame: 0 });
    for (let k = 0; k < 3; k++) expect(key(button(0), "ArrowRight").defaultPrevented).toBe(true);
    expect([model.get("playing"), model.saved]).toEqual([false, 0]);
    lift(button(0));
    expect([model.get("frame") >= 3, model.saved]).toEqual([true, 1]);
    key(root(), "End");
    lift(root());
    expect([model.get("frame"), model.saved]).toEqual([5, 2]);
  });

  test("go from card to card, play, and show arrows", async () => {
    await render();
    button(0).focus();
    key(button(0), "ArrowDown");
    expect(document.activeElement).toBe(button(1));
    expect(key(button(1), "ArrowDown").defaultPrevented).toBe(false);
    expect(key(button(1), " ").defaultPrevented).toBe(false); // presses the button
    key(root(), " ");
    expect(model.get("playing")).toBe(true);
    key(button(1), "a");
    expect(model.get("arrows")).toBe(true);
  });

  test("of sliders stay theirs; no key reaches the notebook but chords", async () => {
    await render();
    const seen = [];
    el.addEventListener("keydown", ({ key: name }) => seen.push(name));
    expect(key(find("step"), "ArrowLeft").defaultPrevented).toBe(false);
    expect(model.get("frame")).toBe(0);
    key(button(0), "d");
    key(button(0), "s", { ctrlKey: true });
    expect(seen).toEqual(["s"]);
  });
});

describe("playback", () => {
  test("loops all clips together without a message; a pause sends the frame", async () => {
    await render({ playing: true });
    await vi.waitFor(() => expect(made(0).dataset.frame).toBe("2"), 3000);
    await vi.waitFor(() => expect(made(1).dataset.frame).toBe("5"), 3000);
    await vi.waitFor(() => expect(made(0).dataset.frame).toBe("0"), 3000);
    expect(model.saved).toBe(0);
    find("play").click();
    const held = model.get("frame");
    expect([model.get("playing"), model.saved]).toEqual([false, 1]);
    await new Promise((done) => setTimeout(done, 300));
    expect([model.get("frame"), model.saved]).toEqual([held, 1]);
  });

  test("does not start with reduced motion, and starts when readers ask", async () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    await render({ playing: true });
    expect([model.get("playing"), model.saved]).toEqual([false, 0]);
    find("play").click();
    await vi.waitFor(() => expect(made(0).dataset.frame).toBe("1"), 3000);
  });

  test("follows frames that Python or a linked view sets", async () => {
    await render();
    model.set("frame", 4);
    await vi.waitFor(() => expect(made(0).dataset.frame).toBe("4"));
    expect(find("frame").getAttribute("aria-valuetext")).toBe("frame 5 of 6");
    expect(model.saved).toBe(0);
  });
});

describe("lifecycle", () => {
  test("leaves nothing behind", async () => {
    await render({ playing: true });
    cleanup();
    expect([el.children.length, model.listening]).toEqual([0, 0]);
    const { frames, previews } = decode(examples[0].state);
    expect(closed).toBe(frames.length + previews.length);
  });

  test("damaged data shows the error panel, also of a flow that is none", async () => {
    await render({ rows: [] });
    expect(root().textContent).toContain("The data of this view is damaged");
    cleanup();
    const flows = [new DataView(new ArrayBuffer(9)), ...decode(examples[0].state).flows.slice(1)];
    await render({ flows });
    expect(root().textContent).toContain("`flows[0]` must hold 1440 bytes");
    cleanup();
    await render();
    model.set("frame", 99);
    expect(root().textContent).toContain("`frame` must lie in 0..5");
  });

  test("is drawn again when Python replaces the content", async () => {
    await render();
    model.set("rows", decode(examples[0].state).rows.slice().reverse());
    model.set("flows", decode(examples[0].state).flows.slice().reverse());
    await vi.waitFor(() => expect(root().dataset.ready).toBe("true"));
    expect(card(0).querySelector(".ne-heading").textContent).toContain("facet 1 of 2");
  });
});
