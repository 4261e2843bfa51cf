// Sentences of the pyramid viewer, for hover, focus and screen readers. Those on the pyramid, a row and a unit are those of
// notebook_explain/explanations/pyramid/text.py; both are tested with the same examples.
import { counted, grouped, percent, wholePercent } from "../shared/text.js";
import { isValue, quotedTarget, sides, verdict } from "../tubes/text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */

/** @type {Record<number, string>} By kind of an edge: conv 0, identity 1, concat 2, unknown 3. */
const NOTES = { 1: " (unchanged)", 3: " (link unknown)" };
const LEAST_REST = 0.001; // smaller remainders are not named
const LEAST_NUMBER = 0.001; // smaller contributions are "about 0"
const MAX_PATH = 4; // units of the strongest path in a sentence
const MAX_INPUTS = 3; // of a unit, for it and against it
const COLOURS = ["red", "green", "blue"];
/** @type {Record<string, [string, string]>} */
const NOUNS = {
  kernel: ["kernel", "kernels"],
  sum: ["channel", "channels"],
  class: ["class", "classes"],
  input: ["colour", "colours"],
};

/** "kernel 17", "channel 3", "'kick'" @param {Content} content @param {number} unit */
export function shortName({ rows, units }, unit) {
  const { kind, first, names } = rows[units.row[unit]];
  const channel = units.channel[unit];
  if (kind === "class") return names[unit - first] ?? `class ${channel}`;
  if (kind === "input") return names[unit - first] ?? COLOURS[channel] ?? `${channel}`;
  return `${NOUNS[kind][0]} ${channel}`;
}

/** "kernel 17 of layer2.conv1", "kernel 1 of layer 3" @param {Content} content @param {number} unit */
export function unitName(content, unit) {
  const { kind, name } = content.rows[content.units.row[unit]];
  const short = shortName(content, unit);
  const before = kind === "input" ? "the " : /^\d/.test(name) ? "layer " : "";
  return kind === "class" ? short : `${short} of ${before}${name}`;
}

/** False for a row of the clip whose channels are not red, green and blue. @param {Content["rows"][number]} row */
export const hasColours = ({ kind, names }) => kind !== "input" || !names.length;

/** What is explained, one and several. @param {Content} content @returns {[string, string]} */
const nounsOf = ({ explained }) => (isValue(explained) ? ["value", "values"] : NOUNS.class);

/** "evidence for 'wave'", "evidence that raises 'ESV'" @param {Content} content */
const evidenceFor = ({ explained }) =>
  `evidence ${isValue(explained) ? "that raises" : "for"} ${quotedTarget(explained)}`;

/** "49 of 64 kernels" @param {Content} content @param {number} row @param {number} count of units shown */
export function countWords(content, row, count) {
  const { width, kind } = content.rows[row];
  const nouns = kind === "class" ? nounsOf(content) : NOUNS[hasColours(content.rows[row]) ? kind : "sum"];
  return `${grouped(count)} of ${counted(width, ...nouns)}`;
}

/** Whether evidence against the name of what is explained is evidence for another name. @param {Content["explained"]} explained */
const hasNamedSides = (explained) => sides(explained)[0] !== "for" && !isValue(explained);

/**
 * What a link or a unit does: for the class and against it, by the names of what is explained.
 * @param {Content} content
 */
export function sideWords({ explained }) {
  if (isValue(explained)) return { raises: "raises the value", lowers: "lowers it", helps: "raises it" };
  const [raises, lowers] = sides(explained);
  if (hasNamedSides(explained)) return { raises, lowers, helps: `speaks ${raises}` };
  return { raises: "for the class", lowers: "against", helps: "helps" };
}

/** "+0.31 logits", "−0.052 ml", "about 0" @param {number} value @param {string} measure */
export function contributionWords(value, measure) {
  const size = Math.abs(value);
  const digits = size < 100 ? String(Number(size.toPrecision(2))) : size.toFixed(0);
  return `${size < LEAST_NUMBER ? "about 0" : (value < 0 ? "−" : "+") + digits} ${measure}`.trim();
}

/** Contribution and share of a link. @param {Content} content @param {number} edge */
function linkNumbers({ edges, explained }, edge) {
  if (edges.kind[edge] === 3) return `contribution unknown, about ${percent(edges.share[edge])}`;
  return `${contributionWords(edges.contribution[edge], explained.measure)}, ${signedPercent(edges.share[edge])}`;
}

/** The two units of a link, its contribution and its share. @param {Content} content @param {number} edge */
export function linkWords(content, edge) {
  const { child, parent, kind } = content.edges;
  const ends = `${unitName(content, child[edge])} to ${unitName(content, parent[edge])}`;
  const note = kind[edge] === 1 ? NOTES[1] : "";
  return `${ends}${note}: ${linkNumbers(content, edge)} of the positive contributions there.`;
}

