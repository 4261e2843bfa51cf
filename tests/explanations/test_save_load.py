"""Saved tubes: they load as they were saved; unknown and damaged files are refused with a reason."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from tests.example_values import small_tubes


def _rewritten(path: Path, **changes: Any) -> Path:
    """Write the same file with another header (a value, or a function of the old header) or other arrays."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    arrays.update({key: value for key, value in changes.items() if key != "header"})
    header = changes["header"](header) if "header" in changes else header
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    out = path.with_name("changed.npz")
    np.savez(out, **arrays)
    return out


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return small_tubes().save(tmp_path / "tubes")


def test_tubes_load_as_they_were_saved(saved: Path) -> None:
    before, after = small_tubes(), ne.load(saved)
    assert saved.suffix == ".npz"
    np.testing.assert_array_equal(after.clip.frames, before.clip.frames)
    np.testing.assert_array_equal(after.clip.times, before.clip.times)
    assert (after.clip.source, after.clip.step) == (before.clip.source, before.clip.step)
    assert after.targets == before.targets
    assert after.provenance == before.provenance
    for mine, theirs in zip(after.layers, before.layers, strict=True):
        assert (mine.name, mine.kind, mine.pathway) == (theirs.name, theirs.kind, theirs.pathway)
        np.testing.assert_array_equal(mine.values, theirs.values)
        np.testing.assert_array_equal(mine.geometry.rows, theirs.geometry.rows)
        assert (mine.geometry.origin, mine.geometry.step) == (theirs.geometry.origin, theirs.geometry.step)
    np.testing.assert_array_equal(after.volume("last", 1), before.volume("last", 1))


def test_frame_numbers_are_saved_and_older_files_have_none(tmp_path: Path) -> None:
    before = small_tubes()
    numbers = np.array([0, 3, 3, 7, 2**40, 2**40 + 1])
    numbered = dataclasses.replace(before, clip=dataclasses.replace(before.clip, frame_numbers=numbers))
    np.testing.assert_array_equal(ne.load(numbered.save(tmp_path / "new")).clip.frame_numbers, numbers)
    old = before.save(tmp_path / "old")  # as older versions wrote it
    with np.load(old) as file:
        assert "frame_numbers" not in file.files
    assert ne.load(old).clip.frame_numbers is None


@pytest.mark.parametrize(("source", "synthetic"), [("synthetic sample: wave", True), ("synthetic.mp4", False)])
def test_whether_a_clip_is_synthetic_is_saved(tmp_path: Path, source: str, synthetic: bool) -> None:
    tubes = small_tubes()
    clip = dataclasses.replace(tubes.clip, source=source, is_synthetic=synthetic)
    assert ne.load(dataclasses.replace(tubes, clip=clip).save(tmp_path / "t")).clip.is_synthetic is synthetic


@pytest.mark.parametrize(("source", "synthetic"), [("synthetic sample: wave", True), ("wave.mp4", False)])
def test_in_older_files_the_source_says_whether_a_clip_is_synthetic(saved: Path, source: str, synthetic: bool) -> None:
    def as_before(header: Any) -> Any:
        clip = {**header["clip"], "source": source}
        del clip["is_synthetic"]
        return {**header, "clip": clip}

    assert ne.load(_rewritten(saved, header=as_before)).clip.is_synthetic is synthetic
    other = _rewritten(saved, header=lambda header: {**header, "clip": {**header["clip"], "is_synthetic": "yes"}})
    with pytest.raises(ValueError, match="expected true or false, got 'yes'"):
        ne.load(other)


def test_the_classes_of_a_difference_are_saved_and_derived_in_older_files(tmp_path: Path) -> None:
    tubes = small_tubes(targets=1)
    difference = dataclasses.replace(tubes.targets[0], name="a − b", probability=None, against=1, against_name="b")
    path = dataclasses.replace(tubes, targets=(difference,)).save(tmp_path / "t")
    loaded = ne.load(path).targets[0]
    assert (loaded, loaded.class_name) == (difference, "a")

    def as_before(header: Any) -> Any:
        del header["targets"][0]["against_name"]
        return header

    old = ne.load(_rewritten(path, header=as_before))
    assert old.targets[0] == difference
    assert old.in_words().startswith("'a' rather than 'b'. ")


