// Visible part of the pyramid: pruning, layout and links, each recomputed only when its inputs change, and the camera, which
// is not a trait.
import { createGraph } from "./graph.js";
import { boxOf, hitTest, layoutOf } from "./layout.js";
import { linksOf } from "./links.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").ViewState} ViewState */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {ReturnType<typeof createViewport>} Viewport */
/** @typedef {{x: number, y: number, zoom: number}} Camera the layout's pixel at the left and top edge, and the zoom */
/** @typedef {{width: number, height: number, zoom: number, x: (x: number) => number, y: (y: number) => number}} Projection from layout to screen pixels */

const MAX_ZOOM = 16;

/** @param {Content} content @param {() => ViewState} getState @param {HTMLElement} container @param {Camera} camera */
export function createViewport(content, getState, container, camera) {
  const graph = createGraph(content);
  /** @type {Record<string, {key: string, value: any}>} */
  const cache = {};
  /** Compute a value again only when its inputs have changed. @template T @param {string} name @param {unknown} inputs @param {() => T} compute @returns {T} */
  const memoize = (name, inputs, compute) => {
    const key = JSON.stringify(inputs);
    if (cache[name]?.key !== key) cache[name] = { key, value: compute() };
    return cache[name].value;
  };
  /** @returns {[number, boolean, "path" | "score"]} */
  const pruning = () => [getState().threshold, getState().against, getState().prune_by];
  const kept = () => memoize("kept", pruning(), () => graph.prune(...pruning()));
  /** Kept units, and those with a large score whose parents are pruned: they are drawn grey. */
  const drawn = () => memoize("drawn", pruning(), () => graph.prune(getState().threshold, getState().against, "score"));
  const size = () => ({ width: container.clientWidth || 640, height: container.clientHeight || 600 });
  const layoutInputs = () => {
    const { row, collapsed } = getState();
    return { row, collapsed, pruning: pruning(), ...size() };
  };
  /** @returns {Layout} */
  const layout = () =>
    memoize("layout", layoutInputs(), () => layoutOf(content, graph, kept(), getState(), size(), drawn()));
  /** Keep the camera within the layout. */
  const clampCamera = () => {
    const [{ width, height }, whole] = [size(), layout()];
    const clamp = (/** @type {number} */ value, /** @type {number} */ total, /** @type {number} */ visible) =>
      Math.min(Math.max(value, 0), Math.max(total - visible / camera.zoom, 0));
    camera.x = clamp(camera.x, whole.width - whole.left, width - whole.left);
    camera.y = clamp(camera.y, whole.height, height);
  };
  /** @returns {Projection} */
  const projection = () => {
    clampCamera();
    const [{ left }, { x, y, zoom }] = [layout(), camera];
    return {
      ...size(),
      zoom,
      x: (layoutX) => left + (layoutX - left - x) * zoom,
      y: (layoutY) => (layoutY - y) * zoom,
    };
  };
  return {
    ...{ graph, kept, drawn, layout, projection },
    /** @param {number[]} highlighted units */
    links: (highlighted) =>
      memoize("links", [layoutInputs(), highlighted], () =>
        linksOf(content, graph, layout(), kept(), highlighted, getState().against),
      ),
    /** Zoom around a pixel of the container, by default its centre. @param {number} factor 0 resets the camera @param {number} [x] @param {number} [y] */
    zoom(factor, x, y) {
      const { left } = layout();
      const [fromLeft, fromTop] = [Math.max((x ?? size().width / 2) - left, 0), y ?? size().height / 2];
      const before = camera.zoom;
      camera.zoom = factor ? Math.min(Math.max(before * factor, 1), MAX_ZOOM) : 1;
      camera.x += fromLeft / before - fromLeft / camera.zoom;
      camera.y += fromTop / before - fromTop / camera.zoom;
      clampCamera();
    },
    /** @param {number} dx pixels of the screen @param {number} dy */
    pan(dx, dy) {
      camera.x -= dx / camera.zoom;
      camera.y -= dy / camera.zoom;
      clampCamera();
    },
    /** Move the camera until a unit is visible. @param {number} unit */
    reveal(unit) {
      const [box, current] = [boxOf(layout().boxes, unit), projection()];
      const [x, y] = [current.x(box.x), current.y(box.y)];
      if (x < layout().left || x + box.w * current.zoom > current.width)
        camera.x = box.x - layout().left - 40 / current.zoom;
      if (y < 0 || y + box.h * current.zoom > current.height) camera.y = box.y - 60 / current.zoom;
      clampCamera();
    },
    /** Row and unit at a pixel of the container. @param {number} x @param {number} y */
    hitTest(x, y) {
      const { left } = layout();
      const isMargin = x < left;
      const layoutX = isMargin ? -1 : left + camera.x + (x - left) / camera.zoom;
      return { isMargin, ...hitTest(layout(), layoutX, camera.y + y / camera.zoom) };
    },
  };
}
