// @vitest-environment jsdom
// Words of the readout, and the keys that are listed.
import { expect, test } from "vitest";
import { createFields } from "../../src/tubes/layer_values.js";
import { fileName } from "../../src/tubes/picture.js";
import { createReadout, pointWords, timelineWords } from "../../src/tubes/readout.js";
import { readContent } from "../../src/tubes/traits.js";
import { FakeModel, FRAME_SIGNALS, smallState } from "../helpers.js";

const VIEW = { layer: 1, target: 0, against: null, scale: "clip", frame: 1, frame_signal: null };
const contentOf = (changes) => readContent(new FakeModel(smallState(changes)));
const plain = (text) => text.replaceAll("\u00a0", " ");

test("a point is given by frame, index, time, pixel, share and value", () => {
  const content = contentOf();
  const fields = createFields(content);
  const words = (view, point) => plain(pointWords(content, view, fields(view), point));
  const point = { frame: 2, x: 5, y: 1 };
  const where = "frame 3 (index 2) of 4 · 0.20 s · x 5, y 1 · ";
  expect(words(VIEW, point)).toBe(`${where}+50 % of the maximum (+1), for`); // 16384 of 32767, times 2
  expect(words({ ...VIEW, target: 1 }, point)).toBe(`${where}−50 % of the maximum (−1), against`);
  expect(words({ ...VIEW, scale: "frame" }, point)).toBe(`${where}+100 % of the frame's maximum (+1), for`);
  expect(words(VIEW, { ...point, value: 0.4, peak: 0.9 })).toBe(
    `${where}+40 % of the maximum (+0.8), for · up to +90 % behind`,
  );
  expect(words(VIEW, { ...point, value: 0 })).toBe(`${where}0 % of the maximum (0)`);
});

test("a frame on the timeline is given by its part of all evidence, and the signal", () => {
  const content = contentOf({ frame_signals: FRAME_SIGNALS });
  const curve = (...all) => ({ all, kept: all });
  const curves = { positive: curve(1, 2, 3, 0), negative: curve(0, 0, 1, 1) };
  const words = (view, sums, frame) => plain(timelineWords(content, view, sums, frame));
  expect(words({ ...VIEW, frame_signal: 0 }, curves, 2)).toBe(
    "frame 3 (index 2) of 4 · 0.20 s · 38 % for, 13 % against, of all evidence shown · layer2: 1.06",
  );
  const none = curve(0, 0, 0, 0);
  expect(words(VIEW, { ...curves, negative: none }, 0)).toBe(
    "frame 1 (index 0) of 4 · 0.00 s · 17 % for, of all evidence shown",
  );
  for (const sums of [undefined, { positive: none, negative: none }])
    expect(words(VIEW, sums, 0)).toBe("frame 1 (index 0) of 4 · 0.00 s");
});

test("files are named after the clip or class, the layer and the frame", () => {
  expect(fileName(contentOf({ title: "../a: clip.mp4" }), VIEW)).toBe("a-clip.mp4-last-frame-2");
  expect(fileName(contentOf({ title: "" }), VIEW, "")).toBe("wave-last");
});

test("the readout is written only when its words change", () => {
  let frame = 0;
  const lifetime = new AbortController();
  const { element, show, pin } = createReadout(() => ({ frame }), document.createElement("p"), lifetime.signal);
  pin((view) => `frame ${view.frame}`);
  const text = element.firstChild;
  show();
  expect(element.firstChild, "the same text node: nothing to lay out").toBe(text);
  frame = 1;
  show();
  expect(element.textContent).toBe("frame 1");
  lifetime.abort();
});
