// What is seen of a content: pruned, laid out and linked, each made anew only when what it depends on has changed; and the
// camera before it, which is nobody's trait.
import { createGraph } from "./graph.js";
import { at, boxOf, layoutOf } from "./layout.js";
import { linksOf } from "./links.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Place} Place */
/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {ReturnType<typeof createSight>} Sight */
/** @typedef {{x: number, y: number, zoom: number}} Camera what lies at the left and the top, in the layout's pixels, and the zoom */
/** @typedef {{width: number, height: number, zoom: number, x: (x: number) => number, y: (y: number) => number}} Eye from the layout to the screen */

const CLOSEST = 16;

/** @param {Content} content @param {() => Place} place @param {HTMLElement} stage @param {Camera} camera */
export function createSight(content, place, stage, camera) {
  const graph = createGraph(content);
  /** @type {Record<string, {key: string, made: any}>} */
  const known = {};
  /** @template T @param {string} name @param {unknown} wanted @param {() => T} make @returns {T} */
  const once = (name, wanted, make) => {
    const key = JSON.stringify(wanted);
    if (known[name]?.key !== key) known[name] = { key, made: make() };
    return known[name].made;
  };
  const stays = () => once("stays", place().threshold, () => graph.prune(place().threshold));
  const size = () => ({ width: stage.clientWidth || 640, height: stage.clientHeight || 600 });
  const wanted = () => {
    const { row, collapsed, threshold } = place();
    return { row, collapsed, threshold, ...size() };
  };
  /** @returns {Layout} */
  const layout = () => once("layout", wanted(), () => layoutOf(content, graph, stays(), place(), size()));
  /** Keep the camera within the layout. */
  const hold = () => {
    const [{ width, height }, whole] = [size(), layout()];
    const within = (/** @type {number} */ value, /** @type {number} */ all, /** @type {number} */ seen) =>
      Math.min(Math.max(value, 0), Math.max(all - seen / camera.zoom, 0));
    camera.x = within(camera.x, whole.width - whole.left, width - whole.left);
    camera.y = within(camera.y, whole.height, height);
  };
  /** @returns {Eye} */
  const eye = () => {
    hold();
    const [{ left }, { x, y, zoom }] = [layout(), camera];
    return { ...size(), zoom, x: (at) => left + (at - left - x) * zoom, y: (at) => (at - y) * zoom };
  };
  return {
    ...{ graph, stays, layout, eye },
    /** @param {number[]} lit */
    links: (lit) => once("links", [wanted(), lit], () => linksOf(content, graph, layout(), stays(), lit)),
    /** @param {number} factor 0 for the first view @param {number} [x] pixel of the stage that stays where it is @param {number} [y] */
    zoom(factor, x, y) {
      const { left } = layout();
      const [over, down] = [Math.max((x ?? size().width / 2) - left, 0), y ?? size().height / 2];
      const before = camera.zoom;
      camera.zoom = factor ? Math.min(Math.max(before * factor, 1), CLOSEST) : 1;
      camera.x += over / before - over / camera.zoom;
      camera.y += down / before - down / camera.zoom;
      hold();
    },
    /** @param {number} dx pixels of the screen @param {number} dy */
    pan(dx, dy) {
      camera.x -= dx / camera.zoom;
      camera.y -= dy / camera.zoom;
      hold();
    },
    /** Bring a unit into view. @param {number} unit */
    reveal(unit) {
      const [box, now] = [boxOf(layout().boxes, unit), eye()];
      const [x, y] = [now.x(box.x), now.y(box.y)];
      if (x < layout().left || x + box.w * now.zoom > now.width) camera.x = box.x - layout().left - 40 / now.zoom;
      if (y < 0 || y + box.h * now.zoom > now.height) camera.y = box.y - 60 / now.zoom;
      hold();
    },
    /** What lies at a pixel of the stage. @param {number} x @param {number} y */
    under(x, y) {
      const { left } = layout();
      const margin = x < left;
      return {
        margin,
        ...at(layout(), margin ? -1 : left + camera.x + (x - left) / camera.zoom, camera.y + y / camera.zoom),
      };
    },
  };
}
