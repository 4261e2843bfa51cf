// @vitest-environment jsdom
// Concept viewer in a page: rows, names, filters, pointer, keyboard, playback, messages, lifecycle; everything but pixels.
import { Blob as NodeBlob } from "node:buffer";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/concepts/index.js";
import { context2d, decode, FakeModel } from "../helpers.js";
import examples from "./examples.json";

let model;
let el;
let cleanup;
let closed;

beforeEach(() => {
  closed = 0;
  vi.stubGlobal("Blob", NodeBlob);
  vi.stubGlobal("createImageBitmap", async () => ({ width: 64, height: 64, close: () => closed++ }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(() => context2d());
});
afterEach(() => {
  cleanup?.();
  cleanup = undefined;
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const root = () => el.querySelector(".ne-concepts");
const find = (name) => root().querySelector(`[data-name=${name}]`);
const rows = () => [...root().querySelectorAll(".ne-concept")].filter((row) => !row.hidden);
const order = () => rows().map((row) => Number(row.dataset.concept));
const nameOf = (concept) => root().querySelector(`[data-concept="${concept}"] .ne-name`);
const exemplar = (concept, position) => root().querySelectorAll(`[data-concept="${concept}"] .ne-exemplar`)[position];
const large = () => root().querySelector(".ne-large");
const frameOf = (button) => Number(button.querySelector("canvas").dataset.frame);
const key = (target, name) => {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
  return event;
};
const pick = (name, value) => {
  find(name).value = value;
  find(name).dispatchEvent(new Event("change", { bubbles: true }));
};
const type = (concept, name) => {
  nameOf(concept).value = name;
  nameOf(concept).dispatchEvent(new Event("input", { bubbles: true }));
  nameOf(concept).dispatchEvent(new Event("change", { bubbles: true }));
};

async function render(changes = {}, example = 1) {
  model = new FakeModel({ ...decode(examples[example].state), playing: false, ...changes });
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el });
  await vi.waitFor(() => expect(root().dataset.ready ?? root().dataset.error).toBe("true"));
}

describe("rows", () => {
  test("stand in the order of their effect; the first ten, then all", async () => {
    await render();
    expect(order()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(find("more").textContent).toBe("show 4 more");
    find("more").click();
    expect(order()).toHaveLength(14);
    expect(find("more").hidden).toBe(true);
    expect(model.saved).toBe(0);
  });

  test("have a chart for each fill, hollow within chance, and a bar without the model", async () => {
    await render();
    for (const concept of [0, 9]) {
      const { effects } = decode(examples[1].state).rows[concept];
      const charts = [...root().querySelectorAll(`[data-concept="${concept}"] .ne-chart`)];
      expect(charts.map(({ dataset }) => dataset.sure)).toEqual(effects.map(({ q }) => String(q <= 0.05)));
      expect(charts.map(({ dataset }) => dataset.sign)).toEqual(
        effects.map(({ value }) => (value < 0 ? "against" : "for")),
      );
      const widths = charts.map((chart) => Number.parseFloat(chart.querySelector(".ne-no-model").style.width));
      expect(widths[0] / widths[1]).toBeCloseTo(Math.abs(effects[0].bar / effects[1].bar), 5);
    }
  });

  test("are sorted and filtered in the browser, with one message for each gesture", async () => {
    await render();
    pick("sort_by", "freeze");
    expect(order()).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([model.get("sort_by"), model.saved]).toEqual(["freeze", 1]);
    pick("max_q", "0.05");
    expect([model.get("max_q"), model.saved]).toEqual([0.05, 2]);
    expect(root().querySelector(".ne-count").textContent).toMatch(/^\d+ of 14 concepts, by effect \(freeze\)$/);
    const slider = find("min_presence");
    for (const value of ["0.3", "0.7", "1"]) {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
    expect([model.get("min_presence"), model.saved]).toEqual([1, 2]);
    slider.dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.saved).toBe(3);
  });

  test("that all are filtered out leave a reason and a way back", async () => {
    await render({ max_q: 0, min_presence: 0.5 });
    expect(order()).toEqual([]);
    const empty = root().querySelector(".ne-empty");
    expect(empty.hidden).toBe(false);
    expect(empty.textContent).toContain("None of 14 concepts has q at most 0 and occurs in 5 clips or more.");
    find("everything").click();
    expect(order()).toHaveLength(10);
    expect([model.get("max_q"), model.get("min_presence"), model.saved]).toEqual([1, 0, 1]);
  });

  test("without effects have no charts, and are sorted by the fraction", async () => {
    await render({ sort_by: "fraction" }, 2);
    expect(root().querySelector(".ne-chart")).toBe(null);
    expect(order()).toEqual([1, 2, 0]);
    expect(find("max_q").closest("label").hidden).toBe(true);
  });

  test("follow Python, and an own largest q is an option of the menu", async () => {
    await render();
    model.set("max_q", 0.02);
    expect(find("max_q").selectedOptions[0].textContent).toBe("q at most 0.02");
    model.set("sort_by", "evidence");
    expect(find("sort_by").value).toBe("evidence");
    expect(model.saved).toBe(0);
  });
});

describe("names", () => {
  test("that are typed reach the model in one message, everywhere at once, as text", async () => {
    await render();
    type(2, "  <img src=x onerror=alert(1)> ");
    expect(model.get("names")[2]).toBe("<img src=x onerror=alert(1)>");
    expect([model.get("names").length, model.saved]).toEqual([14, 1]);
    expect(exemplar(2, 0).ariaLabel ?? exemplar(2, 0).getAttribute("aria-label")).toContain("'<img src=x");
    exemplar(2, 0).click();
    expect(large().textContent).toContain("'<img src=x onerror=alert(1)>' covers");
    expect(el.querySelector("img")).toBe(null);
  });

  test("that another concept has are refused beside the input; Escape brings the old one back", async () => {
    await render();
    type(1, "concept 4");
    expect(root().querySelector('[data-concept="1"] [role=alert]').textContent).toContain(
      "Another concept has this name",
    );
    expect(nameOf(1).getAttribute("aria-invalid")).toBe("true");
    expect([model.get("names")[1], model.saved]).toEqual(["concept 2", 0]);
    key(nameOf(1), "Escape");
    expect([nameOf(1).value, nameOf(1).getAttribute("aria-invalid")]).toEqual(["concept 2", null]);
  });

  test("are taken on Enter, once; an empty one restores the default", async () => {
    await render();
    nameOf(0).value = "leg";
    key(nameOf(0), "Enter");
    nameOf(0).dispatchEvent(new Event("change", { bubbles: true }));
    expect([model.get("names")[0], model.saved]).toEqual(["leg", 1]);
    type(0, "   ");
    expect([model.get("names")[0], nameOf(0).value]).toEqual(["concept 1", "concept 1"]);
  });

  test("from Python do not overwrite what a reader types", async () => {
    await render();
    nameOf(0).focus();
    nameOf(0).value = "half a na";
    model.set(
      "names",
      model.get("names").map((name, k) => (k === 1 ? "ball" : name)),
    );
    expect([nameOf(0).value, nameOf(1).value]).toEqual(["half a na", "ball"]);
  });
});

describe("exemplars", () => {
  test("open large on a click, one at a time, with one message; a second click or Escape closes", async () => {
    await render();
    const clip = Number(exemplar(0, 1).dataset.clip);
    exemplar(0, 1).click();
    expect([model.get("selected"), model.saved]).toEqual([[0, clip], 1]);
    expect(large().closest(".ne-concept").dataset.concept).toBe("0");
    expect(exemplar(0, 1).ariaExpanded ?? exemplar(0, 1).getAttribute("aria-expanded")).toBe("true");
    expect(large().textContent).toContain(`concepts.tube(concepts.clips[${clip}], 0)`);
    exemplar(3, 0).click();
    expect(root().querySelectorAll(".ne-large")).toHaveLength(1);
    expect(large().closest(".ne-concept").dataset.concept).toBe("3");
    exemplar(3, 0).click();
    expect([large(), model.get("selected")]).toEqual([null, []]);
    exemplar(0, 1).click();
    key(find("close"), "Escape");
    expect(large()).toBe(null);
    expect(document.activeElement).toBe(exemplar(0, 1));
  });

  test("are reached by arrows; each row is one stop of the tab key", async () => {
    await render();
    const stops = () => [...rows()[1].querySelectorAll(".ne-exemplar")].map(({ tabIndex }) => tabIndex);
    expect(stops().filter((tab) => tab === 0)).toHaveLength(1);
    exemplar(0, 0).focus();
    expect(key(exemplar(0, 0), "ArrowRight").defaultPrevented).toBe(true);
    expect(document.activeElement).toBe(exemplar(0, 1));
    key(exemplar(0, 1), "ArrowDown");
    expect(document.activeElement).toBe(exemplar(1, 1));
    expect(stops()).toEqual([-1, 0, -1, -1]);
    expect(key(exemplar(1, 1), " ").defaultPrevented).toBe(false);
  });

  test("that Python selects beyond the first ten rows are shown", async () => {
    await render();
    const { rows: all, clips } = decode(examples[1].state);
    model.set("selected", [12, clips[all[12].exemplars[0]].index]);
    expect(order()).toContain(12);
    expect(large().closest(".ne-concept").dataset.concept).toBe("12");
    model.set("selected", [12, 999]);
    expect(root().dataset.error).toBe("true");
  });

  test("keys do not reach the notebook, chords do", async () => {
    await render();
    const seen = [];
    el.addEventListener("keydown", ({ key: name }) => seen.push(name));
    key(exemplar(0, 0), "d");
    nameOf(0).dispatchEvent(new KeyboardEvent("keydown", { key: "s", ctrlKey: true, bubbles: true }));
    expect(seen).toEqual(["s"]);
  });
});

describe("playback", () => {
  const hover = (target, kind = "pointerover") => target.dispatchEvent(new Event(kind, { bubbles: true }));

  test("loops all clips together without a message", async () => {
    await render({ playing: true });
    await vi.waitFor(() => expect(frameOf(exemplar(0, 0))).toBe(2), 3000);
    expect(frameOf(exemplar(3, 1))).toBe(2);
    await vi.waitFor(() => expect(frameOf(exemplar(0, 0))).toBe(0), 3000);
    expect(model.saved).toBe(0);
    find("play").click();
    expect([model.get("playing"), model.saved]).toEqual([false, 1]);
    const held = frameOf(exemplar(0, 0));
    await new Promise((done) => setTimeout(done, 300));
    expect(frameOf(exemplar(0, 0))).toBe(held);
  });

  test("while paused shows where a concept covers most, and plays the clip that is pointed at", async () => {
    await render();
    const { masks } = examples[1];
    for (const { concept, clip, best } of masks.slice(0, 4)) {
      const position = decode(examples[1].state).rows[concept].exemplars.indexOf(clip);
      await vi.waitFor(() => expect(frameOf(exemplar(concept, position))).toBe(best));
    }
    const [other, before] = [frameOf(exemplar(1, 0)), frameOf(exemplar(0, 0))];
    hover(exemplar(0, 0));
    await vi.waitFor(() => expect(frameOf(exemplar(0, 0))).toBe(before === 1 ? 2 : 1), 3000);
    expect(frameOf(exemplar(1, 0))).toBe(other);
    hover(root().querySelector(".ne-concept-list"), "pointerleave");
    await vi.waitFor(() => expect(frameOf(exemplar(0, 0))).toBe(before));
    expect(model.saved).toBe(0);
  });

  test("nothing plays by itself with reduced motion, not even under the pointer", async () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    await render({ playing: true });
    expect([model.get("playing"), model.saved]).toEqual([false, 0]);
    const before = frameOf(exemplar(0, 0));
    hover(exemplar(0, 0));
    await new Promise((done) => setTimeout(done, 400));
    expect(frameOf(exemplar(0, 0))).toBe(before);
    find("play").click();
    await vi.waitFor(() => expect(frameOf(exemplar(0, 0))).not.toBe(before), 3000);
  });

  test("stops at the frame that the slider of the large clip is moved to", async () => {
    await render({ playing: true });
    exemplar(0, 0).click();
    const slider = find("frame");
    slider.value = "5";
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    expect([model.get("playing"), model.saved]).toEqual([false, 1]); // the click
    await vi.waitFor(() => expect(frameOf(exemplar(0, 0))).toBe(5));
    slider.dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.saved).toBe(2);
  });
});

test("curves stand below the rows: a panel each for adding and removing, a higher line for a higher probability", async () => {
  await render({ sort_by: "blur" }, 0);
  const panels = [...root().querySelectorAll(".ne-curves svg")];
  expect(panels).toHaveLength(2);
  const heights = (panel, order) =>
    panel
      .querySelector(`[data-order=${order}] polyline`)
      .getAttribute("points")
      .split(" ")
      .map((point) => Number(point.split(",")[1]));
  const { lines } = decode(examples[0].state).curves;
  for (const { direction, order, mean } of lines) {
    const found = heights(panels[direction === "add" ? 0 : 1], order);
    expect(found.map((y) => (138 - y) / 130)).toEqual(mean.map((value) => expect.closeTo(value, 5)));
  }
  expect(panels[0].getAttribute("aria-label")).toMatch(
    /^Probability of 'class 0' at 50\s% of the change: largest effect first 8/,
  );
  expect(panels[0].querySelectorAll("polygon")).toHaveLength(3);
});

describe("lifecycle", () => {
  test("leaves nothing behind", async () => {
    await render({ playing: true });
    cleanup();
    expect([el.children.length, model.listening]).toEqual([0, 0]);
    expect(closed).toBe(decode(examples[1].state).clips.length);
  });

  test("damaged data shows the error panel, also of a clip that is no picture or a mask that is none", async () => {
    await render({ masks: [] });
    expect(root().textContent).toContain("The data of this view is damaged");
    cleanup();
    const masks = [...decode(examples[1].state).masks];
    masks[2] = new DataView(new ArrayBuffer(9));
    await render({ masks });
    expect(root().textContent).toContain("`masks[2]` must hold 280 bytes");
    cleanup();
    vi.stubGlobal("createImageBitmap", async () => Promise.reject(new Error("no JPEG")));
    await render();
    expect(root().textContent).toContain("`frames[0]` could not be read as a JPEG image");
  });

  test("is drawn again when Python replaces the content", async () => {
    await render();
    model.set("rows", decode(examples[1].state).rows.slice().reverse());
    await vi.waitFor(() => expect(root().dataset.ready).toBe("true"));
    expect(rows()).toHaveLength(10);
  });
});
