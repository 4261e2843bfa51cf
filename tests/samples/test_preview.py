"""What people see of a sample: its film, its strip, its cell, and the contact sheets."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from notebook_explain import samples
from notebook_explain.samples import preview
from scripts import contact_sheets

CLIPS = {
    "single": samples.single("kick", seed=3),
    "contrast": samples.contrast("wave one hand", "jog", seed=2),
    "compose": samples.compose("clap", "squat", seed=4),
    "shortcut": samples.shortcut("punch", seed=6),
    "still": samples.still(seed=1),
}
clips = pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
KICK = CLIPS["single"]


def borders(mask):
    """The pixels of a mask (time, height, width) beside one that is not of it, found one by one."""
    found = np.zeros_like(mask)
    height, width = mask.shape[1:]
    for at, y, x in np.argwhere(mask):
        beside = [(y + dy, x + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        found[at, y, x] = any(0 <= v < height and 0 <= u < width and not mask[at, v, u] for v, u in beside)
    return found


def decoded(data, frame=None):
    """The pixels of an encoded film's frame, uint8 (height, width, 3), or of all its frames."""
    with Image.open(io.BytesIO(data)) as film:
        pages = []
        for at in range(getattr(film, "n_frames", 1)) if frame is None else [frame]:
            film.seek(at)
            pages.append(np.asarray(film.convert("RGB")))
    return np.stack(pages) if frame is None else pages[0]


