// @vitest-environment jsdom
// The whole viewer in a page without WebGL2 (jsdom has none): everything but pixels.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Model } from "../../src/shared/model.js";
import widget, { renderValues } from "../../src/tubes/index.js";
import { readContent } from "../../src/tubes/traits.js";
import { context2d, FakeModel, FRAME_SIGNALS, smallState } from "../helpers.js";

let model;
let el;
let cleanup;
let closed;
let drawn;

beforeEach(() => {
  closed = 0;
  drawn = [];
  vi.stubGlobal("createImageBitmap", async (blob) => ({
    bytes: blob.size,
    width: 6,
    height: 4,
    close: () => closed++,
  }));
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) =>
    kind === "2d" ? context2d(drawn) : null,
  );
});
afterEach(() => {
  cleanup?.();
  cleanup = undefined;
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

async function render(changes, more = {}) {
  model = new FakeModel(smallState(changes));
  el = document.body.appendChild(document.createElement("div"));
  cleanup = widget().render({ model, el, ...more });
  await vi.waitFor(() => expect(root().dataset.ready ?? root().dataset.error).toBe("true"));
}
const root = () => el.querySelector(".ne-tubes");
const find = (name) => el.querySelector(`[data-name=${name}]`);
const row = (name) => el.querySelector(`.ne-row-${name} .ne-value`).textContent;
const sentence = () => el.querySelector(".ne-kept").textContent.replaceAll("\u00a0", " ");
const fire = (target, type, given) => target.dispatchEvent(new Event(type, { bubbles: true, ...given }));
const press = (target, key, type = "keydown", given = {}) => {
  const event = new KeyboardEvent(type, { key, bubbles: true, cancelable: true, ...given });
  target.dispatchEvent(event);
  return event;
};
const slide = (name, ...values) => {
  for (const value of values) {
    find(name).value = String(value);
    fire(find(name), "input");
  }
};
const painted = (name, value) => vi.waitFor(() => expect(root().dataset[name]).toBe(String(value)));

describe("drawing", () => {
  test("without WebGL2 three projections are shown, with a note", async () => {
    await render();
    expect(root().dataset.gl).toBe("none");
    const note = el.querySelector(".ne-tube-note");
    expect([note.hidden, note.textContent]).toEqual([
      false,
      "This browser has no WebGL2: three flat views are shown instead of the tube.",
    ]);
    expect(el.querySelectorAll("canvas.ne-frame, canvas.ne-tube")).toHaveLength(2);
    expect(drawn.length).toBeGreaterThanOrEqual(9); // frame, overlay, three sides, four small frames
  });

  test("the projections label both axes", async () => {
    const texts = [];
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) =>
      kind === "2d" ? { ...context2d(drawn), fillText: (text) => texts.push(text) } : null,
    );
    await render();
    expect(texts.slice(-12)).toEqual(
      [
        ["front", "x →", "y", "↓"],
        ["side", "time →", "y", "↓"],
        ["top", "time →", "x", "↓"],
      ].flat(),
    );
  });

  test("the curve's name stands below it, where the frame marker does not cross the text", async () => {
    await render({ frame_signals: FRAME_SIGNALS, frame_signal: null });
    const name = () => el.querySelector(".ne-strip-frame").nextElementSibling.textContent;
    expect(name()).toBe("evidence per frame · bright: above threshold");
    model.set("frame_signal", 0);
    expect(name()).toBe("upper: evidence per frame · bright: above threshold");
  });

  test("describes the view state", async () => {
    await render();
    expect(row("frame")).toBe("frame 2 of 4 · 0.10\u00a0s");
    expect(row("layer")).toBe("1 of 2: stem · block · 2×2×3 cells");
    expect(row("threshold")).toBe("40\u00a0%of the maximumof the evidence");
    expect(find("threshold_by").value).toBe("maximum");
    await vi.waitFor(() =>
      expect(sentence()).toMatch(
        /^'wave' 93 %, ahead of '<i>clap<\/i>' 4\.0 %\. \d+ % of the clip, at upper right, mostly frames 1 to 2 \(0\.00 to 0\.10 s\), holds \d+ % of the evidence for 'wave'\.$/,
      ),
    );
    expect(el.querySelector(".ne-caveats").textContent).toBe("The preprocessing was guessed.");
    expect(find("frame").getAttribute("aria-valuetext")).toBe("frame 2 (index 1) of 4 · 0.10\u00a0s");
  });

  test("a threshold has two units; a change of the unit keeps the picture and is one commit", async () => {
    await render({ threshold_by: "default" });
    await vi.waitFor(() => expect(root().dataset.kept).toContain("evidence"));
    const evidence = JSON.parse(root().dataset.kept).evidence;
    const chooseUnit = (unit) => {
      find("threshold_by").value = unit;
      fire(find("threshold_by"), "change");
    };
    chooseUnit("evidence");
    expect([model.get("threshold_by"), model.saved]).toEqual(["evidence", 1]);
    expect(model.get("threshold")).toBeCloseTo(evidence, 2);
    expect(find("threshold").getAttribute("aria-valuetext")).toMatch(
      /^\d+\u00a0% of the evidence, from [\d.]+\u00a0% of the/,
    );
    chooseUnit("maximum");
    expect([model.get("threshold_by"), model.saved]).toEqual(["maximum", 2]);
  });

  test("moving the default threshold makes it one of the maximum", async () => {
    await render({ threshold_by: "default" });
    slide("threshold", 0.2);
    fire(find("threshold"), "change");
    expect([model.get("threshold_by"), model.get("threshold"), model.saved]).toEqual(["maximum", 0.2, 1]);
  });

  test("names are text, never markup", async () => {
    await render({ title: "<img src=x onerror=alert(1)>" });
    expect(el.querySelector("img, option b, .ne-kept i")).toBeNull();
    expect([...find("target").options].map((option) => option.textContent)).toEqual([
      "wave · 93\u00a0%",
      "'<b>clap</b>' · logits differ by 1.25",
    ]);
  });

  test("a single target has no menu", async () => {
    const { targets, maps, layers } = smallState();
    await render({
      targets: [targets[0]],
      maps: [maps[0]],
      layers: layers.map((layer) => ({
        ...layer,
        levels: layer.levels.slice(0, 1),
        scale: [1],
        gap: [null],
        unaccounted: [""],
      })),
    });
    expect(find("target")).toBeNull();
    expect(el.querySelector(".ne-target").textContent).toBe("evidence for wave · 93\u00a0%");
  });

  test("a malformed state is an alert, until Python corrects it", async () => {
    await render({ size: [3, 4, 6], times: [] });
    const alert = el.querySelector("[role=alert]");
    const [plain, why] = [...alert.children].map((line) => line.textContent);
    expect(plain).toMatch(/^The data of this view is damaged or incomplete\. In a notebook, run the cell again;/);
    expect(why).toBe("This view cannot be drawn: `frames` must hold 3 images, one per frame of `size`, got 4.");
    model.set("size", [4, 4, 6]);
    await vi.waitFor(() => expect(root().dataset.ready).toBe("true"));
    expect(el.querySelector("[role=alert]")).toBeNull();
    expect(el.querySelectorAll(".ne-tubes")).toHaveLength(1);
  });

  test("a frame that is no image is an alert", async () => {
    vi.stubGlobal("createImageBitmap", async (blob) => {
      if (blob.size === 2) throw new Error("InvalidStateError");
      return { close: () => closed++ };
    });
    const frames = smallState().frames;
    frames[2] = new DataView(new ArrayBuffer(2));
    await render({ frames });
    expect(el.querySelector("[role=alert]").textContent).toMatch(
      /^The data of this view is damaged .*`frames\[2\]` could not be read as a JPEG image\.$/,
    );
    expect(closed).toBe(3);
  });
});

