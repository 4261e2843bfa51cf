// Pyramid viewer without a page: pruning, layout, links, row labels, keys, tubes, texts and validation. The examples come
// from Python (python -m tests.widgets.pyramid_examples).

import { describe, expect, test } from "vitest";
import { nextUnit } from "../../src/pyramid/accessible_tree.js";
import { createGraph } from "../../src/pyramid/graph.js";
import { boxOf, heightsOf, hitTest, layoutOf, tile } from "../../src/pyramid/layout.js";
import { gapsOf } from "../../src/pyramid/link_routing.js";
import { createLinkPen, linksOf } from "../../src/pyramid/links.js";
import { breakName, fitName, labelledBands, shorten } from "../../src/pyramid/row_labels.js";
import {
  bandWords,
  headWords,
  linkTip,
  linkWords,
  prunedWords,
  pyramidWords,
  rowWords,
  sideWords,
  unitName,
  unitTip,
  unitWords,
} from "../../src/pyramid/text.js";
import { readContent, readViewState } from "../../src/pyramid/traits.js";
import { tubesOf } from "../../src/pyramid/tube_panel.js";
import { rowTube, tubeContent, unitTube } from "../../src/pyramid/unit_maps.js";
import { plan, slice } from "../../src/shared/interpolate.js";
import { decode } from "../helpers.js";
import { pyramids, thresholds } from "./examples.json";

const modelOf = (state) => ({ get: (name) => state[name] });
const examples = pyramids.map(({ state, ...expected }) => {
  const content = readContent(modelOf(decode(state)));
  return { content, graph: createGraph(content), state: decode(state), ...expected };
});
const unitsOf = (kept) => [...kept.keys()].filter((unit) => kept[unit]);
const withSpaces = (text) => text.replaceAll("\u00a0", " ");

describe("agreement with Python", () => {
  test("pruning keeps the same units as Python at twenty thresholds", () => {
    for (const { graph, kept } of examples)
      expect(thresholds.map((threshold) => unitsOf(graph.prune(threshold)))).toEqual(kept);
    expect(thresholds).toHaveLength(20);
    expect(new Set(examples[3].kept.map(String)).size).toBeGreaterThan(6);
    for (const { graph, kept_by_score } of examples)
      expect(thresholds.map((threshold) => unitsOf(graph.prune(threshold, true, "score")))).toEqual(kept_by_score);
    expect(examples[3].kept_by_score[8].length).toBeGreaterThan(examples[3].kept[8].length);
  });

  test("the tube of a row agrees with Python up to quantization", () => {
    for (const { content, graph, tubes: expectedTubes } of examples) {
      const kept = graph.prune(0.3);
      for (const [row, expected] of Object.entries(expectedTubes)) {
        const tube = rowTube(content, Number(row), graph.keptUnits(Number(row), kept));
        const flat = expected.flat(2);
        const largest = Math.max(...flat.map(Math.abs));
        if (!tube) {
          expect(largest).toBe(0);
          continue;
        }
        const weights = plan(content.size, tube.shape, tube.geometry);
        const found = [];
        const picture = new Float32Array(weights.width * weights.height);
        for (let f = 0; f < content.size[0]; f += 3) {
          slice(weights, tube.values, f, picture);
          for (let y = 0; y < weights.height; y += 7)
            for (let x = 0; x < weights.width; x += 7) found.push(picture[y * weights.width + x]);
        }
        expect(found).toHaveLength(flat.length);
        for (const [k, value] of found.entries()) expect(Math.abs(value - flat[k])).toBeLessThan(0.02 * largest + 2e-5);
      }
    }
  });

  test("units have the same names as in Python", () => {
    for (const { content, names } of examples) expect(names.map((_, unit) => unitName(content, unit))).toEqual(names);
  });
});

