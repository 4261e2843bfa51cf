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
const AT = { layer: 0, target: 0, against: null, scale: "clip" };

test("a difference is taken in the maps' own units and has a scale of its own", () => {
  const fields = createFields(contentOf());
  const [one, other, both] = [AT, { ...AT, target: 1 }, { ...AT, against: 1 }].map(fields);
  const wanted = [...one.values].map((value, k) => 2 * value - 3 * other.values[k]);
  const peak = Math.max(...wanted.map(Math.abs));
  expect([...both.values]).toEqual(wanted.map((value) => expect.closeTo(value / peak, 6)));
  expect(both.weights).toBeNull();
});

test("a difference of a map with itself is nothing, not a division by nothing", () => {
  const { maps } = smallState();
  const fields = createFields(contentOf({ maps: [maps[0], maps[0]] }));
  expect([...fields({ ...AT, layer: 1, against: 1 }).values]).toEqual([0]);
});

describe("every frame on its own scale", () => {
  const content = contentOf();
  const fields = createFields(content);
  const { values, shape, geometry, weights } = fields({ ...AT, scale: "frame" });
  const own = plan(content.size, shape, geometry);
  const clip = fields(AT);
  const whole = plan(content.size, clip.shape, clip.geometry);

  test("its largest value is 1, and its weight gives its evidence back", () => {
    for (let f = 0; f < 4; f++) {
      const cells = values.subarray(f * 6, (f + 1) * 6);
      expect(Math.max(...cells.map(Math.abs))).toBeCloseTo(1, 6);
      const [a, b] = [new Float32Array(24), new Float32Array(24)];
      slice(own, values, f, a);
      slice(whole, clip.values, f, b);
      expect([...a].map((value) => value * weights[f])).toEqual([...b].map((value) => expect.closeTo(value, 6)));
    }
  });

  test("a frame without evidence stays without", () => {
    const empty = createFields({ ...content, mapOf: (...map) => content.mapOf(...map).map(() => 0) });
    expect(empty({ ...AT, scale: "frame" }).values.every((value) => value === 0)).toBe(true);
  });
});

test("what was shown is at hand again, and no more than a few fields are kept", () => {
  const fields = createFields(contentOf());
  const first = fields(AT);
  expect(fields({ ...AT })).toBe(first);
  const others = [0, 1].flatMap((layer) =>
    [null, 1].flatMap((against) => ["clip", "frame"].map((scale) => ({ ...AT, layer, against, scale }))),
  );
  for (const at of others.slice(1, 6)) fields(at);
  expect(fields({ ...AT })).toBe(first); // the one used longest ago is forgotten, and this one was just used
  fields(others[6]);
  expect(fields({ ...AT })).toBe(first);
  for (const at of others.slice(1)) fields(at);
  expect(fields({ ...AT })).not.toBe(first);
});
