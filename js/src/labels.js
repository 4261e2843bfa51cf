// The names of the box's axes, as text over the canvas.
import { basisOf, boxEdges, project } from "./camera.js";
import { h } from "./dom.js";

/**
 * Names along the box's outer edges: x, y, and time with its first and last frame.
 * @param {HTMLElement} labels
 * @param {import("./camera.js").Camera} camera
 * @param {number[]} half
 * @param {number} width CSS pixels
 * @param {number} height
 * @param {number} scale CSS pixels per world unit
 * @param {import("./state.js").Content} content
 */
export function placeLabels(labels, camera, half, width, height, scale, { size, times }) {
  const basis = basisOf(camera);
  const seconds = times.length ? ` · ${(times[times.length - 1] - times[0]).toFixed(2)} s` : "";
  const names = ["x", "y", `time${seconds}`];
  const edges = boxEdges().map(([from, to], index) => {
    const [a, b] = [project(basis, half, from), project(basis, half, to)];
    return { axis: Math.floor(index / 4), a, b, middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  });
  /** @type {[string, number[], number[]][]} text, where, and which way from there */
  const texts = [];
  for (let axis = 0; axis < 3; axis++) {
    // For y the leftmost of the four edges; else the lowest, and of two as low the left one.
    const rank = (/** @type {number[]} */ [x, y]) => (axis === 1 ? x : y + 0.2 * x);
    const outer = edges
      .filter((edge) => edge.axis === axis)
      .reduce((best, edge) => (rank(edge.middle) < rank(best.middle) - 1e-6 ? edge : best));
    const [dx, dy] = [outer.b[0] - outer.a[0], outer.b[1] - outer.a[1]];
    const length = Math.hypot(dx, dy);
    if (length * scale < 36) continue; // seen end on: its names would lie on one another
    const outward = Math.sign(outer.middle[0] * dy - outer.middle[1] * dx) || 1;
    const away = [(outward * dy) / length, (-outward * dx) / length];
    texts.push([names[axis], outer.middle, away]);
    if (axis === 2) texts.push(["1", outer.a, away], [String(size[0]), outer.b, away]);
  }
  labels.replaceChildren(
    ...texts.map(([text, [x, y], [dx, dy]]) => {
      const label = h("span", {}, text);
      // Words are wider than high: further out where they stand beside an edge.
      const far = 12 + Math.abs(dx) * 2.2 * text.length;
      const left = width / 2 + x * scale + dx * far;
      const top = height / 2 - y * scale - dy * far;
      label.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px) translate(-50%, -50%)`;
      return label;
    }),
  );
}
