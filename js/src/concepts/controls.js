// Heading, controls, legend and caveats around the rows.
import { h } from "../shared/dom.js";
import { createMenu, createSlider } from "../shared/inputs.js";
import { createPlayButton } from "../shared/play_button.js";
import { percent, short, wholePercent } from "../shared/text.js";
import { SIGNIFICANT, sortsOf } from "./arrange.js";
import { originWords, shownWords, sortWords, verdictWords } from "./text.js";

/** @typedef {import("./traits.js").Content} Content */
/** @typedef {import("./traits.js").Movable} Movable */

const LEVELS = [1, 0.1, SIGNIFICANT, 0.01];

/** Words of a largest q. @param {number} q */
const levelWords = (q) => (q === 1 ? "any q" : `q at most ${short(q)}`);

/** @param {string} kind @param {string} text */
const legendEntry = (kind, text) =>
  h("span", {}, h("i", { class: `ne-key ne-key-${kind}`, "aria-hidden": "true" }), text);

/** @param {Content} content */
const createLegend = ({ fills, rows }) =>
  h(
    "p",
    { class: "ne-effect-legend", hidden: !fills.length },
    legendEntry("for", "fall of the score for each 1 % of the clip that is replaced"),
    rows.some(({ effects }) => effects.some(({ value }) => value < 0)) ? legendEntry("against", "rise") : "",
    legendEntry("chance", `hollow: within chance (q above ${SIGNIFICANT})`),
    legendEntry("interval", "95 % interval"),
    legendEntry("no-model", "if only the change of the clip counted, without the model"),
  );

/**
 * @param {Content} content
 * @param {import("../shared/inputs.js").Handlers<Movable>} handlers
 * @param {() => void} showEverything removes the filters
 * @param {AbortSignal} signal
 */
export function createControls(content, handlers, showEverything, signal) {
  const { fills, rows, caveats, title, explained } = content;
  const play = createPlayButton(handlers.play, signal);
  const sorts = sortsOf(content).map((name) => /** @type {[string, string]} */ ([name, sortWords(name, content)]));
  const sort = createMenu("sort_by", "sort by", sorts, handlers, String, signal);
  const levels = LEVELS.map((q) => /** @type {[string, string]} */ ([String(q), levelWords(q)]));
  const level = createMenu("max_q", "chance", levels, handlers, Number, signal);
  const presence = createSlider(
    "min_presence",
    "in at least this share of the clips",
    { max: 1, step: 0.05 },
    handlers,
    signal,
  );
  const presenceValue = h("span", { class: "ne-value" });
  const count = h("span", { class: "ne-count" });
  const all = h("button", { type: "button", "data-name": "everything" }, "show all concepts");
  all.addEventListener("click", showEverything, { signal });
  const reason = h("span", {});
  const empty = h("p", { class: "ne-empty", hidden: true }, reason, all);
  const questions = fills.map(({ question }) => h("span", {}, question));
  return {
    head: h("div", { class: "ne-head", hidden: !title }, h("span", { class: "ne-title" }, title)),
    verdict: h("p", { class: "ne-verdict" }, verdictWords(content)),
    origin: h("p", { class: "ne-origin" }, originWords(content)),
    bar: h(
      "div",
      { class: "ne-concept-bar", role: "toolbar", "aria-label": "order and filter" },
      play.button,
      h("label", {}, "sort by ", sort.select),
      h("label", { hidden: !fills.length }, "show ", level.select),
      h("label", { class: "ne-presence" }, h("span", {}, "in at least "), presence.input, presenceValue),
      count,
    ),
    legend: createLegend(content),
    columns: h(
      "div",
      { class: "ne-columns", "aria-hidden": "true" },
      h("span", {}, "concept"),
      h("span", {}, "clips that show it best: the rest is dimmed"),
      ...questions,
    ),
    empty,
    caveats: h(
      "div",
      { class: "ne-caveats", hidden: !caveats.length },
      h("ul", {}, ...caveats.map((text) => h("li", {}, text))),
    ),
    /** Text that screen readers announce when a gesture has ended. */
    summary: () => count.textContent,
    /** @param {import("./traits.js").ViewState} view @param {number} shown */
    show({ sort_by, max_q, min_presence, playing }, shown) {
      play.show(playing);
      sort.show(sort_by);
      if (![...level.select.options].some(({ value }) => Number(value) === max_q))
        level.select.append(h("option", { value: max_q }, levelWords(max_q))); // set from Python
      level.show(max_q);
      const clips = Math.ceil(min_presence * explained.clips - 1e-9);
      presence.show(min_presence, `${wholePercent(min_presence)} of the clips`);
      presenceValue.textContent = `${percent(min_presence)} of the clips`;
      count.textContent = `${shownWords(shown, content)}, by ${sortWords(sort_by, content)}`;
      empty.hidden = shown > 0;
      const chance = max_q < 1 ? `has ${levelWords(max_q)}` : "";
      const often = min_presence > 0 ? `occurs in ${clips} clips or more` : "";
      reason.textContent = `None of ${rows.length} concepts ${[chance, often].filter(Boolean).join(" and ")}. `;
    },
  };
}
