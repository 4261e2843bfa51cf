// The traits of the explorer, which Python writes and the browser reads, and their validation.
import { isNumbers, isShape, isTexts, need, readFrames } from "../shared/validate.js";

/**
 * One trait per line; a Python test compares the names with the widget's class.
 * @typedef {Object} ExplorerState
 * @property {string} title - heading of the view; may be empty
 * @property {ClipState} clip_state - the clip before the edits, as the network sees it
 * @property {string[]} labels - all classes of the head
 * @property {string} kind - one of KINDS; a regression has no probabilities
 * @property {Scores} before - of the clip and the network without edits
 * @property {Scores} after - with the edits
 * @property {number} target - index of the class explained
 * @property {number | null} against - index of the class that it is compared with
 * @property {string} method - key of the chosen method
 * @property {Method[]} methods - the methods to choose from
 * @property {Record<string, Record<string, any>>} knobs - values of each method's knobs that differ from the default
 * @property {EditState[]} edit_list - the edits, in the order in which they are made
 * @property {EditKind[]} edit_kinds - the edits that the menu offers
 * @property {NetworkLayer[]} layers - the layers of the network, from input to output
 * @property {Record<string, any>} tubes - state of a tube viewer; empty if there are no tubes
 * @property {Record<string, any>} pyramid - state of a pyramid viewer; empty if there is none
 * @property {Animation | {}} animation - a clip that the method made
 * @property {Figure | {}} figure - a figure that the method made
 * @property {string} words - what changed
 * @property {string[]} caveats - limits of the explanation, one sentence each
 * @property {Step[]} history - the settled steps, oldest first
 * @property {number} step - index of the step shown
 * @property {string} error - words of the last error; empty if there is none
 */

/** @typedef {{size: number[], times: number[], frames: DataView[], picture?: Record<string, any>}} ClipState */
/** @typedef {{logits: number[], probabilities: number[] | null}} Scores one per class */
/** @typedef {{name: string, kind: string, value: any, low?: number | null, high?: number | null, choices?: string[], help?: string}} Field a value to choose, with its default and range */
/** @typedef {{key: string, name: string, help: string, makes: string, slow: boolean, knobs: Field[]}} Method `makes`: "tubes", "pyramid", "animation" or "figure" */
/** @typedef {{edit: string, [field: string]: any}} Edit name of the kind and its fields; those left out have their default */
/** @typedef {{edit: Edit, enabled: boolean, words?: string, code?: string}} EditState words and code are missing until the kernel has answered */
/** @typedef {{edit: string, name: string, help: string, of: string, fields: Field[]}} EditKind `of`: "clip" or "network" */
/** @typedef {{name: string, kind: string, shape: number[] | null, channels: number}} NetworkLayer */
/** @typedef {{frames: DataView[], text: string, rows: [string, string][]}} Animation */
/** @typedef {{png: DataView, text: string}} Figure */
/** @typedef {{id: number, words: string, edits: EditState[], target: number, against: number | null, method: string, knobs: Record<string, any>, code: string, pinned: boolean, top: [string, number]}} Step */
/** @typedef {import("../shared/model.js").WidgetModel<ExplorerState> & {send: (content: unknown) => void, hasKernel?: boolean}} ExplorerModel `hasKernel` is known only in a page */

export const KINDS = ["classes", "binary", "multilabel", "regression"];

/** @type {(keyof ExplorerState)[]} */
export const TRAITS = [
  "title",
  "clip_state",
  "labels",
  "kind",
  "before",
  "after",
  "target",
  "against",
  "method",
  "methods",
  "knobs",
  "edit_list",
  "edit_kinds",
  "layers",
  "tubes",
  "pyramid",
  "animation",
  "figure",
  "words",
  "caveats",
  "history",
  "step",
  "error",
];

/** Whether a state of a view holds anything. @param {object | null | undefined} state */
export const isFull = (state) => Object.keys(state ?? {}).length > 0;

/** Read and check all traits. @param {Pick<ExplorerModel, "get">} model @returns {ExplorerState} */
export function readState(model) {
  const state = /** @type {ExplorerState} */ (Object.fromEntries(TRAITS.map((name) => [name, model.get(name)])));
  const { clip_state: clip, labels, kind, target, against } = state;
  need(isShape(clip?.size), "`clip_state.size` must be three whole numbers above 0 (time, height, width)", clip?.size);
  readFrames({ get: () => clip.frames }, clip.size[0]);
  need(isTexts(labels) && labels.length > 0, "`labels` must hold the name of each class", labels);
  need(KINDS.includes(kind), `\`kind\` must be one of ${KINDS.join(", ")}`, kind);
  for (const name of /** @type {const} */ (["before", "after"])) {
    const { logits, probabilities } = state[name] ?? {};
    const isScores =
      isNumbers(logits, labels.length) && (probabilities === null || isNumbers(probabilities, labels.length));
    need(isScores, `\`${name}\` must hold a logit and a probability (or null) of each of ${labels.length} classes`, [
      logits?.length,
      probabilities?.length,
    ]);
  }
  const isLabel = (/** @type {unknown} */ index) => typeof index === "number" && index in labels;
  need(isLabel(target), `\`target\` must be the index of one of ${labels.length} classes`, target);
  need(against === null || isLabel(against), "`against` must be the index of a class, or null", against);
  for (const name of /** @type {const} */ (["methods", "edit_list", "edit_kinds", "layers", "history", "caveats"]))
    need(Array.isArray(state[name]), `\`${name}\` must be a list`, state[name]);
  return state;
}
