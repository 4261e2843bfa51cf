// Masks, order and words of concepts, compared with Python's and with values computed by hand.
import { describe, expect, test } from "vitest";
import { arrange, smallestQ, sortsOf } from "../../src/concepts/arrange.js";
import { axisOf } from "../../src/concepts/effect_chart.js";
import { nextExemplar } from "../../src/concepts/keyboard.js";
import { createMasks, decodeGrids } from "../../src/concepts/masks.js";
import { checkName, clipWords, effectWords, originWords, signed, verdictWords } from "../../src/concepts/text.js";
import { readContent, readViewState } from "../../src/concepts/traits.js";
import { short } from "../../src/shared/text.js";
import { decode, FakeModel } from "../helpers.js";
import examples from "./examples.json";

const stateOf = (example) => decode(examples[example].state);
const contentOf = (example, changes = {}) => readContent(new FakeModel({ ...stateOf(example), ...changes }));
const EVERYTHING = { max_q: 1, min_presence: 0 };
const plain = (text) => text.replaceAll("\u00a0", " ");

describe("masks", () => {
  test.each([0, 1, 2])("of example %i are those of Python, at the clip's own pixels", async (example) => {
    const content = contentOf(example);
    const [, height, width] = content.size;
    const masks = createMasks(content, await decodeGrids(content), height, width);
    const out = new Uint8Array(height * width);
    expect(examples[example].masks.length).toBeGreaterThan(2);
    for (const { concept, clip, best, frames } of examples[example].masks) {
      expect(masks.bestFrame(clip, concept)).toBe(best);
      for (const [k, frame] of frames.entries()) {
        masks.write(clip, concept, 3 * k, out);
        expect(out.join("")).toBe(frame);
      }
    }
  });

  test("of the wrong size are refused", async () => {
    const content = contentOf(0);
    const masks = [...content.masks.slice(1), content.masks[0].slice(0, 5)];
    await expect(decodeGrids({ ...content, masks })).rejects.toThrow("`masks[3]` must hold 18 bytes, compressed");
    const grid = { ...content.grid, shape: [2, 2, 3, 3] };
    await expect(decodeGrids({ ...content, grid })).rejects.toThrow("`masks[0]` must hold 36 bytes");
  });
});

describe("order and filters", () => {
  test("by the first fill it is Python's, by another one that of its effects", () => {
    const content = contentOf(1);
    const all = [...content.rows.keys()];
    expect(arrange(content, { ...EVERYTHING, sort_by: "blur" })).toEqual(all);
    const byFreeze = arrange(content, { ...EVERYTHING, sort_by: "freeze" });
    const values = byFreeze.map((k) => content.rows[k].effects[1].value);
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(byFreeze).not.toEqual(all);
    for (const sort_by of ["evidence", "change"]) {
      const key = (k) => (sort_by === "evidence" ? content.rows[k].evidence : content.rows[k].effects[0].change);
      const order = arrange(content, { ...EVERYTHING, sort_by });
      expect(order.map(key)).toEqual(order.map(key).toSorted((a, b) => b - a));
    }
    const changes = arrange(content, { ...EVERYTHING, sort_by: "change" });
    expect(changes.slice(0, 3)).toEqual([2, 7, 12]); // equal ones in Python's order
  });

  test("a concept is shown if one of its fills is beyond chance, and if it occurs often enough", () => {
    const content = contentOf(1);
    const few = arrange(content, { ...EVERYTHING, sort_by: "blur", max_q: 0.05 });
    expect(few.length).toBeLessThan(content.rows.length);
    for (const [k, row] of content.rows.entries()) expect(few.includes(k)).toBe(row.effects.some(({ q }) => q <= 0.05));
    const exact = Math.min(...content.rows[3].effects.map(({ q }) => q));
    expect(arrange(content, { ...EVERYTHING, sort_by: "blur", max_q: exact })).toContain(3);
    const often = arrange(content, { ...EVERYTHING, sort_by: "blur", min_presence: 0.8 });
    for (const [k, row] of content.rows.entries()) expect(often.includes(k)).toBe(row.present >= 0.8 * 9);
    expect(often.length).toBeGreaterThan(0);
    expect(often.length).toBeLessThan(content.rows.length);
    expect(arrange(content, { sort_by: "blur", max_q: 0, min_presence: 0 })).toEqual([]);
  });

  test("a concept that occurs in every clip passes a share of all clips", () => {
    const content = contentOf(0);
    const always = content.rows.flatMap(({ present }, k) => (present === 4 ? [k] : []));
    expect(arrange(content, { ...EVERYTHING, sort_by: "blur", min_presence: 1 })).toEqual(always);
  });

  test("without effects, no q hides a concept", () => {
    const content = contentOf(2);
    expect(sortsOf(content)).toEqual(["fraction", "evidence"]);
    expect(content.rows.map(smallestQ)).toEqual([0, 0, 0]);
    expect(arrange(content, { sort_by: "fraction", max_q: 0.05, min_presence: 0 })).toEqual([1, 2, 0]); // 0: refused
  });
});

