"""Damaged and hostile files: each is refused with a reason, or loads as an explanation that can be shown and saved.

No file makes the reader allocate much memory, hang or run code.
"""

from __future__ import annotations

import io
import json
import re
import struct
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import notebook_explain as ne
from notebook_explain.display.evaluations import page_text
from notebook_explain.display.what_ifs import page_text as what_if_page_text
from notebook_explain.explanations import (
    BlockReport,
    Concepts,
    Evaluation,
    Pyramid,
    TemporalReliance,
    Tubes,
    Visualization,
    WhatIf,
)
from notebook_explain.explanations.io.save_load import KINDS
from notebook_explain.figures import strip_png
from tests.example_values import (
    small_concepts,
    small_evaluation,
    small_frame_signals,
    small_pyramid,
    small_report,
    small_temporal_reliance,
    small_tubes,
    small_visualization,
    small_what_if,
)
from tests.explanations.equality import assert_same

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
MADE = {
    "tubes": lambda: small_tubes().with_frame_signals(small_frame_signals()),
    "pyramid": small_pyramid,
    "blocks": small_report,
    "evaluation": small_evaluation,
    "concepts": small_concepts,
    "visualization": small_visualization,
    "what_if": small_what_if,
    "temporal_reliance": small_temporal_reliance,
}
every_kind = pytest.mark.parametrize("whole", MADE, indirect=True)


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file as it was saved: of tubes, where a test asks for no other kind."""
    explanation = MADE[getattr(request, "param", "tubes")]()
    return explanation.save(tmp_path_factory.mktemp("saved") / "whole.npz").read_bytes()


def test_every_kind_of_file_is_tested() -> None:
    assert set(MADE) == set(KINDS)


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w", how) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        return out.getvalue()


def npy(shape: str, kind: str = "<f4", data: bytes = b"") -> bytes:
    """Return an array in NumPy's format with any header, true or not."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def with_header(data: bytes, edit: Callable[[Any], Any]) -> bytes:
    parts = entries(data)
    text = json.loads(np.load(io.BytesIO(parts["header.npy"])).tobytes())
    header = json.dumps(edit(text)).encode()
    parts["header.npy"] = npy(f"({len(header)},)", "|u1", header)
    return packed(parts)


def opened(folder: Path, data: bytes) -> Tubes | Pyramid | BlockReport | str:
    """Load a file; return an explanation that can be shown and saved, or the text of the one error."""
    path = folder / "hostile.npz"
    path.write_bytes(data)
    try:
        explanation = ne.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{str(path)!r} cannot be loaded: ")  # noqa: PT017
        return str(error)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No installed font has")  # random text; said once per process
        used(explanation)
    assert_same(ne.load(explanation.save(folder / "again.npz")), explanation)
    return explanation


@singledispatch
def used(explanation: Any) -> None:
    """Whatever is loaded can be shown and asked."""
    raise AssertionError(f"nobody uses a {type(explanation).__name__}")


@used.register
def _(tubes: Tubes) -> None:
    assert strip_png(tubes).startswith(b"\x89PNG")
    assert all(np.isfinite(one.values).all() and (np.diff(one.rows) > 0).all() for one in tubes.frame_signals)


@used.register
def _(pyramid: Pyramid) -> None:
    assert set(pyramid.prune(0.5)) <= set(pyramid.prune(0.0))
    json.dumps([pyramid.to_json(), pyramid.to_tree()], allow_nan=False)
    for row in pyramid.rows:
        if row.maps is not None:
            assert np.isfinite(pyramid.tube(row.name)).all()
    for at in range(len(pyramid.units)):
        assert pyramid.in_words(at)


@used.register
def _(report: BlockReport) -> None:
    assert report.in_words()
    report.figure(frames=1).draw_without_rendering()


@used.register
def _(evaluation: Evaluation) -> None:
    assert evaluation.in_words()
    assert page_text(evaluation, "title")
    if evaluation.rows:
        evaluation.figure().draw_without_rendering()


@used.register
def _(concepts: Concepts) -> None:
    assert concepts.in_words()
    assert concepts.report()
    json.loads(concepts.to_json())
    for concept in concepts:
        for clip in concept.exemplars:
            assert concepts.mask(concept.index, clip).shape == concepts.clips[clip].size


@used.register
def _(visualization: Visualization) -> None:
    assert visualization.in_words()
    assert visualization.report()
    json.loads(visualization.to_json())
    for one in visualization:
        if one.flow is not None:
            assert np.isfinite(one.speed().volume(0)).all()


