// Masks: where a concept is in a clip, from the grid of concepts. notebook_explain/explanations/concepts/cells.py is the
// reference implementation: each pixel takes the concept of the nearest cell, and all levels count.
import { StateError } from "../shared/validate.js";

/** @typedef {import("./traits.js").Content} Content */
/**
 * @typedef {Object} Masks
 * @property {(clip: number, concept: number, frame: number, out: Uint8Array) => void} write - 1 inside the concept, 0 elsewhere
 * @property {(clip: number, concept: number) => number} bestFrame - the frame in which the concept covers most
 */

/** @param {Uint8Array<ArrayBuffer>} data compressed by zlib */
async function inflate(data) {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Decompress the grid of each clip. Rejects with a StateError if one has another size. @param {Pick<Content, "masks" | "grid">} content */
export async function decodeGrids({ masks, grid }) {
  const cells = grid.shape.reduce((product, length) => product * length, 1);
  const decoded = await Promise.allSettled(masks.map(inflate));
  return decoded.map((result, index) => {
    if (result.status === "fulfilled" && result.value.length === cells) return result.value;
    throw new StateError(`\`masks[${index}]\` must hold ${cells} bytes, compressed`);
  });
}

/** Nearest row of a grid; of two, the first. @param {number[]} rows frame of each row @param {number} frame */
export function nearestRow(rows, frame) {
  let nearest = 0;
  for (const [k, row] of rows.entries()) if (Math.abs(row - frame) < Math.abs(rows[nearest] - frame)) nearest = k;
  return nearest;
}

/** Nearest cell along an axis of each of `samples` samples over `pixels` pixels; halves go up. @param {number} samples @param {number} pixels @param {number} origin @param {number} step @param {number} cells */
export function nearestCells(samples, pixels, origin, step, cells) {
  return Int32Array.from({ length: samples }, (_, s) => {
    const pixel = ((s + 0.5) * pixels) / samples - 0.5;
    return Math.min(Math.max(Math.floor((pixel - origin) / step + 0.5 + 1e-9), 0), cells - 1);
  });
}

/**
 * Masks of the concepts in frames of `height` x `width` samples.
 * @param {Pick<Content, "grid" | "size">} content
 * @param {Uint8Array[]} grids of each clip
 * @param {number} height
 * @param {number} width
 * @returns {Masks}
 */
export function createMasks({ grid, size }, grids, height, width) {
  const [levels, time, rows, columns] = grid.shape;
  const { rows: times, origin, step } = grid.geometry;
  const rowOf = Array.from({ length: size[0] }, (_, frame) => nearestRow(times, frame));
  const y = nearestCells(height, size[1], origin[0], step[0], rows);
  const x = nearestCells(width, size[2], origin[1], step[1], columns);
  const scratch = new Uint8Array(height * width);
  /** @param {number} clip @param {number} concept @param {number} frame @param {Uint8Array} out */
  const write = (clip, concept, frame, out) => {
    out.fill(0);
    for (let level = 0; level < levels; level++) {
      const first = (level * time + rowOf[frame]) * rows * columns;
      for (let r = 0, k = 0; r < height; r++) {
        const row = first + y[r] * columns;
        for (let c = 0; c < width; c++, k++) if (grids[clip][row + x[c]] === concept + 1) out[k] = 1;
      }
    }
  };
  return {
    write,
    bestFrame(clip, concept) {
      const covered = rowOf.map((row, frame) => {
        if (frame && rowOf[frame - 1] === row) return -1; // as the frame before
        write(clip, concept, frame, scratch);
        return scratch.reduce((sum, is) => sum + is, 0);
      });
      for (const [frame, count] of covered.entries()) if (count < 0) covered[frame] = covered[frame - 1];
      const most = Math.max(...covered);
      const best = [...covered.keys()].filter((frame) => covered[frame] === most);
      // Of several, the one in the middle.
      return best[(best.length - 1) >> 1];
    },
  };
}
