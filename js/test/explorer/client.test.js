// Messages: one coarse request in flight, the newest wins, stale answers are dropped, nothing is sent again by itself.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient, restoreBuffers } from "../../src/explorer/client.js";
import { KernelModel } from "./helpers.js";

const coarse = (name) => ({ type: "request", settled: false, name });
const settled = (name) => ({ type: "request", settled: true, name });

let model;
let client;
let lifetime;
let parts;
let ends;
let changes;

function start(more = {}) {
  model = Object.assign(new KernelModel({}), more);
  [parts, ends, changes, lifetime] = [[], [], 0, new AbortController()];
  client = createClient(
    model,
    {
      part: (message, content) => parts.push([content.name, message.value ?? message.part]),
      end: (end, words, content, isNewest) => ends.push([content.name, end, words, isNewest]),
      changed: () => changes++,
    },
    lifetime.signal,
  );
}
const names = () => model.asked.map(({ name, type }) => name ?? type);
const hellos = () => model.sent.filter(({ type }) => type === "hello").length;
const find = (name) => model.asked.find((message) => message.name === name);

beforeEach(() => {
  vi.useFakeTimers();
  start();
});
afterEach(() => {
  lifetime.abort();
  vi.useRealTimers();
});

describe("requests", () => {
  test("while one coarse request is in flight, only the newest waits", () => {
    for (const name of ["a", "b", "c"]) client.submit(coarse(name));
    expect(names()).toEqual(["a"]);
    model.end(find("a"));
    expect(names()).toEqual(["a", "c"]);
    model.end(find("c"));
    expect(names()).toEqual(["a", "c"]);
    expect(ends).toEqual([
      ["a", "done", "", false],
      ["c", "done", "", true],
    ]);
  });

  test("on release the settled request replaces the coarse one that waits", () => {
    for (const name of ["a", "b"]) client.submit(coarse(name));
    client.submit(settled("final"));
    expect([names(), client.isWorking()]).toEqual([["a"], true]);
    model.end(find("a"));
    expect(names()).toEqual(["a", "final"]);
    model.end(find("final"));
    expect(client.isWorking()).toBe(false);
  });

  test("a settled request in work does not hold up the next one, and ends superseded", () => {
    client.submit(settled("slow"));
    client.submit(settled("next"));
    expect(names()).toEqual(["slow", "next"]);
    model.end(find("slow"), "superseded");
    expect(client.isWorking()).toBe(true);
    model.end(find("next"));
    expect(ends).toEqual([
      ["slow", "superseded", "", false],
      ["next", "done", "", true],
    ]);
  });

  test("ids rise, and every message carries the session of the view", () => {
    client.submit(settled("a"));
    client.submit(settled("b"));
    const ids = model.sent.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(new Set(model.sent.map(({ session }) => session)).size).toBe(1);
    const own = model.newest.session;
    start();
    expect(model.sent[0].session).not.toBe(own);
  });

  test("answers to other views, of ended requests and of requests older than the newest shown are dropped", () => {
    client.submit(settled("old"));
    client.submit(settled("new"));
    const [old, recent] = [find("old"), find("new")];
    model.answer({ ...recent, session: "another view" }, { part: "foreign" });
    model.answer(old, { part: "first" });
    model.answer(recent, { part: "second" });
    model.answer(old, { part: "stale" });
    model.end(recent);
    model.answer(recent, { part: "after the end" });
    expect(parts).toEqual([
      ["old", "first"],
      ["new", "second"],
    ]);
  });

  test("buffers are put back into the content", () => {
    client.submit(coarse("a"));
    const buffer = new DataView(new ArrayBuffer(3));
    model.answer(find("a"), { part: "probabilities", value: { list: [{ $buffer: 0 }], n: null } }, [buffer]);
    expect(parts[0][1].list[0]).toBe(buffer);
    expect(restoreBuffers({ a: { $buffer: 1 }, b: [1, "x"] }, [0, buffer])).toEqual({ a: buffer, b: [1, "x"] });
  });

  test("errors and cancelled requests end with words; cancel names the request in work", () => {
    client.submit(settled("a"));
    const { id, session } = find("a");
    client.cancel();
    expect(model.newest).toEqual({ type: "cancel", session, id });
    model.end(find("a"), "cancelled");
    client.submit(settled("b"));
    model.end(find("b"), "error", "no frames are left");
    expect(ends.map(([, end, words]) => [end, words])).toEqual([
      ["cancelled", ""],
      ["error", "no frames are left"],
    ]);
  });

  test("a message beside the requests replaces none, and is never the newest request", () => {
    client.submit(settled("a"));
    client.send({ type: "pin", name: "pin" });
    expect(names()).toEqual(["a", "pin"]);
    model.end(find("pin"));
    expect(ends).toEqual([["pin", "done", "", false]]);
    expect(client.isWorking()).toBe(true);
  });
});

