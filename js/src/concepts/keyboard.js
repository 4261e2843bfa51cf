// Keys on the exemplars: arrows go from clip to clip and from row to row.
import { ARROWS } from "../shared/inputs.js";

/** @typedef {import("./row.js").Exemplar} Exemplar */

/**
 * The exemplar that a key leads to.
 * @param {Exemplar[][]} rows the exemplars shown, by row
 * @param {Exemplar} from
 * @param {string} key
 * @returns {Exemplar | undefined}
 */
export function nextExemplar(rows, { concept, position }, key) {
  const at = rows.findIndex((row) => row[0]?.concept === concept);
  if (key === "Home") return rows[at]?.[0];
  if (key === "End") return rows[at]?.at(-1);
  if (!ARROWS[key]) return undefined;
  const [right, down] = ARROWS[key];
  const row = rows[at + down];
  return row?.[down ? Math.min(position, row.length - 1) : position + right];
}