describe("the commit rule", () => {
  test("dragging a slider changes the model at once and sends one message, on release", async () => {
    await render();
    slide("threshold", 0.5, 0.6, 0.7);
    expect([model.get("threshold"), model.saved]).toEqual([0.7, 0]);
    fire(find("threshold"), "change");
    expect(model.saved).toBe(1);
    await painted("threshold", 0.7);
  });

  test("a key held down on a slider commits when it comes up", async () => {
    await render();
    for (const frame of [2, 3]) {
      press(find("frame"), "ArrowRight", "keydown");
      slide("frame", frame);
      fire(find("frame"), "change");
    }
    expect(model.saved).toBe(0);
    press(find("frame"), "ArrowRight", "keyup");
    expect([model.saved, model.get("frame")]).toEqual([1, 3]);
    slide("frame", 0); // and the mouse commits as before
    fire(find("frame"), "change");
    expect(model.saved).toBe(2);
  });

  test("moving on to another slider does not end a gesture of the first", async () => {
    await render();
    find("frame").focus();
    slide("frame", 2);
    fire(find("frame"), "change");
    slide("threshold", 0.1); // the browser moves it on pointerdown, and the focus only then
    find("threshold").focus();
    slide("threshold", 0.5);
    expect(model.saved).toBe(1);
    fire(find("threshold"), "change");
    expect(model.saved).toBe(2);
  });

  test("changes from Python are drawn and not sent back", async () => {
    await render();
    model.set("frame", 3);
    model.set("layer", 7);
    await painted("frame", 3);
    await painted("layer", 1);
    expect([find("frame").value, find("layer").value, model.saved]).toEqual(["3", "1", 0]);
    fire(find("frame"), "change");
    expect(model.saved).toBe(0);
  });

  test("choosing a class is one commit", async () => {
    await render();
    find("target").value = "1";
    fire(find("target"), "change");
    expect([model.get("target"), model.saved]).toEqual([1, 1]);
  });

  test("two views of one model move together; one of them commits", async () => {
    await render();
    const other = document.body.appendChild(document.createElement("div"));
    const end = widget().render({ model, el: other });
    slide("frame", 3);
    fire(find("frame"), "change");
    expect(other.querySelector("[data-name=frame]").value).toBe("3");
    expect(model.saved).toBe(1);
    end();
  });

  test("playback sends at most two messages a second; pause is one commit", async () => {
    await render();
    vi.useFakeTimers();
    find("play").click();
    expect([model.get("playing"), model.saved]).toEqual([true, 1]);
    const seen = new Set();
    for (let ms = 0; ms < 2000; ms += 50) {
      vi.advanceTimersByTime(50);
      seen.add(model.get("frame"));
    }
    expect(seen.size).toBe(4);
    expect(model.saved).toBeLessThanOrEqual(1 + 4);
    const before = model.saved;
    find("play").click();
    vi.advanceTimersByTime(3000);
    expect([model.get("playing"), model.saved]).toEqual([false, before + 1]);
    vi.useRealTimers();
  });

  test("at four times the speed four times the frames are shown", async () => {
    const shown = async (speed) => {
      await render({ speed, times: [0, 0.4, 0.8, 1.2] });
      vi.useFakeTimers();
      let frames = 0;
      model.on("change:frame", () => frames++);
      find("play").click();
      vi.advanceTimersByTime(1610);
      vi.useRealTimers();
      cleanup();
      return frames;
    };
    expect([await shown(1), await shown(4), await shown(0.5)]).toEqual([4, 16, 2]);
  });

  test("rotating the tube sends nothing", async () => {
    await render();
    find("side").click();
    press(el.querySelector(".ne-tube"), "ArrowLeft", "keydown", { shiftKey: true });
    press(el.querySelector(".ne-tube"), "ArrowLeft", "keyup", { shiftKey: true });
    expect([root().dataset.camera, model.get("frame"), model.saved]).toEqual(["free", 1, 0]);
  });
});

