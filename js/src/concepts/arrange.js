// Which concepts are shown, and in which order.

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Row} Row */
/** @typedef {import("./traits.js").ViewState} ViewState */

export const SIGNIFICANT = 0.05; // largest q of an effect that is not called chance

/** What rows can be sorted by; the first one gives the order of Python. @param {Pick<Content, "fills">} content */
export const sortsOf = ({ fills }) =>
  fills.length ? [...fills.map(({ name }) => name), "evidence", "change"] : ["fraction", "evidence"];

/** Smallest q of a concept's effects; 0 if none was measured, so that no filter hides it. @param {Row} row */
export const smallestQ = ({ effects }) => (effects.length ? Math.min(...effects.map(({ q }) => q)) : 0);

/** Number that orders a row; "change" is that of the first fill. @param {Content} content @param {Row} row @param {string} sortBy */
function sortKey({ fills }, row, sortBy) {
  if (sortBy === "evidence") return row.evidence;
  if (sortBy === "change") return row.effects[0]?.change ?? 0;
  if (sortBy === "fraction") return row.tcav?.fraction ?? Number.NEGATIVE_INFINITY;
  return row.effects[fills.findIndex(({ name }) => name === sortBy)]?.value ?? 0;
}

/**
 * Indices of the concepts that pass the filters, the largest first; equal ones keep the order of Python.
 * @param {Content} content
 * @param {Pick<ViewState, "sort_by" | "max_q" | "min_presence">} view
 */
export function arrange(content, { sort_by, max_q, min_presence }) {
  const { rows, explained } = content;
  const passing = [...rows.keys()].filter(
    (k) => smallestQ(rows[k]) <= max_q && rows[k].present >= min_presence * explained.clips - 1e-9,
  );
  const keys = rows.map((row) => sortKey(content, row, sort_by));
  return passing.sort((a, b) => (keys[a] === keys[b] ? a - b : keys[b] - keys[a]));
}
