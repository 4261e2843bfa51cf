import { describe, expect, test } from "vitest";
import { StateError } from "../../src/shared/validate.js";
import { readContent } from "../../src/tubes/traits.js";
import { readViewState } from "../../src/tubes/view_state.js";
import { FakeModel, FRAME_SIGNALS, smallState, viewOf } from "../helpers.js";

const read = (changes) => readContent(new FakeModel(smallState(changes)));
const withLayer = (changes) => {
  const { layers } = smallState();
  return { layers: [{ ...layers[0], ...changes }, layers[1]] };
};

test("a complete state is read, at any offset of the buffers", () => {
  const content = read();
  expect([...content.frames[2]]).toEqual([3]);
  const codes = [0, 10, 127, -127, 50, 0, 0, 20, 90, -90, 60, 0];
  expect([...content.mapOf(0, 0)]).toEqual(
    codes.map((code) => expect.closeTo(Math.sign(code) * Math.abs(code / 127) ** 2.5, 6)),
  );
  expect([...content.mapOf(1, 0)]).toEqual([expect.closeTo(16384 / 32767, 6)]);
  expect([...content.mapOf(1, 1)]).toEqual([expect.closeTo(-16384 / 32767, 6)]);
  expect(content.mapOf(0, 1)[3]).toBe(1);
});

const withFrameSignal = (changes) => ({ frame_signals: [FRAME_SIGNALS[0], { ...FRAME_SIGNALS[1], ...changes }] });

