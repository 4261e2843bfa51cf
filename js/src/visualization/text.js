// Numbers and sentences of the visualization viewer. Names come from models and files: they are inserted as text only.
import { counted, percent, short } from "../shared/text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Row} Row */
/** @typedef {import("./traits.js").Best} Best */
/** @typedef {{name: string, text: string, title: string}} Line a number in words: what it is of, the words, and what it means */

/** "'kick' (93 %)" @param {Best} best */
export const bestWords = ([best]) => (best ? `'${best.name}' (${percent(best.probability)})` : "nothing");

/** "1.7 × the best of 20 real clips" @param {Row} row */
export function comparedWords({ best_real, ratio, real_count }) {
  if (best_real === null) return "no real clips were given";
  const real = counted(real_count, "real clip");
  return ratio === null ? `the best of ${real} has ${short(best_real, 3)}` : `${short(ratio)} × the best of ${real}`;
}

/** What the start is called: "the still", or "the start" if it is a clip. @param {Content} content @param {Row} row */
export const startName = ({ lengths }, { start }) => (lengths[start] === 1 ? "the still" : "the start");

/** "after 40 of 120 steps" @param {Row} row @param {number} step index of the preview */
export function stepWords({ steps, is_moved }, step) {
  const [now, last] = [steps[Math.min(step, steps.length - 1)], steps[steps.length - 1]];
  if (now < last) return `after ${now} of ${counted(last, "step")}`;
  return is_moved ? `made clip, after ${counted(last, "step")}` : `unchanged after ${counted(last, "step")}`;
}

/** What the arrows over a made clip show. @param {import("./flow.js").Flow | null} flow @param {boolean} isLast whether the last step is shown */
export function arrowWords(flow, isLast) {
  if (!flow) return "made without a flow: no arrows";
  if (!isLast) return "arrows are of the last step";
  return `arrows: movement to the next frame${flow.times > 1 ? `, ${flow.times} × as long` : ""}`;
}

/** What readers must know of a made clip, the most important first. @param {Row} row */
export function warningsOf({ is_moved, best_real, score, ratio, facet }) {
  const warnings = [];
  if (!is_moved) warnings.push("no gradient reached the canvas: this clip is its start");
  if (best_real !== null && score > best_real)
    warnings.push(`score above anything real${ratio === null ? "" : `: ${short(ratio)} ×`}`);
  if (facet && !facet.is_nearest_own) warnings.push("nearer to the mean of another facet than to its own");
  return warnings;
}

/** Every number of a made clip in words. @param {Content} content @param {Row} row @returns {Line[]} */
export function linesOf(content, row) {
  const start = startName(content, row);
  return [
    {
      name: "score",
      text: `${short(row.score, 3)}: ${comparedWords(row)}`,
      title: "The objective for the made clip, and its largest value for a real clip",
    },
    ...networkLines(row, start),
    ...verdictLines(row),
    ...facetLines(row),
    ...motionLines(row),
    ...effortLines(row),
  ];
}

/** @param {Row} row @param {string} start @returns {Line[]} */
function networkLines({ best, start_best, start_score, control }, start) {
  const same = best.length > 0 && best[0].name === start_best[0]?.name ? "already " : "";
  const called = start_best.length ? ` and is ${same}called ${bestWords(start_best)}` : "";
  const lines = [
    {
      name: "start",
      text: `${start} alone scores ${short(start_score, 3)}${called}`,
      title: "What the clip was made from, without any change: what it scores already was not made",
    },
  ];
  if (best.length)
    lines.unshift({ name: "network", text: `calls it ${bestWords(best)}`, title: "Best class of the network itself" });
  if (control.length)
    lines.push({
      name: "random flow",
      text: `called ${bestWords(control)}`,
      title: "What the network calls the still under a random flow as large as this one",
    });
  return lines;
}

/** @param {Row} row @returns {Line[]} */
function verdictLines({ verdicts }) {
  if (!verdicts.length)
    return [
      {
        name: "other networks",
        text: "not checked by another network",
        title: "checked_by(model) asks a network that took no part",
      },
    ];
  return verdicts.map(({ model, best, shuffled, names_target }) => ({
    name: "other network",
    text: `${model}: ${bestWords(best)}${targetWords(names_target)}; frames shuffled: ${bestWords(shuffled)}`,
    title: "What a network that took no part calls the clip, and the same frames in a random order",
  }));
}

/** @param {boolean | null} names_target */
const targetWords = (names_target) => (names_target === null ? "" : names_target ? ", the target" : ", not the target");

/** @param {Row} row @returns {Line[]} */
function facetLines({ facet }) {
  if (!facet) return [];
  return [
    {
      name: "facet",
      text: `${facet.index + 1} of ${facet.count}, ${counted(facet.size, "real clip")}; cosine ${short(facet.cosine, 3)} to its mean, at ${short(facet.spread)} × the spread of its clips`,
      title:
        "Between the features of the made clip and the mean of the facet; and their distance as a multiple of the mean distance of the facet's clips",
    },
  ];
}

/** @param {Row} row @returns {Line[]} */
const motionLines = ({ motion }) =>
  motion === null
    ? []
    : [
        {
          name: "motion",
          text: `${short(motion)} × real clips`,
          title: "Typical change between frames, against the median of the real clips",
        },
      ];

/** @param {Row} row @returns {Line[]} */
function effortLines({ restarts, steps, seconds }) {
  const best = restarts.length > 1 ? ` (best of ${restarts.map((one) => short(one, 3)).join(", ")})` : "";
  const started = restarts.length > 1 ? `, ${counted(restarts.length, "start")}${best}` : "";
  return [
    {
      name: "made in",
      text: `${counted(steps[steps.length - 1], "step")}, ${short(seconds)}\u00a0s${started}`,
      title: "Steps of the optimisation, time, and the objective that each start reached",
    },
  ];
}

/** Caption of the nearest real clip. @param {Row} row */
export function nearestWords({ nearest, real_count }) {
  if (!nearest) return real_count ? "no nearest real clip was measured" : "no real clips were given";
  return `nearest real clip: '${nearest.label}', at ${short(nearest.distance)} × the typical distance`;
}

/** Label of the button that shows a made clip large. @param {Row} row */
export const buttonWords = ({ name, best }) =>
  `made for '${name}'${best.length ? `, called ${bestWords(best)}` : ""}: show large`;

/** Sentence on a curve, for screen readers. @param {Row} row */
export function curveWords({ curve: { steps, values }, name }) {
  const [first, last] = [values[0], values[values.length - 1]];
  const words = (/** @type {number | null} */ value) => (value === null ? "not a number" : short(value, 3));
  return `Objective of '${name}' over ${counted(steps[steps.length - 1] + 1, "step")}: from ${words(first)} to ${words(last)}`;
}
