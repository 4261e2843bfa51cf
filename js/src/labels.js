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
  /** @type {[string, number[], number[]][]} text, where, and away from what */
  const texts = [];
  for (let axis = 0; axis < 3; axis++) {
    // The lowest of the four edges; for y, the leftmost.
    const outer = edges
      .filter((edge) => edge.axis === axis)
      .reduce((best, edge) => {
        const better = axis === 1 ? edge.middle[0] < best.middle[0] - 1e-6 : edge.middle[1] < best.middle[1] - 1e-6;
        return better ? edge : best;
      });
    if (Math.hypot(outer.b[0] - outer.a[0], outer.b[1] - outer.a[1]) * scale < 36) continue;
    texts.push([names[axis], outer.middle, axis === 1 ? [-1, 0] : [0, -1]]);
    if (axis === 2) {
      texts.push(["1", outer.a, [0, -1]], [String(size[0]), outer.b, [0, -1]]);
    }
  }
  labels.replaceChildren(
    ...texts.map(([text, [x, y], [dx, dy]]) => {
      const label = h("span", {}, text);
      const left = width / 2 + x * scale + dx * 12;
      const top = height / 2 - y * scale - dy * 13;
      label.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px) translate(-50%, -50%)`;
      return label;
    }),
  );
}
