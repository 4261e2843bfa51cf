// The pyramid as a graph: what a threshold keeps, who gives most to whom, what the others carry.

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {ReturnType<typeof createGraph>} Graph */

/** @param {Content} content */
export function createGraph({ rows, units, edges }) {
  const { child, parent, share } = edges;
  // The edges sorted by child too: those above unit u are above[start[u]] to above[start[u + 1] - 1].
  const start = new Uint32Array(units.count + 1);
  for (const unit of child) start[unit + 1]++;
  for (let unit = 0; unit < units.count; unit++) start[unit + 1] += start[unit];
  const above = new Uint32Array(edges.count);
  const next = start.slice();
  for (let edge = 0; edge < edges.count; edge++) above[next[child[edge]]++] = edge;

  /** How much of the class's evidence goes along an edge. @param {number} edge */
  const flow = (edge) => share[edge] * units.score[parent[edge]];
  /** @param {Uint8Array} stays @param {Iterable<number>} among @param {Uint32Array} end @param {(edge: number) => number} weight */
  const ranked = (stays, among, end, weight) =>
    [...among].filter((edge) => stays[end[edge]]).sort((a, b) => weight(b) - weight(a) || a - b);
  return {
    flow,
    /**
     * Which units stay at a threshold: notebook_explain.explanations.Pyramid.prune, which is the oracle.
     * @param {number} threshold
     * @returns {Uint8Array} 1 for each unit that stays
     */
    prune(threshold) {
      const stays = new Uint8Array(units.count);
      for (const { kind, first, count } of rows) {
        let most = 0;
        for (let unit = first; unit < first + count; unit++) most = Math.max(most, units.score[unit]);
        for (let unit = first; unit < first + count; unit++) {
          if (kind === "class") stays[unit] = 1;
          else if (units.score[unit] >= threshold * most)
            stays[unit] = Number(above.subarray(start[unit], start[unit + 1]).some((edge) => stays[parent[edge]]));
        }
      }
      return stays;
    },
    /** The edges to a unit's children that stay, the largest share first. @param {number} unit @param {Uint8Array} stays */
    below(unit, stays) {
      const own = Array.from({ length: edges.first[unit + 1] - edges.first[unit] }, (_, k) => edges.first[unit] + k);
      return ranked(stays, own, child, (edge) => share[edge]);
    },
    /** The edges to its parents that stay, the largest flow first. @param {number} unit @param {Uint8Array} stays */
    above: (unit, stays) => ranked(stays, above.subarray(start[unit], start[unit + 1]), parent, flow),
    /** The units of a row that stay, by descending score. @param {number} row @param {Uint8Array} stays */
    of(row, stays) {
      const { first, count } = rows[row];
      return Array.from({ length: count }, (_, k) => first + k).filter((unit) => stays[unit]);
    },
    /** How much of the positive evidence that leads to a row the units that stay carry. @param {number} row @param {Uint8Array} stays */
    coverage(row, stays) {
      const { first, count, coverage } = rows[row];
      let [all, kept] = [0, 0];
      for (let unit = first; unit < first + count; unit++) {
        all += units.score[unit];
        kept += stays[unit] * units.score[unit];
      }
      return all > 0 ? (coverage * kept) / all : 0;
    },
  };
}
