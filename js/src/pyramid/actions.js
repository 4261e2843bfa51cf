// Actions of the viewer, shared by the keyboard, the pointer and the buttons.

/** @typedef {ReturnType<typeof createActions>} Actions */
/** @typedef {typeof import("./traits.js").MOVABLE[number]} Movable */

/** The list with an item added, or removed if the list holds it. @param {number[]} list @param {number} item */
const toggle = (list, item) => (list.includes(item) ? list.filter((other) => other !== item) : [...list, item]);

/**
 * @param {import("./traits.js").Content} content
 * @param {() => import("./traits.js").ViewState} getState
 * @param {import("./viewport.js").Viewport} viewport
 * @param {import("./viewer.js").LocalState} localState
 * @param {{set: (name: Movable, value: any) => void, done: () => void, redraw: () => void, update: () => void}} callbacks
 *   set a trait; the gesture has ended; the camera has moved; the local state has changed
 */
export function createActions({ rows, units }, getState, viewport, localState, { set, done, redraw, update }) {
  const actions = {
    done,
    /** Move the focus to a unit and its row. @param {number} unit */
    focus(unit) {
      Object.assign(localState, { focus: unit, hovered: null, link: null });
      if (rows[units.row[unit]].kind !== "class") set("row", units.row[unit]);
      viewport.reveal(unit);
      update();
    },
    /** Select a unit alone, or toggle it in the selection. @param {number} unit @param {boolean} isMultiple */
    select(unit, isMultiple) {
      const { selected } = getState();
      localState.focus = unit;
      const isOnlySelection = selected.length === 1 && selected[0] === unit;
      set("selected", isMultiple ? toggle(selected, unit) : isOnlySelection ? [] : [unit]);
      done();
    },
    /** Show the numbers of the next link of the focused unit, first those to its parents. @param {1 | -1} step */
    nextLink(step) {
      const [kept, { focus, link }] = [viewport.kept(), localState];
      const links = [...viewport.graph.above(focus, kept), ...viewport.graph.below(focus, kept)];
      const index = link === null ? -1 : links.indexOf(link);
      localState.link = links.at((index < 0 && step < 0 ? 0 : index + step) % links.length) ?? null;
      update();
    },
    /** Draw the rows around this one large. @param {number} row */
    goToRow(row) {
      set("row", row);
      done();
    },
    /** Collapse a row, or expand it. @param {number} row */
    collapse(row) {
      if (rows[row].kind === "class") return;
      set("collapsed", toggle(getState().collapsed, row));
      done();
    },
    /** Change the threshold. @param {number} difference */
    prune(difference) {
      set("threshold", Math.round(100 * Math.min(Math.max(getState().threshold + difference, 0), 1)) / 100);
    },
    /** Clear the selection and expand all rows. */
    clear() {
      set("selected", []);
      set("collapsed", []);
      done();
    },
    /** @param {number} factor 0 resets the camera @param {number} [x] @param {number} [y] */
    zoom(factor, x, y) {
      viewport.zoom(factor, x, y);
      redraw();
    },
    /** @param {number} dx @param {number} dy */
    pan(dx, dy) {
      viewport.pan(dx, dy);
      redraw();
    },
    /** @param {number} x @param {number} y @param {boolean} isMultiple */
    click(x, y, isMultiple) {
      const { unit, band, isMargin } = viewport.hitTest(x, y);
      if (unit !== null) actions.select(unit, isMultiple);
      else if (band && isMargin && (band.large || !band.open)) actions.collapse(band.row);
      else if (band && !band.large) actions.goToRow(band.row);
    },
  };
  return actions;
}
