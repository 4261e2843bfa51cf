// When the pyramid is painted, and how finely.
import { MOVABLE } from "./traits.js";

const MOVING = 80; // ms: draws closer together than this are one movement
const SLOW = 30; // ms between two draws

/**
 * Where drawing is slow, what moves is drawn with fewer pixels and no numbers, and once more at rest.
 * @param {() => void} invalidate
 * @param {AbortSignal} signal
 * @returns {() => {ratio: number, coarse: boolean}} canvas pixels per CSS pixel, for the draw that begins now
 */
export function createFineness(invalidate, signal) {
  let [last, between] = [0, 0];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return () => {
    const gap = performance.now() - last;
    last += gap;
    if (gap < MOVING) between += (gap - between) / 4;
    const coarse = gap < MOVING && between > SLOW;
    clearTimeout(timer);
    if (coarse) timer = setTimeout(invalidate, 1.5 * MOVING);
    return { ratio: Math.min(globalThis.devicePixelRatio || 1, 2) * (coarse ? 0.6 : 1), coarse };
  };
}

/** Whether the keys have brought the focus here. @param {HTMLElement} element */
export const isFocused = (element) => element.matches(":focus-visible");

/**
 * @param {Object} given
 * @param {HTMLElement} given.root
 * @param {import("./traits.js").Content} given.content
 * @param {() => import("./traits.js").Place} given.place
 * @param {import("./viewport.js").Sight} given.sight
 * @param {import("./viewer.js").Own} given.own
 * @param {ReturnType<import("./accessible_tree.js").createTree>} given.tree
 * @param {ReturnType<import("./canvas.js").createPicture>} given.draw
 * @param {ReturnType<typeof createFineness>} given.fineness
 */
export function createPainter({ root, content, place, sight, own, tree, draw, fineness }) {
  let painted = 0;
  return () => {
    const [here, stays, layout, eye] = [place(), sight.stays(), sight.layout(), sight.eye()];
    const focused = isFocused(tree.element) ? own.focus : null;
    const hot = own.hot ?? focused;
    const links = sight.links(hot === null ? here.selected.filter((unit) => stays[unit]) : [hot]);
    // Of what is pointed at, the rest is dimmed; the class has part in all.
    const near = hot === null || hot === 0 ? new Set() : links.near;
    const thin = own.band ?? (focused === null ? null : content.units.row[focused]);
    draw(layout, links, eye, { ...here, hot: own.hot, focused, thin, near }, fineness());
    tree.show(layout, here.selected, eye);
    for (const name of MOVABLE) root.dataset[name] = String(here[name]);
    const shown = stays.reduce((sum, one) => sum + one, 0);
    const told = { shown, focused: own.focus, zoom: eye.zoom, painted: ++painted, ready: true };
    for (const [name, value] of Object.entries(told)) root.dataset[name] = String(value);
  };
}