describe("the graph", () => {
  const { content, graph } = examples[2];
  const all = graph.prune(0);

  test("children are sorted by share, parents by flow", () => {
    const below = graph.below(0, all);
    expect(below.length).toBeGreaterThan(1);
    const shares = below.map((edge) => content.edges.share[edge]);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    const deep = content.units.count - 1;
    const flows = graph.above(deep, all).map(graph.flow);
    expect(flows).toEqual([...flows].sort((a, b) => b - a));
    for (const edge of graph.above(deep, all)) expect(content.edges.child[edge]).toBe(deep);
  });

  test("coverage decreases by the scores of pruned units", () => {
    const { coverage, first, count } = content.rows[2];
    const scores = [...content.units.score.subarray(first, first + count)];
    const kept = all.map((_, unit) => Number(unit === first));
    const sum = scores.reduce((a, b) => a + b, 0);
    expect(graph.coverage(2, kept)).toBeCloseTo((coverage * scores[0]) / sum, 9);
  });
});

describe("the layout", () => {
  const { content, graph } = examples[3];
  const kept = graph.prune(0);
  const container = { width: 900, height: 600 };
  const layout = layoutOf(content, graph, kept, { row: 2, collapsed: [3] }, container);

  test("the rows around the chosen one are large unless collapsed; the class always is", () => {
    expect(layout.bands.map(({ large }) => large)).toEqual([true, true, true, false, true, false, false, false]);
    const heights = layout.bands.map(({ h }) => h);
    expect(heights[2]).toBeGreaterThan(heights[4]);
    expect(heights[4]).toBeGreaterThan(2 * heights[5]);
  });

  test("rows do not overlap and fit in the container", () => {
    for (const many of [3, 17, 122]) {
      for (const chosen of [0, 1, Math.floor(many / 2), many - 1]) {
        const rows = Array.from({ length: many }, (_, k) => ({
          large: k === 0 || Math.abs(k - chosen) < 3,
          wanted: k === 0 ? 62 : ([96, 88, 54][Math.abs(k - chosen)] ?? 0),
        }));
        const heights = heightsOf(rows, 600);
        expect(heights.reduce((sum, { h, gap }) => sum + h + gap, 0)).toBeLessThanOrEqual(600.001);
        for (const { h } of heights) expect(h).toBeGreaterThan(0.3);
      }
    }
  });

  test("tiles of a row do not overlap and shrink with their rank", () => {
    for (const count of [1, 5, 64, 2000]) {
      const boxes = [];
      const end = tile(count, { x: 10, y: 20, w: 700, h: 90 }, 1, (_, box) => boxes.push(box));
      expect(boxes).toHaveLength(count);
      if (count <= 2000) expect(end).toBeLessThan(1000);
      for (const [k, box] of boxes.entries()) {
        expect(box.w).toBeGreaterThan(0);
        if (k) expect(box.h).toBeLessThanOrEqual(boxes[k - 1].h + 1e-9);
        expect(box.y + box.h).toBeLessThanOrEqual(110.001);
      }
      const apart = (a, b) => a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      for (let a = 0; a < Math.min(count, 200); a++)
        for (let b = 0; b < a; b++) expect(apart(boxes[a], boxes[b])).toBe(true);
    }
  });

  test("units whose parents are pruned are laid out in their place, but not counted", () => {
    const [path, score] = ["path", "score"].map((by) => graph.prune(0.4, true, by));
    const mixed = layoutOf(content, graph, path, { row: 2, collapsed: [] }, container, score);
    const grey = unitsOf(score).filter((unit) => !path[unit]);
    expect(grey.length).toBeGreaterThan(2);
    for (const unit of grey) expect(boxOf(mixed.boxes, unit).w).toBeGreaterThan(0);
    for (const { row, units, count, coverage, rest } of mixed.bands) {
      expect(units).toEqual(graph.keptUnits(row, score));
      expect(count).toBe(graph.keptUnits(row, path).length);
      expect([coverage, rest]).toEqual([graph.coverage(row, path), 1 - graph.coverage(row, score)]);
    }
    const links = linksOf(content, graph, mixed, path, []);
    for (const edge of links.base) expect(path[content.edges.parent[edge]] && path[content.edges.child[edge]]).toBe(1);
  });

  test("rows as high as a line leave room for the large ones", () => {
    for (const chosen of [1, 16, 31]) {
      const rows = Array.from({ length: 32 }, (_, k) => ({
        large: k === 0 || Math.abs(k - chosen) < 3,
        wanted: k === 0 ? 62 : ([96, 88, 54][Math.abs(k - chosen)] ?? 0),
      }));
      for (const [k, { h }] of heightsOf(rows, 788).entries())
        expect(h).toBeGreaterThan(rows[k].large ? 40 : 0.74 * 10.5);
    }
  });

  test("a point hits a unit, a thin row, the channels not shown, or nothing", () => {
    const unit = layout.bands[2].units[1];
    const { x, y, w, h } = boxOf(layout.boxes, unit);
    expect(hitTest(layout, x + w / 2, y + h / 2)).toMatchObject({ unit, band: { row: 2 } });
    const thin = layout.bands[5];
    expect(hitTest(layout, 400, thin.y + thin.h / 2)).toMatchObject({ unit: null, band: { row: 5 } });
    const { others } = layout.bands[2];
    expect(hitTest(layout, others.x + 2, others.y + 2)).toMatchObject({ unit: null, others: true });
    expect(hitTest(layout, 400, -50).band).toBeNull();
  });

  test("highlighted links connect a unit to the class", () => {
    const deep = layout.bands[6].units[0];
    const { highlighted, dimmedExcept, base } = linksOf(content, graph, layout, kept, [deep]);
    expect(dimmedExcept.has(0) && dimmedExcept.has(deep)).toBe(true);
    expect(highlighted.length).toBeGreaterThan(2);
    expect(base.length).toBeGreaterThan(5);
    expect(linksOf(content, graph, layout, kept, []).highlighted).toEqual([]);
  });
});

