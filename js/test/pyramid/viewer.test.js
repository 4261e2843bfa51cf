// @vitest-environment jsdom
// Pyramid viewer in a page: pointer, keyboard, accessibility, linked tube, lifecycle; everything but pixels.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/pyramid/index.js";
import { readContent } from "../../src/pyramid/traits.js";
import { decode, FakeModel } from "../helpers.js";
import { pyramids } from "./examples.json";

const FIRST_VALUES = {
  frame: 1,
  row: 1,
  threshold: 0,
  prune_by: "path",
  against: true,
  selected: [],
  collapsed: [],
  playing: false,
};
let model;
let el;
let cleanup;
let closed;
let drawn;
let written;

/** What is drawn on the pyramid's canvas; the tube viewer in the panel draws on others. */
const context = ({ className }) =>
  new Proxy(
    {
      createImageData: (width, height) => ({ data: new Uint8ClampedArray(width * height * 4), width, height }),
      measureText: () => ({ width: 40 }),
      fillText: (text) => written.push(text),
    },
    {
      get: (target, name) => target[name] ?? (() => void (className === "ne-pyramid-canvas" && drawn.push(name))),
      set: () => true,
    },
  );

beforeEach(() => {
  closed = 0;
  [drawn, written] = [[], []];
  vi.stubGlobal("createImageBitmap", async () => ({ width: 30, height: 24, close: () => closed++ }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (kind) {
    return kind === "2d" ? context(this) : null;
  });
});
afterEach(() => {
  cleanup?.();
  cleanup = undefined;
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const root = () => el.querySelector(".ne-pyramid");
const tree = () => el.querySelector("[role=tree]");
const inner = () => el.querySelector(".ne-tubes");
const find = (name) => el.querySelector(`.ne-pyramid [data-name=${name}]`);
const heading = () => el.querySelector(".ne-heading").textContent;
const focused = () => Number(root().dataset.focused);
const painted = (name, value) => vi.waitFor(() => expect(root().dataset[name]).toBe(String(value)));
const press = (key, type = "keydown", options = {}) => {
  const event = new KeyboardEvent(type, { key, bubbles: true, cancelable: true, ...options });
  tree().dispatchEvent(event);
  return event;
};
const stroke = (key, options) => [press(key, "keydown", options), press(key, "keyup", options)][0];
const slide = (name, ...values) => {
  for (const value of values) {
    find(name).value = String(value);
    find(name).dispatchEvent(new Event("input", { bubbles: true }));
  }
};

const modelOf = (example) => new FakeModel({ ...decode(pyramids[example].state), ...FIRST_VALUES });

async function render(changes = {}, example = 2) {
  model = new FakeModel({ ...decode(pyramids[example].state), ...FIRST_VALUES, ...changes });
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el });
  await vi.waitFor(() => expect(root().dataset.ready ?? root().dataset.error).toBe("true"));
}

describe("pruning", () => {
  test("follows the slider without a message and sends one when the gesture ends", async () => {
    await render();
    slide("threshold", 0.2, 0.5, 0.9);
    expect([model.get("threshold"), model.saved]).toEqual([0.9, 0]);
    await painted("threshold", 0.9);
    const { kept } = pyramids[2];
    expect(Number(root().dataset.shown)).toBeLessThan(kept[0].length);
    find("threshold").dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.saved).toBe(1);
    find("threshold").dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.saved).toBe(1);
  });

  test("follows Python without an echo", async () => {
    await render();
    model.set("threshold", 1);
    await painted("shown", pyramids[2].kept[19].length);
    expect(model.saved).toBe(0);
  });
});

describe("units whose parents are pruned", () => {
  const THRESHOLD = 8; // index
  const { kept, kept_by_score } = pyramids[3];
  const grey = kept_by_score[THRESHOLD].filter((unit) => !kept[THRESHOLD].includes(unit));

  test("are counted and explained, and part of the accessible tree", async () => {
    const threshold = (THRESHOLD + 0.001) / 19;
    const row = readContent(modelOf(3)).units.row[grey[0]];
    await render({ threshold, row: row === 1 ? 2 : 1 }, 3);
    model.set("row", row);
    await painted("shown", kept[THRESHOLD].length);
    expect(root().textContent).toContain(`${grey.length} more in grey: no parent is kept`);
    const legend = [...el.querySelectorAll(".ne-pyramid-legend span")].find(({ textContent }) =>
      /^grey/.test(textContent),
    );
    expect(legend.hidden).toBe(false);
    for (let k = 0; focused() !== grey[0] && k < 40; k++) {
      const before = focused();
      press("ArrowRight");
      await vi.waitFor(() => expect(focused()).not.toBe(before));
    }
    const active = document.getElementById(tree().getAttribute("aria-activedescendant"));
    expect(active.getAttribute("aria-label")).toMatch(/(Its parent was|All its parents were) pruned\./);
  });

  test("are kept by the menu, with one message", async () => {
    await render({ threshold: (THRESHOLD + 0.001) / 19 }, 3);
    const menu = find("prune_by");
    expect(menu.value).toBe("path");
    menu.value = "score";
    menu.dispatchEvent(new Event("change", { bubbles: true }));
    expect([model.get("prune_by"), model.saved]).toEqual(["score", 1]);
    await painted("shown", kept_by_score[THRESHOLD].length);
    expect(root().textContent).not.toContain("more in grey");
    model.set("prune_by", "path");
    await painted("shown", kept[THRESHOLD].length);
    expect(menu.value).toBe("path");
  });
});