describe("words", () => {
  test("numbers have two digits and a real minus sign", () => {
    expect([0.1749, -0.04, 123.4, 0, -0, 1234, 0.000079].map((value) => short(value))).toEqual([
      "0.17",
      "−0.04",
      "123",
      "0",
      "0",
      "1234",
      "0.000079",
    ]);
    expect([2, -2, 0].map(signed)).toEqual(["+2", "−2", "0"]);
  });

  test("an effect says its question, its interval and whether it is beyond chance", () => {
    const effect = { value: 0.17, low: 0.16, high: 0.18, p: 0.001, q: 0.0055, change: 0.4, bar: 0.031 };
    expect(effectWords(effect, "What if it stood still?", 2)).toBe(
      "What if it stood still? The score falls by 0.17 per 1 % of the clip, 95 % interval of the fall 0.16 to 0.18; q 0.0055, beyond chance; from the change of the clip alone 0.03.",
    );
    expect(effectWords({ ...effect, value: -0.17, q: 0.3 }, "?", 2)).toContain("rises by 0.17");
    expect(effectWords({ ...effect, q: 0.3 }, "?", 2)).toContain("q 0.3, within chance");
  });

  test("the verdict counts the concepts beyond chance, and says when effects were not measured", () => {
    expect(plain(verdictWords(contentOf(0)))).toBe(
      "3 concepts of 'class 0' in 4 clips. One of them has an effect beyond chance (q at most 0.05).",
    );
    expect(verdictWords(contentOf(2))).toContain("their effects were not measured");
  });

  test("below it stands what was clustered, and how stable that is", () => {
    expect(originWords(contentOf(0))).toBe(
      "positions of layer last; stability 0.70 (1: other seeds find the same concepts, 0: chance)",
    );
  });

  test("a clip is told with its name as it is", () => {
    const content = contentOf(0);
    const [first, second, third] = clipWords(content, content.rows[0], 1, "<b>leg</b>");
    expect(plain(first)).toMatch(/^The clip is 'class 0': 60 %\.$/);
    expect(plain(second)).toMatch(/^'<b>leg<\/b>' covers \d+ % of it and holds [+−]/);
    const drop = content.rows[0].drops[0][1];
    expect(third).toContain(`blurred, it ${drop < 0 ? "rises" : "falls"} by ${short(Math.abs(drop))}; frozen, it `);
  });

  test("names are trimmed, and refused as Python refuses them", () => {
    const names = ["concept 1", "ball"];
    expect(checkName("  leg \u00a0 forward\t", names, 0)).toEqual({ name: "leg forward" });
    expect(checkName("", ["leg", "ball"], 0)).toEqual({ name: "concept 1" });
    expect(checkName("ball", names, 1)).toEqual({ name: "ball" });
    expect(checkName("\u{1F9B5}".repeat(80), names, 0)).toEqual({ name: "\u{1F9B5}".repeat(80) });
    for (const wrong of ["ball", "x".repeat(81), "a\u202eb", "a\u0007b", "\u{e000}"])
      expect(checkName(wrong, names, 0)).toHaveProperty("problem");
  });

  test("all charts share an axis that holds every end and 0", () => {
    const effect = { value: 0.2, low: 0.1, high: 0.3, bar: 0.05 };
    expect(axisOf([effect, { value: -0.1, low: -0.15, high: 0.02, bar: 0.4 }])).toEqual([-0.15, 0.4]);
    expect(axisOf([effect])).toEqual([0, 0.3]);
    expect(axisOf([])).toEqual([0, 1]);
  });
});