/** A link beside the pointer: "7 → 12: +0.31 logits, 8 %" @param {Content} content @param {number} edge */
export const linkTip = (content, edge) =>
  `${shortName(content, content.edges.child[edge])} → ${shortName(content, content.edges.parent[edge])}: ${linkNumbers(content, edge)}`;

/** A unit beside the pointer: "kernel 7: +0.31 logits, 8 %" @param {Content} content @param {Uint8Array} kept @param {number} unit */
export function unitTip(content, kept, unit) {
  const { score, contribution } = content.units;
  const numbers = Number.isNaN(contribution[unit])
    ? ""
    : `${contributionWords(contribution[unit], content.explained.measure)}, `;
  return `${shortName(content, unit)}: ${numbers}${percent(score[unit])}${kept[unit] ? "" : " · parent pruned"}`;
}

/** Edges for the class, and those against it, the strongest first. @param {Content["edges"]} edges @param {number[]} ranked by descending share or flow */
function bySign({ share }, ranked) {
  const isAgainst = (/** @type {number} */ edge) => share[edge] < 0;
  return [ranked.filter((edge) => !isAgainst(edge)), ranked.filter(isAgainst).reverse()];
}

/** "12 %", "−12 %" @param {number} share */
const signedPercent = (share) => (share < 0 ? "−" : "") + percent(Math.abs(share));

/** " and 2 other units" @param {number[]} edges */
const andOthers = ({ length }) => (length > 1 ? ` and ${counted(length - 1, "other unit")}` : "");

/** @param {Content} content @param {Graph} graph @param {Uint8Array} kept @param {number} unit */
function inputSentence(content, graph, kept, unit) {
  const { rows, units, edges } = content;
  const [fed, harmed] = bySign(edges, graph.below(unit, kept));
  /** @param {string} start @param {number[]} chosen */
  const sentence = (start, chosen) => {
    const listed = chosen.slice(0, MAX_INPUTS).map((edge) => {
      return `${unitName(content, edges.child[edge])} (${signedPercent(edges.share[edge])})`;
    });
    return listed.length ? ` ${start}: ${listed.join(", ")}.` : "";
  };
  const local = rows[units.row[unit]].is_local ? " by share of the sum itself" : "";
  const text = sentence(`Largest inputs${local}`, fed) + sentence("Inputs against it", harmed);
  const rest = units.remainder[unit];
  if (!text || !(Math.abs(rest) >= LEAST_REST)) return text;
  return `${text} All inputs without a link together: ${rest > 0 ? "+" : ""}${signedPercent(rest)}.`;
}

/** The units that receive and lose most of the evidence by this one, and the number of others. @param {Content} content @param {Graph} graph @param {Uint8Array} kept @param {number} unit @param {string} favours */
function outputSentences(content, graph, kept, unit, favours) {
  const { parent, kind, contribution } = content.edges;
  const [fed, harmed] = bySign(content.edges, graph.above(unit, kept));
  const nameOf = (/** @type {number} */ edge) => unitName(content, parent[edge]);
  let text = "";
  if (fed.length) {
    const negative = contribution[fed[0]] < 0 ? ` Its contribution there is negative, which ${favours}.` : "";
    const mostly = fed.length > 1 ? "mostly " : "";
    text += ` It ${mostly}feeds ${nameOf(fed[0])}${NOTES[kind[fed[0]]] ?? ""}${andOthers(fed)}.${negative}`;
  }
  return harmed.length ? `${text} It works against ${nameOf(harmed[0])}${andOthers(harmed)}.` : text;
}

/** @param {Content} content @param {number} row */
function receptiveFieldSentence({ rows }, row) {
  const { kind, sees } = rows[row];
  return sees && kind !== "input" ? ` Receptive field: ${sees}.` : "";
}

/**
 * Sentences on a unit: the evidence it carries, the units it feeds, its direction, its inputs and its receptive field.
 * @param {Content} content @param {Graph} graph @param {Uint8Array} kept @param {number} unit
 */
export function unitWords(content, graph, kept, unit) {
  const { units, rows, explained } = content;
  const { kind } = rows[units.row[unit]];
  const name = unitName(content, unit);
  const inputs = inputSentence(content, graph, kept, unit);
  if (kind === "class") {
    const [one, several] = nounsOf(content);
    return `${name}, ${explained.against ? `one of the two explained ${several}` : `the explained ${one}`}.${inputs}`;
  }
  const noun = explained.against ? "difference" : nounsOf(content)[0];
  const favoured = hasNamedSides(explained) ? quotedTarget(explained) : `the ${noun}`;
  const favours = `${isValue(explained) ? "raises" : "favours"} ${favoured}`;
  const contribution = units.contribution[unit];
  const measured = Number.isNaN(contribution) ? "" : ` (${contributionWords(contribution, explained.measure)})`;
  const { count, arePruned } = graph.parents(unit, kept);
  const pruned = arePruned ? ` ${count > 1 ? "All its parents were" : "Its parent was"} pruned.` : "";
  const [more, output] = [units.direction[unit] < 0 ? "Lower" : "Higher", kind === "input" ? "intensity" : "output"];
  const evidence = units.score[unit] > 0 ? `${percent(units.score[unit])} of the positive` : "no positive";
  const stage = units.direction[unit] === units.mapDirection[unit] ? "" : " before norm and activation";
  return (
    `${name} carries ${evidence} ${evidenceFor(content)}${measured}.${pruned}` +
    `${outputSentences(content, graph, kept, unit, favours)} ${more} ${output}${stage} ${favours}.` +
    `${inputs}${receptiveFieldSentence(content, units.row[unit])}`
  );
}

