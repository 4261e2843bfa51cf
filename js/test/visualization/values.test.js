// Flow, words, curves and validation of a visualization, compared with Python's numbers and with values computed by hand.
import { Blob as NodeBlob } from "node:buffer";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { partsOf, valueAt } from "../../src/visualization/curve.js";
import { arrowsOf, decodeFlows, factorOf, roundFactor } from "../../src/visualization/flow.js";
import { nextFrame } from "../../src/visualization/keyboard.js";
import {
  arrowWords,
  comparedWords,
  curveWords,
  linesOf,
  nearestWords,
  stepWords,
  warningsOf,
} from "../../src/visualization/text.js";
import { readContent, readViewState } from "../../src/visualization/traits.js";
import { decode, FakeModel } from "../helpers.js";
import examples from "./examples.json";

const stateOf = (example) => decode(examples[example].state);
const contentOf = (example, changes = {}) => readContent(new FakeModel({ ...stateOf(example), ...changes }));
const plain = (text) => text.replaceAll("\u00a0", " ");
const words = (content, row, name) =>
  linesOf(content, row)
    .filter((line) => line.name === name)
    .map(({ text }) => plain(text));
beforeAll(() => vi.stubGlobal("Blob", NodeBlob));

describe("flow", () => {
  test.each([0, 1])("of example %i is the movement to the next frame that Python computes", async (example) => {
    const flows = await decodeFlows(contentOf(example));
    const { movement } = examples[example];
    expect(flows.map((flow) => flow === null)).toEqual(movement.map((moves) => moves === null));
    const { codes, unit } = flows[0];
    const wanted = movement[0].flat(3);
    expect(codes.length).toBe(wanted.length);
    for (const [k, value] of wanted.entries()) expect(Math.abs(codes[k] * unit - value)).toBeLessThan(0.51 * unit);
  });

  test("of the wrong size or not compressed is refused", async () => {
    const content = contentOf(0);
    const flows = [content.flows[0].slice(0, 20), content.flows[1]];
    await expect(decodeFlows({ ...content, flows })).rejects.toThrow("`flows[0]` must hold 1440 bytes, compressed");
    const rows = [{ ...content.rows[0], flow: { shape: [5, 11, 12], scale: 1 } }, content.rows[1]];
    await expect(decodeFlows({ ...content, rows })).rejects.toThrow("`flows[0]` must hold 1320 bytes");
  });

  test("arrows are as long as the movement times a round factor, in the middle of their cells", () => {
    const codes = Int8Array.of(127, 0, 0, 0, 0, -64, 10, 10);
    const flow = { codes, shape: [1, 2, 2], unit: 1 / 127, times: 5 };
    // Cells of 4 pixels: arrows below 1 pixel are left out.
    expect(arrowsOf(flow, [2, 8, 8], 0)).toEqual([
      [0.25, 0.25, 5 / 8, 0],
      [0.25, 0.75, 0, expect.closeTo((-5 * 64) / 127 / 8, 10)],
    ]);
    expect(arrowsOf(flow, [2, 8, 8], 1)).toEqual([]); // the last frame
    const later = { codes: Int8Array.of(127, 0, 0, 127), shape: [2, 1, 1], unit: 1 / 127, times: 1 };
    expect(arrowsOf(later, [3, 2, 2], 1)).toEqual([[0.5, 0.5, 0, 0.5]]);
    expect(factorOf(codes, 1 / 127, 4)).toBe(5); // 8 pixels for a movement of 1
    expect(factorOf(codes, 1 / 127, 0.4)).toBe(1);
    expect(factorOf(new Int8Array(8), 0, 4)).toBe(1); // nothing moves
    expect([0.3, 1, 1.99, 2, 4.9, 5, 9.9, 10, 49, 1000].map(roundFactor)).toEqual([1, 1, 1, 2, 2, 5, 5, 10, 20, 1000]);
  });

  test("words say what the arrows show, and why there are none", () => {
    expect(arrowWords({ times: 5 }, true)).toBe("arrows: movement to the next frame, 5 × as long");
    expect(arrowWords({ times: 1 }, true)).toBe("arrows: movement to the next frame");
    expect(arrowWords({ times: 5 }, false)).toBe("arrows are of the last step");
    expect(arrowWords(null, true)).toBe("made without a flow: no arrows");
  });
});