describe("the route of a link", () => {
  const { content, graph } = examples[3];
  const kept = graph.prune(0);
  const layout = layoutOf(content, graph, kept, { row: 3, collapsed: [2] }, { width: 900, height: 600 });
  const { bands, boxes } = layout;
  const { edges, units } = content;
  const { routes } = linksOf(content, graph, layout, kept, []);
  const visible = [...edges.child.keys()].filter((edge) => boxOf(boxes, edges.child[edge]).w);
  const tilesAt = ({ row }, x) =>
    bands[row].units.filter((unit) => x > boxOf(boxes, unit).x && x < boxOf(boxes, unit).x + boxOf(boxes, unit).w);

  test("passes each skipped large row once, between or beside its tiles", () => {
    const passing = visible.filter((edge) => routes(edge).length > 2);
    expect(passing.length).toBeGreaterThan(5);
    for (const edge of visible) {
      const [above, below] = [units.row[edges.parent[edge]], units.row[edges.child[edge]]];
      const skipped = bands.filter(({ row, large }) => large && row > above && row < below);
      const passes = routes(edge).slice(1, -1);
      expect(passes.map(({ top, foot }) => [top, foot])).toEqual(skipped.map(({ y, h }) => [y, y + h]));
      for (const [k, { x }] of passes.entries()) expect(tilesAt(skipped[k], x)).toEqual([]);
    }
  });

  test("reaches tiles at their edge, and tiles in lower lines from the side", () => {
    let sideCount = 0;
    for (const edge of visible) {
      const runs = routes(edge);
      const [from, to] = [boxOf(boxes, edges.parent[edge]), boxOf(boxes, edges.child[edge])];
      const [first, last] = [runs[0], runs.at(-1)];
      const side = last.foot > to.y;
      sideCount += Number(side);
      if (side) expect(tilesAt(bands[units.row[edges.child[edge]]], last.x)).toEqual([]);
      else expect(last).toEqual({ x: to.x + to.w / 2, top: to.y, foot: to.y });
      expect(last.foot).toBeCloseTo(side ? to.y + to.h / 2 : to.y, 3);
      expect(first.top).toBeCloseTo(first.foot > from.y + from.h + 1e-3 ? from.y + from.h / 2 : from.y + from.h, 3);
      const heights = runs.flatMap(({ top, foot }) => [top, foot]);
      expect(heights).toEqual([...heights].sort((a, b) => a - b));
    }
    expect(sideCount).toBeGreaterThan(2);
  });

  test("a row has a gap beside each column of tiles", () => {
    const band = bands[3];
    const gaps = gapsOf(band, boxes);
    expect(gaps).toEqual([...gaps].sort((a, b) => a - b));
    const columns = new Set(band.units.map((unit) => boxOf(boxes, unit).x)).size;
    expect(gaps).toHaveLength(columns + 1 + Number(band.others !== null));
  });

  test("is dashed and blue against the class, dotted where it is unknown; those against can be hidden", () => {
    const drawn = [];
    let dash = [];
    const context = new Proxy(
      { setLineDash: (value) => (dash = value), stroke: () => drawn.push([context.strokeStyle, String(dash)]) },
      { get: (target, name) => target[name] ?? (() => {}) },
    );
    const links = linksOf(content, graph, layout, kept, []);
    const projection = { width: 900, height: 600, zoom: 1, x: (x) => x, y: (y) => y };
    createLinkPen(context, content, graph, layout, links, projection).drawBelow();
    const expected = links.base.map((edge) => (edges.kind[edge] === 3 ? "1.5,4" : edges.share[edge] < 0 ? "6,4" : ""));
    expect(drawn.map(([, pattern]) => pattern)).toEqual(expected);
    expect(new Set(expected).size).toBe(3);
    const colours = drawn.filter(([, pattern]) => pattern === "6,4").map(([colour]) => colour);
    expect(new Set(colours)).toEqual(new Set(["rgba(48,152,246,1)"]));
    const hidden = linksOf(content, graph, layout, kept, [bands[3].units[0]], false);
    for (const edge of [...hidden.base, ...hidden.highlighted]) expect(edges.share[edge]).toBeGreaterThanOrEqual(0);
  });

  test("is hit by the pointer where it is drawn, the uppermost first", () => {
    const [traced, asked] = [[], []];
    let hit = () => false;
    const context = new Proxy(
      {
        moveTo: (x) => traced.push(x),
        isPointInStroke: (x, y) => asked.push([x, y]) && hit(traced.at(-1), context.lineWidth),
      },
      { get: (target, name) => target[name] ?? (() => {}) },
    );
    const links = linksOf(content, graph, layout, kept, [bands[3].units[0]]);
    const projection = { width: 900, height: 600, zoom: 1, x: (x) => x, y: (y) => y };
    const pen = createLinkPen(context, content, graph, layout, links, projection);
    const y = bands[4].y - 5;
    expect(pen.at(300, y, 2)).toBeNull();
    expect(asked.length).toBeGreaterThan(2);
    expect(asked[0]).toEqual([600, 2 * y]);
    const crossing = [...links.base, ...links.highlighted].filter((edge) => {
      const runs = links.routes(edge);
      return runs[0].top <= y && runs.at(-1).foot >= y;
    });
    expect(asked).toHaveLength(crossing.length); // those at other heights are skipped
    hit = (_, width) => width >= 7;
    expect(pen.at(300, y, 2)).toBe(crossing.at(-1));
  });

  test("is drawn below the tiles, and highlighted with a casing above them", () => {
    const strokes = [];
    const context = new Proxy(
      { stroke: () => strokes.push([context.strokeStyle, context.lineWidth]) },
      { get: (target, name) => target[name] ?? (() => {}) },
    );
    const links = linksOf(content, graph, layout, kept, [bands[3].units[0]]);
    const projection = { width: 900, height: 600, zoom: 1, x: (x) => x, y: (y) => y };
    const pen = createLinkPen(context, content, graph, layout, links, projection);
    pen.drawBelow();
    expect(strokes).toHaveLength(links.base.length);
    strokes.length = 0;
    pen.drawAbove();
    expect(strokes).toHaveLength(2 * links.highlighted.length);
    for (let k = 0; k < strokes.length; k += 2) {
      expect(strokes[k][0]).toBe("#14171c");
      expect(strokes[k][1]).toBeCloseTo(strokes[k + 1][1] + 3, 6);
    }
    strokes.length = 0;
    pen.drawAbove(links.base[0]); // the link under the pointer has a light outline
    expect(strokes.at(-2)[0]).toBe("#e6e9ee");
    expect(strokes).toHaveLength(2 * links.highlighted.length + 2);
  });
});

