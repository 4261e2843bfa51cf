// A model that records messages and answers when the test says so, and a small, complete state of the explorer.
import { FakeModel, smallState } from "../helpers.js";

export class KernelModel extends FakeModel {
  sent = [];
  send(content) {
    this.sent.push(content);
  }
  emit(event, ...args) {
    for (const listener of [...(this.listeners[event] ?? [])]) listener(...args);
  }
  /** Requests sent, without those of the watchdog. */
  get asked() {
    return this.sent.filter(({ type }) => type !== "hello");
  }
  get newest() {
    return this.asked.at(-1);
  }
  /** Answer a message of the view. */
  answer({ session, id }, content, buffers) {
    this.emit("msg:custom", { session, id, ...content }, buffers);
  }
  end(message, end = "done", words = "") {
    this.answer(message, { end, words });
  }
}

export const field = (name, kind, value, more = {}) => ({
  name,
  kind,
  value,
  low: null,
  high: null,
  choices: [],
  help: "",
  ...more,
});
export const LABELS = ["kick", "<b>wave</b>", "clap"];

export function explorerState(changes = {}) {
  const tubes = smallState();
  const before = { logits: [3, 2, 1], probabilities: [0.7, 0.2, 0.1] };
  const step = (id, words) => ({
    id,
    words,
    edits: [],
    target: 0,
    against: null,
    method: "tubes",
    knobs: {},
    code: `code ${id}`,
    pinned: false,
    top: ["kick", 0.7],
  });
  return {
    title: "What if?",
    clip_state: { size: tubes.size, times: tubes.times, frames: tubes.frames, picture: {} },
    ...{ labels: LABELS, kind: "classes", before, after: before, target: 0, against: null },
    method: "tubes",
    methods: [
      {
        key: "tubes",
        name: "Tubes",
        help: "Where",
        makes: "tubes",
        slow: false,
        knobs: [field("pooled", "flag", false), field("side", "whole", 8, { low: 4, high: 16 })],
      },
      { key: "pyramid", name: "Pyramid", help: "Which kernels", makes: "pyramid", slow: true, knobs: [] },
    ],
    knobs: {},
    edit_list: [],
    edit_kinds: [
      { edit: "Reverse", name: "reverse", help: "Backwards", of: "clip", fields: [field("frames", "frames", null)] },
      {
        edit: "Brighten",
        name: "brighten",
        help: "",
        of: "clip",
        fields: [field("factor", "number", 1.3, { low: 0, high: 4 })],
      },
      {
        edit: "Ablate",
        name: "ablate",
        help: "",
        of: "network",
        fields: [field("layer", "layer", null), field("channels", "channels", [])],
      },
    ],
    layers: [
      { name: "stem", kind: "conv", shape: [2, 2, 3], channels: 8 },
      { name: "hidden", kind: "conv", shape: null, channels: 1 },
      { name: "last", kind: "conv", shape: [1, 1, 1], channels: 16 },
    ],
    tubes,
    ...{ pyramid: {}, animation: {}, figure: {}, words: "", caveats: [] },
    history: [step(0, "as it is"), step(1, "reversed")],
    step: 1,
    error: "",
    ...changes,
  };
}

/** An edit as Python lists it. */
export const edit = (name, enabled = true) => ({
  edit: { edit: name },
  enabled,
  words: `words of ${name}`,
  code: `${name}()`,
});
