// The list of concepts, with the selected clip large below its row.
import { h, on } from "../shared/dom.js";
import { arrange } from "./arrange.js";
import { axisOf } from "./effect_chart.js";
import { createRow } from "./row.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").ViewState} ViewState */
/** @typedef {import("./row.js").Exemplar} Exemplar */
/** @typedef {ReturnType<typeof createList>} List */

const FIRST_ROWS = 10; // shown until readers ask for all

/** Clip of an exemplar. @param {Content} content @param {Exemplar} exemplar */
export const clipOf = ({ rows, clips }, { concept, position }) => clips[rows[concept].exemplars[position]];

/**
 * @param {Content} content
 * @param {() => ViewState} getState
 * @param {(concept: number, name: string) => void} rename
 * @param {() => void} changed readers ask for more rows
 * @param {AbortSignal} signal
 */
export function createList(content, getState, rename, changed, signal) {
  const axis = axisOf(content.rows.flatMap(({ effects }) => effects));
  const getNames = () => getState().names;
  const rows = content.rows.map((_, k) => createRow(content, k, axis, getNames, (name) => rename(k, name), signal));
  const exemplars = rows.flatMap((row) => row.exemplars);
  const element = h("ol", { class: "ne-concept-list" }, ...rows.map((row) => row.element));
  const more = h("button", { type: "button", class: "ne-more", "data-name": "more" });
  let hasMore = true;
  const showMore = () => {
    hasMore = false;
    changed();
  };
  on(more, "click", showMore, signal);
  /** The exemplar that is shown large. @param {ViewState} state @returns {Exemplar | undefined} */
  const opened = ({ selected: [concept, clip] }) =>
    exemplars.find((exemplar) => exemplar.concept === concept && clipOf(content, exemplar).index === clip);
  /** Concepts shown, in their order, and how many pass the filters. @param {ViewState} state */
  const shown = (state) => {
    const order = arrange(content, state);
    const index = order.indexOf(state.selected[0] ?? -1);
    if (index >= FIRST_ROWS) hasMore = false;
    return { concepts: hasMore ? order.slice(0, FIRST_ROWS) : order, count: order.length };
  };
  return {
    element,
    more,
    exemplars,
    opened,
    shown,
    /** Exemplars of the rows shown. */
    grid: () => shown(getState()).concepts.map((k) => rows[k].exemplars),
    /** @param {ViewState} state @param {import("./player.js").Player} player */
    show(state, player) {
      const { concepts, count } = shown(state);
      if (concepts.some((k, index) => element.children[index] !== rows[k].element))
        element.prepend(...concepts.map((k) => rows[k].element));
      for (const [k, row] of rows.entries()) {
        row.element.hidden = !concepts.includes(k);
        row.show(state, concepts.indexOf(k));
      }
      more.hidden = count === concepts.length;
      more.textContent = `show ${count - concepts.length} more`;
      const exemplar = opened(state);
      if (exemplar) {
        const row = rows[exemplar.concept].element;
        if (player.element.parentElement !== row) row.append(player.element);
        player.show(state, exemplar.position);
      } else player.element.remove();
    },
  };
}
