// One concept: its name and numbers, the clips that show it, and its effects.
import { h } from "../shared/dom.js";
import { createEffectChart } from "./effect_chart.js";
import { createNameInput } from "./name_input.js";
import { aboutLines, exemplarWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {{concept: number, position: number, button: HTMLButtonElement, canvas: HTMLCanvasElement}} Exemplar `position`: among the exemplars of its concept */
/** @typedef {ReturnType<typeof createRow>} ConceptRow */

const SIDE = 256; // longer side of the canvas: sharp when it is enlarged

/** A canvas of the shape of a clip. @param {Content} content @param {number} side pixels of the longer side */
export function createClipCanvas({ size: [, height, width] }, side) {
  const scale = side / Math.max(height, width);
  const canvas = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.style.aspectRatio = `${width} / ${height}`;
  return canvas;
}

/**
 * @param {Content} content
 * @param {number} concept
 * @param {[number, number]} axis of all charts
 * @param {() => string[]} getNames
 * @param {(name: string) => void} rename
 * @param {AbortSignal} signal
 */
export function createRow(content, concept, axis, getNames, rename, signal) {
  const row = content.rows[concept];
  const name = createNameInput(concept, getNames, rename, signal);
  const rank = h("span", { class: "ne-rank", "aria-hidden": "true" });
  const lines = aboutLines(content, row).map(([text, title]) => h("p", { title }, text));
  const exemplars = row.exemplars.map((clip, position) => {
    const canvas = createClipCanvas(content, SIDE);
    const attributes = { type: "button", class: "ne-exemplar", "data-clip": content.clips[clip].index };
    const button = h("button", { ...attributes, tabindex: position ? -1 : 0, "aria-expanded": "false" }, canvas);
    return { concept, position, button, canvas };
  });
  const clips = h("div", { class: "ne-exemplars", role: "group" }, ...exemplars.map(({ button }) => button));
  const charts = row.effects.map((effect, f) => createEffectChart(effect, content.fills[f].question, axis));
  const element = h(
    "li",
    { class: "ne-concept", "data-concept": concept },
    h("div", { class: "ne-about" }, h("div", { class: "ne-heading" }, rank, name.element), ...lines),
    clips,
    ...charts,
  );
  return {
    element,
    exemplars,
    /** @param {import("./traits.js").ViewState} view @param {number} index in the order shown, from 0 */
    show({ names, selected }, index) {
      name.show();
      rank.textContent = String(index + 1);
      clips.setAttribute("aria-label", `clips that show '${names[concept]}'`);
      for (const { position, button } of exemplars) {
        button.setAttribute("aria-label", exemplarWords(content, row, position, names[concept]));
        const clip = content.clips[row.exemplars[position]].index;
        button.ariaExpanded = String(selected[0] === concept && selected[1] === clip);
      }
    },
  };
}
