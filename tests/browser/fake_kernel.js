// A scripted kernel for pages of the explorer: a live model, as a notebook has one, that answers messages by simple rules.
// `start(state, options)` registers it; `kernel.sent` holds what the view has sent, `kernel.mode` how it answers:
// "answers"; "hangs" after the first parts of a settled request, until it is cancelled; "fails"; "dead": not at all.

const KEY = Symbol.for("notebook_explain models");

class LiveModel {
  listeners = {};
  constructor(state) {
    this.state = state;
  }
  get(name) {
    return this.state[name];
  }
  set(changes) {
    const names = Object.keys(changes).filter((name) => this.state[name] !== changes[name]);
    Object.assign(this.state, changes);
    for (const name of names) this.emit(`change:${name}`);
  }
  save_changes() {}
  on(event, listener) {
    (this.listeners[event] ??= []).push(listener);
  }
  off(event, listener) {
    this.listeners[event] = (this.listeners[event] ?? []).filter((other) => other !== listener);
  }
  emit(event, ...args) {
    for (const listener of [...(this.listeners[event] ?? [])]) listener(...args);
  }
}

/** Probabilities after edits: each enabled edit moves half of the largest one to the others. */
function predict({ probabilities, logits }, edits) {
  const after = [...probabilities];
  for (const { enabled } of edits) {
    if (!enabled) continue;
    const top = after.indexOf(Math.max(...after));
    const moved = after[top] / 2;
    for (let k = 0; k < after.length; k++) after[k] += k === top ? -moved : moved / (after.length - 1);
  }
  return { logits, probabilities: after };
}

const percent = (share) => `${Math.round(100 * share)} %`;

class Kernel {
  sent = [];
  mode = "answers";
  delay = 20; // ms of each answer
  #open = new Map();
  constructor(state, { streams = 0, pyramid = null, compared = null } = {}) {
    Object.assign(this, { streams, pyramid, compared });
    this.model = new LiveModel(state);
    this.model.send = (message) => this.receive(message);
  }
  answer({ session, id }, content, buffers = []) {
    if (content.end) this.#open.delete(id);
    this.model.emit("msg:custom", { session, id, ...content }, buffers);
  }
  receive(message) {
    this.sent.push(JSON.parse(JSON.stringify(message)));
    if (this.mode === "dead") return;
    if (message.type === "cancel") {
      const open = this.#open.get(message.id);
      if (open) setTimeout(() => this.answer(open, { end: "cancelled", words: "" }), this.delay);
      return;
    }
    if (message.type === "hello") return void setTimeout(() => this.answer(message, { end: "done", words: "" }));
    if (["request", "step"].includes(message.type))
      for (const open of [...this.#open.values()]) if (open.settled !== false) this.answer(open, { end: "superseded", words: "" });
    this.#open.set(message.id, message);
    setTimeout(() => this.#open.has(message.id) && this.work(message), this.delay);
  }
  work(message) {
    const { state } = this.model;
    const done = { end: "done", words: "" };
    if (message.type === "compare") {
      this.answer(message, { part: "compare", seq: 0, state: this.compared });
      return this.answer(message, done);
    }
    if (message.type === "pin") {
      const { index, pinned } = message;
      this.model.set({ history: state.history.map((step, k) => (k === index ? { ...step, pinned } : step)) });
      return this.answer(message, done);
    }
    if (message.type === "step") {
      const { edits, target, against, method, knobs, words } = state.history[message.index];
      this.model.set({ step: message.index, edit_list: edits, target, against, method, knobs, words, after: predict(state.before, edits) });
      return this.answer(message, done);
    }
    if (this.mode === "fails")
      return this.answer(message, { end: "error", words: "The edits leave no frame: frames 0 to 16 are dropped. Keep at least one frame." });
    const after = predict(state.before, message.edits);
    const words = this.wordsOf(after);
    const frame = message.settled ? null : { $buffer: 0 };
    const jpeg = state.clip_state.frames[(message.frame + state.clip_state.size[0] / 2) % state.clip_state.size[0]];
    this.answer(message, { part: "probabilities", seq: 0, after, words, frame }, frame ? [jpeg] : []);
    if (!message.settled) return this.answer(message, done);
    const total = 8;
    if (this.mode === "hangs")
      return this.answer(message, { part: "progress", seq: 1, stage: "Occlusion", done: 3, total, seconds: 4, left: 6.5 });
    for (let k = 0; k < this.streams; k++) this.answer(message, { part: "tubes", seq: 2 + k, state: { ...state.tubes } });
    this.settle(message, after, words);
    this.answer(message, done);
  }
  wordsOf(after) {
    const { before, labels } = this.model.state;
    const changes = labels.map((label, k) => [Math.abs(after.probabilities[k] - before.probabilities[k]), label, k]);
    const moved = changes.filter(([size]) => size > 0.004).sort((a, b) => b[0] - a[0]).slice(0, 2);
    if (!moved.length) return "nothing has changed";
    return moved.map(([, label, k]) => `${label} ${percent(before.probabilities[k])} to ${percent(after.probabilities[k])}`).join("; ");
  }
  settle({ edits, target, against, method, knobs, wants }, after, words) {
    const { history, step, labels, edit_kinds: kinds, tubes } = this.model.state;
    const nameOf = ({ edit }) => kinds.find((kind) => kind.edit === edit)?.name ?? edit;
    const edit_list = edits.map((edit) => ({ ...edit, words: `${nameOf(edit.edit)}${edit.edit.layer ? ` in ${edit.edit.layer}` : ""}`, code: `ne.${edit.edit.edit}()` }));
    const top = after.probabilities.indexOf(Math.max(...after.probabilities));
    const code = `ne.what_if(model, clip, [${edit_list.map((edit) => edit.code).join(", ")}])`;
    const now = { id: history.length, words, edits: edit_list, target, against, method, knobs, code, pinned: false };
    now.top = [labels[top], after.probabilities[top]];
    this.model.set({
      ...{ edit_list, target, against, method, knobs, after, words },
      tubes: { ...tubes },
      history: [...history.slice(0, step + 1), now],
      step: step + 1,
      ...(wants.includes("pyramid") && this.pyramid ? { pyramid: { ...this.pyramid } } : {}),
    });
  }
}

/** Register a kernel in the window of a page that holds the explorer's page in a frame. */
globalThis.start = (packed, options) => {
  const restore = (value) => {
    if (Array.isArray(value)) return value.map(restore);
    if (value === null || typeof value !== "object") return value;
    if (typeof value.$b64 === "string")
      return new DataView(Uint8Array.from(atob(value.$b64), (char) => char.charCodeAt(0)).buffer);
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, restore(part)]));
  };
  globalThis.kernel = new Kernel(restore(packed), restore(options));
  const registry = (globalThis[KEY] ??= Object.assign(new EventTarget(), { models: new Map() }));
  registry.models.set("explorer", globalThis.kernel.model);
  registry.dispatchEvent(new Event("explorer"));
};
