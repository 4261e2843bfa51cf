// Sentences of the pyramid viewer, for hover, focus and screen readers. Those on the pyramid, a row and a unit are those of
// notebook_explain/explanations/pyramid/text.py; both are tested with the same examples.
import { capitalised, counted, grouped, percent, wholePercent } from "../shared/text.js";
import { quotedTarget, verdict } from "../tubes/text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */

/** @type {Record<number, string>} By kind of an edge: conv 0, identity 1, concat 2, unknown 3. */
const NOTES = { 1: " (unchanged)", 3: " (link unknown)" };
const LEAST_REST = 0.001; // smaller remainders are not named
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

/** "49 of 64 kernels" @param {Content} content @param {number} row @param {number} count of units shown */
export const countWords = ({ rows }, row, count) =>
  `${grouped(count)} of ${counted(rows[row].width, ...NOUNS[hasColours(rows[row]) ? rows[row].kind : "sum"])}`;

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

/** The units that receive and lose most of the evidence by this one, and the number of others. @param {Content} content @param {Graph} graph @param {Uint8Array} kept @param {number} unit @param {string} favoured */
function outputSentences(content, graph, kept, unit, favoured) {
  const { parent, kind, contribution } = content.edges;
  const [fed, harmed] = bySign(content.edges, graph.above(unit, kept));
  const nameOf = (/** @type {number} */ edge) => unitName(content, parent[edge]);
  let text = "";
  if (fed.length) {
    const negative = contribution[fed[0]] < 0 ? ` Its contribution there is negative, which favours ${favoured}.` : "";
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
    return `${name}, ${explained.against ? "one of the two explained classes" : "the explained class"}.${inputs}`;
  }
  const favoured = explained.against ? "the difference" : "the class";
  const [more, output] = [units.direction[unit] < 0 ? "Lower" : "Higher", kind === "input" ? "intensity" : "output"];
  const evidence = units.score[unit] > 0 ? `${percent(units.score[unit])} of the positive` : "no positive";
  const stage = units.direction[unit] === units.mapDirection[unit] ? "" : " before norm and activation";
  return (
    `${name} carries ${evidence} evidence for ${quotedTarget(explained)}.` +
    `${outputSentences(content, graph, kept, unit, favoured)} ${more} ${output}${stage} favours ${favoured}.` +
    `${inputs}${receptiveFieldSentence(content, units.row[unit])}`
  );
}

/** "shown units carry 64 % of the evidence that reaches this layer" @param {number} coverage */
const carried = (coverage) => `shown units carry ${percent(coverage)} of the evidence that reaches this layer`;

/** "layer2 · 49 of 64 kernels · shown units carry 64 % of the evidence that reaches this layer" @param {Content} content @param {number} row @param {number} count of units shown @param {number} coverage */
export function rowWords(content, row, count, coverage) {
  const { name, kind } = content.rows[row];
  const parts = [name, countWords(content, row, count), ...(kind === "class" ? [] : [carried(coverage)])];
  return parts.join(" · ");
}

/** A row as a whole. @param {Content} content @param {Pick<import("./layout.js").Band, "row" | "units" | "coverage">} band */
export function bandWords(content, { row, units, coverage }) {
  const opposing = units.filter((unit) => content.units.score[unit] === 0).length;
  const verb = opposing === 1 ? "works" : "work";
  const against = opposing ? ` ${grouped(opposing)} of them only ${verb} against units above.` : "";
  const { name, kind } = content.rows[row];
  const shares = kind === "class" ? "" : ` ${capitalised(carried(coverage))}, the others ${percent(1 - coverage)}.`;
  return `${name}: ${countWords(content, row, units.length)}.${against}${shares}${receptiveFieldSentence(content, row)}`;
}

/** The verdict, the number of kernels shown, and the strongest path down. @param {Content} content @param {Graph} graph @param {Uint8Array} kept */
export function pyramidWords(content, graph, kept) {
  const { rows, units, explained } = content;
  const counts = rows.map(({ kind }, row) =>
    kind === "kernel" ? graph.keptUnits(row, kept).filter((unit) => units.score[unit] > 0).length : 0,
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  const [head, target] = [verdict(explained), quotedTarget(explained)];
  if (!total) return `${head}. No kernel carries evidence for ${target} at this threshold.`;
  const width = rows.reduce((sum, { width }, row) => sum + (counts[row] ? width : 0), 0);
  const layers = counted(counts.filter(Boolean).length, "layer");
  /** @type {string[]} */
  const path = [];
  for (let unit = units.row.indexOf(rows.findIndex(({ kind }) => kind === "class")); path.length < MAX_PATH; ) {
    const [strongest] = graph.below(unit, kept);
    if (strongest === undefined || content.edges.share[strongest] <= 0) break;
    unit = content.edges.child[strongest];
    path.push(unitName(content, unit));
  }
  const verb = total === 1 ? "carries" : "carry";
  const kernels = `${grouped(total)} of ${counted(width, ...NOUNS.kernel)}`;
  return (
    `${head}. ${kernels} in ${layers} ${verb} evidence for ${target}.` +
    `${path.length ? ` Strongest path: ${path.join(", ")}.` : ""}`
  );
}

/** Shown while nothing is selected or pointed at. @param {Content} content @param {Graph} graph @param {Uint8Array} kept */
export const headWords = (content, graph, kept) =>
  `${pyramidWords(content, graph, kept)} The first tile of each row is the strongest; each tile shows where its unit is active.`;

/** "showing all 302 units", "showing 120 of 302 units: at least 20 % of the row's largest score" @param {Content} content @param {number} count @param {number} threshold */
export function prunedWords({ units }, count, threshold) {
  if (count === units.count) return `showing all ${counted(units.count, "unit")}`;
  return `showing ${grouped(count)} of ${counted(units.count, "unit")}: at least ${wholePercent(threshold)} of the row's largest score`;
}
