// The pyramid as a graph: pruning, the strongest parents and children of a unit, and the evidence that kept units carry.

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {ReturnType<typeof createGraph>} Graph */

/** @param {Content} content */
export function createGraph({ rows, units, edges }) {
  const { child, parent, share } = edges;
  // Edges sorted by child: those from unit u to its parents are toParents[start[u]] to toParents[start[u + 1] - 1].
  const start = new Uint32Array(units.count + 1);
  for (const unit of child) start[unit + 1]++;
  for (let unit = 0; unit < units.count; unit++) start[unit + 1] += start[unit];
  const toParents = new Uint32Array(edges.count);
  const next = start.slice();
  for (let edge = 0; edge < edges.count; edge++) toParents[next[child[edge]]++] = edge;

  /** Fraction of the class's evidence that flows along an edge; negative if the child works against it. @param {number} edge */
  const flow = (edge) => share[edge] * units.score[parent[edge]];
  /** Edges from a unit to its parents. @param {number} unit */
  const parentsOf = (unit) => toParents.subarray(start[unit], start[unit + 1]);
  /** Edges whose end is kept, by descending weight. @param {Uint8Array} kept @param {Iterable<number>} among @param {Uint32Array} end @param {(edge: number) => number} weight */
  const ranked = (kept, among, end, weight) =>
    [...among].filter((edge) => kept[end[edge]]).sort((a, b) => weight(b) - weight(a) || a - b);
  return {
    flow,
    /**
     * Units that pruning keeps; the reference implementation is Pyramid.prune in Python.
     * @param {number} threshold @param {boolean} [against] keep units without evidence, which work against units above
     * @param {"path" | "score"} [by] keep units with a kept parent only, or all with a large score
     * @returns {Uint8Array} 1 for each kept unit, else 0
     */
    prune(threshold, against = true, by = "path") {
      const kept = new Uint8Array(units.count);
      for (const { kind, first, count } of rows) {
        let largest = 0;
        for (let unit = first; unit < first + count; unit++) largest = Math.max(largest, units.score[unit]);
        for (let unit = first; unit < first + count; unit++) {
          if (kind === "class") kept[unit] = 1;
          else if (units.score[unit] >= threshold * largest && (against || units.score[unit]))
            kept[unit] = Number(by === "score" || parentsOf(unit).some((edge) => kept[parent[edge]]));
        }
      }
      return kept;
    },
    /** Edges to the kept children of a unit, by descending share. @param {number} unit @param {Uint8Array} kept */
    below(unit, kept) {
      const length = edges.first[unit + 1] - edges.first[unit];
      const toChildren = Array.from({ length }, (_, k) => edges.first[unit] + k);
      return ranked(kept, toChildren, child, (edge) => share[edge]);
    },
    /** Edges to the kept parents of a unit, by descending flow. @param {number} unit @param {Uint8Array} kept */
    above: (unit, kept) => ranked(kept, parentsOf(unit), parent, flow),
    /** Number of a unit's parents, and whether all of them are pruned. @param {number} unit @param {Uint8Array} kept */
    parents: (unit, kept) => ({
      count: parentsOf(unit).length,
      arePruned: parentsOf(unit).length > 0 && !parentsOf(unit).some((edge) => kept[parent[edge]]),
    }),
    /** Edges from the class down, each to the child with the largest share, of those that lead on to the clip if there are any. @param {Uint8Array} kept */
    strongestPath(kept) {
      const leadsToClip = Uint8Array.from(
        kept,
        (isKept, unit) => isKept && Number(rows[units.row[unit]].kind === "input"),
      );
      /** @type {number[]} */
      const best = [];
      for (let unit = units.count - 1; unit >= 0; unit--) {
        for (let edge = edges.first[unit]; edge < edges.first[unit + 1] && !leadsToClip[unit]; edge++) {
          if (!kept[child[edge]] || share[edge] <= 0) continue; // the others are sorted by descending share
          if (best[unit] === undefined || leadsToClip[child[edge]]) best[unit] = edge;
          leadsToClip[unit] = leadsToClip[child[edge]];
        }
      }
      const path = [];
      const top = units.row.indexOf(rows.findIndex(({ kind }) => kind === "class"));
      for (let edge = best[top]; edge !== undefined; edge = best[child[edge]]) path.push(edge);
      return path;
    },
    /** Kept units of a row, by descending score. @param {number} row @param {Uint8Array} kept */
    keptUnits(row, kept) {
      const { first, count } = rows[row];
      return Array.from({ length: count }, (_, k) => first + k).filter((unit) => kept[unit]);
    },
    /** Fraction of the positive evidence reaching a row that its kept units carry. @param {number} row @param {Uint8Array} kept */
    coverage(row, kept) {
      const { first, count, coverage } = rows[row];
      let [total, carried] = [0, 0];
      for (let unit = first; unit < first + count; unit++) {
        total += units.score[unit];
        carried += kept[unit] * units.score[unit];
      }
      return total > 0 ? (coverage * carried) / total : 0;
    },
  };
}
