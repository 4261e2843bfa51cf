// @vitest-environment jsdom
// Labels of the box: a movement of the tube must not lay out the page again.
import { beforeEach, expect, test } from "vitest";
import { placeLabels } from "../../src/tubes/volume/axis_labels.js";
import { halfBox } from "../../src/tubes/volume/camera.js";

const CONTENT = /** @type {any} */ ({ size: [16, 64, 64], times: [0, 2] });
let container;
beforeEach(() => {
  container = document.createElement("div");
});
const place = (yaw) =>
  placeLabels(container, { yaw, pitch: 0.4, zoom: 1 }, halfBox(CONTENT.size), 400, 300, 150, CONTENT);
const transforms = () => [...container.children].map((label) => label.style.transform);

test("labels move by transforms only, in parts of the stage", () => {
  place(0.5);
  const before = transforms();
  place(0.55);
  expect(before.length).toBeGreaterThan(3);
  expect(transforms()).not.toEqual(before);
  for (const label of container.children) {
    expect(label.getAttribute("style")).toMatch(
      /^transform: translate\(-?[\d.]+cqw, -?[\d.]+cqh\) translate\(-50%, -50%\);$/,
    );
  }
});

test("labels stay at the same part of a stage of another size", () => {
  place(0.5);
  const [first] = container.children;
  const [x, y] = first.style.transform.match(/[\d.]+(?=cq)/g).map(Number);
  expect(x).toBeGreaterThan(0);
  expect(x).toBeLessThan(100);
  expect(y).toBeGreaterThan(0);
  expect(y).toBeLessThan(100);
});
