// @vitest-environment jsdom
// Tube viewers on one model: what moves all, what moves one, and what is sent to the kernel.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/compare/index.js";
import { SIDE_TRAITS, SIDES } from "../../src/compare/side_model.js";
import { readTimeline } from "../../src/compare/timeline.js";
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

const ALL = [0, 1, 2, 3];
const TITLES = ["before", "<i>after</i>", "third", "fourth"];

/** The small state on some sides; the second side has its layers in reverse order, and one more; the others are as the first. */
function sidesState(count, changes = {}) {
  const { title, ...state } = smallState();
  const first = Object.fromEntries(SIDE_TRAITS.map((name) => [name, state[name]]));
  for (const name of SIDE_TRAITS) delete state[name];
  const reversed = [...first.layers].reverse();
  const second = { ...first, layers: [...reversed, { ...reversed[0], name: "another" }], layer: 1 };
  for (const [k, prefix] of SIDES.slice(0, count).entries())
    for (const name of SIDE_TRAITS) state[`${prefix}_${name}`] = (k === 1 ? second : first)[name];
  const clip = { size: state.size, times: state.times, frames: ALL, shown: ALL, steps: ALL };
  const clips = Array(count).fill(clip);
  return { ...state, titles: TITLES.slice(0, count), clips, alignment: "clip", linked: false, ...changes };
}

/** A clip of two frames at 0.1 and 0.3 s beside the small one, which has four: linked by time, with a step at 0.2 s for the latter. */
const SHORTER = { size: [2, 2, 2], times: [0.1, 0.3], frames: [4, 0], shown: [0, 0, 0, 1], steps: [1, 3] };
function timesState(changes = {}) {
  const state = sidesState(2, { alignment: "elapsed", ...changes });
  return { ...state, clips: [state.clips[0], SHORTER], frames: [...state.frames, state.frames[2]] };
}

