// @vitest-environment jsdom
// Two tube viewers on one model: what moves both, what moves one, and what is sent to the kernel.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/compare/index.js";
import { context2d, FakeModel, FRAME_SIGNALS, smallState } from "../helpers.js";

let model;
let el;
let cleanup;
let closed;

beforeEach(() => {
  closed = 0;
  vi.stubGlobal("createImageBitmap", async () => ({ width: 6, height: 4, close: () => closed++ }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) =>
    kind === "2d" ? context2d() : null,
  );
});
afterEach(() => {
  cleanup?.();
  cleanup = undefined;
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const CONTENT = ["layers", "maps", "targets", "caveats", "frame_signals"];
const SIDE_TRAITS = [...CONTENT, "layer", "threshold", "target", "against", "frame_signal"];

/** The small state on both sides; the second side has its layers in reverse order, and one more. */
function pairState(changes = {}) {
  const { title, ...state } = smallState();
  const first = Object.fromEntries(SIDE_TRAITS.map((name) => [name, state[name]]));
  for (const name of SIDE_TRAITS) delete state[name];
  const reversed = [...first.layers].reverse();
  const sides = [first, { ...first, layers: [...reversed, { ...reversed[0], name: "another" }], layer: 1 }];
  for (const [k, prefix] of ["a", "b"].entries())
    for (const name of SIDE_TRAITS) state[`${prefix}_${name}`] = sides[k][name];
  return { ...state, titles: ["before", "<i>after</i>"], linked: false, ...changes };
}

async function render(changes, more = {}) {
  model = new FakeModel(pairState(changes));
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el, ...more });
  await vi.waitFor(() => {
    for (const root of roots()) expect(root.dataset.ready ?? root.dataset.error).toBe("true");
  });
}
const roots = () => [...el.querySelectorAll(".ne-tubes")];
const find = (side, name) => roots()[side].querySelector(`[data-name=${name}]`);
const both = (name) => [0, 1].map((side) => find(side, name).value);
const traits = (...names) => names.map((name) => model.get(name));
const fire = (target, type) => target.dispatchEvent(new Event(type, { bubbles: true }));
const slide = (side, name, ...values) => {
  for (const value of values) {
    find(side, name).value = String(value);
    fire(find(side, name), "input");
  }
};
const press = (target, key, type = "keydown") => {
  const event = new KeyboardEvent(type, { key, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
  return event;
};
const link = () => el.querySelector("[data-name=linked]");
const headings = () => [...el.querySelectorAll(".ne-side-title")];
const text = (element) => element.textContent.replaceAll("\u00a0", " ");

describe("shared by both sides", () => {
  test.each([0, 1])("dragging the frame of side %i moves both, with one commit at the end", async (side) => {
    await render();
    slide(side, "frame", 2, 3);
    expect([model.get("frame"), both("frame"), model.saved]).toEqual([3, ["3", "3"], 0]);
    fire(find(side, "frame"), "change");
    expect(model.saved).toBe(1);
    await vi.waitFor(() => expect(roots().map((root) => root.dataset.frame)).toEqual(["3", "3"]));
  });

  test("rotating one tube rotates the other and sends nothing", async () => {
    await render();
    find(0, "side").click();
    expect(roots().map((root) => root.dataset.camera)).toEqual(["side", "side"]);
    const tube = roots()[1].querySelector(".ne-tube");
    tube.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", shiftKey: true, bubbles: true }));
    expect(roots().map((root) => root.dataset.camera)).toEqual(["free", "free"]);
    expect(model.saved).toBe(0);
  });

  test("both play together at normal speed and tell the kernel twice a second at most", async () => {
    await render({ times: [] }); // 125 ms each
    vi.useFakeTimers();
    find(1, "play").click();
    expect(model.saved).toBe(1);
    let frames = 0;
    model.on("change:frame", () => frames++);
    vi.advanceTimersByTime(2010);
    expect(frames).toBe(16);
    expect(model.saved).toBeLessThanOrEqual(1 + 4);
    find(0, "play").click(); // the other one stops it
    vi.advanceTimersByTime(1000);
    expect([model.get("playing"), frames]).toEqual([false, 16]);
    vi.useRealTimers();
  });
});

describe("separate for each side", () => {
  test("layer, threshold and class of one side leave the other side alone, each with one commit", async () => {
    await render();
    slide(0, "threshold", 0.5, 0.7);
    fire(find(0, "threshold"), "change");
    slide(1, "layer", 2);
    fire(find(1, "layer"), "change");
    find(1, "target").value = "1";
    fire(find(1, "target"), "change");
    expect(traits("a_threshold", "b_threshold", "a_layer", "b_layer", "a_target", "b_target")).toEqual([
      0.7, 0.4, 0, 2, 0, 1,
    ]);
    expect([both("threshold"), both("layer"), both("target")]).toEqual([
      ["0.7", "0.4"],
      ["0", "2"],
      ["0", "1"],
    ]);
    expect(model.saved).toBe(3);
  });

  test("linked sides move together; layers are matched by name", async () => {
    await render({ linked: true });
    slide(1, "threshold", 0.6, 0.8);
    expect([...traits("a_threshold", "b_threshold"), model.saved]).toEqual([0.8, 0.8, 0]);
    fire(find(1, "threshold"), "change");
    slide(0, "layer", 1); // "last", which is the other's first
    fire(find(0, "layer"), "change");
    expect([...traits("a_layer", "b_layer"), model.saved]).toEqual([1, 0, 2]);
    slide(1, "layer", 2); // "another", which the first does not have
    expect(traits("a_layer", "b_layer")).toEqual([1, 2]);
    model.set("a_threshold", 0.1); // changes from Python are not linked
    expect(model.get("b_threshold")).toBe(0.8);
  });

  test("the link box copies the first side to the second, with one commit", async () => {
    await render({ b_threshold: 0.9, b_layer: 0 });
    link().click();
    expect([...traits("linked", "b_threshold", "b_layer"), model.saved]).toEqual([true, 0.4, 1, 1]);
    link().click();
    expect([...traits("linked"), model.saved]).toEqual([false, 2]);
    model.set("linked", true);
    expect(link().checked).toBe(true);
  });
});

describe("headings", () => {
  test("each side has its title and what differs from the other side above it; names are text", async () => {
    await render();
    expect(headings().map(text)).toEqual(["before", "<i>after</i>"]);
    slide(1, "layer", 0);
    find(0, "target").value = "1";
    fire(find(0, "target"), "change");
    expect(headings().map(text)).toEqual(["before'<b>clap</b>', layer stem", "<i>after</i>'wave' 93 %, layer last"]);
    expect(el.querySelector(".ne-side-title i, .ne-side-title span b")).toBeNull();
    expect(
      [...el.querySelectorAll(".ne-side")].map((side) =>
        text({ textContent: side.ariaLabel ?? side.getAttribute("aria-label") }),
      ),
    ).toEqual([
      "first explanation, before, '<b>clap</b>', layer stem",
      "second explanation, <i>after</i>, 'wave' 93 %, layer last",
    ]);
    const label = () => el.querySelector(".ne-compare").getAttribute("aria-label");
    expect(label()).toBe("before and <i>after</i>");
    model.set("titles", ["", ""]);
    expect(label()).toBe("two explanations");
    expect(headings().map(text)).toEqual(["'<b>clap</b>', layer stem", "'wave' 93 %, layer last"]);
  });

  test("a malformed side shows an alert until it is corrected; the other side is not affected", async () => {
    await render({ b_maps: [] });
    expect(roots().map((root) => root.dataset.error)).toEqual([undefined, "true"]);
    const alert = el.querySelector("[role=alert]");
    expect(alert.textContent).toContain(
      "This view cannot be drawn: `maps` must hold one buffer for each of the 2 targets, got 0.",
    );
    expect(headings().map(text)[1]).toBe("<i>after</i>");
    slide(0, "frame", 3);
    model.set("b_maps", model.get("a_maps"));
    await vi.waitFor(() => expect(roots()[1].dataset.ready).toBe("true"));
    expect([el.querySelector("[role=alert]"), both("frame")]).toEqual([null, ["3", "3"]]);
  });
});

test("each side has its frame signals and its choice among them, linked or not", async () => {
  await render({
    a_frame_signals: FRAME_SIGNALS,
    a_frame_signal: 0,
    b_frame_signals: FRAME_SIGNALS.slice(1),
    b_frame_signal: null,
    linked: true,
  });
  expect([0, 1].map((side) => find(side, "frame_signal").options.length)).toEqual([3, 2]);
  find(1, "frame_signal").value = "0";
  fire(find(1, "frame_signal"), "change");
  expect([...traits("a_frame_signal", "b_frame_signal"), model.saved]).toEqual([0, 0, 1]);
  find(0, "frame_signal").value = "null";
  fire(find(0, "frame_signal"), "change");
  expect([...traits("a_frame_signal", "b_frame_signal"), model.saved]).toEqual([null, 0, 2]);
  await vi.waitFor(() => expect(roots().map((root) => root.dataset.frame_signal)).toEqual(["null", "0"]));
  slide(0, "frame", 2);
  expect(roots()[1].querySelector(".ne-signal b").textContent).toBe("frame 3: 1 (yes)");
});

test("a note says what cannot be compared: colours, and signals if both sides plot one", async () => {
  await render({
    a_frame_signals: FRAME_SIGNALS,
    a_frame_signal: 0,
    b_frame_signals: FRAME_SIGNALS,
    b_frame_signal: null,
  });
  const note = () => el.querySelector(".ne-compare-head > span").textContent;
  expect(note()).toBe("Each side has its own scale: do not compare colours.");
  model.set("b_frame_signal", 1);
  expect(note()).toBe("Each side has its own scale: do not compare colours or plotted signals.");
  model.set("a_frame_signals", []);
  expect(note()).toBe("Each side has its own scale: do not compare colours.");
});

describe("keys", () => {
  test("arrow keys move the frame of both sides, also from the link box", async () => {
    await render();
    const targets = [...roots(), link()];
    for (const [k, key] of ["ArrowRight", "ArrowRight", "ArrowLeft"].entries()) {
      expect(press(targets[k], key).defaultPrevented).toBe(true);
      press(targets[k], key, "keyup");
    }
    expect([model.get("frame"), model.saved]).toEqual([2, 3]);
  });

  test("letters pressed on the link box do not reach the notebook; space toggles it", async () => {
    await render();
    const received = [];
    document.body.addEventListener("keydown", (event) => received.push(event.key));
    press(link(), "d");
    expect(press(link(), " ").defaultPrevented).toBe(false);
    press(link(), "Escape");
    expect([received, model.get("playing")]).toEqual([["Escape"], false]);
  });
});

describe("the end", () => {
  test("cleanup removes every listener, bitmap and element", async () => {
    await render();
    expect(model.listening).toBeGreaterThan(30);
    cleanup();
    expect([model.listening, closed, el.children.length]).toEqual([0, 8, 0]);
  });

  test("the host's signal cleans up too", async () => {
    const host = new AbortController();
    await render({}, { signal: host.signal });
    host.abort();
    expect([model.listening, el.children.length]).toEqual([0, 0]);
  });
});
