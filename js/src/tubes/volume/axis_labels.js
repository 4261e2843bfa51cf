// Labels of the box's axes and frame numbers along time, as text over the canvas.

import { h } from "../../shared/dom.js";
import { basisOf, boxEdges, project } from "./camera.js";

const MIN_SPACING = 28; // CSS pixels between two frame numbers
const STEPS = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 200, 500, 1000];

/** @typedef {{axis: number, a: number[], b: number[], middle: number[]}} Edge */

/**
 * Place labels along the outer edges of the box: width and height in pixels, time with its seconds and frame numbers.
 * @param {HTMLElement} container
 * @param {import("./camera.js").Camera} camera
 * @param {number[]} half
 * @param {number} width CSS pixels
 * @param {number} height CSS pixels
 * @param {number} scale CSS pixels per world unit
 * @param {import("../traits.js").Content} content
 */
export function placeLabels(container, camera, half, width, height, scale, { size, times }) {
  const basis = basisOf(camera);
  const seconds = times.length ? ` · ${(times[times.length - 1] - times[0]).toFixed(2)} s` : "";
  const names = [`x · ${size[2]} px`, `y\n${size[1]} px`, `time${seconds}`];
  const edges = boxEdges().map(([from, to], index) => {
    const [a, b] = [project(basis, half, from), project(basis, half, to)];
    return { axis: Math.floor(index / 4), a, b, middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  });
  /** @type {[string, number[], number[], number][]} text, anchor, direction away from the edge, distance */
  const labels = [];
  for (const [axis, name] of names.entries()) {
    const { a, b, middle } = outermost(edges, axis);
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const length = Math.hypot(dx, dy);
    if (length * scale < 36) continue; // seen end on: the labels would overlap
    const outward = Math.sign(middle[0] * dy - middle[1] * dx) || 1;
    const direction = [(outward * dy) / length, (-outward * dx) / length];
    const ticks = axis === 2 ? ticksOf(size[0], length * scale) : [];
    // Beside an edge, text in two lines leaves the box free.
    const text = Math.abs(direction[0]) > 0.7 ? name.replace(" · ", "\n") : name;
    labels.push([text, middle, direction, ticks.length ? 26 : 12]);
    for (const frame of ticks) {
      const share = (frame + 0.5) / size[0];
      labels.push([String(frame + 1), [a[0] + share * dx, a[1] + share * dy], direction, 11]);
    }
  }
  const spans = /** @type {HTMLElement[]} */ ([...container.children]);
  let used = 0;
  for (const [text, [right, up], [dx, dy], distance] of labels) {
    // Text is wider than high: keep it further away from an edge beside it.
    const longest = Math.max(...text.split("\n").map((line) => line.length));
    const offset = distance + Math.abs(dx) * 2.4 * longest;
    const [left, top] = [width / 2 + right * scale + dx * offset, height / 2 - up * scale - dy * offset];
    if (left < 0 || left > width || top < 0 || top > height) continue; // outside of the canvas
    const label = spans[used++] ?? container.appendChild(h("span", {}));
    if (label.textContent !== text) label.textContent = text;
    const clamped = Math.min(Math.max(left, 3.2 * longest + 4), width - 3.2 * longest - 4);
    // A transform, because left and top would lay out the page at every picture; of the stage's size, for paper of another width.
    const [x, y] = [(100 * clamped) / width, (100 * top) / height].map((part) => part.toFixed(2));
    label.style.transform = `translate(${x}cqw, ${y}cqh) translate(-50%, -50%)`;
  }
  for (const label of spans.slice(used)) label.remove();
}

/** Edge to label: the leftmost one for y, else the lowest; the left one of two at the same height. @param {Edge[]} edges @param {number} axis */
function outermost(edges, axis) {
  const rank = (/** @type {number[]} */ [x, y]) => (axis === 1 ? x : y + 0.2 * x);
  return edges
    .filter((edge) => edge.axis === axis)
    .reduce((best, edge) => (rank(edge.middle) < rank(best.middle) - 1e-6 ? edge : best));
}

/** Frames to number along an edge, starting with the first one. @param {number} frames @param {number} pixels length of the edge */
function ticksOf(frames, pixels) {
  const step = STEPS.find((count) => (pixels / frames) * count >= MIN_SPACING) ?? frames;
  return Array.from({ length: Math.ceil(frames / step) }, (_, k) => k * step);
}
