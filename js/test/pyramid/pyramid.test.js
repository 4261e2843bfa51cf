// A pyramid without a page: what a threshold keeps, where tiles stand, what tubes are made of, what is said. The examples
// are Python's (python -m tests.widgets.pyramid_examples).
import { describe, expect, test } from "vitest";
import { decode } from "../../src/host.js";
import { step } from "../../src/pyramid/accessible_tree.js";
import { createGraph } from "../../src/pyramid/graph.js";
import { at, boxOf, heightsOf, layoutOf, tile } from "../../src/pyramid/layout.js";
import { gapsOf } from "../../src/pyramid/link_routing.js";
import { createLinkPen, linksOf } from "../../src/pyramid/links.js";
import { namedOf, shortened } from "../../src/pyramid/row_labels.js";
import {
  bandWords,
  headWords,
  prunedWords,
  pyramidWords,
  rowWords,
  unitName,
  unitWords,
} from "../../src/pyramid/text.js";
import { readContent, readPlace } from "../../src/pyramid/traits.js";
import { tubesOf } from "../../src/pyramid/tube_panel.js";
import { rowTube, tubeContent, unitTube } from "../../src/pyramid/unit_maps.js";
import { plan, slice } from "../../src/shared/interpolate.js";
import { pyramids, thresholds } from "./examples.json";

const modelOf = (state) => ({ get: (name) => state[name] });
const examples = pyramids.map(({ state, ...answers }) => {
  const content = readContent(modelOf(decode(state)));
  return { content, graph: createGraph(content), state: decode(state), ...answers };
});
const placesOf = (stays) => [...stays.keys()].filter((unit) => stays[unit]);
const plain = (words) => words.replaceAll("\u00a0", " ");

describe("the oracle", () => {
  test("pruning keeps what Python keeps, at twenty thresholds", () => {
    for (const { graph, kept } of examples)
      expect(thresholds.map((threshold) => placesOf(graph.prune(threshold)))).toEqual(kept);
    expect(thresholds).toHaveLength(20);
    expect(new Set(examples[3].kept.map(String)).size).toBeGreaterThan(6);
  });

  test("a row's tube is Python's, to the quantisation", () => {
    for (const { content, graph, tubes: told } of examples) {
      const stays = graph.prune(0.3);
      for (const [row, expected] of Object.entries(told)) {
        const tube = rowTube(content, Number(row), graph.of(Number(row), stays));
        const flat = expected.flat(2);
        const most = Math.max(...flat.map(Math.abs));
        if (!tube) {
          expect(most).toBe(0);
          continue;
        }
        const made = plan(content.size, tube.shape, tube.geometry);
        const found = [];
        const picture = new Float32Array(made.width * made.height);
        for (let f = 0; f < content.size[0]; f += 3) {
          slice(made, tube.values, f, picture);
          for (let y = 0; y < made.height; y += 7)
            for (let x = 0; x < made.width; x += 7) found.push(picture[y * made.width + x]);
        }
        expect(found).toHaveLength(flat.length);
        for (const [k, value] of found.entries()) expect(Math.abs(value - flat[k])).toBeLessThan(0.02 * most + 2e-5);
      }
    }
  });

  test("units are called as Python calls them", () => {
    for (const { content, names } of examples) expect(names.map((_, unit) => unitName(content, unit))).toEqual(names);
  });
});

describe("the graph", () => {
  const { content, graph } = examples[2];
  const all = graph.prune(0);

  test("children come by share, parents by what they pass on", () => {
    const below = graph.below(0, all);
    expect(below.length).toBeGreaterThan(1);
    const shares = below.map((edge) => content.edges.share[edge]);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    const deep = content.units.count - 1;
    const flows = graph.above(deep, all).map(graph.flow);
    expect(flows).toEqual([...flows].sort((a, b) => b - a));
    for (const edge of graph.above(deep, all)) expect(content.edges.child[edge]).toBe(deep);
  });

  test("what is pruned is carried by the others", () => {
    const { coverage, first, count } = content.rows[2];
    const scores = [...content.units.score.subarray(first, first + count)];
    const stays = all.map((_, unit) => Number(unit === first));
    const sum = scores.reduce((a, b) => a + b, 0);
    expect(graph.coverage(2, stays)).toBeCloseTo((coverage * scores[0]) / sum, 9);
  });
});

