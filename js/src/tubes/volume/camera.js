// The turn of the tube: an orthographic camera around a box. The box spans x to the right, y up (the picture's rows run
// down) and time away from the viewer who looks from the front; units are the longer side of the picture.

/** @typedef {number[]} Vector */
/** @typedef {{yaw: number, pitch: number, zoom: number}} Camera radians and a factor */
/** @typedef {{right: Vector, up: Vector, back: Vector}} Basis unit vectors; `back` points to the viewer */

const QUARTER = Math.PI / 2;

/** From in front the first frame faces the viewer; from the side and from the top time runs from left to right. */
export const VIEWS = {
  reset: { yaw: 0.9, pitch: 0.4, zoom: 1 },
  front: { yaw: 0, pitch: 0, zoom: 1 },
  side: { yaw: QUARTER, pitch: 0, zoom: 1 },
  top: { yaw: QUARTER, pitch: QUARTER, zoom: 1 },
};

/** @param {Vector} a @param {Vector} b */
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** @param {Camera} camera @param {number} right radians @param {number} down radians */
export function turn(camera, right, down) {
  camera.yaw = (camera.yaw - right) % (4 * QUARTER);
  camera.pitch = Math.min(Math.max(camera.pitch + down, -QUARTER), QUARTER);
}

/** @param {Camera} camera @param {number} factor */
export function zoomBy(camera, factor) {
  camera.zoom = Math.min(Math.max(camera.zoom * factor, 0.4), 8);
}

/** A camera that a hand moves, for one view or for several that look through it: all of them hear of it. */
export class Orbit extends EventTarget {
  /** @type {Camera} */
  camera = { ...VIEWS.reset };
  /** Which of the views, or "free". @type {string} */
  view = "reset";

  /** @param {keyof typeof VIEWS} view */
  look(view) {
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
 * Half the box's sides in world units.
 * @param {number[]} size clip: [time, height, width]
 * @returns {Vector} half of x, y, time
 */
export function halfBox([time, height, width]) {
  const longer = Math.max(height, width);
  // A clip of few frames is no deeper than its frames can fill; a long one is not longer than the eye can follow.
  const depth = Math.min(Math.max(time * 0.1, 0.5), 1.5);
  return [width / longer / 2, height / longer / 2, depth / 2];
}

/**
 * Pixels per world unit at which the box, however turned, fills the picture but for a margin.
 * @param {Basis} basis
 * @param {Vector} half
 * @param {number} width pixels
 * @param {number} height pixels
 * @param {number} margin pixels
 */
export function scaleToFit(basis, half, width, height, margin) {
  /** @param {Vector} axis */
  const extent = (axis) => 2 * axis.reduce((sum, part, k) => sum + Math.abs(part) * half[k], 0);
  return Math.max(
    Math.min((width - 2 * margin) / extent(basis.right), (height - 2 * margin) / extent(basis.up)),
    8, // pixels: something is seen in the smallest of places
  );
}

/**
 * Place in the picture of a point of the box.
 * @param {Basis} basis
 * @param {Vector} half
 * @param {Vector} point x (right), y (up), time (away), each -1..1
 * @returns {number[]} right, up in world units
 */
export function project(basis, half, [x, y, time]) {
  const world = [x * half[0], y * half[1], -time * half[2]];
  return [dot(world, basis.right), dot(world, basis.up)];
}

/** The box's twelve edges, each as two corners. @returns {[Vector, Vector][]} */
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
 * Whether an edge lies behind the box's body: both faces that meet there look away.
 * @param {Basis} basis
 * @param {[Vector, Vector]} edge
 */
export function isBehind(basis, [from, to]) {
  const towards = [basis.back[0], basis.back[1], -basis.back[2]];
  return from.every((side, axis) => side !== to[axis] || side * towards[axis] < 1e-6);
}
