// What the reader does becomes requests, and what comes back becomes the state that is shown: the traits, ahead of them the
// reader's choices, and while the kernel works what it has sent so far.
import { listen } from "../shared/dom.js";
import { createClient } from "./client.js";
import { draftOf, moved, removed, requestOf, toggled, withAgainst, withEdits, withKnob, withTarget } from "./draft.js";
import { isFull, readState, TRAITS } from "./traits.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */
/** @typedef {import("./traits.js").Edit} Edit */
/**
 * @typedef {Object} Shown
 * @property {ExplorerState} state - the traits, with the reader's choices and partial results
 * @property {import("./traits.js").EditState[]} edits
 * @property {import("./traits.js").Scores | undefined} coarse - values while the reader brushes
 * @property {string} words
 * @property {boolean} isWorking
 * @property {boolean} isStreaming - results of the request in work are shown already
 * @property {boolean} isOffline - nothing reaches the kernel
 * @property {boolean} isPyramidFresh - whether the pyramid is of the step shown
 * @property {Record<string, any> | null} progress
 * @property {import("./client.js").Connection} connection
 * @property {string} error
 */
/**
 * @typedef {Object} Listeners
 * @property {(shown: Shown) => void} update
 * @property {() => string[]} wants - what a settled request should make
 * @property {() => number} frame - the frame shown
 * @property {(frame: DataView | null) => void} showFrame - a picture of the edited frame, or none
 * @property {(state: Record<string, any>) => void} compared - two steps side by side
 * @property {(error: unknown) => void} failed - the traits cannot be shown
 */

/** A state with the results of the one before, where both are of the same step: then nothing is drawn again. @param {ExplorerState} state @param {ExplorerState} before @returns {ExplorerState} */
function withSameResults(state, before) {
  const [id, idBefore] = [state, before].map(({ history, step }) => history[step]?.id);
  if (id === undefined || id !== idBefore) return state;
  const same = /** @type {const} */ (["tubes", "pyramid"]).filter(
    (name) => isFull(state[name]) && isFull(before[name]),
  );
  return { ...state, ...Object.fromEntries(same.map((name) => [name, before[name]])) };
}

/**
 * @param {import("./traits.js").ExplorerModel} model
 * @param {Listeners} listeners
 * @param {AbortSignal} signal
 */
