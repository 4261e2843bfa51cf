// Numbers and sentences against examples.json, which Python writes (python -m tests.widgets.tube_examples).
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { plan } from "../../src/shared/interpolate.js";
import { explained, keptWords, percent, quantityOf, targetWords, verdict } from "../../src/tubes/text.js";
import { kept, summarise } from "../../src/tubes/threshold.js";
import { createLevels } from "../../src/tubes/threshold_level.js";
import { even } from "../helpers.js";

const {
  size,
  maps,
  percents,
  verdicts,
  times: seconds,
} = JSON.parse(readFileSync(new URL("examples.json", import.meta.url)));
const MADE = plan(size, size, even(size, size));
const plain = (words) => words.replaceAll("\u00a0", " ");

/** The formula of tests/widgets/tube_examples.py. */
function volumeOf(balls) {
  const [frames, height, width] = size;
  const volume = new Float64Array(frames * height * width);
  for (const { y0, x0, y1, x1, wide, when, long, strength } of balls) {
    for (let f = 0, at = 0; f < frames; f++) {
      const t = (f + 0.5) / frames;
      for (let r = 0; r < height; r++) {
        for (let c = 0; c < width; c++, at++) {
          const dy = (r + 0.5) / height - y0 - (y1 - y0) * t;
          const dx = (c + 0.5) / width - x0 - (x1 - x0) * t;
          const near =
            Math.exp(-(dy ** 2 + dx ** 2) / (2 * wide ** 2)) * Math.exp(-((t - when) ** 2) / (2 * long ** 2));
          if (near > 0.01) volume[at] += strength * near;
        }
      }
    }
  }
  const peak = volume.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  return Float32Array.from(volume, (value) => value / peak);
}

describe("what a threshold keeps is what Python counts, and the sentences are Python's", () => {
  test.each(maps.map((map, index) => [index, map]))(
    "map %i",
    (_, { balls, name: own, rival, against, side, said, shares, timed, ...target }) => {
      const summary = summarise(MADE, { values: volumeOf(balls), weights: null }, side === "against" ? -1 : 1);
      const name = against ? `${own} − ${against}` : own;
      Object.assign(target, { name, rival: rival && { name: rival[0], probability: rival[1] }, against });
      for (const { threshold, words, ...numbers } of said) {
        const found = kept(summary, threshold);
        for (const name of ["evidence", "volume", "against"]) expect(found[name]).toBeCloseTo(numbers[name], 3);
        expect({ frames: found.frames, core: found.core, place: found.place }).toEqual({
          frames: numbers.frames,
          core: numbers.core,
          place: numbers.place,
        });
        expect(
          plain(`${verdict(target)}. ${keptWords(found, { size, times: timed ? seconds : [] }, side, target)}`),
        ).toBe(words);
      }
    },
  );
});

/** The threshold of a view state whose map is the volume, once it is counted or (`isCounted` false) from a sample. */
function levelOf(values, side, state, isCounted = true, kind = "block") {
  const field = { key: "", values, shape: size, geometry: even(size, size), weights: null };
  const view = { layer: 0, setting: 0.4, threshold: 0.4, sign: side === "against" ? "negative" : "both", ...state };
  const summary = summarise(MADE, field, side === "against" ? -1 : 1);
  const levels = createLevels(
    size,
    [{ kind }],
    () => field,
    () => (isCounted ? summary : undefined),
  );
  const { threshold } = levels.resolve(view);
  return { threshold, evidence: kept(summary, threshold).evidence, levels, view: { ...view, threshold } };
}

describe("a share of the evidence, and the default, stand for the threshold that Python finds", () => {
  test.each(maps.map((map, index) => [index, map]))("map %i", (_, { balls, side, shares }) => {
    const values = volumeOf(balls);
    for (const { share, threshold, evidence } of shares) {
      const state = share === null ? { threshold_by: "default" } : { threshold_by: "evidence", setting: share };
      for (const isCounted of [true, false]) {
        const found = levelOf(values, side, state, isCounted);
        expect(Math.abs(found.evidence - evidence)).toBeLessThan(0.005);
        expect(found.threshold).toBeCloseTo(threshold, 2);
      }
    }
  });
});

test("an explicit threshold is never lowered, nor is one that was moved", () => {
  const thin = volumeOf(maps.find(({ shares }) => shares.at(-1).threshold < 0.3).balls);
  expect(levelOf(thin, "for", { threshold_by: "default" }).threshold).toBeLessThan(0.3);
  expect(levelOf(thin, "for", { threshold_by: "maximum" }).threshold).toBe(0.4);
  expect(levelOf(thin, "for", { threshold_by: "default", setting: 0.6, threshold: 0.6 }).threshold).toBe(0.6);
});

