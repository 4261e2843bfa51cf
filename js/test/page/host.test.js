// @vitest-environment jsdom

import { Blob } from "node:buffer";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ConnectedModel, followLiveModel } from "../../src/page/connected_model.js";
import { run } from "../../src/page/host.js";
import { unpack } from "../../src/page/unpack.js";
import { registerModel, registryOf } from "../../src/shared/live_models.js";
import { Model } from "../../src/shared/model.js";
import { FakeModel } from "../helpers.js";

// jsdom's Blob has no stream.
beforeEach(() => vi.stubGlobal("Blob", Blob));
afterEach(() => vi.unstubAllGlobals());

/** Pack a value and its bytes, as notebook_explain/widgets/page_data.py does. */
function pack(value, bytes = new Uint8Array()) {
  const header = Buffer.from(JSON.stringify(value));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return gzipSync(Buffer.concat([length, header, bytes])).toString("base64");
}

test("bytes are unpacked to DataViews at any depth", async () => {
  const value = { list: [{ $bytes: [1, 3] }], plain: [1, "ü", null, { a: true }], none: { $bytes: [0, 0] } };
  const { list, plain, none } = await unpack(pack(value, Uint8Array.of(9, 0, 255, 128)));
  expect(list[0].byteLength).toBe(3);
  expect([0, 1, 2].map((k) => list[0].getInt8(k))).toEqual([0, -1, -128]);
  expect(none.byteLength).toBe(0);
  expect(plain).toEqual([1, "ü", null, { a: true }]);
});

const LINK = { id: "one", content: ["frames"], movable: ["frame"] };

test("a connected model takes the live values, passes changes on and follows, until it is disconnected", () => {
  const live = new FakeModel({ frame: 5, frames: "new" });
  live.off = (event, listener) => {
    live.listeners[event] = live.listeners[event].filter((other) => other !== listener);
  };
  live.on = (event, listener) => {
    live.listeners[event] = [...(live.listeners[event] ?? []), listener];
  };
  const model = new ConnectedModel({ frame: 1, frames: "old" });
  model.set("frame", 2);
  model.save_changes();
  const lifetime = new AbortController();
  model.connect(live, LINK, lifetime.signal);
  expect([model.get("frame"), model.get("frames"), live.saved]).toEqual([5, "old", 0]);
  model.set("frame", 7);
  expect([live.get("frame"), live.saved]).toEqual([7, 0]);
  model.save_changes();
  expect(live.saved).toBe(1);
  live.set("frame", 8);
  live.set("frames", "newer");
  expect([model.get("frame"), model.get("frames"), live.saved]).toEqual([8, "newer", 1]);
  lifetime.abort();
  model.set("frame", 9);
  live.set("frames", "newest");
  expect([live.get("frame"), model.get("frames")]).toEqual([8, "newer"]);
});

test("a connected model passes messages both ways, and says when it finds and loses its live model", () => {
  const live = new Model({});
  const sent = [];
  live.send = (content) => sent.push(content);
  const model = new ConnectedModel({});
  const [heard, kernels] = [[], []];
  model.on("msg:custom", (...message) => heard.push(message));
  model.on("kernel", () => kernels.push(model.hasKernel));
  model.send("nobody hears this");
  expect([model.hasKernel, new Model({}).hasKernel]).toEqual([false, false]);
  const lifetime = new AbortController();
  model.connect(live, { id: "one", content: [], movable: [] }, lifetime.signal);
  model.send({ type: "hello" });
  live.emit("msg:custom", { end: "done" }, ["buffer"]);
  lifetime.abort();
  model.send("too late");
  live.emit("msg:custom", "too late");
  expect(sent).toEqual([{ type: "hello" }]);
  expect(heard).toEqual([[{ end: "done" }, ["buffer"]]]);
  expect(kernels).toEqual([true, false]);
});