describe("the watchdog", () => {
  const answerHello = () => model.end(model.sent.find(({ type }) => type === "hello"));

  test("asks after 2 s without a message, and says after 2 more that nothing answers", () => {
    answerHello();
    client.submit(coarse("a"));
    client.submit(coarse("b"));
    vi.advanceTimersByTime(1999);
    expect(hellos()).toBe(1);
    vi.advanceTimersByTime(1);
    expect([hellos(), client.connection()]).toEqual([2, { kernel: "ready", heard: true }]);
    vi.advanceTimersByTime(2000);
    expect(client.connection()).toEqual({ kernel: "silent", heard: true });
    vi.advanceTimersByTime(60_000);
    expect([names(), hellos()]).toEqual([["a"], 2]); // nothing is sent again by itself
  });

  test("a request that takes long is left alone while the kernel answers", () => {
    client.submit(settled("slow"));
    for (let k = 0; k < 5; k++) {
      vi.advanceTimersByTime(2000);
      model.end(model.sent.at(-1));
    }
    expect(client.connection().kernel).toBe("ready");
    expect(names()).toEqual(["slow"]);
  });

  test("any message ends the silence, and what waits is sent in its turn", () => {
    for (const name of ["a", "b"]) client.submit(coarse(name));
    vi.advanceTimersByTime(4000);
    expect(client.connection()).toEqual({ kernel: "silent", heard: false });
    model.end(find("a"));
    expect([client.connection(), names()]).toEqual([{ kernel: "ready", heard: true }, ["a", "b"]]);
  });

  test("try again sends what waits, once; else what was in flight; else it asks", () => {
    for (const name of ["a", "b"]) client.submit(coarse(name));
    vi.advanceTimersByTime(4000);
    client.retry();
    expect([names(), client.connection().kernel]).toEqual([["a", "b"], "ready"]);
    vi.advanceTimersByTime(4000);
    client.retry();
    expect(names()).toEqual(["a", "b", "b"]);
    model.end(model.newest);
    const before = hellos();
    client.retry();
    expect([names().length, hellos()]).toEqual([3, before + 1]);
  });

  test("a connection that refuses messages counts as silent", () => {
    start({
      send() {
        throw new Error("the socket is closed");
      },
    });
    expect(client.connection().kernel).toBe("silent");
  });

  test("a page without a live model sends nothing; when it finds one, it asks", () => {
    start({ hasKernel: false });
    vi.advanceTimersByTime(10_000);
    expect([client.connection().kernel, model.sent]).toEqual(["none", []]);
    model.hasKernel = true;
    model.emit("kernel");
    expect([client.connection().kernel, hellos()]).toEqual(["ready", 1]);
    model.hasKernel = false;
    model.emit("kernel");
    expect(client.connection().kernel).toBe("none");
  });

  test("at the end of the view, nothing listens and no timer runs", () => {
    client.submit(coarse("a"));
    lifetime.abort();
    vi.advanceTimersByTime(10_000);
    expect([model.listening, hellos()]).toEqual([0, 1]);
  });
});
