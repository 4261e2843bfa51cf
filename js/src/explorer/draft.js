// What the reader has chosen: edits, class, method and knobs. It runs ahead of the traits while the kernel works, and
// follows them again when the kernel has answered.

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */
/** @typedef {import("./traits.js").EditState} EditState */
/** @typedef {Pick<ExplorerState, "target" | "against" | "method" | "knobs"> & {edits: EditState[]}} Draft */

/** What the traits say. @param {ExplorerState} state @returns {Draft} */
export const draftOf = ({ edit_list: edits, target, against, method, knobs }) => ({
  ...{ edits, target, against, method },
  knobs: knobs ?? {},
});

/** A request for a draft, with edits that a gesture adds. @param {Draft} draft @param {boolean} settled @param {string[]} wants @param {number} frame @param {import("./traits.js").Edit[]} [more] */
export const requestOf = ({ edits, ...chosen }, settled, wants, frame, more = []) => ({
  type: "request",
  settled,
  edits: [...edits.map(({ edit, enabled }) => ({ edit, enabled })), ...more.map((edit) => ({ edit, enabled: true }))],
  ...chosen,
  ...{ wants, frame },
});

/** Explain a class; the class that it is compared with changes places with it. @param {Draft} draft @param {number} target @returns {Draft} */
export const withTarget = (draft, target) => ({
  ...draft,
  target,
  against: draft.against === target ? null : draft.against,
});

/** Compare with a class, or no longer. @param {Draft} draft @param {number} against @returns {Draft} */
export const withAgainst = (draft, against) => ({
  ...draft,
  against: against === draft.target || against === draft.against ? null : against,
});

/** Set a knob of the chosen method; a default is left out. @param {Draft} draft @param {import("./traits.js").Field} knob @param {any} value @returns {Draft} */
export function withKnob(draft, { name, value: standard }, value) {
  const { [name]: _, ...others } = draft.knobs[draft.method] ?? {};
  const changed = value === standard ? others : { ...others, [name]: value };
  return { ...draft, knobs: { ...draft.knobs, [draft.method]: changed } };
}

/** Append edits. @param {Draft} draft @param {import("./traits.js").Edit[]} edits @returns {Draft} */
export const withEdits = (draft, edits) => ({
  ...draft,
  edits: [...draft.edits, ...edits.map((edit) => ({ edit, enabled: true }))],
});

/** Switch an edit on or off. @param {Draft} draft @param {number} index @returns {Draft} */
export const toggled = (draft, index) => ({
  ...draft,
  edits: draft.edits.map((edit, k) => (k === index ? { ...edit, enabled: !edit.enabled } : edit)),
});

/** Remove an edit. @param {Draft} draft @param {number} index @returns {Draft} */
export const removed = (draft, index) => ({ ...draft, edits: draft.edits.filter((_, k) => k !== index) });

/** Move an edit to another index. @param {Draft} draft @param {number} from @param {number} to @returns {Draft} */
export function moved(draft, from, to) {
  const edits = [...draft.edits];
  const [edit] = edits.splice(from, 1);
  edits.splice(Math.min(Math.max(to, 0), edits.length), 0, edit);
  return { ...draft, edits };
}