const geometry = smallState().layers[0].geometry;
const WRONG = [
  [
    "size missing",
    { size: undefined },
    "`size` must be three whole numbers above 0 (time, height, width), got nothing",
  ],
  ["size of two", { size: [4, 4] }, "`size` must be three whole numbers"],
  ["size with a fraction", { size: [4, 4.5, 6] }, "got [4,4.5,6]"],
  ["title no text", { title: 7 }, "`title` must be a string, got 7"],
  ["caveats no list", { caveats: "careful" }, "`caveats` must be a list of strings"],
  ["no targets", { targets: [] }, "`targets` must list at least one class"],
  ["target without logit", { targets: [{ name: "a", probability: 1 }, {}] }, "`targets[0]` must have a name, a logit"],
  [
    "kind no text",
    { targets: [{ name: "a", logit: 1, probability: 1, rival: null, best: [], kind: 7 }, {}] },
    "`targets[0].kind` must be text, got 7",
  ],
  ["target null", { targets: [null, null] }, "`targets[0]` must have a name"],
  ["too few maps", { maps: [] }, "`maps` must hold one buffer for each of the 2 targets, got 0"],
  ["a map no bytes", { maps: [[1, 2], "x"] }, "`maps[0]` must be bytes, got [1,2]"],
  [
    "short maps",
    { maps: [viewOf(new Uint8Array(12)), viewOf(new Uint8Array(13))] },
    "layer 'last': shape 1x1x1 at offset 12 needs 14 bytes of each map, got 12 and 13 bytes",
  ],
  ["no layers", { layers: [] }, "`layers` must list at least one layer, got []"],
  ["layer without a name", { layers: [{}] }, "`layers[0]` must have a name, got {}"],
  [
    "unknown kind",
    withLayer({ kind: "attic" }),
    "layer 'stem': kind must be one of stem, block, pooling input, named, combined, sharp, attention, relevance, detail, got \"attic\"",
  ],
  ["pathway in words", withLayer({ pathway: "slow" }), "pathway must be a whole number or null"],
  ["shape of zero", withLayer({ shape: [2, 0, 3] }), "layer 'stem': shape must be three whole numbers above 0"],
  ["a value of three bytes", withLayer({ bytes: 3 }), "layer 'stem': bytes must be 1 or 2, got 3"],
  ["unaccounted missing", withLayer({ unaccounted: [""] }), "unaccounted must hold one string for each of 2 targets"],
  [
    "no rival",
    { targets: [{ name: "a", logit: 1, probability: 1, best: [] }, {}] },
    '`targets[0]` must have a rival (or null) and a list `best`, each with name and probability, got {"best":[]}',
  ],
  [
    "best of numbers",
    { targets: [{ name: "a", logit: 1, probability: 1, rival: null, best: [1] }, {}] },
    "`targets[0]` must have a rival",
  ],
  ["negative offset", withLayer({ offset: -1 }), "at offset -1"],
  [
    "scale of one target",
    withLayer({ scale: [1] }),
    "scale must hold one number, 0 or above, for each of 2 targets, got [1]",
  ],
  ["negative scale", withLayer({ scale: [1, -1] }), "scale must hold"],
  ["gap missing", withLayer({ gap: undefined }), "gap must hold one number or null for each of 2 targets, got nothing"],
  ["layer's caveats missing", withLayer({ caveats: null }), "layer 'stem': caveats must be a list of strings"],
  ["geometry missing", withLayer({ geometry: undefined }), "geometry.rows must be 2 increasing numbers, got nothing"],
  [
    "rows falling",
    withLayer({ geometry: { ...geometry, rows: [2, 1] } }),
    "geometry.rows must be 2 increasing numbers, got [2,1]",
  ],
  [
    "rows NaN",
    withLayer({ geometry: { ...geometry, rows: [0, Number.NaN] } }),
    "geometry.rows must be 2 increasing numbers",
  ],
  [
    "origin of one",
    withLayer({ geometry: { ...geometry, origin: [0] } }),
    "geometry.origin must be two numbers (y, x)",
  ],
  [
    "step of zero",
    withLayer({ geometry: { ...geometry, step: [0, 1] } }),
    "geometry.step must be two numbers above 0 (y, x)",
  ],
  ["times too few", { times: [0, 1] }, "`times` must be empty or hold the seconds of each of the 4 frames"],
  [
    "frames too few",
    { frames: [viewOf(Uint8Array.of(1))] },
    "`frames` must hold 4 images, one per frame of `size`, got 1",
  ],
  ["frame signals no list", { frame_signals: "up" }, '`frame_signals` must be a list of at most 512, got "up"'],
  [
    "too many frame signals",
    { frame_signals: Array(513).fill(FRAME_SIGNALS[0]) },
    "`frame_signals` must be a list of at most 512, got [{",
  ],
  ["frame signal null", { frame_signals: [null] }, "`frame_signals[0]`: name, kind and what must be texts, got null"],
  [
    "frame signal without words",
    withFrameSignal({ what: undefined }),
    "`frame_signals[1]`: name, kind and what must be texts",
  ],
  [
    "frame signal without values",
    withFrameSignal({ values: [] }),
    "`frame_signals[1]`: values must be one number or more, got []",
  ],
  [
    "frame signal NaN",
    withFrameSignal({ values: [0, Number.NaN, 1, 0] }),
    "values must be one number or more, got [0,null,1,0]",
  ],
  [
    "frame signal of bytes",
    withFrameSignal({ values: new Float32Array(4) }),
    "values must be one number or more, got 16 bytes",
  ],
  [
    "frame signal too short",
    withFrameSignal({ rows: [0, 1] }),
    "`frame_signals[1]`: rows must be 4 increasing numbers, got [0,1]",
  ],
  [
    "frame signal falling",
    withFrameSignal({ rows: [0, 2, 1, 3] }),
    "`frame_signals[1]`: rows must be 4 increasing numbers",
  ],
  [
    "neutral in words",
    withFrameSignal({ neutral: "none" }),
    '`frame_signals[1]`: neutral must be a number or null, got "none"',
  ],
  ["neutral missing", withFrameSignal({ neutral: undefined }), "neutral must be a number or null, got nothing"],
  ["a frame no bytes", { frames: [1, 2, 3, 4] }, "`frames[0]` must be bytes, got 1"],
];
describe("a malformed state is refused with a message", () => {
  test.each(WRONG)("%s", (_, changes, words) => {
    expect(() => read(changes)).toThrow(StateError);
    expect(() => read(changes)).toThrow(words);
  });
});

test("maps of attention are read", () => {
  for (const kind of ["attention", "relevance"])
    expect(read(withLayer({ kind, quantity: kind })).layers[0]).toMatchObject({ kind, quantity: kind });
});

test("older files have no frame signals, and none can be chosen", () => {
  expect(read({ frame_signals: undefined }).frame_signals).toEqual([]);
  expect(viewState({ frame_signal: 3 }, { frame_signals: undefined }).frame_signal).toBeNull();
});

