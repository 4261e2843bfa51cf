// One made clip: beside its start and the nearest real clip, with its numbers in words and its objective over the steps.
import { h } from "../shared/dom.js";
import { createCurve } from "./curve.js";
import { arrowWords, buttonWords, linesOf, nearestWords, startName, stepWords, warningsOf } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Row} Row */
/** @typedef {ReturnType<typeof createCard>} Card */

const CRISP_SIDE = 160; // pixels; smaller clips are enlarged with visible pixels

/** @param {Content} content @param {Record<string, string>} attributes */
function createCanvas({ size: [, height, width], sheet }, attributes) {
  const canvas = h("canvas", { ...attributes, width: sheet.size[1], height: sheet.size[0] });
  canvas.style.aspectRatio = `${width} / ${height}`;
  if (Math.max(...sheet.size) <= CRISP_SIDE) canvas.style.imageRendering = "pixelated";
  return canvas;
}

/** @param {Content} content @param {number} clip @param {string} words */
const createClip = (content, clip, words) => ({
  clip,
  canvas: createCanvas(content, { role: "img", "aria-label": words }),
});

/** @param {string} kind @param {HTMLElement} picture @param {...(HTMLElement | string)} words */
const createFigure = (kind, picture, ...words) =>
  h("figure", { "data-kind": kind }, picture, h("figcaption", {}, ...words));

/** @param {Content} content @param {Row} row */
function createNumbers(content, row) {
  const warnings = warningsOf(row).map((text) => h("li", {}, text));
  const lines = linesOf(content, row).flatMap(({ name, text, title }) => [
    h("dt", { title }, name),
    h("dd", { title }, text),
  ]);
  return [h("ul", { class: "ne-warnings", hidden: !warnings.length }, ...warnings), h("dl", {}, ...lines)];
}

/** Real clips of a facet, small. @param {Content} content @param {Row} row */
function createMembers(content, { facet }) {
  const members = (facet?.members ?? []).map(({ clip, label, name }) => {
    const made = createClip(content, clip, `real clip of the facet: '${label}'`);
    return { ...made, element: h("figure", { title: name }, made.canvas, h("figcaption", {}, label)) };
  });
  const more = (facet?.size ?? 0) - members.length;
  const words =
    more > 0 ? `real clips of the facet, the nearest to its mean (${more} more)` : "real clips of the facet";
  const element = h(
    "div",
    { class: "ne-members", hidden: !members.length, role: "group", "aria-label": words },
    h("p", {}, words),
    h("div", {}, ...members.map((member) => member.element)),
  );
  return { element, members };
}

/** @param {Content} content @param {number} index */
export function createCard(content, index) {
  const row = content.rows[index];
  const made = createCanvas(content, { class: "ne-made", "aria-hidden": "true" });
  const arrows = h("canvas", { class: "ne-arrows", "aria-hidden": "true", hidden: true });
  const button = h(
    "button",
    { type: "button", class: "ne-show", "aria-label": buttonWords(row), "aria-expanded": "false" },
    made,
    arrows,
  );
  const start = createClip(content, row.start, `${startName(content, row)} that '${row.name}' was made from`);
  const nearest = row.nearest && createClip(content, row.nearest.clip, nearestWords(row));
  const stepText = h("span", {});
  const arrowText = h("span", { class: "ne-hint", hidden: true });
  const real = nearest?.canvas ?? h("div", { class: "ne-no-clip" });
  real.style.aspectRatio = made.style.aspectRatio;
  const about = `Between features of ${content.layer}; 1 is typical between a real clip and its nearest real clip`;
  const nearestCaption = h("span", { title: nearest ? about : "" }, nearestWords(row));
  const pictures = h(
    "div",
    { class: "ne-pictures" },
    createFigure("start", start.canvas, `${startName(content, row)} it was made from`),
    createFigure("made", button, stepText, arrowText),
    createFigure("nearest", real, nearestCaption),
  );
  const curve = createCurve(row);
  const { element: memberList, members } = createMembers(content, row);
  const element = h(
    "li",
    { class: "ne-card", "data-index": index },
    h("p", { class: "ne-heading" }, h("b", {}, row.name), " ", h("code", {}, row.objective)),
    pictures,
    h("div", { class: "ne-numbers" }, ...createNumbers(content, row)),
    h("div", { class: "ne-more" }, curve.element, memberList),
  );
  return {
    ...{ index, element, button, made, arrows },
    /** Canvases of real clips and of the start. */
    others: [start, ...(nearest ? [nearest] : []), ...members],
    /** @param {import("./traits.js").ViewState} view @param {import("./flow.js").Flow | null} flow */
    show({ selected, step, arrows: hasArrows }, flow) {
      const isLarge = selected === index;
      element.classList.toggle("ne-large", isLarge);
      button.ariaExpanded = String(isLarge);
      stepText.textContent = stepWords(row, step);
      arrowText.hidden = !hasArrows;
      arrowText.textContent = arrowWords(flow, step >= row.steps.length - 1);
      curve.show(step);
    },
  };
}