describe("links against the class", () => {
  test("and units without evidence are hidden by the checkbox, with one message", async () => {
    await render({}, 3);
    const { units, rows, edges } = readContent(model);
    expect(edges.share.some((share) => share < 0)).toBe(true);
    const withoutEvidence = units.score.filter((score) => score === 0).length;
    const shown = Number(root().dataset.shown);
    expect(rows.length).toBeGreaterThan(3);
    find("against").checked = false;
    find("against").dispatchEvent(new Event("change", { bubbles: true }));
    expect([model.get("against"), model.saved]).toEqual([false, 1]);
    await painted("against", false);
    expect(Number(root().dataset.shown)).toBeLessThanOrEqual(shown - withoutEvidence);
    model.set("against", true);
    await painted("shown", shown);
    expect(find("against").checked).toBe(true);
  });
});

describe("the accessible tree", () => {
  test("is one tab stop, with the units around the focus as its items", async () => {
    await render();
    expect([...el.querySelectorAll(".ne-pyramid-stage [tabindex='0']")]).toEqual([tree()]);
    expect(tree().getAttribute("aria-multiselectable")).toBe("true");
    const active = document.getElementById(tree().getAttribute("aria-activedescendant"));
    expect(active.getAttribute("aria-level")).toBe("1");
    expect(active.getAttribute("aria-label")).toMatch(/^'wave', the explained class\. Largest inputs:/);
    for (const item of tree().children) {
      expect(item.getAttribute("role")).toBe("treeitem");
      expect(Number(item.getAttribute("aria-posinset"))).toBeGreaterThan(0);
    }
  });

  test("arrow keys move through rows and units; a message is sent when the key is released", async () => {
    await render();
    press("ArrowDown");
    await vi.waitFor(() => expect(focused()).toBeGreaterThan(0));
    const first = focused();
    const row = model.get("row");
    press("ArrowDown");
    await vi.waitFor(() => expect(focused()).not.toBe(first));
    expect(model.get("row")).toBeGreaterThan(row);
    expect(model.saved).toBe(0);
    press("ArrowDown", "keyup");
    expect(model.saved).toBe(1);
    const active = document.getElementById(tree().getAttribute("aria-activedescendant"));
    expect(active.dataset.unit).toBe(String(focused()));
  });

  test("Enter selects a unit, Space toggles further ones", async () => {
    await render();
    press("PageDown");
    await vi.waitFor(() => expect(focused()).toBe(1));
    stroke("Enter");
    expect([model.get("selected"), model.saved]).toEqual([[1], 1]);
    stroke("End");
    await vi.waitFor(() => expect(focused()).toBeGreaterThan(1));
    const last = focused();
    stroke(" ");
    expect(model.get("selected")).toEqual([1, last]);
    await painted("selected", `1,${last}`);
    expect(tree().querySelector("[aria-selected=true]")).not.toBeNull();
    stroke(" ");
    stroke("Home");
    await vi.waitFor(() => expect(focused()).toBe(1));
    stroke("Enter");
    expect(model.get("selected")).toEqual([]);
  });

  test("c collapses the row, brackets prune; chords and Shift+Enter are left to the notebook", async () => {
    await render();
    press("PageDown");
    await vi.waitFor(() => expect(focused()).toBe(1));
    stroke("c");
    expect(model.get("collapsed")).toEqual([1]);
    stroke("]");
    expect(model.get("threshold")).toBe(0.01);
    const received = [];
    el.addEventListener("keydown", (event) => received.push(event.key));
    for (const options of [{ ctrlKey: true }, { altKey: true }, { metaKey: true }]) stroke("c", options);
    stroke("Enter", { shiftKey: true });
    stroke("Escape");
    expect(received).toEqual(["c", "c", "c", "Enter", "Escape"]);
    stroke("d");
    find("threshold").dispatchEvent(new KeyboardEvent("keydown", { key: "d", bubbles: true }));
    expect(received).toHaveLength(5);
    expect(model.get("collapsed")).toEqual([1]);
  });

  test("l steps through the links of the focused unit; their numbers are shown and announced", async () => {
    await render();
    press("PageDown");
    await vi.waitFor(() => expect(focused()).toBe(1));
    const caption = () => el.querySelector(".ne-said").textContent;
    const before = caption();
    const found = [];
    for (let k = 0; k < 30 && (k < 2 || found[0] !== found.at(-1)); k++) {
      stroke("l");
      expect(root().querySelector(":scope > .ne-live").textContent).toBe(caption());
      found.push(caption());
    }
    expect(found.length).toBeGreaterThan(2);
    expect(found[0]).toMatch(/ to 'wave'.*: [+−].* logits, .* of the positive contributions there\.$/);
    stroke("L");
    expect(caption()).toBe(found.at(-2));
    stroke("ArrowRight");
    await vi.waitFor(() => expect(focused()).not.toBe(1));
    expect(caption()).not.toContain("positive contributions there");
    expect(before).not.toContain("positive contributions there");
  });

  test("the focus follows the row slider", async () => {
    await render();
    slide("row", 3);
    await painted("row", 3);
    const { rows } = pyramids[2].state;
    const first = rows.slice(0, 3).reduce((sum, { count }) => sum + count, 0);
    await vi.waitFor(() => expect(focused()).toBeGreaterThanOrEqual(first));
  });
});