const render = (changes, more) => renderState(sidesState(2, changes), more);
async function renderState(state, more = {}) {
  model = new FakeModel(state);
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el, ...more });
  await vi.waitFor(() => {
    for (const root of roots()) expect(root.dataset.ready ?? root.dataset.error).toBe("true");
  });
}
const roots = () => [...el.querySelectorAll(".ne-tubes")];
const find = (side, name) => roots()[side].querySelector(`[data-name=${name}]`);
const bar = () => el.querySelector(".ne-compare-bar");
const shared = (name) => bar().querySelector(`[data-name=${name}]`);
const both = (name) => [0, 1].map((side) => find(side, name).value);
const traits = (...names) => names.map((name) => model.get(name));
const fire = (target, type) => target.dispatchEvent(new Event(type, { bubbles: true }));
const slideTo = (input, ...values) => {
  for (const value of values) {
    input.value = String(value);
    fire(input, "input");
  }
};
const slide = (side, name, ...values) => slideTo(find(side, name), ...values);
const press = (target, key, type = "keydown") => {
  const event = new KeyboardEvent(type, { key, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
  return event;
};
const link = () => el.querySelector("[data-name=linked]");
const headings = () => [...el.querySelectorAll(".ne-side-title")];
const text = (element) => element.textContent.replaceAll("\u00a0", " ");

describe("shared by all sides", () => {
  test("each control of what they share stands in one bar; sides have their own for the rest", async () => {
    await renderState(sidesState(4));
    const names = (root) => [...root.querySelectorAll("[data-name]")].map((element) => element.dataset.name).sort();
    const display = ["colours", "opacity", "scale", "sign"];
    const views = ["front", "mode-montage", "mode-tube", "reset", "side", "top"];
    expect(names(bar())).toEqual(["frame", "linked", "more", "play", "speed", ...display, ...views].sort());
    for (const root of roots())
      expect(names(root)).toEqual([
        "check",
        "frame",
        "frame_signal",
        "layer",
        "more",
        "target",
        "threshold",
        "threshold_by",
      ]);
    // The timelines of the sides follow the pointer; keys have the one slider in the bar.
    expect(roots().map((root) => root.querySelector("[data-name=frame]").tabIndex)).toEqual([-1, -1, -1, -1]);
    expect(shared("frame").tabIndex).toBe(0);
  });

  test("dragging the frame slider moves all sides, with one commit at the end, and says where it ended", async () => {
    await renderState(sidesState(3));
    slideTo(shared("frame"), 2, 3);
    expect([model.get("frame"), model.saved, bar().querySelector(".ne-live").textContent]).toEqual([3, 0, ""]);
    fire(shared("frame"), "change");
    expect([model.saved, text(bar().querySelector(".ne-live"))]).toEqual([1, "frame 4 of 4 · 0.30 s"]);
    expect(text(bar().querySelector(".ne-value"))).toBe("frame 4 of 4 · 0.30 s");
    await vi.waitFor(() => expect(roots().map((root) => root.dataset.frame)).toEqual(["3", "3", "3"]));
  });

  test("settings of the display reach all sides; the mode hides the camera buttons", async () => {
    await render();
    for (const [name, value] of Object.entries({ sign: "negative", colours: "sequential", scale: "frame" })) {
      shared(name).value = value;
      fire(shared(name), "change");
    }
    shared("mode-montage").click();
    slideTo(shared("opacity"), 0.25);
    fire(shared("opacity"), "change");
    expect(model.saved).toBe(5);
    const shown = ({ dataset: { sign, colours, scale, mode, opacity } }) => [sign, colours, scale, mode, opacity];
    const expected = ["negative", "sequential", "frame", "montage", "0.25"];
    await vi.waitFor(() => expect(roots().map(shown)).toEqual([expected, expected]));
    expect([shared("front").parentElement.hidden, shared("mode-montage").getAttribute("aria-pressed")]).toEqual([
      true,
      "true",
    ]);
  });

  test.each([0, 1])("dragging the timeline of side %i moves both, with one commit at the end", async (side) => {
    await render();
    slide(side, "frame", 2, 3);
    expect([model.get("frame"), both("frame"), shared("frame").value, model.saved]).toEqual([3, ["3", "3"], "3", 0]);
    fire(find(side, "frame"), "change");
    expect(model.saved).toBe(1);
    await vi.waitFor(() => expect(roots().map((root) => root.dataset.frame)).toEqual(["3", "3"]));
  });

  test("rotating one tube rotates the other and sends nothing", async () => {
    await render();
    shared("side").click();
    expect(roots().map((root) => root.dataset.camera)).toEqual(["side", "side"]);
    const tube = roots()[1].querySelector(".ne-tube");
    tube.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", shiftKey: true, bubbles: true }));
    expect(roots().map((root) => root.dataset.camera)).toEqual(["free", "free"]);
    expect(model.saved).toBe(0);
  });

  test("all play together at normal speed and tell the kernel twice a second at most", async () => {
    await render({ times: [] }); // 125 ms each
    vi.useFakeTimers();
    shared("play").click();
    expect(model.saved).toBe(1);
    let frames = 0;
    model.on("change:frame", () => frames++);
    vi.advanceTimersByTime(2010);
    expect(frames).toBe(16);
    expect(model.saved).toBeLessThanOrEqual(1 + 4);
    press(roots()[1], " "); // a side stops it too
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

  test("three linked sides move together", async () => {
    await renderState(sidesState(3, { linked: true }));
    slide(2, "threshold", 0.6);
    expect(traits("a_threshold", "b_threshold", "c_threshold")).toEqual([0.6, 0.6, 0.6]);
    slide(1, "layer", 0); // "last", the second layer of the others
    expect(traits("a_layer", "b_layer", "c_layer")).toEqual([1, 0, 1]);
    model.set("linked", false);
    slide(0, "threshold", 0.1);
    expect(traits("a_threshold", "b_threshold", "c_threshold")).toEqual([0.1, 0.6, 0.6]);
  });

  test("one legend stands for all sides while they are linked and have the same one", async () => {
    await render({ linked: true });
    const legend = () => [el.querySelector(".ne-compare").dataset.legend, bar().querySelector(".ne-legend").hidden];
    expect(legend()).toEqual(["shared", false]);
    slide(1, "threshold", 0.8);
    expect(bar().querySelector(".ne-ramp-hidden").style.width).toBe("80%");
    model.set("a_threshold", 0.5); // from Python: the sides differ
    expect(legend()).toEqual(["own", true]);
    model.set("b_threshold", 0.5);
    expect(legend()).toEqual(["shared", false]);
    model.set("linked", false);
    expect(legend()).toEqual(["own", true]);
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

  test("with four sides, what differs from any other is named; they are counted", async () => {
    await renderState(sidesState(4, { titles: ["", "", "", ""], d_target: 1 }));
    expect(headings().map(text)).toEqual([
      ...["'wave' 93 %", "'wave' 93 %", "'wave' 93 %"], // stem is on all sides
      "'<b>clap</b>'",
    ]);
    expect(el.querySelector(".ne-compare").getAttribute("aria-label")).toBe("four explanations");
    const labels = [...el.querySelectorAll(".ne-side")].map((side) => side.getAttribute("aria-label"));
    expect(labels[3]).toBe("fourth explanation, '<b>clap</b>'");
  });

  test("a malformed timeline shows an alert in place of the shared controls", async () => {
    model = new FakeModel(sidesState(2, { size: [0, 4, 6] }));
    el = document.body.appendChild(document.createElement("div"));
    cleanup = widget().render({ model, el });
    const expected = "`size` must be three whole numbers above 0 (steps, height, width), got [0,4,6]";
    expect(bar().querySelector("[role=alert]").textContent).toContain(expected);
    await vi.waitFor(() => expect(roots()[1].dataset.ready).toBe("true"));
    model.set("size", [4, 4, 6]);
    await vi.waitFor(() => expect(shared("frame")?.max).toBe("3"));
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
  const note = () => el.querySelector(".ne-compare-note").textContent;
  expect(note()).toBe("Each side has its own scale: do not compare colours.");
  model.set("b_frame_signal", 1);
  expect(note()).toBe("Each side has its own scale: do not compare colours or plotted signals.");
  model.set("a_frame_signals", []);
  expect(note()).toBe("Each side has its own scale: do not compare colours.");
});

describe("clips that differ", () => {
  test("by frame number: each side shows its own clip, and names its frame and time", async () => {
    const clips = sidesState(2).clips.map((clip, k) => ({ ...clip, times: clip.times.map((time) => time + 2 * k) }));
    await render({ clips, alignment: "frame", times: [] });
    expect(headings().map((heading) => text(heading.querySelector(".ne-side-frame")))).toEqual([
      "frame 2 of 4 · 0.10 s",
      "frame 2 of 4 · 2.10 s",
    ]);
    expect(text(bar().querySelector(".ne-value"))).toBe("frame 2 of 4");
    expect(bar().querySelector(".ne-compare-note").textContent).toContain("linked by frame number");
  });

  test("by time: the slider moves over steps, and each side shows its nearest frame and names it", async () => {
    await renderState(timesState());
    const frames = () => roots().map((root) => root.querySelector("[data-name=frame]").value);
    expect([frames(), shared("frame").max, text(bar().querySelector(".ne-value"))]).toEqual([
      ["1", "0"],
      "3",
      "time 0.10 s",
    ]);
    slideTo(shared("frame"), 2, 3);
    fire(shared("frame"), "change");
    const words = headings().map((heading) => text(heading.querySelector(".ne-side-frame")));
    expect([frames(), words, model.saved]).toEqual([["3", "1"], ["frame 4 of 4 · 0.30 s", "frame 2 of 2 · 0.30 s"], 1]);
    const said = "time 0.30 s, before frame 4 of 4 · 0.30 s, <i>after</i> frame 2 of 2 · 0.30 s";
    expect([
      text(bar().querySelector(".ne-live")),
      text({ textContent: shared("frame").getAttribute("aria-valuetext") }),
    ]).toEqual([said, said]);
    expect(bar().querySelector(".ne-compare-note").textContent).toContain("nearest in time");
  });

  test("by time: moving a side's own frame moves all to its time, with one commit", async () => {
    await renderState(timesState({ frame: 0 }));
    slide(1, "frame", 1);
    expect([model.get("frame"), both("frame"), model.saved]).toEqual([3, ["3", "1"], 0]);
    fire(find(1, "frame"), "change");
    expect(model.saved).toBe(1);
    press(roots()[1], "ArrowLeft");
    expect([model.get("frame"), both("frame")]).toEqual([1, ["1", "0"]]);
  });

  test("frames are decoded from the JPEGs that all clips share", async () => {
    const decoded = [];
    vi.stubGlobal("createImageBitmap", async (blob) => {
      const reader = new FileReader();
      reader.readAsArrayBuffer(blob);
      await new Promise((done) => reader.addEventListener("load", done));
      decoded.push(new Uint8Array(reader.result)[0]);
      return { width: 6, height: 4, close() {} };
    });
    await renderState(timesState());
    expect(decoded.sort()).toEqual([1, 1, 2, 3, 3, 4]);
  });

  test("steps last as long as they lie apart, on the scale of the clip with the shortest intervals", () => {
    const clips = [{ times: [0, 0.04, 0.08] }, { times: [0, 1] }, { times: [] }];
    const state = { size: [4, 1, 1], times: [0, 0.04, 0.08, 1], clips, alignment: "time" };
    const { duration, words } = readTimeline(new FakeModel(state));
    expect([0, 1, 2, 3].map(duration)).toEqual([100, expect.closeTo(100), 500, 500]);
    expect(text({ textContent: words(2) })).toBe("time 0.08 s");
    const close = { ...state, times: [0, 0.001, 0.08, 1] };
    expect(readTimeline(new FakeModel(close)).duration(0)).toBe(16);
    const byFrame = { ...state, alignment: "frame", times: [0, 0.2, 0.4, 0.6] };
    expect([0, 3].map(readTimeline(new FakeModel(byFrame)).duration)).toEqual([
      expect.closeTo(200),
      expect.closeTo(200),
    ]);
  });
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

  test("keys in the bar move what all sides share, and leave their layers and thresholds", async () => {
    await render();
    for (const key of ["End", "m", ">", "ArrowUp", "]"]) press(bar(), key);
    press(bar(), "]", "keyup");
    const moved = traits("frame", "mode", "speed", "a_layer", "b_layer", "a_threshold", "b_threshold");
    expect([moved, model.saved]).toEqual([[3, "montage", 2, 0, 1, 0.4, 0.4], 1]);
    expect(traits("layer", "threshold")).toEqual([undefined, undefined]); // the model has no such traits
    press(shared("frame"), " ");
    expect(model.get("playing")).toBe(true);
    expect(press(shared("frame"), "ArrowLeft").defaultPrevented).toBe(false); // the slider moves itself
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
