import { describe, expect, test } from "vitest";
import {
  formatterOf,
  frameSignalAt,
  frameSignalDashes,
  frameSignalName,
  frameSignalRange,
  frameSignalSource,
  heightOf,
  isBinary,
  lineOf,
  valueAt,
} from "../../src/tubes/frame_signal.js";
import { FRAME_SIGNALS } from "../helpers.js";

const [gate, kept] = FRAME_SIGNALS;
const signalOf = (values, changes = {}) => ({
  ...gate,
  values,
  rows: values.map((_, k) => k),
  neutral: null,
  ...changes,
});

describe("value at a frame", () => {
  test("is linear between two rows and constant beyond the outer rows", () => {
    const values = [0, 1, 2, 3].map((frame) => valueAt(gate, frame));
    expect(values).toEqual([0.5, 0.5 + 0.75 / 4, 0.5 + (3 * 0.75) / 4, 1.25]);
    expect([valueAt(gate, 0.5), valueAt(gate, 2.5)]).toEqual(gate.values);
  });

  test("of a binary signal is 0 or 1, never in between", () => {
    const coarse = { ...kept, values: [0, 1], rows: [0.5, 2.5] };
    expect([0, 1, 2, 3].map((frame) => valueAt(coarse, frame))).toEqual([0, 0, 1, 1]);
    expect([isBinary(coarse), isBinary(gate), isBinary(signalOf([1, 1]))]).toEqual([true, false, false]);
    expect(isBinary(signalOf([0, 1], { neutral: 1 }))).toBe(false); // a factor, which may be 0 or 1
  });

  test("of a signal with one value is that value", () => {
    const one = signalOf([0.3], { rows: [7.5] });
    expect([0, 7.5, 15].map((frame) => valueAt(one, frame))).toEqual([0.3, 0.3, 0.3]);
  });
});

describe("line", () => {
  test("passes each value in the middle of its frame; the scale includes the neutral value", () => {
    expect(lineOf(gate, 4)).toEqual([
      [0, 0],
      [0.25, 0],
      [0.75, 1],
      [1, 1],
    ]);
    expect(heightOf(gate)(1)).toBeCloseTo(0.5 / 0.75);
    expect(lineOf(signalOf([2, 3], { neutral: 1 }), 2).map(([, high]) => high)).toEqual([0.5, 0.5, 1, 1]);
  });

  test("of a binary signal changes halfway between two rows", () => {
    expect(lineOf(kept, 4)).toEqual([
      [0, 0],
      [0.25, 0],
      [0.25, 1],
      [0.75, 1],
      [0.75, 0],
      [1, 0],
    ]);
  });

  test("of a constant signal lies in the middle", () => {
    for (const neutral of [null, 0.7]) {
      const flat = lineOf(signalOf([0.7, 0.7 + 1e-9], { neutral }), 2); // equal up to rounding
      expect(flat.map(([, high]) => high)).toEqual([0.5, 0.5, 0.5, 0.5]);
    }
    expect(lineOf(signalOf([1, 1], { neutral: 0 }), 2).map(([, high]) => high)).toEqual([1, 1, 1, 1]);
  });

  test("never runs backwards, even if rows lie outside the clip", () => {
    for (const binary of [false, true]) {
      const points = lineOf(signalOf(binary ? [0, 1, 0] : [3, 5, 4], { rows: [-2, -1, 9] }), 4);
      const across = points.map(([x]) => x);
      expect(across).toEqual([...across].sort((a, b) => a - b));
      expect([across[0] <= 0, across[across.length - 1] >= 1]).toEqual([true, true]);
    }
  });
});

describe("numbers", () => {
  test.each([
    [[0.71, 1.12], 0.8349, "0.83"],
    [[0.9991, 1.0002], 0.99956, "0.99956"],
    [[0, 3], 1.5, "1.50"],
    [[-120, 80], -7.6, "−8"],
    [[-1, 1], -0.001, "0.00"],
    [[0, 1e-9], 5e-10, "5.00e−10"],
    [[2e7, 3e7], 2.5e7, "2.50e+7"],
    [[0, 1], 1, "1 (yes)"],
    [[0, 1], 0, "0 (no)"],
    [[0.123456, 0.123456], 0.123456, "0.123"],
  ])("of %j: %d is written %s", (values, value, text) => {
    expect(formatterOf(signalOf(values))(value)).toBe(text);
  });

  test("come with the frame, the module and the quantity", () => {
    expect(frameSignalAt(gate, 1)).toBe("frame 2: 0.69");
    expect(frameSignalAt(kept, 1)).toBe("frame 2: 1 (yes)");
    expect(FRAME_SIGNALS.map(frameSignalName)).toEqual([
      "each frame is multiplied by · layer2 (SRTG)",
      "frames kept · <b>Net</b>",
    ]);
    expect(FRAME_SIGNALS.map(frameSignalSource)).toEqual([
      "reported by layer2 (SRTG), independent of the layer shown",
      "reported by the network (<b>Net</b>), independent of the layer shown",
    ]);
    expect(frameSignalRange(gate)).toBe("each frame is multiplied by: 0.50 to 1.25");
    expect(frameSignalRange(signalOf([1, 1]))).toBe("each frame is multiplied by: 1 throughout");
    expect(frameSignalRange(kept)).toBe("frames kept; filled: 1 (yes)");
  });

  test("come with a legend for the dashes, unless the whole line is neutral", () => {
    expect(frameSignalDashes(gate)).toBe("dashed: neutral value 1");
    expect(frameSignalDashes(kept)).toBe("");
    const on = signalOf([1, 1], { neutral: 1 });
    expect([frameSignalDashes(on), frameSignalRange(on)]).toEqual([
      "",
      "each frame is multiplied by: 1 throughout (neutral)",
    ]);
    const off = signalOf([1, 1], { neutral: 0 });
    expect([frameSignalDashes(off), frameSignalRange(off)]).toEqual([
      "dashed: neutral value 0",
      "each frame is multiplied by: 1 throughout",
    ]);
    expect(frameSignalRange(signalOf([1.0004, 1.0004], { neutral: 1 }))).not.toContain("neutral");
  });
});
