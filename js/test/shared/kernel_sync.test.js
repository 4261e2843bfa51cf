import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCommits } from "../../src/shared/kernel_sync.js";
import { FakeModel, smallState } from "../helpers.js";

let model;
let lifetime;
let commits;
beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel(smallState());
  lifetime = new AbortController();
  commits = createCommits(model, lifetime.signal);
});
afterEach(() => vi.useRealTimers());

test("a drag is sent once, at its end", () => {
  for (const frame of [2, 3, 0]) commits.set("frame", frame);
  expect([model.get("frame"), model.saved]).toEqual([0, 0]);
  commits.commit();
  commits.commit();
  expect(model.saved).toBe(1);
});

test("a drag that ends where it began sends nothing", () => {
  commits.set("frame", 3);
  commits.set("frame", 1);
  commits.commit();
  expect(model.saved).toBe(0);
});

test("several traits of one gesture are sent together", () => {
  commits.set("frame", 3);
  commits.set("playing", true);
  commits.commit();
  expect(model.saved).toBe(1);
});

test("a value set by Python during a gesture is not sent back", () => {
  model.on("change:frame", () => commits.isSetting() || commits.noteExternalChange("frame"));
  commits.set("frame", 3);
  model.set("frame", 2);
  commits.commit();
  expect(model.saved).toBe(0);
});

test("throttled commits are sent twice a second at most, and the last one is not lost", () => {
  for (let ms = 0; ms < 3000; ms += 50) {
    commits.set("frame", (ms / 50) % 4);
    commits.commitThrottled();
    vi.advanceTimersByTime(50);
  }
  expect(model.saved).toBeGreaterThanOrEqual(5);
  expect(model.saved).toBeLessThanOrEqual(7);
  const before = model.saved;
  vi.advanceTimersByTime(5000);
  expect(model.saved - before).toBeLessThanOrEqual(1);
});

test("a dead kernel raises no error", () => {
  model.save_changes = () => {
    throw new Error("comm is closed");
  };
  commits.set("frame", 3);
  expect(() => commits.commit()).not.toThrow();
});

test("nothing is sent after the signal aborts", () => {
  commits.set("frame", 3);
  commits.commitThrottled();
  commits.set("frame", 2);
  commits.commitThrottled(); // pending
  lifetime.abort();
  vi.advanceTimersByTime(1000);
  commits.commit();
  expect(model.saved).toBe(1);
});
