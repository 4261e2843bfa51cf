// Messages to the kernel about changes. During a gesture only the model in the browser changes, so that other views
// follow; when the gesture ends, one message is sent, and none if nothing has changed since it began.
import { onAbort } from "./dom.js";

/**
 * @template {string} Name traits that the view changes
 * @typedef {Object} Commits
 * @property {(name: Name, value: any) => void} set - change the model without a message to the kernel
 * @property {() => void} commit - the gesture has ended: send a message to the kernel if anything has changed
 * @property {() => void} commitThrottled - as `commit`, but not sooner than `pause` after the last one
 * @property {(name: Name) => void} noteExternalChange - the model was changed from elsewhere (Python, a linked view)
 * @property {() => boolean} isSetting - whether the current change event comes from `set`
 */

/**
 * @template {string} Name
 * @param {{get: (name: Name) => any, set: (name: Name, value: any) => void, save_changes: () => void}} model
 * @param {AbortSignal} signal
 * @param {number} [pause] minimum ms between two commits of `commitThrottled`
 * @returns {Commits<Name>}
 */
export function createCommits(model, signal, pause = 500) {
  /** The kernel's value of each trait changed since the last commit. @type {Map<Name, unknown>} */
  const kernelValues = new Map();
  let lastCommit = Number.NEGATIVE_INFINITY;
  let depth = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  onAbort(signal, () => clearTimeout(timer));

  const commit = () => {
    clearTimeout(timer);
    timer = undefined;
    const changed = [...kernelValues].some(([name, value]) => model.get(name) !== value);
    kernelValues.clear();
    if (!changed || signal.aborted) return;
    lastCommit = Date.now();
    try {
      model.save_changes();
    } catch {
      // The kernel is gone; the view works without it.
    }
  };
  return {
    set(name, value) {
      const before = model.get(name);
      if (before === value) return;
      if (!kernelValues.has(name)) kernelValues.set(name, before);
      depth++;
      try {
        model.set(name, value);
      } finally {
        depth--;
      }
    },
    commit,
    commitThrottled() {
      const wait = lastCommit + pause - Date.now();
      if (wait <= 0) commit();
      else if (timer === undefined) timer = setTimeout(commit, wait);
    },
    noteExternalChange(name) {
      if (kernelValues.has(name)) kernelValues.set(name, model.get(name));
    },
    isSetting: () => depth > 0,
  };
}