describe("keys", () => {
  test("arrows step, Home and End jump, brackets move the threshold, each one commit on release", async () => {
    await render();
    const walk = [
      ["ArrowRight", "frame", 2],
      ["End", "frame", 3],
      ["ArrowRight", "frame", 3],
      ["Home", "frame", 0],
      ["ArrowUp", "layer", 1],
      ["ArrowDown", "layer", 0],
      ["]", "threshold", 0.41],
      ["-", "threshold", 0.4],
    ];
    for (const [key, name, value] of walk) {
      expect(press(root(), key).defaultPrevented).toBe(true);
      press(root(), key, "keyup");
      expect([key, model.get(name)]).toEqual([key, value]);
    }
    expect(model.saved).toBe(walk.length - 1); // one changed nothing
  });

  test("space plays, once per press", async () => {
    await render();
    press(root(), " ");
    press(root(), " ", "keydown", { repeat: true });
    press(root(), " ", "keyup");
    expect([model.get("playing"), model.saved]).toEqual([true, 1]);
  });

  test("controls keep their keys; letters do not reach the notebook, its shortcuts with modifiers do", async () => {
    await render();
    const received = [];
    document.body.addEventListener("keydown", (event) => received.push(event.key));
    expect(press(find("threshold"), "ArrowRight").defaultPrevented).toBe(false);
    expect(press(find("target"), " ").defaultPrevented).toBe(false);
    press(root(), "d");
    press(root(), "s", "keydown", { ctrlKey: true });
    press(root(), "Escape");
    expect([model.get("frame"), received]).toEqual([1, ["s", "Escape"]]);
  });
});