test("arrows lead from clip to clip and from row to row, to the nearest clip", () => {
  const rowOf = (concept, count) => Array.from({ length: count }, (_, position) => ({ concept, position }));
  const grid = [rowOf(4, 4), rowOf(0, 2), rowOf(7, 4)];
  const to = (concept, position, key) => nextExemplar(grid, { concept, position }, key);
  expect(to(4, 0, "ArrowRight")).toBe(grid[0][1]);
  expect(to(4, 3, "ArrowRight")).toBe(undefined);
  expect(to(4, 3, "ArrowDown")).toBe(grid[1][1]);
  expect(to(0, 1, "ArrowDown")).toBe(grid[2][1]);
  expect(to(4, 2, "ArrowUp")).toBe(undefined);
  expect([to(4, 2, "Home"), to(0, 0, "End")]).toEqual([grid[0][0], grid[1][1]]);
  expect(to(4, 0, "x")).toBe(undefined);
});

describe("curves", () => {
  test("are read with their lines, or not at all", () => {
    const { curves } = contentOf(0);
    expect(curves.lines.map(({ direction, order }) => `${direction} ${order}`)).toEqual([
      ...["add top", "add random", "add least", "remove top", "remove random", "remove least"],
    ]);
    expect(contentOf(1).curves).toBe(undefined);
    const damaged = (changes) => () => contentOf(0, { curves: { ...curves, ...changes } });
    expect(damaged({ by: "age" })).toThrow("`curves` must have steps");
    expect(damaged({ lines: [{ ...curves.lines[0], mean: [1] }] })).toThrow("`curves` must have steps");
    expect(damaged({ lines: [{ ...curves.lines[0], order: "best" }] })).toThrow("`curves` must have steps");
  });
});

describe("damaged data", () => {
  const broken = [
    ["size", [6, 12], "`size` must be three whole numbers"],
    ["sheet", { size: [13, 12], tile: [12, 16], columns: 3 }, "`sheet` must have size"],
    ["frames", [], "`frames` must hold one part for each of 4 clips"],
    ["masks", [1, 2, 3, 4], "`masks[0]` must be bytes"],
    ["grid", { shape: [1, 2, 3], geometry: {} }, "`grid.shape` must be four whole numbers"],
    ["clips", [{}], "`clips[0]` must have an index"],
    ["rows", [{}], "`rows[0]` must have evidence"],
    ["fills", [{ name: "blur" }], "`fills` must be a list of names and questions"],
    ["explained", {}, "`explained` must have name"],
    ["caveats", [3], "`caveats` must be a list of strings"],
  ];
  test.each(broken)("of %s is refused with what was expected", (name, value, message) => {
    expect(() => contentOf(0, { [name]: value })).toThrow(message);
  });

  test("in a row is refused", () => {
    const { rows } = stateOf(0);
    const withRow = (changes) => contentOf(0, { rows: [{ ...rows[0], ...changes }, ...rows.slice(1)] });
    expect(() => withRow({ exemplars: [4, 0, 1, 2] })).toThrow("refer to clips below 4");
    expect(() => withRow({ drops: [[1]] })).toThrow("drops of each exemplar");
    expect(() => withRow({ effects: [{}, {}] })).toThrow("have 2 effects");
    expect(() => withRow({ tcav: {} })).toThrow("have a TCAV");
  });

  test("in a movable trait is refused", () => {
    const read = (changes) => {
      const model = new FakeModel({ ...stateOf(0), ...changes });
      return readViewState(model, readContent(model));
    };
    expect(read({}).selected).toEqual([]);
    expect(() => read({ names: ["a"] })).toThrow("`names` must be 3 texts");
    expect(() => read({ selected: [0, 99] })).toThrow("`selected` must be empty, or a concept");
  });
});
