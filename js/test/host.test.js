// @vitest-environment jsdom
import { expect, test, vi } from "vitest";
import { decode, run } from "../src/host.js";
import { Model } from "../src/shared/model.js";

test("bytes are decoded to DataViews at any depth", () => {
  const { list, plain } = decode({ list: [{ $b64: "AP+A" }], plain: [1, "x", null, { a: true }] });
  expect(list[0]).toBeInstanceOf(DataView);
  expect([0, 1, 2].map((k) => list[0].getInt8(k))).toEqual([0, -1, -128]);
  expect(plain).toEqual([1, "x", null, { a: true }]);
});

test("a model emits real changes only, to current listeners", () => {
  const model = new Model({ frame: 1 });
  const events = [];
  const onFrame = () => events.push(["frame", model.get("frame")]);
  model.on("change:frame", onFrame);
  model.on("change", () => events.push(["any"]));
  model.set("frame", 1);
  model.set("frame", 2);
  model.set({ frame: 3, layer: 0 });
  model.off("change:frame", onFrame);
  model.set("frame", 4);
  model.save_changes();
  expect(events).toEqual([["frame", 2], ["any"], ["frame", 3], ["any"], ["any"]]);
});

test("widgets of one module share its import; a failing widget shows its error and leaves the others alone", async () => {
  document.body.innerHTML = '<div id="app"></div><script type="application/json" id="ne-data"></script>';
  const widgets = [
    { module: "a", state: { n: 1 } },
    { module: "a", state: { n: 2 } },
    { module: "bad", state: {} },
    { module: "none", state: {} },
  ];
  document.getElementById("ne-data").textContent = JSON.stringify({
    modules: { a: { esm: "A", css: "p{}" }, bad: { esm: "B", css: "" } },
    widgets,
  });
  const load = vi.fn(async (esm) => () => ({
    render({ model, el }) {
      if (esm === "B") throw new Error("<b>broken</b>");
      el.textContent = `n is ${model.get("n")}`;
    },
  }));
  await run(document, load);
  const sections = [...document.querySelectorAll("#app section")];
  expect(load).toHaveBeenCalledTimes(2);
  expect(sections.map((section) => section.dataset.afm)).toEqual(["ready", "ready", "error", "error"]);
  expect(sections.map((section) => section.textContent)).toEqual([
    "n is 1",
    "n is 2",
    "Error: <b>broken</b>",
    "Error: this page contains no module 'none'",
  ]);
  expect(document.head.querySelectorAll("style")).toHaveLength(2);
  expect(document.documentElement.dataset.afm).toBe("done");
});

test("a page without data shows an error", async () => {
  document.body.innerHTML = '<div id="app"></div>';
  await run(document);
  expect(document.getElementById("app").textContent).toMatch(/^This page could not be read: /);
  expect(document.documentElement.dataset.afm).toBe("done");
});