def test_values_that_could_not_be_loaded_are_not_saved(tmp_path: Path) -> None:
    tubes = small_tubes()
    broken = dataclasses.replace(tubes.layers[0], values=np.full_like(tubes.layers[0].values, np.inf))
    with pytest.raises(ValueError, match="cannot be saved: layer 'stem' holds values that are not finite"):
        dataclasses.replace(tubes, layers=(broken,)).save(tmp_path / "t")
    result = dataclasses.replace(tubes.targets[0], logit=float("nan"))
    with pytest.raises(ValueError, match="cannot be saved: it holds a number that is not finite"):
        dataclasses.replace(tubes, targets=(result, tubes.targets[1])).save(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_a_file_and_leaves_no_temporary_file(saved: Path) -> None:
    small_tubes(seed=1).save(saved)
    np.testing.assert_array_equal(ne.load(saved).layers[0].values, small_tubes(seed=1).layers[0].values)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_file_is_found_without_its_extension(saved: Path) -> None:
    assert ne.load(saved.with_suffix("")).targets == small_tubes().targets


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere' to write 'p.html' to; create it first"):
        small_tubes().to_html(tmp_path / "nowhere" / "p.html")
    with pytest.raises(IsADirectoryError, match="is a folder; give the path of a file in it"):
        small_tubes().to_html(tmp_path)


def test_a_failed_save_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        small_tubes(seed=1).save(saved)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    np.testing.assert_array_equal(ne.load(saved).layers[0].values, small_tubes().layers[0].values)


def test_a_later_version_and_another_kind_are_refused(saved: Path) -> None:
    with pytest.raises(
        ValueError, match="it has version 2, but this notebook_explain reads version 1; update notebook_explain"
    ):
        ne.load(_rewritten(saved, header=lambda h: h | {"version": 2}))
    for kind in ("hologram", ["tubes"], None):
        with pytest.raises(
            ValueError,
            match="reads 'tubes', 'pyramid', 'blocks', 'evaluation', 'concepts', 'visualization', 'what_if' and "
            "'temporal_reliance'; update notebook_explain",
        ):
            ne.load(_rewritten(saved, header=lambda h, kind=kind: h | {"kind": kind}))
    with pytest.raises(ValueError, match="damaged or not a file that save"):
        ne.load(_rewritten(saved, header=lambda h: h | {"kind": "pyramid"}))
    with pytest.raises(ValueError, match="not one of notebook_explain"):
        ne.load(_rewritten(saved, header=lambda h: [1, 2]))


def test_unknown_and_missing_fields_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="damaged or not a file that save"):
        ne.load(_rewritten(saved, header=lambda h: {**h, "provenance": h["provenance"] | {"surprise": 1}}))
    with pytest.raises(ValueError, match="damaged or not a file that save"):
        ne.load(_rewritten(saved, header=lambda h: {key: value for key, value in h.items() if key != "clip"}))
    with pytest.raises(ValueError, match="no target or no layer"):
        ne.load(_rewritten(saved, header=lambda h: {**h, "layers": []}))


def test_arrays_of_another_shape_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="not a float32 array"):
        ne.load(_rewritten(saved, values_0=np.zeros((2, 2))))
    with pytest.raises(ValueError, match="layer 1 has 5 rows, but its geometry has 2"):
        ne.load(_rewritten(saved, values_1=np.zeros((2, 5, 3, 3), np.float32)))


def test_pickles_text_and_missing_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="cannot be loaded"):
        ne.load(tmp_path / "evil.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match="damaged or not a file"):
        ne.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="it has no header, so notebook_explain did not write it"):
        ne.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError, match="no file at"):
        ne.load(tmp_path / "nothing.npz")


def test_a_file_that_unpacks_to_too_much_is_refused_first(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="above the limit of 1,000"):
        ne.load(saved, max_bytes=1000)
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(2**22))
    with pytest.raises(ValueError, match="above the limit"):
        ne.load(bomb, max_bytes=2**20)


def test_damaged_files_load_or_are_refused(saved: Path) -> None:
    rng = np.random.default_rng(0)
    whole = saved.read_bytes()
    refused = 0
    for trial in range(150):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.integers(0, len(data))]
        for at in rng.integers(0, max(len(data), 1), 4):
            if len(data):
                data[at] ^= int(rng.integers(1, 256))
        path = saved.with_name("damaged.npz")
        path.write_bytes(bytes(data))
        try:
            assert isinstance(ne.load(path), Tubes)
        except ValueError as error:
            assert "cannot be loaded" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 100


def test_labels_from_a_file_are_text(saved: Path) -> None:
    names = ["<script>alert(1)</script>", "b"]
    changed = _rewritten(
        saved, header=lambda h: {**h, "targets": [t | {"name": n} for t, n in zip(h["targets"], names, strict=True)]}
    )
    page = ne.load(changed).to_html(saved.with_name("p.html")).read_text()
    assert "<script>alert(1)" not in page


def test_a_page_does_not_hold_the_folders_of_the_clip(saved: Path) -> None:
    changed = _rewritten(saved, header=lambda h: {**h, "clip": h["clip"] | {"source": "/home/me/secret/wave.mp4"}})
    text = ne.load(changed).to_html(saved.with_name("p.html")).read_text()
    assert "wave.mp4" in text
    assert "secret" not in text


def test_a_page_replaces_a_file(saved: Path) -> None:
    page = ne.load(saved).to_html(saved.with_name("p.html"), title="a <title>")
    again = ne.load(saved).to_html(page)
    assert again.read_text().startswith("<!doctype html>")
    assert io.StringIO(page.read_text()).readline()


def test_a_map_prints_in_one_line() -> None:
    assert repr(small_tubes().layers[1]) == "LayerMap('last', pooling input, 2×3×3 cells)"