describe("more keys", () => {
  test("speed goes through its stops, m changes the mode", async () => {
    await render();
    const walk = [
      [">", "speed", 2],
      [">", "speed", 4],
      [">", "speed", 4],
      ["<", "speed", 2],
      ["m", "mode", "montage"],
      ["m", "mode", "tube"],
    ];
    for (const [key, name, value] of walk) {
      press(root(), key);
      press(root(), key, "keyup");
      expect([key, model.get(name)]).toEqual([key, value]);
    }
  });

  test("on the tube, plus, minus and 0 move the camera, not the threshold", async () => {
    await render();
    const tube = el.querySelector(".ne-tube");
    for (const key of ["+", "-", "="]) expect(press(tube, key).defaultPrevented).toBe(true);
    press(tube, "ArrowLeft", "keydown", { shiftKey: true });
    expect(root().dataset.camera).toBe("free");
    press(tube, "0");
    expect([root().dataset.camera, model.get("threshold")]).toEqual(["reset", 0.4]);
  });
});

describe("choices", () => {
  const pick = (name, value) => {
    find(name).value = value;
    fire(find(name), "change");
  };

  test("every choice is one commit and is drawn", async () => {
    await render();
    const chosen = { sign: "negative", colours: "sequential", scale: "frame", speed: "0.5" };
    let saved = 0;
    for (const [name, value] of Object.entries(chosen)) {
      pick(name, value);
      expect([name, String(model.get(name)), model.saved]).toEqual([name, value, ++saved]);
      await painted(name, value);
    }
    await vi.waitFor(() => expect(sentence()).toContain("of the evidence against 'wave'"));
    expect(el.querySelector(".ne-caveats").textContent).toContain("Each frame has its own scale");
    expect(el.querySelector(".ne-legend").textContent).toBe("weakstrong againstdark part: hidden by the threshold");
  });

  test("one class rather than another: the sentence names both, and the choice can be undone", async () => {
    const targets = ["wave", "clap"].map((name, k) => ({
      name,
      logit: 1,
      probability: 0.6 - k / 5,
      rival: null,
      best: [{ name, probability: 0.5 }],
    }));
    await render({ targets });
    pick("against", "1");
    await vi.waitFor(() =>
      expect(sentence()).toMatch(/^'wave' rather than 'clap'\. .* of the evidence for this difference\./),
    );
    expect(find("against").options[1].disabled).toBe(true); // not against itself
    pick("against", "null");
    expect(model.get("against")).toBeNull();
    await vi.waitFor(() => expect(sentence()).toMatch(/^'wave' 60 %\. /));
    expect(el.querySelector(".ne-best").textContent).toBe("wave50\u00a0%");
  });

  test("of two values, one is raised, lowered and subtracted", async () => {
    const targets = ["EDV", "ESV"].map((name, k) => ({
      ...{ name, logit: 120 - 50 * k, probability: null, rival: null, best: [] },
      ...{ kind: "regression", value: `${120 - 50 * k} ml` },
    }));
    await render({ targets });
    await vi.waitFor(() =>
      expect(sentence()).toMatch(/^'EDV' 120 ml\. Raised by .* of the evidence that raises 'EDV'\./),
    );
    const [words, legend] = [(name) => [...find(name).options].map(({ text }) => text), el.querySelector(".ne-legend")];
    expect(legend.textContent).toBe("lowersraisesdark part: hidden by the threshold");
    expect(words("target")).toEqual(["EDV · 120 ml", "ESV · 70 ml"]);
    expect(words("against")).toEqual(["no other value", "EDV", "ESV"]);
    expect(words("sign")).toEqual(["raises and lowers", "raises only", "lowers only"]);
    expect(el.querySelector(".ne-target").textContent).toContain("minus");
    expect(el.querySelector(".ne-best").closest("div").hidden).toBe(true);
    pick("against", "1");
    await vi.waitFor(() => expect(sentence()).toMatch(/^'EDV' minus 'ESV'\. .*that (raises|lowers) this difference/));
    pick("sign", "negative");
    await vi.waitFor(() => expect(legend.textContent).toContain("strong lowers"));
  });

  test("the legend of a binary head names both sides", async () => {
    const fake = { name: "fake", logit: 1, probability: 0.7, rival: { name: "real", probability: 0.3 }, best: [] };
    await render({ targets: [{ ...fake, kind: "binary" }, fake] });
    await vi.waitFor(() => expect(sentence()).toMatch(/^'fake' 70 %, ahead of 'real' 30 %\. /));
    expect(el.querySelector(".ne-legend").textContent).toMatch(/^for 'real'for 'fake'/);
  });

  test("nothing can be subtracted from a target that is a difference already", async () => {
    await render();
    expect(find("against")).toBeNull();
  });

  test("the montage replaces the tube and shows all frames; a click picks one", async () => {
    await render();
    drawn = [];
    find("mode-montage").click();
    await painted("mode", "montage");
    expect(el.querySelectorAll("canvas.ne-montage, canvas.ne-tube")).toHaveLength(1);
    expect(drawn.filter((picture) => picture.bytes !== undefined).length).toBeGreaterThanOrEqual(4);
    expect(find("mode-montage").getAttribute("aria-pressed")).toBe("true");
    expect(find("front").closest(".ne-views").hidden).toBe(true);
    const saved = model.saved;
    const montage = el.querySelector(".ne-montage");
    Object.defineProperty(montage, "clientWidth", { value: 448 });
    const click = new MouseEvent("click", { bubbles: true });
    Object.defineProperties(click, { offsetX: { value: 430 }, offsetY: { value: 200 } });
    montage.dispatchEvent(click);
    expect([model.get("frame"), model.saved]).toEqual([3, saved + 1]);
    find("mode-tube").click();
    await painted("mode", "tube");
    expect(el.querySelector("canvas.ne-tube")).not.toBeNull();
  });

  test("in the montage the current frame has a white border with a dark outline around its number", async () => {
    const [frames, numbers] = [[], []];
    const context = context2d(drawn);
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) => {
      if (kind !== "2d") return null;
      context.strokeRect = (...place) => frames.push([context.strokeStyle, context.lineWidth, ...place]);
      context.fillText = (text, x, y) => numbers.push([text, x, y]);
      return context;
    });
    await render({ mode: "montage", frame: 0 });
    await painted("mode", "montage");
    const [[dark, wide, x, y], [white, line, ...inner]] = frames;
    expect([dark, white, inner.slice(0, 2)]).toEqual(["#14171c", "#fff", [x, y]]);
    expect([x - wide / 2, y - wide / 2]).toEqual([0, 0]); // on the tile, not beyond it
    expect(x - line / 2).toBeGreaterThan(0); // dark outside of the white
    const first = numbers.find(([text]) => text === "1");
    expect(first[1]).toBeGreaterThan(x + line / 2);
    expect(first[2] - 11).toBeGreaterThan(y + line / 2);
  });

  test("the caveat on what a layer leaves out is that of the class shown", async () => {
    const { layers } = smallState();
    await render({ layers: [{ ...layers[0], unaccounted: ["One is missing.", ""] }, layers[1]] });
    expect(el.querySelector(".ne-caveats").textContent).toContain("stem: One is missing.");
    pick("target", "1");
    expect(el.querySelector(".ne-caveats").textContent).not.toContain("One is missing.");
  });

  test("screen readers are explanation the result when a gesture ends", async () => {
    await render();
    await vi.waitFor(() => expect(sentence()).toContain("of the evidence"));
    slide("frame", 3);
    expect(el.querySelector("[aria-live]").textContent).toBe("");
    fire(find("frame"), "change");
    expect(el.querySelector("[aria-live]").textContent).toMatch(
      /^frame 4 \(index 3\) of 4 · 0\.30\ss, layer stem · block · 2×2×3 cells, threshold 40\s%\. 'wave' 93\s%, ahead of .* of the clip, /,
    );
  });
});