/** "layer2 · 49 of 64 kernels · they carry 64 % of the evidence that reaches this layer" @param {Content} content @param {number} row @param {number} count of units shown @param {number} coverage */
export function rowWords(content, row, count, coverage) {
  const { name, kind } = content.rows[row];
  const carried = `${count === 1 ? "it carries" : "they carry"} ${percent(coverage)} of the evidence that reaches this layer`;
  return [name, countWords(content, row, count), ...(kind === "class" ? [] : [carried])].join(" · ");
}

/** A row as a whole: units shown, pruned and not in the pyramid, and the evidence of each part. @param {Content} content @param {{row: number, units: number[], coverage: number}} shown the units that are kept, and their coverage */
export function bandWords(content, { row, units, coverage }) {
  const { name, kind, width, count, coverage: whole } = content.rows[row];
  const head = `${name}: ${countWords(content, row, units.length)}`;
  const field = receptiveFieldSentence(content, row);
  if (kind === "class") return `${head} explained.${field}`;
  const [pruned, absent] = [count - units.length, width - count];
  const others = [pruned && `${grouped(pruned)} pruned`, absent > 0 && `${grouped(absent)} not in this pyramid`].filter(
    Boolean,
  );
  const rest = others.length ? ` (${others.join(", ")})` : "";
  const opposing = units.filter((unit) => content.units.score[unit] === 0).length;
  const only = opposing === 1 ? "unit only works" : "units only work";
  const against = opposing ? ` ${grouped(opposing)} shown ${only} against units above.` : "";
  const shown = units.length === 1 ? "The shown unit carries" : "Shown units carry";
  const shares = [`${shown} ${percent(coverage)} of the evidence that reaches this layer`];
  if (pruned) shares.push(`pruned units ${percent(whole - coverage)}`);
  if (absent > 0) shares.push(`the others ${percent(1 - whole)}`);
  return `${head} shown${rest}.${against} ${shares.join(", ")}.${field}`;
}

/** The verdict, the number of kernels shown, and the strongest path down. @param {Content} content @param {Graph} graph @param {Uint8Array} kept */
export function pyramidWords(content, graph, kept) {
  const { rows, units, explained } = content;
  const counts = rows.map(({ kind }, row) =>
    kind === "kernel" ? graph.keptUnits(row, kept).filter((unit) => units.score[unit] > 0).length : 0,
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  const head = verdict(explained);
  if (!total) return `${head}. No kernel carries ${evidenceFor(content)} at this threshold.`;
  const width = rows.reduce((sum, { width }, row) => sum + (counts[row] ? width : 0), 0);
  const layers = counted(counts.filter(Boolean).length, "layer");
  const path = graph
    .strongestPath(kept)
    .slice(0, MAX_PATH)
    .map((edge) => unitName(content, content.edges.child[edge]));
  const verb = total === 1 ? "carries" : "carry";
  const kernels = `${grouped(total)} of ${counted(width, ...NOUNS.kernel)}`;
  return (
    `${head}. ${kernels} in ${layers} ${verb} ${evidenceFor(content)}.` +
    `${path.length ? ` Strongest path: ${path.join(", ")}.` : ""}`
  );
}

/** Shown while nothing is selected or pointed at. @param {Content} content @param {Graph} graph @param {Uint8Array} kept */
export const headWords = (content, graph, kept) =>
  `${pyramidWords(content, graph, kept)} The first tile of each row is the strongest; each tile shows where its unit is active.`;

/** "showing all 302 units", "showing 120 of 302 units: at least 20 % of the row's largest score" @param {Content} content @param {number} count @param {number} threshold @param {number} [greyCount] units drawn grey */
export function prunedWords({ units }, count, threshold, greyCount = 0) {
  if (count === units.count) return `showing all ${counted(units.count, "unit")}`;
  const grey = greyCount ? `; ${grouped(greyCount)} more in grey: no parent is kept` : "";
  return `showing ${grouped(count)} of ${counted(units.count, "unit")}: at least ${wholePercent(threshold)} of the row's largest score${grey}`;
}