describe("a page in a page", () => {
  const parent = new EventTarget();
  beforeEach(() => vi.stubGlobal("parent", parent));

  test("it finds its live model whenever it comes, loses it, and finds the next", () => {
    const found = [];
    followLiveModel("late", (live, signal) => found.push([live, signal]));
    expect(found).toEqual([]);
    const registry = registryOf(parent);
    const [first, second] = [new Model({}), new Model({})];
    for (const model of [first, second]) {
      registry.models.set("late", model);
      registry.dispatchEvent(new Event("late"));
    }
    expect(found.map(([model]) => model)).toEqual([first, second]);
    expect(found.map(([, signal]) => signal.aborted)).toEqual([true, false]);
    window.dispatchEvent(new Event("pagehide"));
    expect(found[1][1].aborted).toBe(true);
    registry.dispatchEvent(new Event("late"));
    expect(found).toHaveLength(2);
  });

  test("a widget without state appears with its live model, in place of its picture", async () => {
    document.body.innerHTML = `<div id="app"><img alt=""></div><script id="ne-data">${pack({
      modules: {},
      widgets: [{ link: LINK }],
    })}</script>`;
    const load = async (esm) => () => ({
      render: ({ model, el }) => {
        el.textContent = `${esm} ${model.get("frame")} ${model.get("frames")}`;
      },
    });
    await run(document, load);
    const app = document.getElementById("app");
    expect(app.querySelector("img")).not.toBeNull();
    const registry = registryOf(parent);
    registry.models.set("one", new Model({ _esm: "E", _css: "p{}", frame: 3, frames: "f" }));
    registry.dispatchEvent(new Event("one"));
    await vi.waitFor(() => expect(app.textContent).toBe("E 3 f"));
    expect(app.querySelector("img")).toBeNull();
  });
});

test("a model is registered under its id until it is gone; one without an id is not", () => {
  const { models } = registryOf(globalThis);
  const lifetime = new AbortController();
  const model = new Model({ _page_id: "mine" });
  registerModel({ model, signal: lifetime.signal });
  registerModel({ model: new Model({}) });
  expect([...models]).toEqual([["mine", model]]);
  lifetime.abort();
  expect(models.size).toBe(0);
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
  document.head.replaceChildren();
  document.body.innerHTML = '<div id="app"></div><script type="application/json" id="ne-data"></script>';
  const widgets = [
    { module: "a", state: { n: 1 } },
    { module: "a", state: { n: 2 } },
    { module: "bad", state: {} },
    { module: "none", state: {} },
  ];
  document.getElementById("ne-data").textContent = pack({
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

test("the address holds what differs from the page's own state, and opens it again; lists and titles stay", async () => {
  const state = { title: "own", frame: 1, mode: "tube", against: null, playing: false, size: [1, 2, 3] };
  const page = (hash) => {
    history.replaceState(null, "", `#${hash}`);
    document.body.innerHTML = '<div id="app"></div><script id="ne-data"></script>';
    const widgets = [state, state].map((own) => ({ module: "a", state: own }));
    document.getElementById("ne-data").textContent = pack({ modules: { a: { esm: "A", css: "" } }, widgets });
  };
  const hosts = [];
  const load = async () => () => ({ render: (host) => hosts.push(host) });
  page("");
  await run(document, load);
  hosts[0].model.set({ frame: 9, mode: "montage", against: 2, title: "changed" });
  hosts[1].model.set({ frame: 4, playing: true });
  for (const { link } of hosts) expect(await link.copy({ camera: [1, 2] })).toBe("The link is in the address bar.");
  const { hash } = location;
  expect(new URLSearchParams(hash.slice(1)).get("1.frame")).toBe("4");
  hosts.length = 0;
  page(`${hash.slice(1)}&title=x&size=3&other=1`);
  await run(document, load);
  const shown = ({ model }) => ["title", "frame", "mode", "against", "playing", "size"].map((name) => model.get(name));
  expect(hosts.map(shown)).toEqual([
    ["own", 9, "montage", 2, false, [1, 2, 3]],
    ["own", 4, "tube", null, true, [1, 2, 3]],
  ]);
  expect([hosts[0].link.state.camera, hosts[0].model.get("other")]).toEqual([[1, 2], undefined]);
  history.replaceState(null, "", "#");
});