describe("the picture", () => {
  test("links of selected units are drawn above the tiles, all others below", async () => {
    await render();
    expect(drawn.indexOf("bezierCurveTo")).toBeLessThan(drawn.indexOf("drawImage"));
    expect(drawn.lastIndexOf("bezierCurveTo")).toBeLessThan(drawn.indexOf("drawImage"));
    drawn = [];
    model.set("selected", [1]);
    await painted("selected", 1);
    expect(drawn.lastIndexOf("bezierCurveTo")).toBeGreaterThan(drawn.lastIndexOf("drawImage"));
  });

  test("a hovered thin row is labelled if there is no margin for labels", async () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(400);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(90); // rows thinner than a line of text
    await render({ row: 1 }, 3);
    const names = pyramids[3].state.rows.map(({ name }) => name);
    const hidden = names.at(-2);
    expect(written).toContain(names.at(-1));
    expect(written).not.toContain(hidden);
    for (let y = 60; y < 90 && !written.includes(hidden); y++) {
      written = [];
      tree().dispatchEvent(new MouseEvent("pointermove", { clientX: 100, clientY: y }));
      tree().dispatchEvent(new MouseEvent("pointerleave"));
      tree().dispatchEvent(new MouseEvent("pointermove", { clientX: 100, clientY: y }));
      await vi.waitFor(() => expect(written).not.toHaveLength(0));
    }
    expect(written).toContain(hidden);
    written = [];
    tree().dispatchEvent(new MouseEvent("pointerleave"));
    await vi.waitFor(() => expect(written).not.toHaveLength(0));
    expect(written).not.toContain(hidden);
  });

  test("the name, contribution and share of a hovered unit stand beside the pointer", async () => {
    await render();
    const tip = el.querySelector(".ne-pyramid-tip");
    expect([tip.hidden, tip.getAttribute("aria-hidden")]).toEqual([true, "true"]);
    tree().dispatchEvent(new MouseEvent("pointermove", { clientX: 190, clientY: 150 }));
    expect(tip.hidden).toBe(false);
    expect(tip.textContent).toMatch(/^channel \d+: [+−].* logits, .*%$/);
    expect(tip.style.transform).toContain("translate(204px, 166px)");
    expect(el.querySelector(".ne-said").textContent).toContain(tip.textContent.split(": ")[0]);
    tree().dispatchEvent(new MouseEvent("pointerleave"));
    expect(tip.hidden).toBe(true);
  });

  test("a row collapsed by key stays labelled while it has the focus", async () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(400);
    await render();
    vi.spyOn(tree(), "matches").mockReturnValue(true);
    press("PageDown");
    await vi.waitFor(() => expect(focused()).toBe(1));
    written = [];
    stroke("c");
    await painted("collapsed", 1);
    expect(written).toContain(`▸ ${pyramids[2].state.rows[1].name}`);
  });
});