describe("words", () => {
  test("on a still with a flow", () => {
    const content = contentOf(0);
    const [row] = content.rows;
    expect(words(content, row, "score")).toEqual(["3: 1.5 × the best of 4 real clips"]);
    expect(words(content, row, "network")).toEqual(["calls it 'kick' (90 %)"]);
    expect(words(content, row, "start")).toEqual(["the still alone scores −1 and is called 'punch' (10 %)"]);
    expect(words(content, row, "random flow")).toEqual(["called 'punch' (10 %)"]);
    expect(words(content, row, "other network")).toEqual([
      "Other, 10 parameters: 'kick' (90 %), the target; frames shuffled: 'punch' (10 %)",
    ]);
    expect(words(content, row, "motion")).toEqual(["0.8 × real clips"]);
    expect(words(content, row, "made in")).toEqual(["10 steps, 1.5 s, 2 starts (best of 3, 2)"]);
    expect(nearestWords(row)).toBe("nearest real clip: 'kick', at 1.5 × the typical distance");
    expect(warningsOf(row)).toEqual(["score above anything real: 1.5 ×"]);
    expect(curveWords(row)).toBe("Objective of 'kick' over 10 steps: from 0 to 3");
  });

  test("on a facet that is nearer to another one, below 0, and named by two networks", () => {
    const content = contentOf(1);
    const [first, facet] = content.rows;
    expect(warningsOf(first)).toEqual([]);
    expect(words(content, first, "other networks")).toEqual(["not checked by another network"]);
    expect([words(content, first, "motion"), words(content, first, "random flow")]).toEqual([[], []]);
    expect(comparedWords(facet)).toBe("the best of 4 real clips has −1");
    expect(warningsOf(facet)).toEqual([
      "score above anything real",
      "nearer to the mean of another facet than to its own",
    ]);
    expect(words(content, facet, "facet")).toEqual([
      "2 of 2, 2 real clips; cosine 0.5 to its mean, at 2.5 × the spread of its clips",
    ]);
    expect(words(content, facet, "other network").map((text) => text.split("; ")[0])).toEqual([
      "Other, 10 parameters: 'kick' (90 %), the target",
      "Other, 10 parameters: 'kick' (90 %), not the target",
    ]);
    const same = { ...facet, start_best: facet.best };
    expect(words(content, same, "start")).toEqual(["the start alone scores −1 and is already called 'kick' (90 %)"]);
  });

  test("without real clips, and without movement", () => {
    const content = contentOf(2);
    const [row] = content.rows;
    expect(comparedWords(row)).toBe("no real clips were given");
    expect(nearestWords(row)).toBe("no real clips were given");
    expect(nearestWords({ ...row, real_count: 3 })).toBe("no nearest real clip was measured");
    expect(warningsOf(row)).toEqual(["no gradient reached the canvas: this clip is its start"]);
    expect(stepWords(row, 0)).toBe("unchanged after 10 steps");
  });

  test("on steps: a clip with fewer previews shows its last one", () => {
    const [long, short] = contentOf(1).rows;
    expect([0, 1, 2].map((step) => stepWords(long, step))).toEqual([
      "after 0 of 10 steps",
      "after 5 of 10 steps",
      "made clip, after 10 steps",
    ]);
    expect(stepWords(short, 2)).toBe("made clip, after 10 steps");
  });
});

test("a curve is interrupted where it is not finite, and has the value of its nearest finite step", () => {
  const curve = { steps: [0, 2, 4, 6], values: [1, null, 3, 4] };
  expect(valueAt(curve, 2)).toBe(1);
  expect(valueAt(curve, 3.5)).toBe(3);
  expect(valueAt(curve, 99)).toBe(4);
  expect(valueAt({ steps: [0], values: [null] }, 0)).toBe(null);
  expect(partsOf(curve.steps.map((step, k) => [step, curve.values[k]]))).toEqual([
    [[0, 1]],
    [
      [4, 3],
      [6, 4],
    ],
  ]);
});

test("keys lead to frames, and stop at both ends", () => {
  expect(["ArrowRight", "ArrowLeft", "Home", "End"].map((key) => nextFrame(key, 3, 7))).toEqual([4, 2, 0, 7]);
  expect([nextFrame("ArrowRight", 7, 7), nextFrame("ArrowLeft", 0, 7)]).toEqual([7, 0]);
  expect([nextFrame("ArrowUp", 3, 7), nextFrame("x", 3, 7)]).toEqual([undefined, undefined]);
});

describe("validation", () => {
  const wrongRow = (changes) => ({ rows: [{ ...stateOf(0).rows[0], ...changes }, stateOf(0).rows[1]] });
  test.each([
    [{ size: [6, 12] }, "`size` must be three whole numbers"],
    [{ rows: [] }, "`rows` must list at least one made clip"],
    [{ frames: [] }, "`frames` must hold one part for each of 7 clips, got 0"],
    [{ previews: [] }, "`previews` must hold one part for each of 4 previews, got 0"],
    [{ flows: [] }, "`flows` must hold one part for each of 2 made clips, got 0"],
    [{ preview_sheet: {} }, "`preview_sheet` must have size"],
    [wrongRow({ made: 9 }), "`rows[0]` must refer to clips below 7"],
    [wrongRow({ score: null }), "`rows[0]` must have scores"],
    [wrongRow({ steps: [0, 5, 5] }), "`rows[0]`: steps must be increasing"],
    [wrongRow({ steps: [] }), "`rows[0]`: steps must be increasing"],
    [wrongRow({ curve: { steps: [0, 1], values: [1] } }), "`rows[0]`: curve must have a value at each"],
    [wrongRow({ best: [{ name: "kick" }] }), "`rows[0]` must have names with probabilities"],
    [wrongRow({ verdicts: [{ best: [] }] }), "`rows[0]`: verdicts must have a model"],
    [wrongRow({ nearest: { clip: 0 } }), "`rows[0]`: nearest must be a real clip"],
    [wrongRow({ facet: { index: 0 } }), "`rows[0]`: facet must have numbers"],
    [wrongRow({ flow: { shape: [5, 12], scale: 1 } }), "`rows[0]`: flow must have a shape"],
  ])("refuses %j", (changes, message) => {
    expect(() => contentOf(0, changes)).toThrow(message);
  });

  test.each([
    [{ selected: 2 }, "`selected` must lie in -1..1"],
    [{ frame: 6 }, "`frame` must lie in 0..5"],
    [{ step: 3 }, "`step` must lie in 0..2"],
  ])("refuses the trait %j", (changes, message) => {
    expect(() => readViewState(new FakeModel({ ...stateOf(0), ...changes }), contentOf(0))).toThrow(message);
  });
});