describe("where everything stands", () => {
  const { content, graph } = examples[3];
  const stays = graph.prune(0);
  const stage = { width: 900, height: 600 };
  const layout = layoutOf(content, graph, stays, { row: 2, collapsed: [3] }, stage);

  test("the rows around the chosen one are large, but for those that are collapsed; the class always is", () => {
    expect(layout.bands.map(({ large }) => large)).toEqual([true, true, true, false, true, false, false, false]);
    const heights = layout.bands.map(({ h }) => h);
    expect(heights[2]).toBeGreaterThan(heights[4]);
    expect(heights[4]).toBeGreaterThan(2 * heights[5]);
  });

  test("rows lie below one another within the stage", () => {
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

  test("tiles of a row do not overlap, whatever their number, and shrink with their rank", () => {
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

  test("a point finds its unit, a thin row, the others, or nothing", () => {
    const unit = layout.bands[2].units[1];
    const { x, y, w, h } = boxOf(layout.boxes, unit);
    expect(at(layout, x + w / 2, y + h / 2)).toMatchObject({ unit, band: { row: 2 } });
    const thin = layout.bands[5];
    expect(at(layout, 400, thin.y + thin.h / 2)).toMatchObject({ unit: null, band: { row: 5 } });
    const { others } = layout.bands[2];
    expect(at(layout, others.x + 2, others.y + 2)).toMatchObject({ unit: null, others: true });
    expect(at(layout, 400, -50).band).toBeNull();
  });

  test("links of a unit reach up to the class", () => {
    const deep = layout.bands[6].units[0];
    const { lit, near, base } = linksOf(content, graph, layout, stays, [deep]);
    expect(near.has(0) && near.has(deep)).toBe(true);
    expect(lit.length).toBeGreaterThan(2);
    expect(base.length).toBeGreaterThan(5);
    expect(linksOf(content, graph, layout, stays, []).lit).toEqual([]);
  });
});

describe("the way of a link", () => {
  const { content, graph } = examples[3];
  const stays = graph.prune(0);
  const layout = layoutOf(content, graph, stays, { row: 3, collapsed: [2] }, { width: 900, height: 600 });
  const { bands, boxes } = layout;
  const { edges, units } = content;
  const { routes } = linksOf(content, graph, layout, stays, []);
  const seen = [...edges.child.keys()].filter((edge) => boxOf(boxes, edges.child[edge]).w);
  const inside = ({ row }, x) =>
    bands[row].units.filter((unit) => x > boxOf(boxes, unit).x && x < boxOf(boxes, unit).x + boxOf(boxes, unit).w);

  test("passes each large row that it skips once, through a gap between its tiles or beside them", () => {
    const passing = seen.filter((edge) => routes(edge).length > 2);
    expect(passing.length).toBeGreaterThan(5);
    for (const edge of seen) {
      const [above, below] = [units.row[edges.parent[edge]], units.row[edges.child[edge]]];
      const skipped = bands.filter(({ row, large }) => large && row > above && row < below);
      const passes = routes(edge).slice(1, -1);
      expect(passes.map(({ top, foot }) => [top, foot])).toEqual(skipped.map(({ y, h }) => [y, y + h]));
      for (const [k, { x }] of passes.entries()) expect(inside(skipped[k], x)).toEqual([]);
    }
  });

  test("reaches its tiles at their edge, those below others of their row from the side", () => {
    let sides = 0;
    for (const edge of seen) {
      const runs = routes(edge);
      const [from, to] = [boxOf(boxes, edges.parent[edge]), boxOf(boxes, edges.child[edge])];
      const [first, last] = [runs[0], runs.at(-1)];
      const side = last.foot > to.y;
      sides += Number(side);
      if (side) expect(inside(bands[units.row[edges.child[edge]]], last.x)).toEqual([]);
      else expect(last).toEqual({ x: to.x + to.w / 2, top: to.y, foot: to.y });
      expect(last.foot).toBeCloseTo(side ? to.y + to.h / 2 : to.y, 3);
      expect(first.top).toBeCloseTo(first.foot > from.y + from.h + 1e-3 ? from.y + from.h / 2 : from.y + from.h, 3);
      const heights = runs.flatMap(({ top, foot }) => [top, foot]);
      expect(heights).toEqual([...heights].sort((a, b) => a - b));
    }
    expect(sides).toBeGreaterThan(2);
  });

  test("a row is passed as near to the straight line as it has a gap", () => {
    const band = bands[3];
    const gaps = gapsOf(band, boxes);
    expect(gaps).toEqual([...gaps].sort((a, b) => a - b));
    const columns = new Set(band.units.map((unit) => boxOf(boxes, unit).x)).size;
    expect(gaps).toHaveLength(columns + 1 + Number(band.others !== null));
  });

  test("lies below the tiles; of what is pointed at above them, with a casing", () => {
    const strokes = [];
    const context = new Proxy(
      { stroke: () => strokes.push([context.strokeStyle, context.lineWidth]) },
      { get: (target, name) => target[name] ?? (() => {}) },
    );
    const links = linksOf(content, graph, layout, stays, [bands[3].units[0]]);
    const eye = { width: 900, height: 600, zoom: 1, x: (x) => x, y: (y) => y };
    const pen = createLinkPen(context, content, graph, layout, links, eye);
    pen.below();
    expect(strokes).toHaveLength(links.base.length);
    strokes.length = 0;
    pen.above();
    expect(strokes).toHaveLength(2 * links.lit.length);
    for (let k = 0; k < strokes.length; k += 2) {
      expect(strokes[k][0]).toBe("#14171c");
      expect(strokes[k][1]).toBeCloseTo(strokes[k + 1][1] + 3, 6);
    }
  });
});

describe("the names of rows", () => {
  const bandsOf = (count, h, more = {}) =>
    Array.from({ length: count }, (_, row) => ({ row, h, large: false, open: true, ...more[row] }));
  const named = (...given) => namedOf(...given).map(({ row }) => row);

  test("every row that is as high as a line has one; of thinner ones as many as stay apart", () => {
    expect(named(bandsOf(5, 8), 1)).toEqual([0, 1, 2, 3, 4]);
    for (const h of [7, 4, 1.9, 0.7]) {
      const rows = named(bandsOf(120, h), 1);
      const apart = (rows[1] - rows[0]) * (h / 0.74);
      expect(apart).toBeGreaterThanOrEqual(10.5);
      expect(apart).toBeLessThan(21);
    }
  });

  test("what is named stays named from closer by", () => {
    for (const zoom of [1, 1.5, 3, 7]) {
      const [far, near] = [named(bandsOf(120, 1.9), zoom), named(bandsOf(120, 1.9), 1.4 * zoom)];
      expect(near).toEqual(expect.arrayContaining(far));
    }
    expect(named(bandsOf(120, 1.9), 16)).toHaveLength(120);
  });

  test("a row collapsed by hand has one, whatever its height", () => {
    expect(named(bandsOf(8, 1, { 3: { open: false }, 5: { large: true } }), 1)).toEqual([0, 3, 5]);
  });

  test("a long name keeps its beginning and its end", () => {
    expect(shortened("features.denseblock3.denselayer24.conv1", 20)).toBe("features…yer24.conv1");
    expect(shortened("stem", 20)).toBe("stem");
  });
});

describe("the keys", () => {
  const { content, graph } = examples[3];
  const stays = graph.prune(0);
  const go = (unit, key, collapsed = []) => step(content, graph, { stays, collapsed }, unit, key);

  test("down goes to the child that gives most, up to the parent that gets most", () => {
    const child = go(0, "ArrowDown");
    expect(child).toBe(content.edges.child[graph.below(0, stays)[0]]);
    expect(go(child, "ArrowUp")).toBe(content.edges.parent[graph.above(child, stays)[0]]);
    expect(go(0, "ArrowUp")).toBeUndefined();
  });

  test("left, right, home and end keep to the row; what is pruned is passed over", () => {
    const { first, count } = content.rows[2];
    expect(go(first, "ArrowRight")).toBe(graph.of(2, stays)[1]);
    expect(go(first, "ArrowLeft")).toBeUndefined();
    expect(go(first + 1, "Home")).toBe(graph.of(2, stays)[0]);
    expect(go(first, "End")).toBe(graph.of(2, stays).at(-1));
    const gap = stays.slice();
    gap[first + 1] = 0;
    expect(step(content, graph, { stays: gap, collapsed: [] }, first, "ArrowRight")).toBe(first + 2);
    expect(count).toBeGreaterThan(2);
  });

  test("a collapsed row is stepped over", () => {
    const below = go(0, "ArrowDown", [1]);
    expect(content.units.row[below]).toBeGreaterThan(1);
    expect(content.units.row[go(content.rows[2].first, "PageUp", [1])]).toBe(0);
  });
});

describe("tubes", () => {
  const { content, graph } = examples[1];
  const stays = graph.prune(0);
  const place = { frame: 0, row: 2, threshold: 0, selected: [], collapsed: [], playing: false };

  test("a unit's tube is its map, turned where less of it speaks for the class", () => {
    const against = content.units.direction.findIndex((sign, unit) => sign < 0 && unitTube(content, unit));
    const { map, first } = content.rows[content.units.row[against]];
    const tube = unitTube(content, against);
    const start = map.offset + (against - first) * tube.values.length;
    expect(tube.values[0]).toBeCloseTo((-content.thumbnails[start] * content.units.peak[against]) / 127, 6);
    expect(tube.caveats).toEqual([]);
    expect(unitTube(content, 0)).toBeNull();
  });

  test("a thumbnail that is coarser says so; a whole map is used where it came", () => {
    const rows = content.rows.map((row) => row.map && { ...row, map: { ...row.map, whole: { ...row.map.whole } } });
    const { first, map } = rows[2];
    map.whole = { ...map.whole, shape: [4, 6, 5], peaks: [2], offset: 0 };
    map.shape = [2, 3, 5];
    const changed = { ...content, rows, maps: new Int8Array(120).fill(127) };
    expect(unitTube(changed, first).values).toEqual(
      new Float32Array(120).fill(2 * (content.units.direction[first] || 1)),
    );
    expect(unitTube(changed, first + 1).caveats[0]).toBe(
      "drawn from a thumbnail of 2×3×5 cells; the full map has 4×6×5.",
    );
  });

  test("the inner viewer takes what it is given", () => {
    const units = graph.of(2, stays).slice(0, 2);
    const given = [unitTube(content, units[0]), rowTube(content, 3, graph.of(3, stays))];
    const shown = tubeContent(content, given);
    expect(shown.layers.map(({ name }) => name)).toEqual([
      unitName(content, units[0]),
      `the ${graph.of(3, stays).length} units of ${content.rows[3].name}`,
    ]);
    expect(shown.targets[0].name).toBe("wave");
    for (const [k, { values }] of given.entries()) {
      const peak = Math.max(...values.map(Math.abs));
      expect(shown.layers[k].scale).toEqual([peak]);
      expect([...shown.mapOf(k, 0)]).toEqual(
        [...values].map((value) => Math.fround(Math.round((32767 * value) / peak) / 32767)),
      );
    }
    const empty = { ...given[0], values: new Float32Array(given[0].values.length) };
    expect(
      tubeContent(content, [empty])
        .mapOf(0, 0)
        .every((value) => value === 0),
    ).toBe(true); // no division by 0
  });

  test("what is selected is shown; nothing selected is the row; the class is the row below it", () => {
    const unit = content.rows[2].first;
    expect(tubesOf(content, graph, { ...place, selected: [unit] }, stays).title).toBe(
      `Activity of ${unitName(content, unit)}`,
    );
    expect(tubesOf(content, graph, { ...place, selected: [unit, unit + 1] }, stays).tubes).toHaveLength(2);
    expect(tubesOf(content, graph, place, stays).title).toMatch(
      /^Activity of the \d+ units of block2.conv, weighted by score$/,
    );
    expect(tubesOf(content, graph, { ...place, row: 0 }, stays).title).toMatch(/sum in block1.*\(head has no map\)$/);
    const mapless = { ...content, rows: content.rows.map((row) => ({ ...row, map: null })) };
    expect(tubesOf(mapless, graph, place, stays)).toMatchObject({ tubes: [] });
  });
});

describe("words", () => {
  test("the sentences on the pyramid, its rows and its units are Python's", () => {
    for (const { content, graph, words } of examples) {
      for (const { threshold, pyramid, rows, units } of words) {
        const kept = graph.prune(threshold);
        expect(plain(pyramidWords(content, graph, kept))).toBe(pyramid);
        for (const [row, sentences] of rows.entries()) {
          const band = { row, units: graph.of(row, kept), coverage: graph.coverage(row, kept) };
          expect(plain(bandWords(content, band))).toBe(sentences);
        }
        for (const [unit, sentences] of Object.entries(units))
          expect(plain(unitWords(content, graph, kept, Number(unit)))).toBe(sentences);
      }
    }
    const said = JSON.stringify(examples.map(({ words }) => words));
    for (const phrase of [
      ...["It feeds", "It mostly feeds", "and 1 other unit.", "(unchanged)", "Its contribution there is negative"],
      ...["Higher output", "Lower output", "Higher intensity", "by share of the sum itself", "Receptive field: "],
      ...["'wave' rather than 'clap'", "favours the difference", "No kernel carries", "Strongest path: "],
    ])
      expect(said).toContain(phrase);
  });

  test("the sentence at first explains the tiles too", () => {
    const { content, graph, words } = examples[1];
    expect(plain(headWords(content, graph, graph.prune(0)))).toBe(
      `${words[0].pyramid} The first tile of each row is the strongest; each tile shows where its unit is active.`,
    );
  });

  test("the sliders say what is shown", () => {
    const { content } = examples[1];
    const { count } = content.units;
    expect(plain(rowWords(content, 2, 3, 0.64))).toBe(
      `block2.conv · 3 of ${content.rows[2].width} kernels · shown units carry 64 % of the evidence that reaches this layer`,
    );
    expect(rowWords(content, 0, 1, 1)).toBe(`head · 1 of ${content.rows[0].width} classes`);
    expect(prunedWords(content, count, 0.02)).toBe(`showing all ${count} units`);
    expect(plain(prunedWords(content, 1, 0.2))).toBe(
      `showing 1 of ${count} units: at least 20 % of the row's largest score`,
    );
  });
});

describe("a state that cannot be drawn", () => {
  const { state } = examples[0];
  const bytes = (length) => new DataView(new ArrayBuffer(length));
  test.each([
    [{ size: [8, 24] }, "`size` must be three whole numbers above 0 (time, height, width), got [8,24]"],
    [{ rows: [] }, "`rows` must be a list of at least one row, got []"],
    [{ rows: [{ ...state.rows[0], kind: "tree" }] }, "row 'head' must be named, of a known kind, with counts"],
    [{ rows: [{ ...state.rows[0], count: -1 }] }, "row 'head' must be named, of a known kind, with counts"],
    [{ rows: [{ ...state.rows[0], coverage: 2 }] }, "and a coverage in 0..1, got "],
    [{ thumbnails: bytes(7) }, /maps of 4x6x5 at offset 0 must be within their buffer, got 7 bytes/],
    [{ thumbnails: "no" }, "`thumbnails` must be bytes"],
    [{ units: { ...state.units, score: bytes(3) } }, /`score` must be \d+ numbers of 8 bytes, got 3 bytes/],
    [{ edges: { ...state.edges, child: undefined } }, "`child` must be bytes, got nothing"],
    [{ explained: { name: 3 } }, "`explained` must be a class with name, logit and probability (or null)"],
    [{ frames: [] }, "`frames` must hold 8 images"],
  ])("%# is said in words", (changes, words) => {
    expect(() => readContent(modelOf({ ...state, ...changes }))).toThrow(words);
  });

  test("a child that is no unit is named", () => {
    const child = new DataView(state.edges.child.buffer.slice(0));
    child.setUint16(0, 60000, true);
    expect(() => readContent(modelOf({ ...state, edges: { ...state.edges, child } }))).toThrow(
      /places of the \d+ units, got 60000/,
    );
  });

  test("what moves is brought into range", () => {
    const { content } = examples[0];
    const wild = { frame: 99, row: -3, threshold: Number.NaN, selected: [1, 1, -1, 9999, "x"], collapsed: null };
    expect(readPlace(modelOf(wild), content)).toEqual({
      ...{ frame: 7, row: 0, threshold: 0, selected: [1], collapsed: [], playing: false },
    });
  });
});