test("the default keeps half of the evidence of a sharp map", () => {
  const thin = volumeOf(maps.find(({ shares }) => shares.at(-1).threshold < 0.3).balls);
  const [block, sharp] = ["block", "sharp"].map((kind) =>
    levelOf(thin, "for", { threshold_by: "default" }, true, kind),
  );
  expect(sharp.threshold).toBeLessThanOrEqual(block.threshold);
  expect(sharp.evidence).toBeGreaterThanOrEqual(0.5);
});

test("another unit shows the same", () => {
  const thin = volumeOf(maps.find(({ shares }) => shares.at(-1).threshold < 0.3).balls);
  const { levels, view, evidence } = levelOf(thin, "for", { threshold_by: "maximum" });
  const share = levels.converted(view, "evidence");
  expect(share).toBeCloseTo(evidence, 2);
  const back = levelOf(thin, "for", { threshold_by: "evidence", setting: share });
  expect(back.levels.converted(back.view, "maximum")).toBeCloseTo(0.4, 1);
});

test("verdicts read as in Python", () => {
  for (const { probability, rival, text } of verdicts) {
    const target = { name: "wave", probability, rival: { name: rival[0], probability: rival[1] } };
    expect(plain(verdict(target))).toBe(text);
  }
});

test("percentages read as in Python", () => {
  for (const { share, digits, text } of percents) expect(plain(percent(share, digits))).toBe(text);
});

test("a map of another quantity is called by its name", () => {
  const found = { evidence: 0.4, volume: 0.2, against: 0.6, frames: [0, 3], core: null, place: "on the left" };
  const target = { name: "wave" };
  expect(plain(keptWords(found, { size: [8, 1, 1], times: [] }, "for", target, "activity"))).toBe(
    "20 % of the clip, on the left, in frames 1 to 4, holds 40 % of the activity for 'wave'. Most of the activity is against 'wave'.",
  );
  expect(keptWords({ ...found, frames: null }, { size: [8, 1, 1], times: [] }, "against", target, "activity")).toMatch(
    /^No activity against 'wave'/,
  );
  expect(plain(keptWords({ ...found, against: 0 }, { size: [8, 1, 1], times: [] }, "for", target, "attention"))).toBe(
    "20 % of the clip, on the left, in frames 1 to 4, holds 40 % of the attention, whatever the class.",
  );
  expect(
    keptWords({ ...found, frames: null, against: 0 }, { size: [8, 1, 1], times: [] }, "for", target, "attention"),
  ).toBe("No attention at this threshold.");
  const layers = [{}, { quantity: "activity" }];
  expect([0, 1].map((layer) => quantityOf(/** @type {any} */ ({ layers }), layer))).toEqual(["evidence", "activity"]);
});

test("menus name values with their unit", () => {
  const value = {
    name: "ESV",
    logit: 70,
    probability: null,
    rival: null,
    best: [],
    kind: "regression",
    value: "70 ml",
  };
  expect(targetWords(value)).toBe("ESV · 70 ml");
  expect(targetWords({ ...value, name: "value" })).toBe("70 ml");
  expect(targetWords({ ...value, name: "EDV − ESV", against: "ESV", value: "50 ml" })).toBe(
    "'EDV' minus 'ESV' · 50 ml",
  );
});

test("one class in two regions is named with its region, and subtracted", () => {
  const one = { name: "jump", logit: 1, probability: 0.5, rival: null, best: [], region: "frames 1 to 2" };
  const targets = [one, { ...one, region: "frames 5 to 6" }, { ...one, region: undefined }];
  expect(targets.map((target) => plain(targetWords(target)))).toEqual([
    "jump · 50 % · frames 1 to 2",
    "jump · 50 % · frames 5 to 6",
    "jump · 50 %",
  ]);
  const made = (target, against) => verdict(explained(/** @type {any} */ ({ targets }), { target, against }));
  expect(made(1, 0)).toBe("'jump' rather than 'jump', in frames 5 to 6 against frames 1 to 2");
  expect(made(0, 2)).toBe("'jump' rather than 'jump', in frames 1 to 2 against the whole clip");
});

describe("a difference of two classes", () => {
  const made = { name: "wave − clap", against: "clap", logit: 2.104, probability: null, rival: null, best: [] };
  const [wave, clap] = ["wave", "clap"].map((name) => ({ ...made, name, against: null, probability: 0.5 }));

  test("is one class rather than the other, whether Python made it or the viewer", () => {
    expect(verdict(made)).toBe("'wave' rather than 'clap'");
    const content = /** @type {any} */ ({ targets: [wave, clap] });
    expect(verdict(explained(content, { target: 0, against: 1 }))).toBe("'wave' rather than 'clap'");
    expect(explained(content, { target: 1, against: null })).toBe(clap);
  });

  test("is never named with a minus sign in a menu", () => {
    expect(targetWords(made)).toBe("'wave' rather than 'clap' · logits differ by 2.10");
    expect(targetWords({ ...made, against: undefined })).toBe("'wave − clap' · logits differ by 2.10"); // a page of an older version
  });
});
