"""Saved and loaded explanations: everything comes back, what is not known or damaged is refused in words."""

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
    """The same file with another header (a value, or a function of the old header) or other arrays."""
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


def test_everything_comes_back(saved: Path) -> None:
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


def test_the_numbers_of_the_frames_come_back_and_files_of_before_have_none(tmp_path: Path) -> None:
    before = small_tubes()
    numbers = np.array([0, 3, 3, 7, 2**40, 2**40 + 1])
    numbered = dataclasses.replace(before, clip=dataclasses.replace(before.clip, frame_numbers=numbers))
    np.testing.assert_array_equal(ne.load(numbered.save(tmp_path / "new")).clip.frame_numbers, numbers)
    old = before.save(tmp_path / "old")  # as it was written before clips knew their frames' numbers
    with np.load(old) as file:
        assert "frame_numbers" not in file.files
    assert ne.load(old).clip.frame_numbers is None


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    tubes = small_tubes()
    broken = dataclasses.replace(tubes.layers[0], values=np.full_like(tubes.layers[0].values, np.inf))
    with pytest.raises(ValueError, match="cannot be saved: layer 'stem' holds values that are not finite"):
        dataclasses.replace(tubes, layers=(broken,)).save(tmp_path / "t")
    result = dataclasses.replace(tubes.targets[0], logit=float("nan"))
    with pytest.raises(ValueError, match="cannot be saved, it holds a number that is not finite"):
        dataclasses.replace(tubes, targets=(result, tubes.targets[1])).save(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_a_file_as_a_whole_and_leaves_nothing_beside_it(saved: Path) -> None:
    small_tubes(seed=1).save(saved)
    np.testing.assert_array_equal(ne.load(saved).layers[0].values, small_tubes(seed=1).layers[0].values)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_file_is_found_as_it_was_named(saved: Path) -> None:
    assert ne.load(saved.with_suffix("")).targets == small_tubes().targets


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere' to write 'p.html' to; make it first"):
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
    with pytest.raises(ValueError, match="it has version 2, this one reads 1; update notebook_explain"):
        ne.load(_rewritten(saved, header=lambda h: h | {"version": 2}))
    for kind in ("concepts", ["tubes"], None):
        with pytest.raises(
            ValueError, match="this version knows 'tubes', 'pyramid' and 'blocks'; update notebook_explain"
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
    with pytest.raises(ValueError, match="layer 1 has 5 rows, its geometry 2"):
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


def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="above the limit of 1,000"):
        ne.load(saved, max_bytes=1000)
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(2**22))
    with pytest.raises(ValueError, match="above the limit"):
        ne.load(bomb, max_bytes=2**20)


def test_damaged_files_never_do_anything_but_load_or_be_refused(saved: Path) -> None:
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


def test_a_page_does_not_tell_the_folders_of_the_clip(saved: Path) -> None:
    changed = _rewritten(saved, header=lambda h: {**h, "clip": h["clip"] | {"source": "/home/me/secret/wave.mp4"}})
    text = ne.load(changed).to_html(saved.with_name("p.html")).read_text()
    assert "wave.mp4" in text
    assert "secret" not in text


def test_a_page_replaces_a_file_as_a_whole(saved: Path) -> None:
    page = ne.load(saved).to_html(saved.with_name("p.html"), title="a <title>")
    again = ne.load(saved).to_html(page)
    assert again.read_text().startswith("<!doctype html>")
    assert io.StringIO(page.read_text()).readline()
