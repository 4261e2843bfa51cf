"""State of the pyramid viewer: columns of units and edges, precision and size of maps, pruning in JavaScript, traits."""

from __future__ import annotations

import dataclasses
import gc
import json
import re
import shutil
import subprocess
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from numpy.typing import NDArray

from notebook_explain.explanations import Geometry
from notebook_explain.explanations.geometry import stretch
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.widgets import PyramidViewer
from notebook_explain.widgets.wire import pyramid as pyramid_wire
from tests.widgets.pyramid_examples import EXAMPLES, encoded_state, make
from tests.widgets.random_pyramids import deep_pyramid, random_pyramid
from tests.widgets.test_examples import assert_same

JS = Path(__file__).parents[2] / "js"
# Prints the units that the viewer's own code keeps of a state at each threshold.
PRUNE = """
import { decode } from "%(src)s/../test/helpers.js";
import { createGraph } from "%(src)s/pyramid/graph.js";
import { readContent } from "%(src)s/pyramid/traits.js";
const { state, thresholds } = JSON.parse(await new Response(process.stdin).text());
const decoded = decode(state);
const graph = createGraph(readContent({ get: (name) => decoded[name] }));
const prune = (threshold) => [...graph.prune(threshold, %(against)s, "%(by)s").entries()];
const keptAt = (threshold) => prune(threshold).filter(([, kept]) => kept).map(([unit]) => unit);
const units = thresholds.map(keptAt);
console.log(JSON.stringify(units));
"""


def size_of(state: dict[str, Any]) -> int:
    """Return the bytes of a state: the buffers, and the rest as JSON."""
    if isinstance(state, bytes):
        return len(state)
    if isinstance(state, dict):
        return sum(len(key) + 4 + size_of(value) for key, value in state.items())
    if isinstance(state, (list, tuple)):
        return sum(size_of(value) + 1 for value in state)
    return len(json.dumps(state))


def edges_of(state: dict[str, Any]) -> list[tuple[int, int, float, float, str]]:
    """Decode the columns of the edges: a second implementation of the definition."""
    columns, units = state["edges"], len(state["units"]["direction"])
    child = np.frombuffer(columns["child"], "<u2")
    parent = np.repeat(np.arange(units), np.frombuffer(columns["fan"], "<u4"))
    scale = np.frombuffer(columns["scale"], "<f4")[parent]
    contribution = np.frombuffer(columns["contribution"], "<i2") / 32767 * scale
    share = np.frombuffer(columns["share"], "<i2") / 32767
    kinds = [("conv", "identity", "concat", "unknown")[kind] for kind in columns["kind"]]
    return list(zip(child.tolist(), parent.tolist(), contribution.tolist(), share.tolist(), kinds, strict=True))


@pytest.fixture(scope="module")
def deep() -> Pyramid:
    return deep_pyramid()


@pytest.mark.parametrize("seed", range(3))
def test_every_edge_is_decoded_within_half_a_step(seed: int) -> None:
    pyramid = random_pyramid(seed)
    found = {(child, parent): rest for child, parent, *rest in edges_of(pyramid_wire.state(pyramid))}
    assert len(found) == len(pyramid.edges)
    for edge in pyramid.edges:
        contribution, share, kind = found[edge.child, edge.parent]
        largest = max(abs(other.contribution) for other in pyramid.edges if other.parent == edge.parent)
        assert abs(contribution - edge.contribution) <= 0.51 * largest / 32767 + 1e-6 * largest
        assert abs(share - edge.share) <= 0.51 / 32767
        assert kind == edge.kind
    assert min(edge.share for edge in pyramid.edges) < 0


def test_units_are_sent_exactly() -> None:
    pyramid = random_pyramid(1)
    state = pyramid_wire.state(pyramid)
    assert np.frombuffer(state["units"]["score"], "<f8").tolist() == [unit.score for unit in pyramid.units]
    assert np.frombuffer(state["units"]["channel"], "<i4").tolist() == [unit.channel for unit in pyramid.units]
    assert np.frombuffer(state["units"]["direction"], "i1").tolist() == [unit.direction for unit in pyramid.units]
    assert np.frombuffer(state["units"]["map_direction"], "i1").tolist() == [
        unit.map_direction for unit in pyramid.units
    ]
    assert [(row["name"], row["kind"], row["count"]) for row in state["rows"]] == [
        (row.name, row.kind, len(row.units)) for row in pyramid.rows
    ]
    assert state["explained"]["name"] == "wave"
    assert [row["names"] for row in state["rows"][:2]] == [["'wave'"], []]
    assert state["rows"][2]["sees"] == "3 frames, 9×9 pixels"