export function createController(model, { update, wants, frame, showFrame, compared, failed }, signal) {
  let traits = readState(model);
  let draft = draftOf(traits);
  /** Results of requests that are not settled yet. @type {Record<string, any>} */
  let partial = {};
  /** @type {Record<string, any> | null} */
  let progress = null;
  let error = "";
  let isPyramidFresh = isFull(traits.pyramid);
  let isDropped = false; // the last gesture, so that its answers are of no use
  let hasStarted = false;

  const isOffline = () => {
    const { kernel, heard } = client.connection();
    return kernel === "none" || (kernel === "silent" && !heard);
  };
  const show = () => {
    if (!hasStarted) return;
    const { target, against, method, knobs, edits } = draft;
    const { tubes, pyramid } = { ...traits, ...partial };
    update({
      state: { ...traits, target, against, method, knobs, tubes, pyramid },
      edits,
      coarse: partial.after,
      words: partial.words ?? traits.words,
      isWorking: client.isWorking(),
      isStreaming: Boolean(partial.tubes || partial.pyramid),
      isOffline: isOffline(),
      isPyramidFresh: isPyramidFresh || Boolean(partial.pyramid),
      progress,
      connection: client.connection(),
      error: error || traits.error,
    });
  };
  /** Whether the traits say what the reader has chosen. */
  const isAnswered = () =>
    Object.entries(draftOf(traits)).every(([name, value]) => /** @type {any} */ (draft)[name] === value);
  /** Follow the traits again: nothing is asked that has no answer. */
  const settle = () => {
    draft = draftOf(traits);
    partial = {};
    progress = null;
    showFrame(null);
  };
  const client = createClient(
    model,
    {
      part(message, content) {
        if (message.part === "progress") progress = message;
        else if (message.part === "compare") compared(message.state);
        else if (message.part === "probabilities") {
          if (content.settled === false && isDropped) return;
          partial = { ...partial, after: message.after, words: message.words };
          if (content.settled === false && message.frame && content.frame === frame()) showFrame(message.frame);
        } else partial = { ...partial, [message.part]: message.state };
        show();
      },
      end(end, words, content, isNewest) {
        if (end === "error") error = words;
        else if (end === "done") error = "";
        // A gesture that came to nothing has superseded a settled request: it is asked again.
        if (isNewest && content.settled === false && isDropped && !isAnswered()) return ask(draft);
        // While brushing, what the last coarse answer said stays until the next one.
        if (isNewest && (content.settled !== false || end === "error")) settle();
        show();
      },
      changed: () => show(),
    },
    signal,
  );
  let isPending = false;
  const refresh = () => {
    isPending = false;
    if (signal.aborted) return;
    const { pyramid, step, history } = traits;
    try {
      traits = withSameResults(readState(model), traits);
    } catch (failure) {
      return failed(failure);
    }
    if (traits.pyramid !== pyramid) isPyramidFresh = isFull(traits.pyramid);
    else if (traits.step !== step || traits.history !== history) isPyramidFresh = false;
    if (client.isWorking()) partial = {};
    else settle();
    show();
  };
  // Python sets several traits one after the other: wait for the last one.
  const onChange = () => {
    if (!isPending) queueMicrotask(refresh);
    isPending = true;
  };
  for (const name of TRAITS) listen(model, `change:${name}`, onChange, signal);

  /** Send a settled request for a draft. @param {import("./draft.js").Draft} chosen */
  const ask = (chosen) => {
    draft = chosen;
    error = "";
    progress = null;
    client.submit(requestOf(draft, true, wants(), frame()));
    show();
  };
  return {
    start() {
      hasStarted = true;
      show();
    },
    explain: (/** @type {number} */ index) => ask(withTarget(draft, index)),
    compareWith: (/** @type {number} */ index) => ask(withAgainst(draft, index)),
    chooseMethod: (/** @type {string} */ method) => ask({ ...draft, method }),
    turn: (/** @type {import("./traits.js").Field} */ knob, /** @type {any} */ value) =>
      ask(withKnob(draft, knob, value)),
    add: (/** @type {Edit[]} */ ...edits) => ask(withEdits(draft, edits)),
    toggle: (/** @type {number} */ index) => ask(toggled(draft, index)),
    remove: (/** @type {number} */ index) => ask(removed(draft, index)),
    move: (/** @type {number} */ from, /** @type {number} */ to) => ask(moved(draft, from, to)),
    /** Ask for what the reader has chosen once more, with everything that is visible now. */
    askAgain: () => ask(draft),
    /** Ask what an edit would do, while a gesture goes on. @param {Edit} edit */
    preview(edit) {
      isDropped = false;
      client.submit(requestOf(draft, false, [], frame(), [edit]));
    },
    /** A gesture ended without an edit. A settled request that it has replaced is asked again. */
    dropPreview() {
      client.dropCoarse();
      isDropped = true;
      partial = {};
      showFrame(null);
      if (client.isWorking() || isAnswered()) show();
      else ask(draft);
    },
    goTo(/** @type {number} */ index) {
      error = "";
      client.submit({ type: "step", settled: true, index });
      show();
    },
    pin: (/** @type {number} */ index, /** @type {boolean} */ pinned) => client.send({ type: "pin", index, pinned }),
    compare: (/** @type {number} */ a, /** @type {number} */ b) => client.send({ type: "compare", a, b }),
    cancel() {
      client.cancel();
      if (!client.isWorking()) settle();
      show();
    },
    retry: client.retry,
    dismiss() {
      error = "";
      show();
    },
  };
}