describe("row labels", () => {
  const bandsOf = (count, h, more = {}) =>
    Array.from({ length: count }, (_, row) => ({ row, h, large: false, open: true, ...more[row] }));
  const labelled = (...args) => labelledBands(...args).map(({ row }) => row);

  test("every row as high as a line has one; thinner rows have as many as do not overlap", () => {
    expect(labelled(bandsOf(5, 8), 1)).toEqual([0, 1, 2, 3, 4]);
    for (const h of [7, 4, 1.9, 0.7]) {
      const rows = labelled(bandsOf(120, h), 1);
      const apart = (rows[1] - rows[0]) * (h / 0.74);
      expect(apart).toBeGreaterThanOrEqual(10.5);
      expect(apart).toBeLessThan(21);
    }
  });

  test("zooming in only adds labels", () => {
    for (const zoom of [1, 1.5, 3, 7]) {
      const [before, after] = [labelled(bandsOf(120, 1.9), zoom), labelled(bandsOf(120, 1.9), 1.4 * zoom)];
      expect(after).toEqual(expect.arrayContaining(before));
    }
    expect(labelled(bandsOf(120, 1.9), 16)).toHaveLength(120);
  });

  test("a collapsed row has one at any height, and the last row", () => {
    expect(labelled(bandsOf(8, 1, { 3: { open: false }, 5: { large: true } }), 1)).toEqual([3, 5, 7]);
    for (const h of [7, 4, 1.9, 0.7]) expect(labelled(bandsOf(117, h), 1).at(-1)).toBe(116);
  });

  test("a name that does not fit keeps its last part, and as much as possible of the others", () => {
    const fit = (name, length) => fitName(name, (text) => text.length <= length);
    expect(fit("layer3.0.downsample.0", 21)).toBe("layer3.0.downsample.0");
    expect(fit("layer3.0.downsample.0", 19)).toBe("layer3…downsample.0");
    expect(fit("features.denseblock3.denselayer24.conv1", 30)).toBe("features…denselayer24.conv1");
    expect(fit("features.denseblock3.denselayer24.conv1", 20)).toBe("…denselayer24.conv1");
    expect(fit("features.denseblock3.denselayer24.conv1", 8)).toBe("…conv1");
    expect(fit("abcdefghijklmnop", 7).length).toBeLessThanOrEqual(7);
    expect(fit("abc", 0)).toBe("…");
  });

  test("a long name breaks after a dot", () => {
    const lines = (name, length) => breakName(name, (text) => text.length <= length);
    expect(lines("layer3.0.conv1", 20)).toEqual(["layer3.0.conv1"]);
    expect(lines("features.denseblock3.denselayer24.conv1", 22)).toEqual([
      "features.denseblock3.",
      "denselayer24.conv1",
    ]);
    expect(lines("sum in encoder.layers.11", 16)).toEqual(["sum in encoder.", "layers.11"]);
    expect(lines("layer3.0.downsample.0", 20)).toEqual(["layer3.0.", "downsample.0"]);
    expect(lines("a.very_long_last_part_of_a_name", 12)[1].length).toBeLessThanOrEqual(12);
  });

  test("a long name is shortened in the middle", () => {
    expect(shorten("features.denseblock3.denselayer24.conv1", 20)).toBe("features…yer24.conv1");
    expect(shorten("stem", 20)).toBe("stem");
  });
});