describe("a frame signal on the timeline", () => {
  const valueText = () => el.querySelector(".ne-signal-legend b").textContent;
  const choose = (value) => {
    find("frame_signal").value = value;
    fire(find("frame_signal"), "change");
  };

  test("is chosen in a menu, with one commit; the legend shows its value at the frame and its range", async () => {
    await render({ frame_signals: FRAME_SIGNALS, frame_signal: 0 });
    expect([...find("frame_signal").options].map((option) => option.textContent)).toEqual([
      "none",
      "each frame is multiplied by · layer2 (SRTG)",
      "frames kept · <b>Net</b>",
    ]);
    const legend = el.querySelector(".ne-signal-legend");
    const shown = () => [...legend.children].filter((part) => !part.hidden).map((part) => part.textContent);
    expect(shown()).toEqual([
      "each frame is multiplied by: 0.50 to 1.25",
      "frame 2: 0.69",
      "dashed: neutral value 1",
      "reported by layer2 (SRTG), independent of the layer shown",
    ]);
    slide("frame", 2, 3);
    expect([valueText(), model.saved]).toEqual(["frame 4: 1.25", 0]);
    fire(find("frame"), "change");
    expect(el.querySelector("[aria-live]").textContent).toContain(
      ", each frame is multiplied by · layer2 (SRTG), frame 4: 1.25. 'wave'",
    );
    choose("1");
    expect([model.get("frame_signal"), model.saved, valueText()]).toEqual([1, 2, "frame 4: 0 (no)"]);
    expect(shown()[0]).toBe("frames kept; filled: 1 (yes)");
    expect(shown()).toHaveLength(3); // no neutral value, no dashes
    await painted("frame_signal", 1);
    choose("null");
    expect([model.get("frame_signal"), model.saved, legend.hidden]).toEqual([null, 3, true]);
    await painted("frame_signal", null);
  });

  test("is drawn as a line with dashes or as blocks; a choice of Python is drawn, not sent", async () => {
    let [strokes, fills] = [0, 0];
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation((kind) =>
      kind === "2d" ? { ...context2d(drawn), stroke: () => strokes++, fill: () => fills++ } : null,
    );
    await render({ frame_signals: FRAME_SIGNALS });
    await vi.waitFor(() => expect(fills).toBe(4)); // the evidence's areas
    expect([strokes, find("frame_signal").value]).toEqual([0, "null"]);
    model.set("frame_signal", 0);
    await painted("frame_signal", 0);
    expect([strokes, fills]).toEqual([2, 8]);
    model.set("frame_signal", 1);
    await painted("frame_signal", 1);
    expect([strokes, fills, find("frame_signal").value, model.saved]).toEqual([2, 13, "1", 0]);
  });

  test("has a lane with the ends of its scale and a dot at the frame; moving the dot does not redraw the timeline", async () => {
    await render({
      frame_signals: [FRAME_SIGNALS[0], FRAME_SIGNALS[1], { ...FRAME_SIGNALS[0], values: [1, 1] }],
      frame_signal: 0,
    });
    const lane = el.querySelector(".ne-lane");
    const numbers = () => [...lane.querySelectorAll("span")].map((number) => number.textContent);
    const dot = () => [lane.querySelector("i").style.left, Number.parseFloat(lane.querySelector("i").style.bottom)];
    const strips = () => drawn.filter((picture) => picture.bytes !== undefined).length;
    expect([numbers(), dot()]).toEqual([
      ["1.25", "0.50"],
      ["37.5%", 14 + 26 / 4],
    ]);
    await vi.waitFor(() => expect(root().dataset.kept).toContain("evidence"));
    const before = strips();
    slide("frame", 3);
    await painted("frame", 3);
    expect([dot(), strips()]).toEqual([["87.5%", 40], before + 1]); // the frame itself, no timeline
    choose("2");
    expect([numbers(), dot()]).toEqual([
      ["1", ""],
      ["87.5%", 27],
    ]);
    expect(el.querySelector(".ne-timeline-high")).not.toBeNull();
    choose("1");
    expect([lane.hidden, el.querySelector(".ne-timeline-high")]).toEqual([true, expect.anything()]); // blocks, no line
    choose("null");
    expect([lane.hidden, el.querySelector(".ne-timeline-high")]).toEqual([true, null]);
  });

  test("is hidden if the network reports none or the page is older than frame signals", async () => {
    await render({ frame_signals: undefined, frame_signal: undefined });
    expect(el.querySelector(".ne-signal").hidden).toBe(true);
    expect(el.querySelector(".ne-timeline-high")).toBeNull();
    expect(root().dataset.frame_signal).toBe("null");
  });

  test("new frame signals from Python can be chosen", async () => {
    await render();
    model.set("frame_signals", FRAME_SIGNALS);
    await vi.waitFor(() => expect(find("frame_signal").options).toHaveLength(3));
  });
});