def _thumbnails(state: dict[str, Any], row: int) -> NDArray[np.float64]:
    sent = state["rows"][row]
    first = sum(other["count"] for other in state["rows"][:row])
    cells = int(np.prod(sent["map"]["shape"]))
    codes = np.frombuffer(state["thumbnails"], "i1", sent["count"] * cells, sent["map"]["offset"])
    peaks = np.frombuffer(state["units"]["peak"], "<f4")[first : first + sent["count"]]
    return codes.reshape(sent["count"], *sent["map"]["shape"]) / 127 * peaks[:, None, None, None]


def test_small_maps_are_sent_in_full_within_half_a_step() -> None:
    pyramid = random_pyramid(2)
    state = pyramid_wire.state(pyramid)
    row = pyramid.rows[2]
    assert row.maps is not None
    step = np.abs(row.maps).max(axis=(1, 2, 3), keepdims=True) / 127
    assert (np.abs(_thumbnails(state, 2) - row.maps) <= 0.501 * step).all()
    assert state["rows"][2]["map"]["whole"]["peaks"] == []
    assert state["rows"][0]["map"] is None


def test_the_contribution_of_a_unit_is_sent_exactly() -> None:
    local = random_pyramid(1)
    assert np.isnan(np.frombuffer(pyramid_wire.state(local)["units"]["contribution"], "<f8")).all()
    assert pyramid_wire.state(local)["explained"]["measure"] == "to its mean"
    knobs = {"contribution": "gradient"}
    pyramid = dataclasses.replace(local, provenance=dataclasses.replace(local.provenance, knobs=knobs))
    state = pyramid_wire.state(pyramid)
    assert state["explained"]["measure"] == "logits"
    for unit, value in enumerate(np.frombuffer(state["units"]["contribution"], "<f8")):
        assert (None if np.isnan(value) else value) == pyramid.contribution(unit)


def test_a_remainder_is_sent_as_a_share_of_the_positive_contributions() -> None:
    for seed in range(3):
        pyramid = random_pyramid(seed)
        sent = np.frombuffer(pyramid_wire.state(pyramid)["units"]["remainder"], "<f8")
        for index, unit in enumerate(pyramid.units):
            edges = [edge for edge in pyramid.edges if edge.parent == index and edge.contribution]
            if unit.remainder is None or not edges:
                assert np.isnan(sent[index])
            else:  # contribution = share * the sum of all positive contributions, times the direction of the unit
                assert sent[index] == pytest.approx(unit.remainder * edges[0].share / edges[0].contribution)


def test_a_thumbnail_holds_the_means_of_the_cells_and_their_geometry() -> None:
    pyramid = random_pyramid(3, rows=1, grid=(16, 28, 21), size=(16, 112, 84))
    state = pyramid_wire.state(pyramid)
    thumbnail, row = state["rows"][1]["map"], pyramid.rows[1]
    assert row.maps is not None
    assert thumbnail["shape"] == [8, 14, 14]
    blocks = row.maps.reshape(len(row.units), 8, 2, 14, 2, 21).mean(axis=(2, 4))
    fine = np.repeat(blocks, 14, axis=-1).reshape(*blocks.shape[:-1], 14, 21).mean(axis=-1)
    step = np.abs(fine).max(axis=(1, 2, 3), keepdims=True) / 127
    assert (np.abs(_thumbnails(state, 1) - fine) <= 0.51 * step).all()
    even = Geometry.even((8, 14, 14), pyramid.clip.size)
    assert thumbnail["geometry"]["rows"] == pytest.approx(even.rows, abs=1e-4)
    assert thumbnail["geometry"]["origin"] == pytest.approx(even.origin)
    assert thumbnail["geometry"]["step"] == pytest.approx(even.step)


def test_the_first_eight_maps_of_a_row_are_sent_in_full() -> None:
    pyramid = random_pyramid(3, rows=2, units=(10, 10), grid=(8, 20, 20), size=(8, 60, 60))
    state = pyramid_wire.state(pyramid)
    for index in (1, 2):
        whole, maps = state["rows"][index]["map"]["whole"], pyramid.rows[index].maps
        assert maps is not None
        assert (whole["shape"], len(whole["peaks"])) == ([8, 20, 20], 8)
        codes = np.frombuffer(state["maps"], "i1", 8 * 3200, whole["offset"]).reshape(8, 8, 20, 20)
        peaks = np.array(whole["peaks"])[:, None, None, None]
        assert (np.abs(codes / 127 * peaks - maps[:8]) <= 0.501 * peaks / 127).all()