describe("the keys", () => {
  const { content, graph } = examples[3];
  const kept = graph.prune(0);
  const go = (unit, key, collapsed = []) => nextUnit(content, graph, { drawn: kept, collapsed }, unit, key);

  test("down goes to the child with the largest share, up to the parent with the largest flow", () => {
    const child = go(0, "ArrowDown");
    expect(child).toBe(content.edges.child[graph.below(0, kept)[0]]);
    expect(go(child, "ArrowUp")).toBe(content.edges.parent[graph.above(child, kept)[0]]);
    expect(go(0, "ArrowUp")).toBeUndefined();
  });

  test("left, right, home and end stay in the row and skip pruned units", () => {
    const { first, count } = content.rows[2];
    expect(go(first, "ArrowRight")).toBe(graph.keptUnits(2, kept)[1]);
    expect(go(first, "ArrowLeft")).toBeUndefined();
    expect(go(first + 1, "Home")).toBe(graph.keptUnits(2, kept)[0]);
    expect(go(first, "End")).toBe(graph.keptUnits(2, kept).at(-1));
    const gap = kept.slice();
    gap[first + 1] = 0;
    expect(nextUnit(content, graph, { drawn: gap, collapsed: [] }, first, "ArrowRight")).toBe(first + 2);
    expect(count).toBeGreaterThan(2);
  });

  test("collapsed rows are skipped", () => {
    const below = go(0, "ArrowDown", [1]);
    expect(content.units.row[below]).toBeGreaterThan(1);
    expect(content.units.row[go(content.rows[2].first, "PageUp", [1])]).toBe(0);
  });
});

