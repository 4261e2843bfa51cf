// Plain values of the explorer: shapes and spans, bars, the draft, settings that are carried over, texts, traits.
import { describe, expect, test } from "vitest";
import { barOf, classesShown } from "../../src/explorer/bars.js";
import { carryPyramid, carryTubes, selectedChannels } from "../../src/explorer/carry.js";
import {
  draftOf,
  moved,
  removed,
  requestOf,
  toggled,
  withAgainst,
  withEdits,
  withKnob,
  withTarget,
} from "../../src/explorer/draft.js";
import { readNumbers, spanOf } from "../../src/explorer/fields.js";
import { middleBox, movedBox, occlusionOf, outlineOf, shapeOf } from "../../src/explorer/shape.js";
import {
  connectionWords,
  editWords,
  layerWords,
  progressWords,
  spanWords,
  valueWords,
} from "../../src/explorer/text.js";
import { readState, TRAITS } from "../../src/explorer/traits.js";
import { smallState } from "../helpers.js";
import { edit, explorerState, field } from "./helpers.js";

const SIZE = [40, 60]; // height, width

describe("the brush", () => {
  test("a box holds whole pixels, in either direction, inside the picture", () => {
    expect(
      shapeOf(
        "box",
        [
          [10.2, 5.9],
          [20.1, 8.2],
        ],
        SIZE,
      ).box,
    ).toEqual([10, 5, 21, 9]);
    expect(
      shapeOf(
        "box",
        [
          [20.1, 8.2],
          [10.2, 5.9],
        ],
        SIZE,
      ).box,
    ).toEqual([10, 5, 21, 9]);
    expect(
      shapeOf(
        "ellipse",
        [
          [-5, -5],
          [99, 99],
        ],
        SIZE,
      ).box,
    ).toEqual([0, 0, 60, 40]);
  });

  test("a click is no shape", () => {
    expect(shapeOf("box", [[10, 10]], SIZE)).toBe(null);
    expect(
      shapeOf(
        "box",
        [
          [10, 10],
          [11, 30],
        ],
        SIZE,
      ),
    ).toBe(null);
    expect(
      shapeOf(
        "free",
        [
          [10, 10],
          [10.5, 10.5],
        ],
        SIZE,
      ),
    ).toBe(null);
  });

  test("a free-hand shape keeps points that lie apart, inside the picture", () => {
    const { points, box } = shapeOf(
      "free",
      [
        [1, 1],
        [1.4, 1.4],
        [30, 1],
        [70, 44],
      ],
      SIZE,
    );
    expect(points).toEqual([
      [1, 1],
      [30, 1],
      [60, 40],
    ]);
    expect(box).toEqual([1, 1, 60, 40]);
  });

  test("keys move a box up to the border, or its right and lower sides", () => {
    const box = middleBox(SIZE);
    expect(box).toEqual([20, 13, 40, 27]);
    expect(movedBox(box, -30, 2, false, SIZE)).toEqual([0, 15, 20, 29]);
    expect(movedBox(box, 99, 99, false, SIZE)).toEqual([40, 26, 60, 40]);
    expect(movedBox(box, 5, -99, true, SIZE)).toEqual([20, 13, 45, 15]);
  });

  test("an edit leaves out what is the default", () => {
    const shape = shapeOf(
      "box",
      [
        [10, 5],
        [20, 9],
      ],
      SIZE,
    );
    expect(occlusionOf(shape, { frames: null, fill: "blur", outside: false })).toEqual({
      edit: "Occlude",
      box: [10, 5, 20, 9],
      fill: "blur",
    });
    expect(occlusionOf({ ...shape, tool: "ellipse" }, { frames: [2, 5], fill: "grey", outside: true })).toEqual({
      ...{ edit: "Occlude", box: [10, 5, 20, 9], shape: "ellipse", frames: [2, 5], fill: "grey", outside: true },
    });
    const free = shapeOf(
      "free",
      [
        [1, 1],
        [30, 1],
        [30, 20],
      ],
      SIZE,
    );
    expect(occlusionOf(free, { frames: null, fill: "mean", outside: false })).toEqual({
      edit: "Occlude",
      polygon: free.points,
      fill: "mean",
    });
  });

  test("outlines are closed paths in pixels of the clip", () => {
    const box = [10, 5, 20, 9];
    expect(outlineOf({ tool: "box", box, points: [] })).toBe("M10 5H20V9H10Z");
    expect(outlineOf({ tool: "ellipse", box, points: [] })).toBe("M10 7A5 2 0 1 1 20 7A5 2 0 1 1 10 7Z");
    expect(
      outlineOf({
        tool: "free",
        box,
        points: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      }),
    ).toBe("M1 2L3 4L5 6Z");
  });

  test("spans count from 1 for readers and are half open in an edit; all frames are null where that is the default", () => {
    expect([spanOf(3, 5, 16), spanOf(5, 3, 16), spanOf(4, 4, 16)]).toEqual([
      [2, 5],
      [2, 5],
      [3, 4],
    ]);
    expect([spanOf(1, 16, 16), spanOf(1, 16, 16, [0, 2]), spanOf(Number.NaN, 99, 16)]).toEqual([null, [0, 16], null]);
    expect([spanWords(null, 16), spanWords([2, 5], 16), spanWords([3, 4], 16)]).toEqual([
      "all 16 frames",
      "frames 3 to 5 of 16",
      "frame 4 of 16",
    ]);
  });
});