def test_a_network_as_deep_as_densenet121_fits_in_two_megabytes(deep: Pyramid) -> None:
    state = pyramid_wire.state(deep)
    assert len(deep.rows) > 120
    assert len(deep.edges) > 80_000
    assert size_of(state) <= 2_000_000
    assert len(edges_of(state)) == pyramid_wire.MAX_EDGES
    assert (
        f"Only the 60,000 strongest of {len(deep.edges):,} links are drawn; the scores count all of them."
        in state["caveats"]
    )
    assert len(state["thumbnails"]) + len(state["maps"]) > 400_000


def test_pruning_gives_the_same_result_without_the_omitted_edges(deep: Pyramid) -> None:
    for pyramid, limit in ((deep, pyramid_wire.MAX_EDGES), (random_pyramid(4, rows=12, units=(8, 12)), 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pyramid_wire, "MAX_EDGES", limit)
            edges = edges_of(pyramid_wire.state(pyramid))
        assert len(edges) < len(pyramid.edges)
        known = {(edge.child, edge.parent): edge for edge in pyramid.edges}
        fewer = dataclasses.replace(pyramid, edges=tuple(known[child, parent] for child, parent, *_ in edges))
        for threshold in np.linspace(0, 1, 20):
            assert fewer.prune(threshold) == pyramid.prune(threshold)


def test_units_out_of_order_are_rejected() -> None:
    pyramid = random_pyramid(0)
    rows = list(pyramid.rows)
    rows[1] = dataclasses.replace(rows[1], units=rows[1].units[::-1])
    with pytest.raises(ValueError, match="must be numbered row by row"):
        pyramid_wire.state(dataclasses.replace(pyramid, rows=tuple(rows)))


def test_maps_of_zeros_are_sent() -> None:
    pyramid = random_pyramid(0)
    rows = [dataclasses.replace(row, maps=None if row.maps is None else 0 * row.maps) for row in pyramid.rows]
    state = pyramid_wire.state(dataclasses.replace(pyramid, rows=tuple(rows)))
    assert set(state["thumbnails"]) == {0}


# Pruning in JavaScript


def pruned_in_javascript(
    pyramid: Pyramid, thresholds: list[float], against: bool = True, by: str = "path"
) -> list[list[int]]:
    node = shutil.which("node")
    if node is None or not (JS / "src").is_dir():
        pytest.skip("no node, or no js/src: the committed examples are compared all the same")
    request = json.dumps({"state": encoded_state(pyramid), "thresholds": thresholds})
    script = PRUNE % {"src": (JS / "src").as_uri(), "against": str(against).lower(), "by": by}
    run = subprocess.run(
        [node, "--input-type=module", "-e", script], input=request, capture_output=True, text=True, check=True
    )
    found: list[list[int]] = json.loads(run.stdout)
    return found


def test_javascript_prunes_random_pyramids_like_python(deep: Pyramid) -> None:
    for pyramid in (random_pyramid(7, rows=10), deep):
        # Rounding errors would show at thresholds at which a unit is just kept.
        largest = max(unit.score for unit in pyramid.units if unit.row == 2)
        ties = [min(1.0, unit.score / largest) for unit in pyramid.units if unit.row == 2][:10]
        thresholds = [*map(float, np.linspace(0, 1, 20)), *ties]
        for by in ("path", "score"):
            expected = [list(pyramid.prune(threshold, by=by)) for threshold in thresholds]
            assert pruned_in_javascript(pyramid, thresholds, by=by) == expected


def test_indices_of_many_units_take_four_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pyramid = random_pyramid(8)
    monkeypatch.setattr(pyramid_wire, "MAX_SHORT_INDICES", 10)
    assert len(pyramid_wire.state(pyramid)["edges"]["child"]) == 4 * len(pyramid.edges)
    assert pruned_in_javascript(pyramid, [0.2]) == [list(pyramid.prune(0.2))]


def test_javascript_prunes_the_demo_pyramid_like_python() -> None:
    pytest.importorskip("torch")
    import notebook_explain as ne

    pyramid = ne.FeaturePyramid()(ne.demo_model(), ne.samples.contrast("wave one hand", "kick"))
    thresholds = [float(threshold) for threshold in np.linspace(0, 1, 20)]
    for against in (True, False):
        expected = [list(pyramid.prune(threshold, against)) for threshold in thresholds]
        assert pruned_in_javascript(pyramid, thresholds, against) == expected
    assert len(pyramid.prune(0, against=False)) < len(pyramid.units)


def test_the_committed_examples_are_up_to_date() -> None:
    if not EXAMPLES.is_file():
        pytest.skip("no js/test here: a package without its JavaScript")
    assert_same(
        json.loads(EXAMPLES.read_text()), json.loads(json.dumps(make())), "python -m tests.widgets.pyramid_examples"
    )


# The widget


def _typedef() -> dict[str, str]:
    text = (JS / "src" / "pyramid" / "traits.js").read_text()
    block = re.search(r"@typedef \{Object\} PyramidViewerState(.*?)\*/", text, re.S)
    assert block
    return {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}


def test_python_and_javascript_declare_the_same_traits() -> None:
    names = {name for name in PyramidViewer.class_trait_names(sync=True) if not name.startswith("_")}
    kinds = _typedef()
    assert set(kinds) == names - {"layout", "tabbable", "tooltip"}
    expected = {traitlets.Int: "number", traitlets.Float: "number", traitlets.Bool: "boolean"}
    expected |= {traitlets.Unicode: "string", traitlets.Bytes: "DataView"}
    for name, kind in kinds.items():
        trait = type(PyramidViewer.class_traits(sync=True)[name])
        simple = expected.get(trait)
        assert kind == simple if simple else any(word in kind for word in ("[]", "Record", "PictureState")), name


def test_the_view_opens_below_the_class_at_its_brightest_frame() -> None:
    pyramid = random_pyramid(2)
    viewer = PyramidViewer(pyramid, title="why")
    assert (viewer.row, viewer.threshold, viewer.selected, viewer.title) == (1, 0.0, [], "why")
    assert viewer.frame == int(pyramid.tube(1).clip(min=0).sum(axis=(1, 2)).argmax())
    viewer.close()
    named = PyramidViewer(pyramid, row="clip", collapsed=["sum in block1"], selected=[3, 1, 3], frame=2)
    assert (viewer.prune_by, named.prune_by) == ("path", "path")
    assert (named.row, named.collapsed, named.selected, named.frame) == (7, [1], [3, 1], 2)
    named.close()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame", 8, r"frame must lie in 0..7, got 8"),
        ("row", -1, r"row must lie in 0..7, got -1"),
        ("threshold", 1.01, r"threshold must lie in 0..1, got 1.01"),
        ("threshold", float("nan"), r"threshold must lie in 0..1, got nan"),
        ("prune_by", "rank", r"prune_by must be one of 'path', 'score'; got 'rank'"),
        ("selected", [0, 1000], r"selected must hold indices in 0..\d+, got 1000"),
        ("collapsed", [9], r"collapsed must hold indices in 0..7, got 9"),
    ],
)
def test_values_out_of_range_are_rejected_and_change_nothing(name: str, value: Any, message: str) -> None:
    viewer = PyramidViewer(random_pyramid(2))
    before = getattr(viewer, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    viewer.close()


def test_a_misspelt_option_is_rejected() -> None:
    with pytest.raises(TypeError, match="view has no 'layer'; it takes frame, row, threshold"):
        PyramidViewer(random_pyramid(0), layer=1)
    with pytest.raises(ValueError, match="row 'x' is not in this pyramid; it has head"):
        PyramidViewer(random_pyramid(0), row="x")


def test_a_closed_view_is_released() -> None:
    viewer = PyramidViewer(random_pyramid(0))
    reference, layout = weakref.ref(viewer), viewer.layout
    viewer.close()
    assert layout.comm is None
    del viewer, layout
    gc.collect()
    assert reference() is None


def test_the_tube_of_a_row_can_be_made_from_its_thumbnails() -> None:
    """The stretched sum of the thumbnails, as JavaScript computes it, is Pyramid.tube up to quantization."""
    pyramid = random_pyramid(6)
    state = pyramid_wire.state(pyramid)
    row = pyramid.rows[2]
    assert row.maps is not None
    assert row.geometry is not None
    kept = set(pyramid.prune(0.2))
    chosen = [(pyramid.units[index], index in kept) for index in row.units]
    weights = np.array([unit.score * unit.map_direction * is_kept for unit, is_kept in chosen])
    total = np.einsum("u,uthw->thw", weights, _thumbnails(state, 2)).astype(np.float32)
    error = (np.abs(weights) * np.abs(row.maps).max(axis=(1, 2, 3)) / 254).sum()
    tube = pyramid.tube(2, 0.2)
    assert np.abs(tube).max() > 20 * error
    assert np.abs(stretch(total, row.geometry, pyramid.clip.size) - tube).max() <= 1.01 * error
