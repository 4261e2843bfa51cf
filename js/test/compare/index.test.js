// @vitest-environment jsdom
// Two tube viewers on one model: what moves both, what moves one, and what the kernel hears of it.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/compare/index.js";
import { COURSES, context2d, FakeModel, smallState } from "../helpers.js";

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

const CONTENT = ["layers", "maps", "targets", "caveats", "courses"];
const OWN = [...CONTENT, "layer", "threshold", "target", "against", "course"];

/** The small state on both sides; the second has its layers the other way round, and one of its own. */
function pairState(changes = {}) {
  const { title, ...state } = smallState();
  const own = Object.fromEntries(OWN.map((name) => [name, state[name]]));
  for (const name of OWN) delete state[name];
  const reversed = [...own.layers].reverse();
  const sides = [own, { ...own, layers: [...reversed, { ...reversed[0], name: "another" }], layer: 1 }];
  for (const [k, prefix] of ["a", "b"].entries()) for (const name of OWN) state[`${prefix}_${name}`] = sides[k][name];
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

describe("what both share", () => {
  test.each([0, 1])("a frame that side %i is dragged to is the other's too; one commit, at the end", async (side) => {
    await render();
    slide(side, "frame", 2, 3);
    expect([model.get("frame"), both("frame"), model.saved]).toEqual([3, ["3", "3"], 0]);
    fire(find(side, "frame"), "change");
    expect(model.saved).toBe(1);
    await vi.waitFor(() => expect(roots().map((root) => root.dataset.frame)).toEqual(["3", "3"]));
  });

  test("a turn of one tube turns the other, and nobody hears of it", async () => {
    await render();
    find(0, "side").click();
    expect(roots().map((root) => root.dataset.camera)).toEqual(["side", "side"]);
    const tube = roots()[1].querySelector(".ne-tube");
    tube.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", shiftKey: true, bubbles: true }));
    expect(roots().map((root) => root.dataset.camera)).toEqual(["free", "free"]);
    expect(model.saved).toBe(0);
  });

  test("both play as one, no faster, and tell the kernel twice a second at most", async () => {
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

describe("what is each side's own", () => {
  test("layer, threshold and class of one leave the other's alone, each with one commit", async () => {
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

  test("linked, they move as one: layers by their names, where both have one", async () => {
    await render({ linked: true });
    slide(1, "threshold", 0.6, 0.8);
    expect([...traits("a_threshold", "b_threshold"), model.saved]).toEqual([0.8, 0.8, 0]);
    fire(find(1, "threshold"), "change");
    slide(0, "layer", 1); // "last", which is the other's first
    fire(find(0, "layer"), "change");
    expect([...traits("a_layer", "b_layer"), model.saved]).toEqual([1, 0, 2]);
    slide(1, "layer", 2); // "another", which the first does not have
    expect(traits("a_layer", "b_layer")).toEqual([1, 2]);
    model.set("a_threshold", 0.1); // Python's hand is no person's
    expect(model.get("b_threshold")).toBe(0.8);
  });

  test("the switch brings the second side to the first, in one commit", async () => {
    await render({ b_threshold: 0.9, b_layer: 0 });
    link().click();
    expect([...traits("linked", "b_threshold", "b_layer"), model.saved]).toEqual([true, 0.4, 1, 1]);
    link().click();
    expect([...traits("linked"), model.saved]).toEqual([false, 2]);
    model.set("linked", true);
    expect(link().checked).toBe(true);
  });
});

describe("words", () => {
  test("above each side stand its title and what it shows that the other does not; names are text", async () => {
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
    model.set("titles", ["", ""]);
    expect(headings().map(text)).toEqual(["'<b>clap</b>', layer stem", "'wave' 93 %, layer last"]);
  });

  test("a side that cannot be read says so in its place, and heals; the other is not touched", async () => {
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

test("each side has its own courses and its own choice among them, linked or not", async () => {
  await render({ a_courses: COURSES, a_course: 0, b_courses: COURSES.slice(1), b_course: null, linked: true });
  expect([0, 1].map((side) => find(side, "course").options.length)).toEqual([3, 2]);
  find(1, "course").value = "0";
  fire(find(1, "course"), "change");
  expect([...traits("a_course", "b_course"), model.saved]).toEqual([0, 0, 1]);
  find(0, "course").value = "null";
  fire(find(0, "course"), "change");
  expect([...traits("a_course", "b_course"), model.saved]).toEqual([null, 0, 2]);
  await vi.waitFor(() => expect(roots().map((root) => root.dataset.course)).toEqual(["null", "0"]));
  slide(0, "frame", 2);
  expect(roots()[1].querySelector(".ne-course b").textContent).toBe("frame 3: 1 (yes)");
});

test("what cannot be compared is said: colours, and the lanes where both sides draw one", async () => {
  await render({ a_courses: COURSES, a_course: 0, b_courses: COURSES, b_course: null });
  const note = () => el.querySelector(".ne-compare-head > span").textContent;
  expect(note()).toBe("Each side has its own scale: do not compare colours.");
  model.set("b_course", 1);
  expect(note()).toBe("Each side has its own scale: do not compare colours or plotted signals.");
  model.set("a_courses", []);
  expect(note()).toBe("Each side has its own scale: do not compare colours.");
});

describe("keys", () => {
  test("arrows move the frame of both, from either side and from the switch", async () => {
    await render();
    const places = [...roots(), link()];
    for (const [k, key] of ["ArrowRight", "ArrowRight", "ArrowLeft"].entries()) {
      expect(press(places[k], key).defaultPrevented).toBe(true);
      press(places[k], key, "keyup");
    }
    expect([model.get("frame"), model.saved]).toEqual([2, 3]);
  });

  test("a letter on the switch is no command of the notebook; space is the switch's own", async () => {
    await render();
    const heard = [];
    document.body.addEventListener("keydown", (event) => heard.push(event.key));
    press(link(), "d");
    expect(press(link(), " ").defaultPrevented).toBe(false);
    press(link(), "Escape");
    expect([heard, model.get("playing")]).toEqual([["Escape"], false]);
  });
});

describe("the end", () => {
  test("cleanup takes every listener, picture and element away", async () => {
    await render();
    expect(model.listening).toBeGreaterThan(30);
    cleanup();
    expect([model.listening, closed, el.children.length]).toEqual([0, 8, 0]);
  });

  test("the host's signal ends it as well", async () => {
    const host = new AbortController();
    await render({}, { signal: host.signal });
    host.abort();
    expect([model.listening, el.children.length]).toEqual([0, 0]);
  });
});
