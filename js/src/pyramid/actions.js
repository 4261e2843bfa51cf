// What keys, clicks and buttons do: a few acts, whoever asks for them.

/** @typedef {ReturnType<typeof createActs>} Acts */

/** A list with something added, or without it where it held it. @param {number[]} list @param {number} one */
const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);

/**
 * @param {import("./traits.js").Content} content
 * @param {() => import("./traits.js").Place} place
 * @param {import("./viewport.js").Sight} sight
 * @param {{focus: number, hot: number | null, words: string}} own
 * @param {{set: (name: string, value: any) => void, done: () => void, zoomed: () => void, moved: () => void}} told
 */
export function createActs({ rows, units }, place, sight, own, { set, done, zoomed, moved }) {
  const acts = {
    done,
    /** @param {number} unit */
    go(unit) {
      [own.focus, own.hot] = [unit, null];
      if (rows[units.row[unit]].kind !== "class") set("row", units.row[unit]);
      sight.reveal(unit);
      moved();
    },
    /** @param {number} unit @param {boolean} several */
    choose(unit, several) {
      const { selected } = place();
      own.focus = unit;
      const alone = selected.length === 1 && selected[0] === unit;
      set("selected", several ? toggled(selected, unit) : alone ? [] : [unit]);
      done();
    },
    /** @param {number} row */
    walk(row) {
      set("row", row);
      done();
    },
    /** @param {number} row */
    fold(row) {
      if (rows[row].kind === "class") return;
      set("collapsed", toggled(place().collapsed, row));
      done();
    },
    /** @param {number} by */
    prune(by) {
      set("threshold", Math.round(100 * Math.min(Math.max(place().threshold + by, 0), 1)) / 100);
    },
    clear() {
      set("selected", []);
      set("collapsed", []);
      done();
    },
    /** @param {number} factor 0 for the first view @param {number} [x] @param {number} [y] */
    zoom(factor, x, y) {
      sight.zoom(factor, x, y);
      zoomed();
    },
    /** @param {number} dx @param {number} dy */
    pan(dx, dy) {
      sight.pan(dx, dy);
      zoomed();
    },
    /** @param {number} x @param {number} y @param {boolean} several */
    click(x, y, several) {
      const { unit, band, margin } = sight.under(x, y);
      if (unit !== null) acts.choose(unit, several);
      else if (band && margin && (band.large || !band.open)) acts.fold(band.row);
      else if (band && !band.large) acts.walk(band.row);
    },
  };
  return acts;
}