describe("tubes", () => {
  const { content, graph } = examples[1];
  const kept = graph.prune(0);
  const view = { frame: 0, row: 2, threshold: 0, selected: [], collapsed: [], playing: false };

  test("the tube of a unit is its map, negated if lower values of it help the class", () => {
    const against = content.units.mapDirection.findIndex((sign, unit) => sign < 0 && unitTube(content, unit));
    const { map, first } = content.rows[content.units.row[against]];
    const tube = unitTube(content, against);
    const start = map.offset + (against - first) * tube.values.length;
    expect(tube.values[0]).toBeCloseTo((-content.thumbnails[start] * content.units.peak[against]) / 127, 6);
    expect(tube.caveats).toEqual([]);
    expect(unitTube(content, 0)).toBeNull();
  });

  test("a full map is used if present; a coarser thumbnail has a caveat", () => {
    const rows = content.rows.map((row) => row.map && { ...row, map: { ...row.map, whole: { ...row.map.whole } } });
    const { first, map } = rows[2];
    map.whole = { ...map.whole, shape: [4, 6, 5], peaks: [2], offset: 0 };
    map.shape = [2, 3, 5];
    const changed = { ...content, rows, maps: new Int8Array(120).fill(127) };
    expect(unitTube(changed, first).values).toEqual(new Float32Array(120).fill(2 * content.units.mapDirection[first]));
    expect(unitTube(changed, first + 1).caveats[0]).toBe(
      "drawn from a thumbnail of 2×3×5 cells; the full map has 4×6×5.",
    );
  });

  test("the inner viewer shows the tubes as layers, rounded to 16 bits", () => {
    const units = graph.keptUnits(2, kept).slice(0, 2);
    const shownTubes = [unitTube(content, units[0]), rowTube(content, 3, graph.keptUnits(3, kept))];
    const inner = tubeContent(content, shownTubes);
    expect(inner.layers.map(({ name }) => name)).toEqual([
      unitName(content, units[0]),
      `the ${graph.keptUnits(3, kept).length} units shown of ${content.rows[3].name}`,
    ]);
    expect(inner.targets[0].name).toBe("wave");
    for (const [k, { values }] of shownTubes.entries()) {
      const peak = Math.max(...values.map(Math.abs));
      expect(inner.layers[k].scale).toEqual([peak]);
      const rounded = [...values].map((value) => Math.fround(Math.round((32767 * value) / peak) / 32767));
      expect([...inner.mapOf(k, 0)]).toEqual(rounded);
    }
    const zeros = { ...shownTubes[0], values: new Float32Array(shownTubes[0].values.length) };
    const map = tubeContent(content, [zeros]).mapOf(0, 0);
    expect(map.every((value) => value === 0)).toBe(true); // no division by 0
  });

  test("the selected units are shown, else the row, and below the class the next row", () => {
    const unit = content.rows[2].first;
    expect(tubesOf(content, graph, { ...view, selected: [unit] }, kept).title).toBe(
      `Activity of ${unitName(content, unit)}`,
    );
    expect(tubesOf(content, graph, { ...view, selected: [unit, unit + 1] }, kept).tubes).toHaveLength(2);
    expect(tubesOf(content, graph, view, kept).title).toMatch(
      /^Activity of the \d+ units shown of block2.conv, weighted by score$/,
    );
    expect(tubesOf(content, graph, { ...view, row: 0 }, kept).title).toMatch(/sum in block1.*\(head has no map\)$/);
    const mapless = { ...content, rows: content.rows.map((row) => ({ ...row, map: null })) };
    expect(tubesOf(mapless, graph, view, kept)).toMatchObject({ tubes: [] });
  });
});

