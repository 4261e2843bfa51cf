import { describe, expect, test } from "vitest";
import { plan, slice } from "../../src/shared/interpolate.js";
import { createFields } from "../../src/tubes/layer_values.js";
import { readContent } from "../../src/tubes/traits.js";
import { FakeModel, smallState } from "../helpers.js";

const guess = { rival: null, best: [] };
const targets = [0.5, 0.3].map((probability, k) => ({ name: `class ${k}`, logit: 1, probability, ...guess }));
const contentOf = (changes = {}) => {
  const state = smallState({ targets, ...changes });
  state.layers[0].scale = [2, 3];
  return readContent(new FakeModel(state));
};
const VIEW = { layer: 0, target: 0, against: null, scale: "clip" };

test("a difference is taken in the maps' units and rescaled by its own peak", () => {
  const fields = createFields(contentOf());
  const [one, other, both] = [VIEW, { ...VIEW, target: 1 }, { ...VIEW, against: 1 }].map(fields);
  const wanted = [...one.values].map((value, k) => 2 * value - 3 * other.values[k]);
  const peak = Math.max(...wanted.map(Math.abs));
  expect([...both.values]).toEqual(wanted.map((value) => expect.closeTo(value / peak, 6)));
  expect(both.weights).toBeNull();
});

test("the difference of a map with itself is 0, not NaN", () => {
  const { maps } = smallState();
  const fields = createFields(contentOf({ maps: [maps[0], maps[0]] }));
  expect([...fields({ ...VIEW, layer: 1, against: 1 }).values]).toEqual([0]);
});

describe("one scale per frame", () => {
  const content = contentOf();
  const fields = createFields(content);
  const { values, shape, geometry, weights } = fields({ ...VIEW, scale: "frame" });
  const own = plan(content.size, shape, geometry);
  const clip = fields(VIEW);
  const whole = plan(content.size, clip.shape, clip.geometry);

  test("the largest value of each frame is 1, and its weight restores the evidence", () => {
    for (let f = 0; f < 4; f++) {
      const cells = values.subarray(f * 6, (f + 1) * 6);
      expect(Math.max(...cells.map(Math.abs))).toBeCloseTo(1, 6);
      const [a, b] = [new Float32Array(24), new Float32Array(24)];
      slice(own, values, f, a);
      slice(whole, clip.values, f, b);
      expect([...a].map((value) => value * weights[f])).toEqual([...b].map((value) => expect.closeTo(value, 6)));
    }
  });

  test("a frame without evidence stays empty", () => {
    const empty = createFields({ ...content, mapOf: (...map) => content.mapOf(...map).map(() => 0) });
    expect(empty({ ...VIEW, scale: "frame" }).values.every((value) => value === 0)).toBe(true);
  });
});

test("the fields used last are cached", () => {
  const fields = createFields(contentOf());
  const first = fields(VIEW);
  expect(fields({ ...VIEW })).toBe(first);
  const others = [0, 1].flatMap((layer) =>
    [null, 1].flatMap((against) => ["clip", "frame"].map((scale) => ({ ...VIEW, layer, against, scale }))),
  );
  for (const view of others.slice(1, 6)) fields(view);
  expect(fields({ ...VIEW })).toBe(first); // used a moment ago, so another one was evicted
  fields(others[6]);
  expect(fields({ ...VIEW })).toBe(first);
  for (const view of others.slice(1)) fields(view);
  expect(fields({ ...VIEW })).not.toBe(first);
});