describe("the bars", () => {
  const scores = (probabilities) => ({ probabilities, logits: probabilities.map((p) => 10 * p) });
  const state = {
    labels: ["a", "b", "c", "d"],
    before: scores([0.1, 0.6, 0.2, 0.1]),
    after: scores([0.7, 0.1, 0.15, 0.05]),
    target: 1,
    against: null,
  };

  test("classes rank by the larger of the values before and after", () => {
    expect(classesShown(state, "")).toEqual([0, 1, 2, 3]);
    expect(classesShown({ ...state, after: state.before }, "")).toEqual([1, 2, 0, 3]);
  });

  test("of many classes ten are shown, and the chosen ones; a filter finds the others", () => {
    const labels = Array.from({ length: 400 }, (_, k) => `class ${k}`);
    const many = scores(labels.map((_, k) => 1 / (k + 2)));
    const all = { labels, before: many, after: many, target: 300, against: 200 };
    expect(classesShown(all, "")).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 300, 200]);
    expect(classesShown(all, " CLASS 39 ")).toEqual([39, 390, 391, 392, 393, 394, 395, 396, 397, 398]);
    expect(classesShown(all, "nobody")).toEqual([]);
  });

  test("a regression ranks and draws its values; bars begin at zero", () => {
    const values = (logits) => ({ probabilities: null, logits });
    expect(classesShown({ ...state, before: values([1, -3, 5, 2]), after: values([1, 4, 0, 2]) }, "")).toEqual([
      2, 1, 3, 0,
    ]);
    expect(barOf(0.25, 0, 1)).toEqual({ left: 0, width: 25 });
    expect(barOf(-3, -3, 5)).toEqual({ left: 0, width: 37.5 });
    expect(barOf(5, -3, 5)).toEqual({ left: 37.5, width: 62.5 });
    expect(barOf(0, 0, 0)).toEqual({ left: 0, width: 0 });
    expect([valueWords(values([-1.234]), 0), valueWords(scores([0.31]), 0)]).toEqual(["−1.23", "31\u00a0%"]);
  });
});

describe("the draft", () => {
  const draft = draftOf(explorerState({ edit_list: [edit("A"), edit("B", false), edit("C")] }));
  const kinds = (changed) => changed.edits.map(({ edit: { edit: kind } }) => kind).join("");

  test("a request holds the edits without words, everything chosen, and the edit of the gesture", () => {
    expect(requestOf(draft, false, ["tubes"], 3, [{ edit: "D" }])).toEqual({
      ...{
        type: "request",
        settled: false,
        target: 0,
        against: null,
        method: "tubes",
        knobs: {},
        wants: ["tubes"],
        frame: 3,
      },
      edits: [
        { edit: { edit: "A" }, enabled: true },
        { edit: { edit: "B" }, enabled: false },
        { edit: { edit: "C" }, enabled: true },
        { edit: { edit: "D" }, enabled: true },
      ],
    });
  });

  test("edits are added, switched, removed and moved", () => {
    expect(kinds(withEdits(draft, [{ edit: "D" }, { edit: "E" }]))).toBe("ABCDE");
    expect(toggled(draft, 1).edits.map(({ enabled }) => enabled)).toEqual([true, true, true]);
    expect([
      kinds(removed(draft, 0)),
      kinds(moved(draft, 0, 2)),
      kinds(moved(draft, 2, 0)),
      kinds(moved(draft, 1, 9)),
    ]).toEqual(["BC", "BCA", "CAB", "ACB"]);
    expect(kinds(draft)).toBe("ABC");
  });

  test("a class is never compared with itself; choosing it again ends the comparison", () => {
    const compared = withAgainst(draft, 2);
    expect([compared.against, withAgainst(compared, 2).against, withAgainst(draft, 0).against]).toEqual([
      2,
      null,
      null,
    ]);
    expect([withTarget(compared, 1).against, withTarget(compared, 2).against]).toEqual([2, null]);
  });

  test("knobs hold what differs from the default", () => {
    const side = field("side", "whole", 8);
    const turned = withKnob(draft, side, 12);
    expect(turned.knobs).toEqual({ tubes: { side: 12 } });
    expect(withKnob(turned, side, 8).knobs).toEqual({ tubes: {} });
  });

  test("channels are read from a list", () => expect(readNumbers("3, 7 and 12;")).toEqual([3, 7, 12]));
});

