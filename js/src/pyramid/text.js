// What the pyramid says in words, on hover, on focus and for readers: one place, so that they agree.
import { percent, verdict, whole } from "../tubes/text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./graph.js").Graph} Graph */

const IDENTITY = 1; // kind of an edge: conv 0, identity 1, concat 2
const COLOURS = ["red", "green", "blue"];
/** @type {Record<string, string>} */
const MEMBERS = { kernel: "kernels", sum: "channels", input: "colours" };

/** "kernel 17", "channel 3", "'kick'" @param {Content} content @param {number} unit */
export function shortName({ rows, units }, unit) {
  const { kind, first, names } = rows[units.row[unit]];
  const channel = units.channel[unit];
  if (kind === "class") return names[unit - first] ?? `class ${channel}`;
  if (kind === "input") return COLOURS[channel] ?? `channel ${channel}`;
  return `${kind === "sum" ? "channel" : "kernel"} ${channel}`;
}

/** "kernel 17 of layer2.conv1" @param {Content} content @param {number} unit */
export function unitName(content, unit) {
  const { kind, name } = content.rows[content.units.row[unit]];
  const own = shortName(content, unit);
  return kind === "class" ? own : `${own} of ${kind === "input" ? "the " : ""}${name}`;
}

/** "49 of 64 kernels" @param {Content} content @param {number} row @param {number} count of units that stay */
export const countWords = ({ rows }, row, count) =>
  rows[row].kind === "class" ? "class" : `${count} of ${rows[row].width} ${MEMBERS[rows[row].kind]}`;

/** "kernel 3 of layer3 (40 %), kernel 7 of layer3 (12 %)" @param {Content} content @param {Graph} graph @param {Uint8Array} stays @param {number} unit */
const parts = (content, graph, stays, unit) =>
  graph
    .below(unit, stays)
    .slice(0, 3)
    .map((edge) => `${unitName(content, content.edges.child[edge])} (${percent(content.edges.share[edge])})`)
    .join(", ");

/**
 * What a unit is, what it gets, where most of that goes, which way it helps, what it is made of.
 * @param {Content} content @param {Graph} graph @param {Uint8Array} stays @param {number} unit
 */
export function unitWords(content, graph, stays, unit) {
  const { units, edges, rows, explained } = content;
  const { kind, sees } = rows[units.row[unit]];
  const found = parts(content, graph, stays, unit);
  const local = kind === "sum" ? "; shares of a sum count only what is added there" : "";
  const of = found && ` Its largest parts: ${found}${local}.`;
  if (kind === "class") return `${shortName(content, unit)}, the class.${of}`;
  const said = [
    `${unitName(content, unit)}: gets ${percent(units.score[unit])} of the evidence for '${explained.name}'`,
  ];
  const [first, second] = graph.above(unit, stays);
  if (first !== undefined) {
    const way = edges.kind[first] === IDENTITY ? "is handed on unchanged" : "goes";
    said.push(
      `${second === undefined ? "all" : "the most"} from it ${way} to ${unitName(content, edges.parent[first])}`,
    );
    if (edges.contribution[first] < 0) said.push("it takes away there, which is what helps");
  }
  said.push(`${units.direction[unit] < 0 ? "less" : "more"} of its own output speaks for the class`);
  return `${said.join("; ")}.${of}${sees && ` One cell of it sees ${sees}.`}`;
}

/** A row as a whole. @param {Content} content @param {import("./layout.js").Band} band */
export function bandWords(content, { row, units, coverage }) {
  const words = `${content.rows[row].name}: ${countWords(content, row, units.length)}`;
  if (content.rows[row].kind === "class") return words;
  return `${words} carry ${percent(coverage)} of the evidence that leads here; the others, not shown, ${percent(1 - coverage)}.`;
}

/** What the view says while nothing is pointed at. @param {Content} content @param {Graph} graph @param {Uint8Array} stays */
export function headWords(content, graph, stays) {
  const found = parts(content, graph, stays, 0);
  const made = found ? `its largest parts are ${found}` : "at this threshold nothing below it is left";
  return `${verdict(content.explained)}: ${made}. The first tile of a row is its strongest; a tile shows where its kernel is active.`;
}

/** @param {Content} content @param {number} count @param {number} threshold */
export const prunedWords = ({ units }, count, threshold) =>
  `${whole(threshold)} of a row's strongest · ${count} of ${units.count} units`;