test("the layer bars are explained in the drawer and in their tooltip", async () => {
  const { layers } = smallState();
  await render({ layers: layers.map((layer, pathway) => ({ ...layer, pathway })) });
  const explanation =
    /A tall bar means a finer map, not a more important layer\. .* Bars at two heights: parallel pathways\./;
  expect(el.querySelector(".ne-drawer").textContent).toMatch(explanation);
  Object.defineProperty(find("layer"), "clientWidth", { value: 100 });
  find("layer").dispatchEvent(Object.defineProperty(new Event("pointermove"), "offsetX", { value: 10 }));
  expect(find("layer").title).toMatch(explanation);
  cleanup();
  await render();
  const plain = el.querySelector(".ne-drawer").textContent;
  expect(plain).toContain("Cells: time × height × width.");
  expect(plain).not.toMatch(/two heights|pooling/);
  expect(el.querySelector(".ne-row-layer .ne-label").textContent).toBe("layertall bar = finer map");
  cleanup();
  await render({ layers: layers.map((layer) => ({ ...layer, kind: "pooling input" })) });
  const swatch = el.querySelector(".ne-drawer .ne-bars .ne-layer-pooling");
  expect(swatch.nextSibling.textContent).toBe("Input of a pooling layer.");
});

describe("reduced motion", () => {
  const reduced = (matches) => vi.stubGlobal("matchMedia", () => ({ matches }));
  test("with prefers-reduced-motion, nothing plays until the user starts it", async () => {
    reduced(true);
    await render({ playing: true });
    expect([model.get("playing"), model.saved]).toEqual([false, 0]);
    find("play").click();
    expect(model.get("playing")).toBe(true);
  });
  test("otherwise playback starts by itself", async () => {
    reduced(false);
    await render({ playing: true });
    expect(model.get("playing")).toBe(true);
  });
});