@used.register
def _(result: WhatIf) -> None:
    assert result.in_words()
    assert result.moved()
    assert all(isinstance(edit.entry, dict) for edit in result.edits)
    assert what_if_page_text(result, "title")
    result.figure(frames=2).draw_without_rendering()


@used.register
def _(reliance: TemporalReliance) -> None:
    assert reliance.in_words()
    reliance.figure().draw_without_rendering()


def refused(folder: Path, data: bytes) -> str:
    found = opened(folder, data)
    assert isinstance(found, str), "a hostile file was loaded"
    return found


@QUIET
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6))
def test_flipped_bytes(whole: bytes, tmp_path: Path, places: list[tuple[float, int]]) -> None:
    data = bytearray(whole)
    for place, change in places:
        data[int(place * len(data))] ^= change
    opened(tmp_path, bytes(data))


@every_kind
@QUIET
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_with_a_valid_checksum(whole: bytes, tmp_path: Path, places: list[tuple[float, int]]) -> None:
    parts = {name: bytearray(data) for name, data in entries(whole).items()}
    for place, change in places:
        part = parts[sorted(parts)[int(place * 997) % len(parts)]]
        part[int(place * len(part))] ^= change
    opened(tmp_path, packed({name: bytes(part) for name, part in parts.items()}))


@every_kind
def test_cut_off_anywhere(whole: bytes, tmp_path: Path) -> None:
    for end in [*range(0, 60, 4), *range(60, len(whole) - 1, 67), len(whole) - 1]:
        refused(tmp_path, whole[:end])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in paths_of(part, (*path, key)))]


@every_kind
@QUIET
@given(place=st.floats(0, 1, exclude_max=True), value=JSON)
def test_any_value_in_the_header_replaced_by_any_other(whole: bytes, tmp_path: Path, place: float, value: Any) -> None:
    def edit(text: Any) -> Any:
        places = paths_of(text)[1:]
        *way, last = places[int(place * len(places))]
        part = text
        for key in way:
            part = part[key]
        part[last] = value
        return text

    opened(tmp_path, with_header(whole, edit))


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        (
            "values_0",
            npy("(2, 1000000, 1000000, 1000000)"),
            r"states the shape .* but holds a different number of bytes",
        ),
        ("values_0", npy("(2, 6, 4, 5)", data=bytes(4 * 2 * 6 * 4 * 4)), "holds a different number of bytes"),
        ("values_0", npy(f"({2**62}, {2**62})"), "impossible shape"),
        ("values_0", npy("(-1, -96)", data=bytes(4 * 96)), "impossible shape"),
        ("values_0", npy("(0, 6, 4, 4)"), "layer 0 is not a float32 array"),
        ("values_0", npy(str((1,) * 40)), "impossible shape"),
        ("frames", npy("(6, 12, 12, 3)", "|O", bytes(100)), "not an array of plain numbers"),
        ("frames", npy("(6, 12, 12, 3)", "<f4", bytes(4 * 6 * 432)), "frames must be uint8"),
        ("frames", npy("(6, 12, 12)", "|u1", bytes(6 * 144)), r"frames must have shape \(time, height, width, 3\)"),
        ("times", npy("(6,)", "<f8", np.full(6, np.nan).tobytes()), "the clip's times are not finite"),
        ("times", npy("(5,)", "<f8", np.zeros(5).tobytes()), "one number per frame"),
        ("frame_numbers", npy("(6,)", "<i8", np.full(6, -1).tobytes()), "the clip's frame numbers"),
        ("values_0", npy("(2, 6, 4, 4)", "<f4", np.full(192, np.inf, np.float32).tobytes()), "not finite"),
        ("rows_0", npy("(6,)", "<f8", np.zeros(6).tobytes()), "strictly increasing"),
        ("rows_0", npy("(6,)", "<U9", bytes(216)), "not an array of plain numbers"),
        ("header", npy("(4,)", "|u1", b"\xff\xfe\x00\x01"), "damaged"),
        ("header", npy("(1,)", "|u1", b"7"), "not one of notebook_explain"),
        ("header", npy("(400000,)", "|u1", b"[" * 400000), "damaged"),
        ("header", b"\x93NUMPY\x07\x00", r"version \(7, 0\)"),
        ("header", npy("(" * 3000), "damaged"),
        ("header", b"no array at all", "damaged"),
    ],
)
def test_invalid_arrays_are_refused(whole: bytes, tmp_path: Path, name: str, array: bytes, words: str) -> None:
    assert re.search(words, refused(tmp_path, packed(entries(whole) | {f"{name}.npy": array})))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text["targets"][0].update(logit=float("nan")), "NaN, which is not a number in JSON"),
        (lambda text: text["clip"].update(origin=[1e300, 0]), "further away than any pixel"),
        (lambda text: text["clip"].update(step=[1e-300, 1]), "both values must be positive"),
        (lambda text: text["clip"].update(source="\ud800"), "surrogates"),
        (lambda text: text["clip"].update(source_size=[0, 7]), "impossible size"),
        (lambda text: text["targets"][0].update(name=["a"]), "expected a string, got"),
        (lambda text: text["targets"][0].update(index=1.5), "expected an integer, got '1.5'"),
        (lambda text: text["targets"][0].update(logit="9" * 5000), "expected a finite number, got"),
        (
            lambda text: text["targets"][0].update(kind="speech"),
            "expected one of classes, binary, multilabel, regression",
        ),
        (lambda text: text["targets"][0].update(kind=["binary"]), "expected one of classes"),
        (lambda text: text["targets"][0].update(unit="m" * 41), "expected at most 40 letters"),
        (lambda text: text["targets"][0].update(unit=7), "expected a string, got '7'"),
        (lambda text: text["targets"][0].update(region="x" * 401), "expected at most 400 letters"),
        (lambda text: text["targets"][0].update(region=None), "expected a string"),
        (lambda text: text["targets"][0].update(kinds="binary"), "a target has the wrong fields"),
        (lambda text: text["layers"][0].update(step=[0, 1]), "step above 0"),
        (lambda text: text["provenance"].update(seconds="long"), "seconds of the provenance has the wrong type"),
        (lambda text: text["provenance"].update(caveats=[{}]), "must be strings"),
    ],
)
def test_invalid_headers_are_refused(whole: bytes, tmp_path: Path, edit: Callable[[Any], Any], words: str) -> None:
    assert words in refused(tmp_path, with_header(whole, lambda text: (edit(text), text)[1]))