describe("texts", () => {
  test("the sentences on the pyramid, its rows and its units agree with Python", () => {
    for (const { content, graph, words } of examples) {
      for (const { threshold, pyramid, rows, units, path } of words) {
        const kept = graph.prune(threshold);
        expect(withSpaces(pyramidWords(content, graph, kept))).toBe(pyramid);
        for (const [row, sentences] of rows.entries()) {
          const band = { row, units: graph.keptUnits(row, kept), coverage: graph.coverage(row, kept) };
          expect(withSpaces(bandWords(content, band))).toBe(sentences);
        }
        const pairs = graph.strongestPath(kept).map((edge) => [content.edges.child[edge], content.edges.parent[edge]]);
        expect(pairs).toEqual(path);
        for (const [unit, sentences] of Object.entries(units))
          expect(withSpaces(unitWords(content, graph, kept, Number(unit)))).toBe(sentences);
      }
    }
    const texts = JSON.stringify(examples.map(({ words }) => words));
    for (const phrase of [
      ...["It feeds", "It mostly feeds", "and 1 other unit.", "(unchanged)", "Its contribution there is negative"],
      ...["Higher output", "Lower output", "Higher intensity", "by share of the sum itself", "Receptive field: "],
      ...["It works against", "Inputs against it: ", "All inputs without a link together: ", "(link unknown)"],
      ...["carries no positive evidence", "against units above", "before norm and activation"],
      ...["Its parent was pruned.", "All its parents were pruned.", "pruned units ", " not in this pyramid)"],
      ...[" logits).", " ml).", "favours 'fake'", "The shown unit carries"],
      ...["'wave' rather than 'clap'", "favours the difference", "No kernel carries", "Strongest path: "],
    ])
      expect(texts).toContain(phrase);
  });

  test("the sentences on links agree with Python", () => {
    for (const { content, links } of examples) {
      const { child, parent } = content.edges;
      const found = [...child.keys()].filter((edge) => `${child[edge]} ${parent[edge]}` in links);
      expect(found).toHaveLength(Object.keys(links).length);
      for (const edge of found)
        expect(withSpaces(linkWords(content, edge))).toBe(links[`${child[edge]} ${parent[edge]}`]);
    }
    const texts = JSON.stringify(examples.map(({ links }) => links));
    for (const phrase of ["to its mean, ", "logits, ", "ml, ", "contribution unknown, about ", "(unchanged): ", "−"])
      expect(texts).toContain(phrase);
  });

  test("beside the pointer are the contribution and the share", () => {
    const { content, graph } = examples[2];
    const kept = graph.prune(0);
    const edge = graph.below(0, kept)[0];
    const unit = content.edges.child[edge];
    const value = content.units.contribution[unit];
    const number = `${value < 0 ? "−" : "+"}${Number(Math.abs(value).toPrecision(2))} logits`;
    expect(withSpaces(unitTip(content, kept, unit))).toMatch(new RegExp(`^channel \\d+: \\${number}, .* %$`));
    expect(unitTip(content, kept.fill(0), unit)).toMatch(/ · parent pruned$/);
    expect(linkTip(content, edge)).toMatch(/^channel \d+ → 'wave': [+−].* logits, \d/);
  });

  test("the legend uses the names of a binary head and the verbs of values", () => {
    const of = (name) => sideWords(examples.find(({ content }) => content.explained.name === name).content);
    expect(of("wave")).toEqual({ raises: "for the class", lowers: "against", helps: "helps" });
    expect(of("ESV")).toEqual({ raises: "raises the value", lowers: "lowers it", helps: "raises it" });
    expect(of("fake")).toEqual({ raises: "for 'fake'", lowers: "for 'real'", helps: "speaks for 'fake'" });
  });

  test("the first caption also explains the tiles", () => {
    const { content, graph, words } = examples[1];
    expect(withSpaces(headWords(content, graph, graph.prune(0)))).toBe(
      `${words[0].pyramid} The first tile of each row is the strongest; each tile shows where its unit is active.`,
    );
  });

  test("the sliders describe what is shown", () => {
    const { content } = examples[1];
    const { count } = content.units;
    expect(withSpaces(rowWords(content, 2, 3, 0.64))).toBe(
      `block2.conv · 3 of ${content.rows[2].width} kernels · they carry 64 % of the evidence that reaches this layer`,
    );
    expect(rowWords(content, 2, 1, 0.64)).toContain(" · it carries 64");
    expect(prunedWords(content, 1, 0.2, 3)).toMatch(/; 3 more in grey: no parent is kept$/);
    expect(rowWords(content, 0, 1, 1)).toBe(`head · 1 of ${content.rows[0].width} classes`);
    expect(prunedWords(content, count, 0.02)).toBe(`showing all ${count} units`);
    expect(withSpaces(prunedWords(content, 1, 0.2))).toBe(
      `showing 1 of ${count} units: at least 20 % of the row's largest score`,
    );
  });
});