def lightness(colour):
    """Relative luminance of an sRGB colour as the accessibility guidelines (WCAG 2) define it, 0 to 1."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_the_colours_differ_in_lightness_so_that_no_eye_mistakes_them():
    light = {colour: lightness(colour) + 0.05 for colour in (*preview.ACTING, preview.MARKED)}
    contrasts = [max(light[a] / light[b], light[b] / light[a]) for a, b in combinations(light, 2)]
    assert min(contrasts) > 2
    assert light[preview.ACTING[0]] / light[preview.ACTING[1]] > 4.5


@clips
def test_the_outline_in_a_labels_colour_is_the_border_of_its_mask(clip):
    drawn = preview.truth(clip, 64)
    for colour, mask in zip(preview.ACTING, clip.masks, strict=False):
        np.testing.assert_array_equal((drawn == colour).all(axis=-1), borders(mask))
    np.testing.assert_array_equal((drawn == preview.MARKED).all(axis=-1), borders(clip.mark))


@clips
def test_only_the_masks_are_in_colour(clip):
    drawn = preview.truth(clip, 64).astype(int)
    coloured = np.ptp(drawn, axis=-1) > 40
    np.testing.assert_array_equal(coloured, clip.mask | clip.mark)


def test_an_enlarged_frame_is_made_of_squares_and_a_large_one_is_shrunk():
    large = preview.fitted(KICK.frames, 256)
    np.testing.assert_array_equal(large[:, 1::4, 2::4], KICK.frames)
    np.testing.assert_array_equal(large[:, ::4, ::4], large[:, 3::4, 3::4])
    wide = samples.single("kick", seed=3, frames=4, size=300)
    small = preview.fitted(wide.frames, 256)
    means = wide.frames.reshape(4, 150, 2, 150, 2, 3).mean((2, 4))
    assert np.abs(small - means).max() <= 0.75  # rounded
    assert preview.truth(wide, 256).shape == small.shape


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_film_lasts_as_long_as_its_clip_plays_for_ever_and_shows_its_frames(kind, tmp_path):
    path = KICK.film(tmp_path / f"kick.{kind}")
    with Image.open(path) as film:
        assert (film.format, film.n_frames, film.info["loop"]) == (kind.upper(), 16, 0)
        spent = [(film.seek(at), film.load(), film.info["duration"])[-1] for at in range(16)]
    assert sum(spent) == pytest.approx(2000, rel=0.05)
    shown = decoded(path.read_bytes())
    inner = shown[:, :256, :256].reshape(16, 64, 4, 64, 4, 3).mean((2, 4))
    assert np.abs(inner - KICK.frames).mean() < 6
    assert np.abs(inner - np.roll(KICK.frames, 4, axis=0)).mean() > 6.5
    yellow = np.abs(shown[:, :256, 264:520].astype(int) - preview.ACTING[0]).max(axis=-1) < 60
    covered = np.pad(KICK.mask.repeat(4, 1).repeat(4, 2), ((0, 0), (2, 2), (2, 2)))
    assert 0.4 < yellow.sum() / covered.sum() < 1.1
    assert shown.shape[2] == 2 * 256 + preview.GAP


def test_256_colours_are_near_all_colours_and_hold_our_own():
    strip = samples.contrast("clap", "jog", seed=8).strip(6)
    few = strip.quantize(palette=preview.palette_of(strip), dither=Image.Dither.NONE).convert("RGB")
    wanted, shown = (np.asarray(picture).astype(int) for picture in (strip, few))
    away = np.abs(wanted - shown).max(axis=-1)
    assert away.mean() < 5
    assert np.percentile(away, 99.5) < 32  # small and gaudy things too
    for ours in ((preview.PAPER,) * 3, (preview.INK,) * 3, *preview.ACTING):
        assert away[(wanted == ours).all(axis=-1)].max() <= 1


def test_a_film_without_masks_is_the_film_alone_and_still_says_that_it_is_synthetic(tmp_path):
    with Image.open(KICK.film(tmp_path / "a.webp", masks=False, side=130)) as film:
        assert film.width == 128
        assert film.height > 128 + 2 * preview.LETTERS


@clips
def test_the_caption_is_in_the_pixels_and_says_synthetic(clip):
    assert clip.caption == f"synthetic sample: {clip.label}; world {clip.world}, seed {clip.seed}"
    film = preview.film(clip)
    paper = Image.new("RGB", (film.shape[2], 2 * preview.LETTERS), "white")
    place, font = (4, 2), ImageFont.load_default(preview.LETTERS)
    ImageDraw.Draw(paper).text(place, clip.caption, fill=(preview.INK,) * 3, font=font)
    wanted = np.asarray(paper)[2 : preview.LETTERS + 4]
    rows = len(wanted)
    for picture in (film[0], film[-1], np.asarray(clip.strip(6))[:, : film.shape[2]]):
        tops = range(len(picture) - rows)
        assert any(np.array_equal(picture[top : top + rows], wanted) for top in tops)


def test_a_long_caption_is_broken_between_words_and_never_cut():
    text = "synthetic sample: " + "wave both hands + " * 8
    paper = preview.written([(None, text)], 200)
    single = preview.written([(None, "synthetic")], 200)
    assert len(paper) > 4 * len(single)
    assert (paper[:, -3:] == 255).all()
    ink = (paper < 128).sum()
    whole = (preview.written([(None, text)], 3000) < 128).sum()
    assert ink == pytest.approx(whole, rel=0.02)


def test_the_bar_of_time_is_coloured_where_the_action_is_and_framed_where_the_film_is():
    clip = samples.window("jog", 5, 9, seed=1)
    bars = preview.course(clip, 320)  # 20 pixels for each frame
    middles = bars[:, 3, 10::20]
    for at in range(16):
        np.testing.assert_array_equal((middles[at] == preview.ACTING[0]).all(axis=-1), [5 <= k <= 9 for k in range(16)])
        framed = np.flatnonzero((bars[at, 3] == preview.INK).all(axis=-1))
        assert (framed.min(), framed.max()) == (20 * at, 20 * at + 19)


def test_a_strip_shows_the_frames_whose_numbers_stand_above_them():
    strip = np.asarray(KICK.strip(4))
    heads = strip.shape[1] // 4
    numbers = [preview.written([(None, f"frame {number}")], 128) for number in (1, 6, 11, 16)]
    top = next(row for row in range(99) if np.array_equal(strip[row, :128:2], KICK.frames[0, 0]))
    for place, at in enumerate((0, 5, 10, 15)):
        shown = strip[top : top + 128 : 2, place * heads : place * heads + 128 : 2]
        np.testing.assert_array_equal(shown, KICK.frames[at])
        np.testing.assert_array_equal(strip[:top, place * heads : place * heads + 128], numbers[place])
    assert len(np.asarray(KICK.strip(4, masks=False))) <= len(strip) - 128
    assert KICK.strip(99).width == 16 * heads


def test_a_cell_shows_a_film_a_picture_and_a_line_of_text():
    bundle = KICK._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert bundle["text/plain"] == repr(KICK) == "Sample('kick', 16 frames of 64 x 64, world='single', seed=3)"
    quiet, film = (base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", bundle["text/html"]))
    assert len(decoded(film)) == 16
    strip = decoded(base64.b64decode(bundle["image/png"]), 0)
    assert strip.shape == decoded(quiet, 0).shape == np.asarray(KICK.strip(6)).shape
    assert np.abs(strip.astype(int) - np.asarray(KICK.strip(6))).mean() < 4
    assert sum(map(len, bundle.values())) < 400_000


def test_words_of_a_sample_are_text_in_a_cell_never_markup():
    clip = replace(KICK, label='<script>alert("x")</script>')
    page = clip._repr_mimebundle_()["text/html"]
    assert "<script" not in page
    assert page.count("synthetic sample: &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;; world single, seed 3") == 2


def test_a_cell_shows_at_most_48_frames_of_a_long_clip_in_the_same_time():
    clip = samples.contrast("jog", "clap", seed=1, frames=100, size=32)
    short = preview.thinned(clip, 48)
    assert len(short.frames) / short.fps == pytest.approx(2)
    np.testing.assert_array_equal(short.frames[[0, -1]], clip.frames[[0, -1]])
    np.testing.assert_array_equal(np.any(short.masks, axis=0), short.mask)
    assert preview.thinned(KICK, 48) is KICK
    film = base64.b64decode(re.findall(r"base64,([^\"]+)", clip._repr_mimebundle_()["text/html"])[1])
    assert len(decoded(film)) == 48


def test_a_sample_and_a_person_say_in_a_line_what_they_are():
    person = KICK.people[0]
    assert repr(person) == f"Person('kick', {person.person.mean():.1%} of the clip)"
    assert len(repr(KICK)) < 100


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"path": "kick.mp4"}, ValueError, r"to a \.gif or \.webp file, got .*kick\.mp4'; give a name that ends so"),
        ({"path": "kick"}, ValueError, r"\.gif or \.webp"),
        ({"path": "none/kick.gif"}, FileNotFoundError, "no folder .*none' to write 'kick.gif' to"),
        ({"path": "kick.gif", "side": 8}, ValueError, "side must be at least 32, got 8"),
    ],
)
def test_a_film_that_cannot_be_written_is_told_and_leaves_nothing(given, error, text, tmp_path):
    with pytest.raises(error, match=text):
        KICK.film(**{**given, "path": tmp_path / given["path"]})
    assert not list(tmp_path.iterdir())


def test_a_film_takes_the_place_of_a_file_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "kick.gif"
    path.write_bytes(b"mine")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            KICK.film(path)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]
    assert KICK.film(path).read_bytes()[:6] == b"GIF89a"


@pytest.mark.parametrize("frames", [0, -3, 2.5])
def test_a_strip_of_no_frames_is_told(frames):
    with pytest.raises(ValueError, match=f"frames must be .*, got {frames}"):
        KICK.strip(frames)


def test_contact_sheets_are_written_for_every_world_and_over_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(contact_sheets, "CLIPS", 3)
    contact_sheets.main([str(tmp_path / "new" / "folder"), "--seed", "5"])
    names = {path.stem for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {*contact_sheets.WORLDS, "worlds"}
    assert capsys.readouterr().out.count("3 clips") == len(contact_sheets.WORLDS)
    with Image.open(tmp_path / "new" / "folder" / "single.png") as sheet:
        shown = np.asarray(sheet.convert("RGB")).astype(int)
    first = samples.single(samples.ACTIONS[0], seed=5).strip(contact_sheets.FRAMES)
    box = shown[contact_sheets.MARGIN :, contact_sheets.MARGIN :][: first.height, : first.width]
    assert np.abs(box - np.asarray(first)).mean() < 4


def test_the_sheets_show_every_action_and_every_world():
    found = contact_sheets.sheets(0)
    assert {clip.label for clip in found["single"]} == set(samples.ACTIONS)
    assert {clip.world for clip in found["worlds"]} == set(contact_sheets.WORLDS)
    assert all(clip.world == world for world in contact_sheets.WORLDS for clip in found[world])