test("a frame signal out of range is clamped, a malformed one is the first, null is none", () => {
  const chosen = (choice) => viewState({ frame_signal: choice }, { frame_signals: FRAME_SIGNALS }).frame_signal;
  expect([9, -1, 1, "x", undefined, null].map(chosen)).toEqual([1, 0, 1, 0, 0, null]);
});

test("times may be unknown", () => {
  expect(read({ times: [] }).times).toEqual([]);
});

const viewState = (changes, more) => readViewState(new FakeModel(smallState({ ...changes, ...more })), read(more));
const VIEW_STATE = {
  frame: 3,
  layer: 0,
  threshold: 1,
  setting: 1,
  threshold_by: "maximum",
  target: 1,
  against: null,
  playing: false,
  speed: 4,
  mode: "tube",
  sign: "both",
  scale: "clip",
  colours: "diverging",
  opacity: 1,
  frame_signal: null,
  window: null,
};

const GREY = {
  kind: "grey",
  range: [0, 10],
  low: -5,
  high: 20,
  step: 1,
  size: [4, 6],
  data: viewOf(new Uint8Array(9)),
};

test("a window needs a grey clip and two limits; malformed ones are that of the clip", () => {
  expect(viewState({ window: [2, 3.5] }, { picture: GREY }).window).toEqual([2, 3.5]);
  for (const window of [[3, 2], [2, 2], [1], [1, 2, 3], "12", [1, null], undefined])
    expect(viewState({ window }, { picture: GREY }).window).toBeNull();
  for (const picture of [undefined, {}, { kind: "flow", range: [0, 1] }])
    expect(viewState({ window: [2, 3] }, { picture }).window).toBeNull();
});

test("a picture is read; older files have none", () => {
  expect(read().picture).toEqual({});
  expect([...read({ picture: GREY }).picture.data]).toEqual(Array(9).fill(0));
  expect(read({ picture: { kind: "flow", range: [0, 1], x: 1 } }).picture).toEqual({ kind: "flow", range: [0, 1] });
});

test.each([
  ["range falling", { range: [1, 1] }, "`picture` must have an increasing range"],
  ["range missing", { range: undefined }, "`picture` must have an increasing range"],
  ["no step", { step: 0 }, "step above 0, height and width, got "],
  ["no size", { size: undefined }, "`picture` must have"],
  ["data no bytes", { data: "abc" }, "`picture.data` must be bytes"],
])("a malformed picture is refused: %s", (_, changes, message) => {
  expect(() => read({ picture: { ...GREY, ...changes } })).toThrow(StateError);
  expect(() => read({ picture: { ...GREY, ...changes } })).toThrow(message);
});

test("values out of range are clamped, malformed ones replaced by the default", () => {
  const far = { frame: 99, layer: -3, threshold: 1.5, target: 9, playing: 1, speed: 1000, opacity: 7, mode: "cube" };
  expect(viewState(far)).toEqual(VIEW_STATE);
  const mad = {
    frame: null,
    layer: undefined,
    threshold: Number.NaN,
    target: "x",
    playing: true,
    speed: "fast",
    sign: 1,
  };
  expect(
    viewState({ ...mad, opacity: null, against: "x", colours: "jet", scale: undefined, threshold_by: "peak" }),
  ).toEqual({
    ...VIEW_STATE,
    frame: 0,
    layer: 1,
    threshold: 0.4,
    setting: 0.4,
    target: 0,
    playing: true,
    speed: 1,
    opacity: 0.6,
  });
});

test("only two different single classes can be subtracted", () => {
  const guess = { rival: null, best: [] };
  const targets = [0.5, 0.3].map((probability, k) => ({ name: `class ${k}`, logit: 1, probability, ...guess }));
  expect(viewState({ target: 0, against: 1 }, { targets }).against).toBe(1);
  expect(viewState({ target: 1, against: 1 }, { targets }).against).toBeNull();
  expect(viewState({ target: 1, against: 7 }, { targets }).against).toBeNull();
  expect(viewState({ target: 0, against: 1 }).against).toBeNull(); // the second target is a difference already
  expect(viewState({ target: 1, against: 0 }).against).toBeNull();
});
