// Numbers and sentences of the concept viewer. Names are given by readers: they are inserted as text only.
import { counted, percent, quoted, short } from "../shared/text.js";
import { SIGNIFICANT, smallestQ } from "./arrange.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Row} Row */
/** @typedef {import("./traits.js").Effect} Effect */

export const MAX_NAME = 80; // letters
/** How a fill is applied, for a sentence. @type {Record<string, string>} */
const WITHOUT = { blur: "blurred", freeze: "frozen", mean: "in its mean colour", grey: "greyed" };
/** @type {Record<string, string>} */
const SORTS = { evidence: "evidence", change: "change without the model", fraction: "TCAV fraction" };

/** With its sign: "+0.17", "−0.17", "0". @param {number} value */
export const signed = (value) => (short(value) === "0" || value < 0 ? short(value) : `+${short(value)}`);

/** "q 0.005", "q below 0.001" @param {number} q */
export const qWords = (q) => (q < 0.001 ? "q below 0.001" : `q ${short(q)}`);

/** Decimals that tell a hundredth of a range. @param {number} range */
export const digitsOf = (range) => Math.min(Math.max(2 - Math.floor(Math.log10(range)), 0), 8);

/** "0.170", "−0.040" @param {number} value @param {number} digits */
export const fixed = (value, digits) =>
  `${value < 0 && Number(value.toFixed(digits)) ? "−" : ""}${Math.abs(value).toFixed(digits)}`;

/** "+0.170", "−0.040" @param {number} value @param {number} digits */
export const signedFixed = (value, digits) =>
  Number(value.toFixed(digits)) > 0 ? `+${fixed(value, digits)}` : fixed(value, digits);

/** "0.162 to 0.178" @param {Effect} effect @param {number} digits */
export const intervalWords = ({ low, high }, digits) => `${fixed(low, digits)} to ${fixed(high, digits)}`;

/** @param {Effect} effect @param {string} question @param {number} digits */
export function effectWords(effect, question, digits) {
  const { value, bar, q } = effect;
  const chance = q <= SIGNIFICANT ? "beyond chance" : "within chance";
  const moves = `${value < 0 ? "rises" : "falls"} by ${fixed(Math.abs(value), digits)} per 1 % of the clip`;
  return `${question} The score ${moves}, 95 % interval of the fall ${intervalWords(effect, digits)}; ${qWords(q)}, ${chance}; from the change of the clip alone ${fixed(bar, digits)}.`;
}

/** Lines on a concept below its name: what they say, and what the number means. @param {Content} content @param {Row} row @returns {[string, string][]} */
export function aboutLines({ explained }, { present, volume, evidence, tcav }) {
  /** @type {[string, string][]} */
  const lines = [
    [
      `in ${present} of ${counted(explained.clips, "clip")} · ${percent(volume)}`,
      "Clips in which the concept occurs, and the mean share of a clip that it covers",
    ],
    [
      `evidence ${signed(evidence)}`,
      "Mean over all clips of the evidence inside the concept, in units of the score: positive evidence is for the class",
    ],
  ];
  if (!tcav) return lines;
  lines.push([
    `CAV accuracy ${tcav.accuracy.toFixed(2)}`,
    `How well a direction of layer ${tcav.layer} tells the concept from the rest of its clips, on clips that were left out: 0.5 is chance`,
  ]);
  const fraction = tcav.fraction === null ? "refused" : tcav.fraction.toFixed(2);
  const why =
    tcav.fraction === null
      ? "Refused: the gradient is the same for every clip, so the fraction could only be 0 or 1"
      : "Share of the clips in which a step toward the concept raises the score";
  lines.push([`TCAV ${fraction} · p ${tcav.p < 0.001 ? "below 0.001" : short(tcav.p)}`, why]);
  return lines;
}

/** The sentence above the rows. @param {Content} content */
export function verdictWords({ rows, fills, explained }) {
  const { name, against, clips } = explained;
  const found = `${counted(rows.length, "concept")} of ${quoted(name, against)} in ${counted(clips, "clip")}`;
  if (!fills.length) return `${found}; their effects were not measured.`;
  const used = rows.filter((row) => smallestQ(row) <= SIGNIFICANT).length;
  const verdict = used > 1 ? `${used} of them have` : used ? "One of them has" : "None of them has";
  return `${found}. ${verdict} an effect beyond chance (q at most ${SIGNIFICANT}).`;
}

/** What was clustered, and whether other seeds give the same clusters. @param {Content} content */
export function originWords({ explained: { layer, units, stability } }) {
  return `${units} of layer ${layer}; stability ${stability.toFixed(2)} (1: other seeds find the same concepts, 0: chance)`;
}

/** Option of the menu that sorts. @param {string} name @param {Content} content */
export function sortWords(name, { fills }) {
  return fills.some((fill) => fill.name === name) ? `effect (${name})` : (SORTS[name] ?? name);
}

/** "3 of 12 concepts" @param {number} shown @param {Content} content */
export const shownWords = (shown, { rows }) =>
  shown === rows.length ? `all ${counted(shown, "concept")}` : `${shown} of ${counted(rows.length, "concept")}`;

/** Label of an exemplar. @param {Content} content @param {Row} row @param {number} position among the exemplars @param {string} name of the concept */
export function exemplarWords({ clips }, row, position, name) {
  return `${quoted(name)} in clip ${clips[row.exemplars[position]].name}, ${percent(row.shares[position])}: show large`;
}

/** Sentences about a concept in one clip. @param {Content} content @param {Row} row @param {number} position among the exemplars @param {string} name of the concept */
export function clipWords({ clips, fills, explained }, row, position, name) {
  const { probability, logit } = clips[row.exemplars[position]];
  const likely = probability === null ? `scores ${signed(logit)}` : percent(probability);
  const falls = fills.map((fill, f) => {
    const drop = row.drops[f][position];
    return `${WITHOUT[fill.name] ?? fill.name}, it ${drop < 0 ? "rises" : "falls"} by ${short(Math.abs(drop))}`;
  });
  return [
    `The clip is ${quoted(explained.name, explained.against)}: ${likely}.`,
    `${quoted(name)} covers ${percent(row.shares[position])} of it and holds ${signed(row.evidences[position])} of evidence.`,
    falls.length ? `The score without the concept: ${falls.join("; ")}.` : "",
  ].filter(Boolean);
}

/** What Python calls to show a concept in a clip. @param {number} concept @param {number} clip index in Python */
export const callOf = (concept, clip) => `concepts.tube(concepts.clips[${clip}], ${concept})`;

/**
 * A typed name without surrounding blanks, as Python takes it, or what is wrong with it. An empty one restores the default.
 * @param {string} typed
 * @param {string[]} names
 * @param {number} concept
 * @returns {{name: string} | {problem: string}}
 */
export function checkName(typed, names, concept) {
  const name = typed.replace(/\s+/gu, " ").trim() || `concept ${concept + 1}`;
  if ([...name].length > MAX_NAME) return { problem: `A name has at most ${MAX_NAME} letters.` };
  if (/[^\P{C} ]|[^\P{Z} ]/u.test(name)) return { problem: "A name has printable letters only." };
  if (names.some((other, k) => k !== concept && other === name))
    return { problem: "Another concept has this name; give a different one." };
  return { name };
}
