// An orthographic camera that orbits a box. Seen from the front, the box spans x to the right, y up (image rows run down)
// and time away from the viewer; the unit is the longer side of the frame.

import { isNumbers } from "../../shared/validate.js";

/** @typedef {number[]} Vector */
/** @typedef {{yaw: number, pitch: number, zoom: number}} Camera yaw and pitch in radians, zoom as a factor */
/** @typedef {{right: Vector, up: Vector, back: Vector}} Basis unit vectors; `back` points to the viewer */

const QUARTER_TURN = Math.PI / 2;

/** Named views. The front view shows the first frame; in the side and top views time runs from left to right. */
export const VIEWS = {
  reset: { yaw: 0.9, pitch: 0.4, zoom: 1 },
  front: { yaw: 0, pitch: 0, zoom: 1 },
  side: { yaw: QUARTER_TURN, pitch: 0, zoom: 1 },
  top: { yaw: QUARTER_TURN, pitch: QUARTER_TURN, zoom: 1 },
};

/** @param {Vector} a @param {Vector} b */
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** @param {Camera} camera @param {number} right radians @param {number} down radians */
export function turn(camera, right, down) {
  camera.yaw = (camera.yaw - right) % (4 * QUARTER_TURN);
  camera.pitch = Math.min(Math.max(camera.pitch + down, -QUARTER_TURN), QUARTER_TURN);
}

/** @param {Camera} camera @param {number} factor */
export function zoomBy(camera, factor) {
  camera.zoom = Math.min(Math.max(camera.zoom * factor, 0.4), 8);
}

/** A movable camera, shared by one view or several; dispatches "moved". */
export class Orbit extends EventTarget {
  /** @type {Camera} */
  camera = { ...VIEWS.reset };
  /** Name of the current view, or "free". @type {string} */
  view = "reset";

  /** @param {unknown} [camera] yaw, pitch and zoom to start with; ignored unless it is three numbers */
  constructor(camera) {
    super();
    if (!isNumbers(camera, 3)) return;
    this.view = "free";
    Object.assign(this.camera, { yaw: camera[0], pitch: camera[1], zoom: camera[2] });
    turn(this.camera, 0, 0); // within their limits
    zoomBy(this.camera, 1);
  }

  /** @param {keyof typeof VIEWS} view */
  lookFrom(view) {
    Object.assign(this.camera, VIEWS[view]);
    this.#moved(view);
  }

  /** @param {number} right radians @param {number} down radians */
  turn(right, down) {
    turn(this.camera, right, down);
    this.#moved("free");
  }

  /** @param {number} factor */
  zoom(factor) {
    zoomBy(this.camera, factor);
    this.#moved("free");
  }

  /** @param {string} view */
  #moved(view) {
    this.view = view;
    this.dispatchEvent(new Event("moved"));
  }
}

/** @param {Camera} camera @returns {Basis} */
export function basisOf({ yaw, pitch }) {
  const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  return { right: [cy, 0, -sy], up: [-sy * sp, cp, -cy * sp], back: [sy * cp, sp, cy * cp] };
}

/**
 * Half extents of the box in world units.
 * @param {number[]} size clip: [time, height, width]
 * @returns {Vector} x, y, time
 */
export function halfBox([time, height, width]) {
  const longer = Math.max(height, width);
  // Short clips are kept shallow, long ones are compressed.
  const depth = Math.min(Math.max(time * 0.1, 0.5), 1.5);
  return [width / longer / 2, height / longer / 2, depth / 2];
}

/** Length of the box along a direction. @param {Vector} axis @param {Vector} half */
export const extent = (axis, half) => 2 * axis.reduce((sum, part, k) => sum + Math.abs(part) * half[k], 0);

/**
 * Pixels per world unit at which the rotated box fills the canvas up to a margin.
 * @param {Basis} basis
 * @param {Vector} half
 * @param {number} width pixels
 * @param {number} height pixels
 * @param {number} margin pixels
 */
export function scaleToFit(basis, half, width, height, margin) {
  return Math.max(
    Math.min((width - 2 * margin) / extent(basis.right, half), (height - 2 * margin) / extent(basis.up, half)),
    8, // pixels: something is visible even in a tiny container
  );
}

/**
 * Project a point of the box onto the canvas.
 * @param {Basis} basis
 * @param {Vector} half
 * @param {Vector} point x (right), y (up), time (away), each -1..1
 * @returns {number[]} right, up in world units
 */
export function project(basis, half, [x, y, time]) {
  const world = [x * half[0], y * half[1], -time * half[2]];
  return [dot(world, basis.right), dot(world, basis.up)];
}

/** The twelve edges of the box, as pairs of corners. @returns {[Vector, Vector][]} */
export function boxEdges() {
  /** @type {[Vector, Vector][]} */
  const edges = [];
  for (let axis = 0; axis < 3; axis++) {
    for (const a of [-1, 1]) {
      for (const b of [-1, 1]) {
        const from = [a, a, a];
        from[(axis + 1) % 3] = b;
        from[axis] = -1;
        const to = [...from];
        to[axis] = 1;
        edges.push([from, to]);
      }
    }
  }
  return edges;
}

/**
 * Return whether an edge is hidden by the box: both adjacent faces point away from the viewer.
 * @param {Basis} basis
 * @param {[Vector, Vector]} edge
 */
export function isBehind(basis, [from, to]) {
  const viewer = [basis.back[0], basis.back[1], -basis.back[2]];
  return from.every((side, axis) => side !== to[axis] || side * viewer[axis] < 1e-6);
}
