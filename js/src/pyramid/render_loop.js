// Painting of the pyramid, at a resolution that adapts to the speed of the machine.
import { onAbort, pixelRatio } from "../shared/dom.js";
import { MOVABLE } from "./traits.js";

const MOVEMENT_GAP = 80; // ms; draws closer together belong to one movement
const SLOW_GAP = 30; // ms between two draws

/**
 * If drawing is slow, movements are drawn with fewer pixels and without numbers, and once more in full at rest.
 * @param {() => void} invalidate
 * @param {AbortSignal} signal
 * @returns {() => {ratio: number, coarse: boolean}} canvas pixels per CSS pixel, for the draw that starts now
 */
export function createAdaptiveResolution(invalidate, signal) {
  let [last, meanGap] = [0, 0];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  onAbort(signal, () => clearTimeout(timer));
  return () => {
    const gap = performance.now() - last;
    last += gap;
    if (gap < MOVEMENT_GAP) meanGap += (gap - meanGap) / 4;
    const coarse = gap < MOVEMENT_GAP && meanGap > SLOW_GAP;
    clearTimeout(timer);
    if (coarse) timer = setTimeout(invalidate, 1.5 * MOVEMENT_GAP);
    return { ratio: pixelRatio() * (coarse ? 0.6 : 1), coarse };
  };
}

/** Return whether an element has the keyboard focus. @param {HTMLElement} element */
export const isFocused = (element) => element.matches(":focus-visible");

/**
 * @param {Object} parts
 * @param {HTMLElement} parts.root
 * @param {import("./traits.js").Content} parts.content
 * @param {() => import("./traits.js").ViewState} parts.getState
 * @param {import("./viewport.js").Viewport} parts.viewport
 * @param {import("./viewer.js").LocalState} parts.localState
 * @param {ReturnType<import("./accessible_tree.js").createTree>} parts.tree
 * @param {ReturnType<import("./canvas.js").createRenderer>["draw"]} parts.draw
 * @param {ReturnType<typeof createAdaptiveResolution>} parts.getResolution
 */
export function createPainter({ root, content, getState, viewport, localState, tree, draw, getResolution }) {
  let painted = 0;
  return () => {
    const [state, kept, layout, projection] = [getState(), viewport.kept(), viewport.layout(), viewport.projection()];
    const focused = isFocused(tree.element) ? localState.focus : null;
    const highlighted = localState.hovered ?? focused;
    const links = viewport.links(highlighted === null ? state.selected.filter((unit) => kept[unit]) : [highlighted]);
    // Units that are not linked to the highlighted one are dimmed; the class is linked to all of them.
    const dimmedExcept = highlighted === null || highlighted === 0 ? new Set() : links.dimmedExcept;
    const thinRow = localState.band ?? (focused === null ? null : content.units.row[focused]);
    const { hovered, link } = localState;
    const view = { ...state, hovered, link, focused, thinRow, dimmedExcept, kept };
    draw(layout, links, projection, view, getResolution());
    tree.show(layout, state.selected, projection);
    for (const name of MOVABLE) root.dataset[name] = String(state[name]);
    const shown = kept.reduce((sum, isKept) => sum + isKept, 0);
    const data = { shown, focused: localState.focus, zoom: projection.zoom, painted: ++painted, ready: true };
    for (const [name, value] of Object.entries(data)) root.dataset[name] = String(value);
  };
}