describe("validation", () => {
  const { state } = examples[0];
  const bytes = (length) => new DataView(new ArrayBuffer(length));
  test.each([
    [{ size: [8, 24] }, "`size` must be three whole numbers above 0 (time, height, width), got [8,24]"],
    [{ rows: [] }, "`rows` must be a list of at least one row, got []"],
    [{ rows: [{ ...state.rows[0], kind: "tree" }] }, "row 'head' must have a name, a known kind, counts"],
    [{ rows: [{ ...state.rows[0], count: -1 }] }, "row 'head' must have a name, a known kind, counts"],
    [{ rows: [{ ...state.rows[0], coverage: 2 }] }, "and a coverage in 0..1, got "],
    [{ thumbnails: bytes(7) }, /maps of 4x6x5 at offset 0 must lie within their buffer, got 7 bytes/],
    [{ thumbnails: "no" }, "`thumbnails` must be bytes"],
    [{ units: { ...state.units, score: bytes(3) } }, /`score` must be \d+ numbers of 8 bytes, got 3 bytes/],
    [{ edges: { ...state.edges, child: undefined } }, "`child` must be bytes, got nothing"],
    [{ explained: { name: 3 } }, "`explained` must be a class with name, logit and probability (or null)"],
    [{ frames: [] }, "`frames` must hold 8 images"],
  ])("state %# is rejected", (changes, message) => {
    expect(() => readContent(modelOf({ ...state, ...changes }))).toThrow(message);
  });

  test("an edge to a unit that does not exist is rejected", () => {
    const child = new DataView(state.edges.child.buffer.slice(0));
    child.setUint16(0, 60000, true);
    expect(() => readContent(modelOf({ ...state, edges: { ...state.edges, child } }))).toThrow(
      /hold indices of the \d+ units, got 60000/,
    );
  });

  test("movable traits are clamped", () => {
    const { content } = examples[0];
    const wild = { frame: 99, row: -3, threshold: Number.NaN, selected: [1, 1, -1, 9999, "x"], collapsed: null };
    expect(readViewState(modelOf(wild), content)).toEqual({
      ...{
        frame: 7,
        row: 0,
        threshold: 0,
        prune_by: "path",
        against: true,
        selected: [1],
        collapsed: [],
        playing: false,
      },
    });
  });
});