describe("settings that survive a new result", () => {
  const modelOf = (state) => ({ get: (name) => state[name] });

  test("of the tubes: the layer by its name, the frame within the clip, the look as it is", () => {
    const state = smallState();
    const reversed = { ...state, size: [2, 4, 6], layers: [...state.layers].reverse(), layer: 1 };
    const carried = carryTubes(modelOf({ ...state, layer: 0, frame: 3, threshold: 0.7, mode: "montage" }), reversed);
    expect(carried).toMatchObject({ layer: 1, frame: 1, threshold: 0.7, mode: "montage" });
    expect("target" in carried).toBe(false);
    const others = { ...reversed, layers: [{ name: "another" }] };
    expect("layer" in carryTubes(modelOf(state), others)).toBe(false);
  });

  const pyramidOf = (rows, channels, more) => {
    const channel = new DataView(new ArrayBuffer(4 * channels.length));
    for (const [k, value] of channels.entries()) channel.setInt32(4 * k, value, true);
    return {
      size: [4, 4, 6],
      rows: rows.map(([name, count, kind]) => ({ name, count, kind })),
      units: { channel },
      frame: 0,
      row: 1,
      collapsed: [],
      selected: [],
      ...more,
    };
  };
  const before = pyramidOf(
    [
      ["fc", 1, "class"],
      ["late", 3, "kernel"],
      ["sum in late", 2, "sum"],
    ],
    [0, 5, 2, 7, 1, 5],
    { row: 2, collapsed: [1], selected: [1, 3, 4] },
  );

  test("of the pyramid: rows by name, units by row and channel", () => {
    const after = pyramidOf(
      [
        ["fc", 1],
        ["new", 1],
        ["late", 2],
        ["sum in late", 2],
      ],
      [0, 9, 7, 5, 5, 1],
      {},
    );
    expect(carryPyramid(modelOf(before), after)).toMatchObject({ row: 3, collapsed: [2], selected: [3, 2, 5] });
    expect(carryPyramid(modelOf(before), pyramidOf([["fc", 1]], [0], {}))).toMatchObject({
      row: 1,
      collapsed: [],
      selected: [],
    });
  });

  test("selected kernels of the network's layers can be ablated; sums and classes cannot", () => {
    expect(selectedChannels(modelOf(before))).toEqual([["late", [5, 7]]]);
    expect(selectedChannels(modelOf({ ...before, selected: [0] }))).toEqual([]);
  });
});

test("texts", () => {
  const progress = { stage: "Occlusion", done: 3, total: 8 };
  expect(progressWords({ ...progress, left: 6.6 })).toBe("Occlusion · 3 of 8 · about 7\u00a0s left");
  expect([
    progressWords({ ...progress, left: null }),
    progressWords({ stage: "tubes", total: 0 }),
    progressWords(null),
  ]).toEqual(["Occlusion · 3 of 8", "tubes", "Working …"]);
  expect(layerWords({ name: "stem", kind: "conv", shape: [2, 3, 4], channels: 1 }, false)).toBe(
    "stem · conv · 2 × 3 × 4 · 1 channel · no map",
  );
  expect(layerWords({ name: "fc", kind: "linear", shape: null, channels: 2048 }, true)).toBe(
    "fc · linear · 2,048 channels",
  );
  const { edit_kinds } = explorerState();
  expect([
    editWords(edit("Reverse"), edit_kinds),
    editWords({ edit: { edit: "Reverse" }, enabled: true }, edit_kinds),
    editWords({ edit: { edit: "Odd" }, enabled: true }, []),
  ]).toEqual(["words of Reverse", "reverse …", "Odd …"]);
  expect(connectionWords({ kernel: "ready", heard: false })).toBe("");
  expect(
    new Set(
      [
        ["none", false],
        ["silent", false],
        ["silent", true],
      ].map(([kernel, heard]) => connectionWords({ kernel, heard })),
    ).size,
  ).toBe(3);
});

describe("traits", () => {
  const read = (changes) => readState({ get: (name) => explorerState(changes)[name] });

  test("a complete state is read as it is", () => {
    expect(Object.keys(read({})).sort()).toEqual([...TRAITS].sort());
    expect(
      read({
        kind: "regression",
        before: { logits: [1, 2, 3], probabilities: null },
        after: { logits: [1, 2, 3], probabilities: null },
      }).kind,
    ).toBe("regression");
  });

  test.each([
    [{ clip_state: { size: [4, 4], frames: [] } }, "`clip_state.size`"],
    [{ clip_state: { size: [4, 4, 6], frames: [] } }, "`frames`"],
    [{ labels: [] }, "`labels`"],
    [{ kind: "other" }, "`kind`"],
    [{ after: { logits: [1, 2, 3], probabilities: [1] } }, "`after`"],
    [{ before: null }, "`before`"],
    [{ target: 3 }, "`target`"],
    [{ against: -1 }, "`against`"],
    [{ history: null }, "`history`"],
    [{ methods: {} }, "`methods`"],
  ])("a damaged one is an error that names it: %o", (changes, name) => {
    expect(() => read(changes)).toThrow(name);
  });
});