test("a viewer of plain values shows them, and new ones when they are replaced", async () => {
  const content = readContent(new FakeModel(smallState()));
  const values = Float32Array.of(0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0);
  const plain = { ...content, layers: [{ ...content.layers[0], name: "from values" }], mapOf: () => values };
  model = new Model({ ...smallState(), content: plain });
  el = document.body.appendChild(document.createElement("div"));
  cleanup = renderValues({ model, el });
  await vi.waitFor(() => expect(root().dataset.kept).toContain('"against":0}'));
  expect(row("layer")).toBe("1 of 1: from values · block · 2×2×3 cells");
  slide("frame", 3);
  expect(model.get("frame")).toBe(3);
  model.set("content", { ...plain, title: "another", mapOf: () => values.map((value) => -value) });
  await vi.waitFor(() => expect(root().dataset.kept).toContain('"against":1}'));
  expect([el.children.length, el.querySelector(".ne-title").textContent]).toEqual([1, "another"]);
});

describe("the end", () => {
  test("cleanup removes every listener, bitmap and element", async () => {
    await render();
    const beat = model.get("playing");
    model.set("playing", !beat);
    expect(model.listening).toBeGreaterThan(10);
    cleanup();
    expect([model.listening, closed, el.children.length]).toEqual([0, 4, 0]);
    const { frame } = model.state;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([model.get("frame"), model.saved]).toEqual([frame, 0]);
  });

  test("the host's signal cleans up too", async () => {
    const host = new AbortController();
    await render({}, { signal: host.signal });
    host.abort();
    expect([model.listening, el.children.length]).toEqual([0, 0]);
  });

  test("cleanup before the frames are decoded closes them", async () => {
    model = new FakeModel(smallState());
    el = document.createElement("div");
    widget().render({ model, el })();
    await vi.waitFor(() => expect(closed).toBe(4));
    expect(model.listening).toBe(0);
  });
});
