// The commit rule: while a gesture lasts the model changes in the browser alone, so that other views follow; when it
// ends the kernel hears of it once, and not at all where nothing changed in the end.
import { whenOver } from "./dom.js";

/**
 * @typedef {Object} Commits
 * @property {(name: import("../tubes/view_state.js").Movable, value: any) => void} set - change the model, tell no kernel
 * @property {() => void} commit - the gesture is over: tell the kernel, once, if anything changed
 * @property {() => void} commitAtMost - as `commit`, but never sooner than `pause` after the last one
 * @property {(delay: number) => void} commitLater - commit when nothing came for `delay` ms (a wheel has no end)
 * @property {(name: import("../tubes/view_state.js").Movable) => void} heard - the model changed by another hand (Python, a link)
 * @property {() => boolean} setting - whether a change now on its way is our own
 */

/**
 * @param {import("../tubes/traits.js").TubeModel} model
 * @param {AbortSignal} signal
 * @param {number} [pause] least ms between two commits of `commitAtMost`: two a second
 * @returns {Commits}
 */
export function createCommits(model, signal, pause = 500) {
  /** What the kernel believes of each trait that we changed since. @type {Map<import("../tubes/view_state.js").Movable, unknown>} */
  const believed = new Map();
  let last = Number.NEGATIVE_INFINITY;
  let depth = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  whenOver(signal, () => clearTimeout(timer));

  const commit = () => {
    clearTimeout(timer);
    timer = undefined;
    const changed = [...believed].some(([name, value]) => model.get(name) !== value);
    believed.clear();
    if (!changed || signal.aborted) return;
    last = Date.now();
    try {
      model.save_changes();
    } catch {
      // The kernel is gone. The view lives without it.
    }
  };
  const commitLater = (/** @type {number} */ delay) => {
    clearTimeout(timer);
    timer = setTimeout(commit, delay);
  };
  return {
    set(name, value) {
      const before = model.get(name);
      if (before === value) return;
      if (!believed.has(name)) believed.set(name, before);
      depth++;
      try {
        model.set(name, value);
      } finally {
        depth--;
      }
    },
    commit,
    commitLater,
    commitAtMost() {
      const wait = last + pause - Date.now();
      if (wait <= 0) commit();
      else if (timer === undefined) timer = setTimeout(commit, wait);
    },
    heard(name) {
      if (believed.has(name)) believed.set(name, model.get(name));
    },
    setting: () => depth > 0,
  };
}