describe("the linked tube", () => {
  test("shows the row, and the unit once one is selected", async () => {
    await render();
    await vi.waitFor(() => expect(inner()?.dataset.ready).toBe("true"));
    expect(heading()).toMatch(/^Activity of the \d+ units shown of sum in block1, weighted/);
    model.set("selected", [1]);
    await vi.waitFor(() => expect(heading()).toBe(`Activity of ${pyramids[2].names[1]}`));
    await vi.waitFor(() =>
      expect(inner().querySelector(".ne-row-layer .ne-value").textContent).toContain(pyramids[2].names[1]),
    );
    expect(el.querySelectorAll(".ne-tubes")).toHaveLength(1);
  });

  test("with several units, every control has a name of its own", async () => {
    await render({ selected: [1, 2, 3] });
    await vi.waitFor(() => expect(heading()).toContain("3 of 3 selected"));
    expect(heading()).toContain('"selected unit" switches');
    await vi.waitFor(() => expect(inner()?.dataset.ready).toBe("true"));
    const controls = [...el.querySelectorAll("input, select, button, summary")];
    const names = controls.map(
      (control) => control.getAttribute("aria-label") ?? control.closest("label")?.textContent ?? control.textContent,
    );
    expect(names).toEqual(expect.arrayContaining(["row", "selected unit", "threshold", "prune units below"]));
    expect(names.filter((name, k) => names.indexOf(name) !== k)).toEqual([]);
    const labels = [...el.querySelectorAll(".ne-row .ne-label")].map(({ firstChild }) => firstChild.textContent);
    expect(new Set(labels).size).toBe(labels.length);
  });

  test("calls what it shows activity, not evidence", async () => {
    await render();
    await vi.waitFor(() => expect(inner()?.dataset.ready).toBe("true"));
    await vi.waitFor(() =>
      expect(inner().querySelector(".ne-kept").textContent).toContain("of the activity for 'wave'"),
    );
    const labels = [...inner().querySelectorAll("[aria-label], [title]")].flatMap((element) => [
      element.getAttribute("aria-label"),
      element.title,
    ]);
    const texts = [...inner().querySelectorAll(".ne-stages, .ne-kept, .ne-controls")].map(
      (element) => element.textContent,
    );
    expect([...labels, ...texts].join(" ")).not.toMatch(/evidence/i);
  });

  test("shares the frame in both directions, with one message when the gesture ends", async () => {
    await render();
    await vi.waitFor(() => expect(inner()?.dataset.ready).toBe("true"));
    const input = inner().querySelector("[data-name=frame]");
    for (const frame of [3, 5]) {
      input.value = String(frame);
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    expect([model.get("frame"), model.saved]).toEqual([5, 0]);
    await painted("frame", 5);
    input.dispatchEvent(new Event("change", { bubbles: true }));
    expect(model.saved).toBe(1);
    model.set("frame", 2);
    await vi.waitFor(() => expect(inner().dataset.frame).toBe("2"));
    expect(model.saved).toBe(1);
  });

  test("shares playback in both directions", async () => {
    await render();
    await vi.waitFor(() => expect(inner()?.dataset.ready).toBe("true"));
    inner().querySelector("[data-name=play]").click();
    expect([model.get("playing"), model.saved]).toEqual([true, 1]);
    await vi.waitFor(() => expect(model.get("frame")).not.toBe(1));
    model.set("playing", false);
    await vi.waitFor(() => expect(inner().dataset.playing).toBe("false"));
  });

  test("has a threshold of its own", async () => {
    await render({ threshold: 0.1 });
    await vi.waitFor(() => expect(inner()?.dataset.setting).toBe("0.4"));
    expect(model.get("threshold")).toBe(0.1);
  });
});

describe("lifecycle", () => {
  test("an invalid state shows an alert until Python replaces it", async () => {
    const { rows } = decode(pyramids[2].state);
    await render({ rows: [] });
    expect(el.querySelector("[role=alert]").textContent).toContain(
      "This view cannot be drawn: `rows` must be a list of at least one row, got [].",
    );
    model.set("rows", rows);
    await vi.waitFor(() => expect(root().dataset.ready).toBe("true"));
    expect(el.querySelector("[role=alert]")).toBeNull();
  });

  test("a frame that cannot be decoded shows an alert", async () => {
    vi.stubGlobal("createImageBitmap", async () => Promise.reject(new Error("no")));
    await render();
    expect(el.querySelector("[role=alert]").textContent).toContain("`frames[0]` could not be read");
  });

  test("names are text, never markup", async () => {
    const state = decode(pyramids[2].state);
    const rows = state.rows.map((row) => ({ ...row, name: "<img src=x onerror=alert(1)>" }));
    await render({ title: "<b>bold</b>", rows, explained: { ...state.explained, name: "<i>wave</i>" } });
    expect(el.querySelector("img, .ne-said i, .ne-title b")).toBeNull();
    expect(el.querySelector(".ne-title").textContent).toBe("<b>bold</b>");
  });

  test("cleans up", async () => {
    await render();
    await vi.waitFor(() => expect(inner()?.dataset.ready).toBe("true"));
    cleanup();
    expect([el.childElementCount, model.listening]).toEqual([0, 0]);
    expect(closed).toBe(16);
  });
});
