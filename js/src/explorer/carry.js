// Settings of the inner views that survive a new result: layers, rows and units are found again by name.

/** @typedef {Record<string, any>} State */
/** @typedef {{get: (name: string) => any}} Settings the model of a view */

const LOOK = ["frame", "playing", "threshold", "threshold_by"];
const TUBE_LOOK = [...LOOK, "speed", "mode", "sign", "scale", "colours", "opacity", "window"];
const PYRAMID_LOOK = [...LOOK.slice(0, 3), "prune_by", "against"];

/** @param {Settings} model @param {string[]} names */
const values = (model, names) => Object.fromEntries(names.map((name) => [name, model.get(name)]));

/** @param {any[] | undefined} items */
const namesOf = (items) => (items ?? []).map((item) => item?.name);

/** Settings of a tube viewer for a new state. @param {Settings} model @param {State} state @returns {State} */
export function carryTubes(model, state) {
  const carried = values(model, TUBE_LOOK);
  for (const [index, list] of [
    ["layer", "layers"],
    ["frame_signal", "frame_signals"],
  ]) {
    const found = namesOf(state[list]).indexOf(namesOf(model.get(list))[model.get(index)]);
    if (found >= 0) carried[index] = found;
  }
  return { ...carried, frame: Math.min(carried.frame, state.size[0] - 1) };
}

/** Name of each unit: its row and channel. @param {Settings} model */
function unitNames(model) {
  const { channel } = model.get("units") ?? {};
  const channels = channel ? new DataView(channel.buffer, channel.byteOffset, channel.byteLength) : null;
  let unit = 0;
  return (model.get("rows") ?? []).flatMap((/** @type {any} */ row) =>
    Array.from({ length: row.count }, () => `${row.name} ${channels?.getInt32(4 * unit++, true)}`),
  );
}

/** Settings of a pyramid viewer for a new state. @param {Settings} model @param {State} state @returns {State} */
export function carryPyramid(model, state) {
  const now = { get: (/** @type {string} */ name) => state[name] };
  const rows = namesOf(state.rows);
  const oldRows = namesOf(model.get("rows"));
  /** @param {any[]} indices @param {any[]} from @param {any[]} to */
  const found = (indices, from, to) => indices.map((index) => to.indexOf(from[index])).filter((index) => index >= 0);
  const [row] = found([model.get("row")], oldRows, rows);
  const carried = values(model, PYRAMID_LOOK);
  return {
    ...carried,
    frame: Math.min(carried.frame, state.size[0] - 1),
    row: row ?? state.row,
    collapsed: found(model.get("collapsed"), oldRows, rows),
    selected: found(model.get("selected"), unitNames(model), unitNames(now)),
  };
}

/** Layers and channels of the selected units that can be ablated: those of kernels. @param {Settings} model @returns {[string, number[]][]} */
export function selectedChannels(model) {
  const names = unitNames(model);
  const rows = /** @type {any[]} */ (model.get("rows") ?? []);
  /** @type {Map<string, number[]>} */
  const channels = new Map();
  for (const index of model.get("selected") ?? []) {
    const cut = names[index]?.lastIndexOf(" ") ?? -1;
    if (cut < 0) continue;
    const [layer, channel] = [names[index].slice(0, cut), Number(names[index].slice(cut + 1))];
    if (rows.find(({ name }) => name === layer)?.kind !== "kernel") continue;
    channels.set(layer, [...(channels.get(layer) ?? []), channel]);
  }
  return [...channels];
}
