// Texts of the explorer.
import { counted, percent, short } from "../shared/text.js";

/** @typedef {import("./traits.js").ExplorerState} ExplorerState */
/** @typedef {import("./traits.js").EditState} EditState */

/** Notice about the connection to the kernel; empty while there is one. @param {import("./client.js").Connection} connection */
export function connectionWords({ kernel, heard }) {
  if (kernel === "none")
    return "No kernel: this is the last result. Frames, layers, thresholds and colours can be changed; for edits, other classes and other methods, run the cell in a notebook.";
  if (kernel === "ready") return "";
  return heard
    ? "The kernel is busy or gone. What you asked for last is kept."
    : "No kernel answers: this is the last result. It is busy, or the cell has to run again.";
}

/** What a request is doing, "Pyramid · 3 of 8 · about 5 s left". @param {{stage?: string, done?: number, total?: number, left?: number | null} | null} progress */
export function progressWords(progress) {
  if (!progress) return "Working …";
  const { stage, done, total, left } = progress;
  const time = typeof left === "number" ? `about ${left < 1 ? "1" : Math.round(left)}\u00a0s left` : "";
  return [stage, total ? `${done} of ${total}` : "", time].filter(Boolean).join(" · ");
}

/** Value of a class: a probability in percent, else the logit. @param {import("./traits.js").Scores} scores @param {number} index */
export const valueWords = ({ probabilities, logits }, index) =>
  probabilities ? percent(probabilities[index]) : short(logits[index], 3);

/** "frames 5 to 9 of 16"; spans are half open. @param {[number, number] | null} span @param {number} frames */
export const spanWords = (span, frames) =>
  span === null
    ? `all ${counted(frames, "frame")}`
    : span[1] - span[0] === 1
      ? `frame ${span[0] + 1} of ${frames}`
      : `frames ${span[0] + 1} to ${span[1]} of ${frames}`;

/** What an edit does, or the name of its kind until the kernel has said it. @param {EditState} edit @param {ExplorerState["edit_kinds"]} kinds */
export const editWords = ({ words, edit }, kinds) =>
  words || `${kinds.find((kind) => kind.edit === edit.edit)?.name ?? edit.edit} …`;

/** "layer3.1 · block · 4 × 14 × 14 · 256 channels" @param {import("./traits.js").NetworkLayer} layer @param {boolean} hasMap */
export const layerWords = ({ name, kind, shape, channels }, hasMap) =>
  [name, kind, shape?.join(" × ") ?? "", counted(channels, "channel"), hasMap ? "" : "no map"]
    .filter(Boolean)
    .join(" · ");
