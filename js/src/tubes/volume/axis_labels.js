// The names of the box's axes and the frames along time, as text over the canvas.

import { h } from "../../shared/dom.js";
import { basisOf, boxEdges, project } from "./camera.js";

const APART = 28; // CSS pixels between two numbers, at least
const STEPS = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 200, 500, 1000];

/** @typedef {{axis: number, a: number[], b: number[], middle: number[]}} Edge */

/**
 * Names along the box's outer edges: x and y with the picture's pixels, time with its seconds and frames.
 * @param {HTMLElement} labels
 * @param {import("./camera.js").Camera} camera
 * @param {number[]} half
 * @param {number} width CSS pixels
 * @param {number} height
 * @param {number} scale CSS pixels per world unit
 * @param {import("../traits.js").Content} content
 */
export function placeLabels(labels, camera, half, width, height, scale, { size, times }) {
  const basis = basisOf(camera);
  const seconds = times.length ? ` · ${(times[times.length - 1] - times[0]).toFixed(2)} s` : "";
  const names = [`x · ${size[2]} px`, `y\n${size[1]} px`, `time${seconds}`];
  const edges = boxEdges().map(([from, to], index) => {
    const [a, b] = [project(basis, half, from), project(basis, half, to)];
    return { axis: Math.floor(index / 4), a, b, middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  });
  /** @type {[string, number[], number[], number][]} text, where, which way from there, how far */
  const texts = [];
  for (const [axis, name] of names.entries()) {
    const { a, b, middle } = outermost(edges, axis);
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const length = Math.hypot(dx, dy);
    if (length * scale < 36) continue; // seen end on: its names would lie on one another
    const outward = Math.sign(middle[0] * dy - middle[1] * dx) || 1;
    const away = [(outward * dy) / length, (-outward * dx) / length];
    const ticks = axis === 2 ? ticksOf(size[0], length * scale) : [];
    texts.push([name, middle, away, ticks.length ? 26 : 12]);
    for (const frame of ticks) {
      const at = (frame + 0.5) / size[0];
      texts.push([String(frame + 1), [a[0] + at * dx, a[1] + at * dy], away, 11]);
    }
  }
  const spans = /** @type {HTMLElement[]} */ ([...labels.children]);
  let used = 0;
  for (const [text, [x, y], [dx, dy], away] of texts) {
    // Words are wider than high: further out where they stand beside an edge.
    const longest = Math.max(...text.split("\n").map((line) => line.length));
    const far = away + Math.abs(dx) * 2.4 * longest;
    const [left, top] = [width / 2 + x * scale + dx * far, height / 2 - y * scale - dy * far];
    if (left < 0 || left > width || top < 0 || top > height) continue; // zoomed out of sight
    const label = spans[used++] ?? labels.appendChild(h("span", {}));
    if (label.textContent !== text) label.textContent = text;
    const within = Math.min(Math.max(left, 3.2 * longest + 4), width - 3.2 * longest - 4);
    label.style.transform = `translate(${within.toFixed(1)}px, ${top.toFixed(1)}px) translate(-50%, -50%)`;
  }
  for (const label of spans.slice(used)) label.remove();
}

/** The edge to write along: for y the leftmost, else the lowest, and of two as low the left one. @param {Edge[]} edges @param {number} axis */
function outermost(edges, axis) {
  const rank = (/** @type {number[]} */ [x, y]) => (axis === 1 ? x : y + 0.2 * x);
  return edges
    .filter((edge) => edge.axis === axis)
    .reduce((best, edge) => (rank(edge.middle) < rank(best.middle) - 1e-6 ? edge : best));
}

/** Frames to number along an edge of some length, the first among them. @param {number} frames @param {number} pixels */
function ticksOf(frames, pixels) {
  const step = STEPS.find((count) => (pixels / frames) * count >= APART) ?? frames;
  return Array.from({ length: Math.ceil(frames / step) }, (_, k) => k * step);
}
