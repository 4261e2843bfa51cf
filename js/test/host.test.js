// @vitest-environment jsdom
import { expect, test, vi } from "vitest";
import { decode, run } from "../src/host.js";
import { Model } from "../src/shared/model.js";

test("bytes arrive as DataViews, at any depth", () => {
  const { list, plain } = decode({ list: [{ $b64: "AP+A" }], plain: [1, "x", null, { a: true }] });
  expect(list[0]).toBeInstanceOf(DataView);
  expect([0, 1, 2].map((at) => list[0].getInt8(at))).toEqual([0, -1, -128]);
  expect(plain).toEqual([1, "x", null, { a: true }]);
});

test("a model speaks of real changes only, and to those who still listen", () => {
  const model = new Model({ frame: 1 });
  const heard = [];
  const one = () => heard.push(["frame", model.get("frame")]);
  model.on("change:frame", one);
  model.on("change", () => heard.push(["any"]));
  model.set("frame", 1);
  model.set("frame", 2);
  model.set({ frame: 3, layer: 0 });
  model.off("change:frame", one);
  model.set("frame", 4);
  model.save_changes();
  expect(heard).toEqual([["frame", 2], ["any"], ["frame", 3], ["any"], ["any"]]);
});

test("widgets of one module share its import; one that fails says why and leaves the others alone", async () => {
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

test("a page without data says so", async () => {
  document.body.innerHTML = '<div id="app"></div>';
  await run(document);
  expect(document.getElementById("app").textContent).toMatch(/^This page could not be read: /);
  expect(document.documentElement.dataset.afm).toBe("done");
});
