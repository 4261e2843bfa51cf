// The values of a map on the CPU: at a pixel of the clip, and where a line of sight through the box meets the evidence or
// the frame. The rules are those of the shader: trilinear between cell centres, linear between frames.
import { signsOf } from "../../shared/colormaps.js";
import { cellAt, rowAt } from "../../shared/interpolate.js";
import { basisOf, halfBox } from "./camera.js";

/** @typedef {import("../layer_values.js").Field} Field */
/** @typedef {{frame: number, x: number, y: number, value?: number, peak?: number}} Point index of a frame and pixel of the clip; where a surface is met, its value and the strongest value behind it */

const STEPS = 512; // of a line of sight: finer than the pixels of most clips

/**
 * Value of a map, as a fraction of its scale.
 * @param {number} frames of the clip
 * @param {Pick<Field, "values" | "shape" | "geometry">} field
 * @param {number} x pixel; so is `y`; pixel centres are whole numbers
 * @param {number} y
 * @param {number} frame fractional between two frames
 */
export function sampleAt(frames, { values, shape: [, h, w], geometry: { rows, origin, step } }, x, y, frame) {
  const [cellY, cellX] = [cellAt(y, origin[0], step[0], h), cellAt(x, origin[1], step[1], w)];
  const at = Math.min(Math.max(frame, 0), frames - 1);
  let sum = 0;
  for (const [f, inTime] of neighbours(at)) {
    for (const [row, inRows] of inTime ? neighbours(rowAt(rows, f)) : []) {
      for (const [r, down] of neighbours(cellY)) {
        for (const [c, across] of neighbours(cellX)) {
          const weight = inTime * inRows * down * across;
          if (weight) sum += weight * values[(row * h + r) * w + c]; // beyond the last cell the weight is 0
        }
      }
    }
  }
  return sum;
}

/** The whole numbers around a position, and their weights. @param {number} position */
function neighbours(position) {
  const low = Math.floor(position);
  return [
    [low, 1 - position + low],
    [low + 1, position - low],
  ];
}

/**
 * Follow a line of sight from the viewer into the box.
 * @param {number[]} size clip: [time, height, width]
 * @param {Field} field
 * @param {Pick<import("../view_state.js").ViewState, "frame" | "threshold" | "sign">} view
 * @param {import("./camera.js").Camera} camera
 * @param {number} right world units from the centre of the picture; so is `up`
 * @param {number} up
 * @returns {Point | null} the surface of the evidence at or above the threshold, or the frame if it is met first
 */
export function castRay(size, field, view, camera, right, up) {
  const [frames] = size;
  const [basis, half, signs] = [basisOf(camera), halfBox(size), signsOf(view.sign)];
  const threshold = Math.max(view.threshold - 1e-4, 2e-3); // as in renderer.js
  // In box coordinates: 0..1 along x, y (down) and time.
  const toBox = half.map((extent, axis) => (axis ? -0.5 : 0.5) / extent);
  const start = toBox.map((factor, axis) => 0.5 + factor * (right * basis.right[axis] + up * basis.up[axis]));
  const ray = toBox.map((factor, axis) => -factor * basis.back[axis] || 1e-9);
  const ends = ray.map((part, axis) => [-start[axis] / part, (1 - start[axis]) / part]);
  const enter = Math.max(...ends.map((pair) => Math.min(...pair)));
  const exit = Math.min(...ends.map((pair) => Math.max(...pair)));
  if (enter >= exit) return null;
  const slab = ((view.frame + 0.5) / frames - start[2]) / ray[2];
  const end = slab >= enter && slab <= exit ? slab : exit;
  /** @type {Point | null} */
  let met = null;
  for (let k = 0; k <= STEPS; k++) {
    const t = enter + ((end - enter) * k) / STEPS;
    const at = start.map((part, axis) => (part + t * ray[axis]) * size[2 - axis]);
    const value = sampleAt(frames, field, at[0] - 0.5, at[1] - 0.5, at[2] - 0.5);
    const isInside = Math.max(value * signs.positive, -value * signs.negative) >= threshold;
    if (met && !isInside) return met;
    if (met && Math.abs(value) > Math.abs(met.peak ?? 0)) met.peak = value;
    const isFrame = k === STEPS && end === slab;
    if (met || !(isInside || isFrame)) continue;
    const [x, y, frame] = at.map((part, axis) => Math.min(Math.max(Math.floor(part), 0), size[2 - axis] - 1));
    met = isFrame ? { x, y, frame: view.frame } : { x, y, frame, value, peak: value };
  }
  return met;
}