def test_a_number_too_large_for_a_float_is_refused(whole: bytes, tmp_path: Path) -> None:
    parts = entries(whole)
    said = np.load(io.BytesIO(parts["header.npy"])).tobytes().replace(b'"logit": 1.5', b'"logit": 1e999')
    assert b"1e999" in said
    parts["header.npy"] = npy(f"({len(said)},)", "|u1", said)
    assert "finite number" in refused(tmp_path, packed(parts))


def test_a_map_that_could_not_be_stretched_is_refused(tmp_path: Path) -> None:
    parts, cells = entries(small_tubes(targets=1, time=1).save(tmp_path / "one.npz").read_bytes()), 2**24
    parts["values_0.npy"] = npy(f"(1, 1, 1, {cells})", "<f4", bytes(4 * cells))
    assert "too many to be stretched" in refused(tmp_path, packed(parts))


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_methods_are_refused(whole: bytes, tmp_path: Path, how: int) -> None:
    assert "compressed with a method that save() does not use" in refused(tmp_path, packed(entries(whole), how))


def test_invalid_archives_are_refused(whole: bytes, tmp_path: Path) -> None:
    many = packed({f"{k}.npy": b"" for k in range(12_001)}, zipfile.ZIP_STORED)
    assert "lists 12,001 arrays" in refused(tmp_path, many)
    twice = io.BytesIO(whole)
    with zipfile.ZipFile(twice, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the very thing
        archive.writestr("frames.npy", npy("(1,)"))
    assert "two arrays of the same name" in refused(tmp_path, twice.getvalue())
    assert "no end of archive" in refused(tmp_path, whole + b"more")


def test_bombs_cost_neither_memory_nor_time(whole: bytes, tmp_path: Path) -> None:
    bombs = {
        "zeros": packed({**entries(whole), "values_0.npy": npy("(2, 16, 1024, 1024)", data=bytes(2**27))}),
        "shape": packed({**entries(whole), "values_0.npy": npy("(2, 16, 1024, 1024)", data=bytes(100))}),
    }
    for name, data in bombs.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(data)
        tracemalloc.start()
        start = time.perf_counter()
        with pytest.raises(ValueError, match="cannot be loaded"):
            ne.load(path, max_bytes=2**26)
        seconds, (_, most) = time.perf_counter() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 2**23, f"{name}: {most:,} bytes"
        assert seconds < 5
