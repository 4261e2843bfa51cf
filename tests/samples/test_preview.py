"""Previews of a sample: animation, strip, notebook cell and contact sheets."""

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
from notebook_explain.preview.encoding import compute_palette
from notebook_explain.preview.images import FONT_SIZE
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


def border_pixels(mask):
    """Return the pixels of a mask (time, height, width) next to one outside of it, found one by one."""
    found = np.zeros_like(mask)
    height, width = mask.shape[1:]
    for at, y, x in np.argwhere(mask):
        beside = [(y + dy, x + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        found[at, y, x] = any(0 <= v < height and 0 <= u < width and not mask[at, v, u] for v, u in beside)
    return found


def decoded(data, frame=None):
    """Return the pixels of one frame of an encoded animation, uint8 (height, width, 3), or of all frames."""
    with Image.open(io.BytesIO(data)) as film:
        pages = []
        for at in range(getattr(film, "n_frames", 1)) if frame is None else [frame]:
            film.seek(at)
            pages.append(np.asarray(film.convert("RGB")))
    return np.stack(pages) if frame is None else pages[0]


def lightness(colour):
    """Return the relative luminance of an sRGB colour as defined in WCAG 2, 0 to 1."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_the_colours_differ_in_lightness():
    light = {colour: lightness(colour) + 0.05 for colour in (*preview.LABEL_COLOURS, preview.MARK_COLOUR)}
    contrasts = [max(light[a] / light[b], light[b] / light[a]) for a, b in combinations(light, 2)]
    assert min(contrasts) > 2
    assert light[preview.LABEL_COLOURS[0]] / light[preview.LABEL_COLOURS[1]] > 4.5


@clips
def test_the_outline_in_the_colour_of_a_label_is_the_border_of_its_mask(clip):
    drawn = preview.draw_masks(clip, 64)
    for colour, mask in zip(preview.LABEL_COLOURS, clip.masks, strict=False):
        np.testing.assert_array_equal((drawn == colour).all(axis=-1), border_pixels(mask))
    np.testing.assert_array_equal((drawn == preview.MARK_COLOUR).all(axis=-1), border_pixels(clip.mark))


@clips
def test_only_masks_are_in_colour(clip):
    drawn = preview.draw_masks(clip, 64).astype(int)
    coloured_masks = np.ptp(drawn, axis=-1) > 40
    np.testing.assert_array_equal(coloured_masks, clip.mask | clip.mark)


def test_small_frames_are_enlarged_to_squares_and_large_ones_are_shrunk():
    large = preview.resize_frames(KICK.frames, 256)
    np.testing.assert_array_equal(large[:, 1::4, 2::4], KICK.frames)
    np.testing.assert_array_equal(large[:, ::4, ::4], large[:, 3::4, 3::4])
    wide = samples.single("kick", seed=3, frames=4, size=300)
    small = preview.resize_frames(wide.frames, 256)
    means = wide.frames.reshape(4, 150, 2, 150, 2, 3).mean((2, 4))
    assert np.abs(small - means).max() <= 0.75  # rounded
    assert preview.draw_masks(wide, 256).shape == small.shape


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_loops_with_the_duration_and_frames_of_its_clip(kind, tmp_path):
    path = KICK.film(tmp_path / f"kick.{kind}")
    with Image.open(path) as film:
        assert (film.format, film.n_frames, film.info["loop"]) == (kind.upper(), 16, 0)
        spent = [(film.seek(at), film.load(), film.info["duration"])[-1] for at in range(16)]
    assert sum(spent) == pytest.approx(2000, rel=0.05)
    shown = decoded(path.read_bytes())
    inner = shown[:, :256, :256].reshape(16, 64, 4, 64, 4, 3).mean((2, 4))
    assert np.abs(inner - KICK.frames).mean() < 6
    assert np.abs(inner - np.roll(KICK.frames, 4, axis=0)).mean() > 6.5
    yellow = np.abs(shown[:, :256, 264:520].astype(int) - preview.LABEL_COLOURS[0]).max(axis=-1) < 60
    covered = np.pad(KICK.mask.repeat(4, 1).repeat(4, 2), ((0, 0), (2, 2), (2, 2)))
    assert 0.4 < yellow.sum() / covered.sum() < 1.1
    assert shown.shape[2] == 2 * 256 + preview.GAP


def test_the_palette_is_close_to_all_colours_and_includes_the_fixed_ones():
    strip = samples.contrast("clap", "jog", seed=8).strip(6)
    few = strip.quantize(palette=compute_palette(strip, preview.COLOURS), dither=Image.Dither.NONE).convert("RGB")
    wanted, shown = (np.asarray(picture).astype(int) for picture in (strip, few))
    away = np.abs(wanted - shown).max(axis=-1)
    assert away.mean() < 5
    assert np.percentile(away, 99.5) < 32  # small and gaudy things too
    for ours in ((preview.PAPER,) * 3, (preview.INK,) * 3, *preview.LABEL_COLOURS):
        assert away[(wanted == ours).all(axis=-1)].max() <= 1


def test_an_animation_without_masks_still_has_a_caption(tmp_path):
    with Image.open(KICK.film(tmp_path / "a.webp", masks=False, side=130)) as film:
        assert film.width == 128
        assert film.height > 128 + 2 * FONT_SIZE


@clips
def test_the_caption_is_in_the_pixels(clip):
    assert clip.caption == f"synthetic sample: {clip.label}; world {clip.world}, seed {clip.seed}"
    film = preview.render_animation(clip)
    paper = Image.new("RGB", (film.shape[2], 2 * FONT_SIZE), "white")
    place, font = (4, 2), ImageFont.load_default(FONT_SIZE)
    ImageDraw.Draw(paper).text(place, clip.caption, fill=(preview.INK,) * 3, font=font)
    wanted = np.asarray(paper)[2 : FONT_SIZE + 4]
    rows = len(wanted)
    for picture in (film[0], film[-1], np.asarray(clip.strip(6))[:, : film.shape[2]]):
        tops = range(len(picture) - rows)
        assert any(np.array_equal(picture[top : top + rows], wanted) for top in tops)


def test_a_long_caption_is_broken_between_words():
    text = "synthetic sample: " + "wave both hands + " * 8
    paper = preview.render_lines([(None, text)], 200)
    single = preview.render_lines([(None, "synthetic")], 200)
    assert len(paper) > 4 * len(single)
    assert (paper[:, -3:] == 255).all()
    ink = (paper < 128).sum()
    whole = (preview.render_lines([(None, text)], 3000) < 128).sum()
    assert ink == pytest.approx(whole, rel=0.02)


def test_the_timeline_is_coloured_during_the_action_and_marks_the_current_frame():
    clip = samples.window("jog", 5, 9, seed=1)
    bars = preview.render_timeline(clip, 320)  # 20 pixels for each frame
    middles = bars[:, 3, 10::20]
    for at in range(16):
        np.testing.assert_array_equal(
            (middles[at] == preview.LABEL_COLOURS[0]).all(axis=-1), [5 <= k <= 9 for k in range(16)]
        )
        framed = np.flatnonzero((bars[at, 3] == preview.INK).all(axis=-1))
        assert (framed.min(), framed.max()) == (20 * at, 20 * at + 19)


def test_a_strip_shows_the_frames_of_its_numbers():
    strip = np.asarray(KICK.strip(4))
    heads = strip.shape[1] // 4
    numbers = [preview.render_lines([(None, f"frame {number}")], 128) for number in (1, 6, 11, 16)]
    top = next(row for row in range(99) if np.array_equal(strip[row, :128:2], KICK.frames[0, 0]))
    for place, at in enumerate((0, 5, 10, 15)):
        shown = strip[top : top + 128 : 2, place * heads : place * heads + 128 : 2]
        np.testing.assert_array_equal(shown, KICK.frames[at])
        np.testing.assert_array_equal(strip[:top, place * heads : place * heads + 128], numbers[place])
    assert len(np.asarray(KICK.strip(4, masks=False))) <= len(strip) - 128
    assert KICK.strip(99).width == 16 * heads


def test_a_cell_shows_html_png_and_text():
    bundle = KICK._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert bundle["text/plain"] == repr(KICK) == "Sample('kick', 16 frames of 64 x 64, world='single', seed=3)"
    quiet, film = (base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", bundle["text/html"]))
    assert len(decoded(film)) == 16
    strip = decoded(base64.b64decode(bundle["image/png"]), 0)
    assert strip.shape == decoded(quiet, 0).shape == np.asarray(KICK.strip(6)).shape
    assert np.abs(strip.astype(int) - np.asarray(KICK.strip(6))).mean() < 4
    assert sum(map(len, bundle.values())) < 400_000


def test_labels_are_escaped_in_html():
    clip = replace(KICK, label='<script>alert("x")</script>')
    page = clip._repr_mimebundle_()["text/html"]
    assert "<script" not in page
    assert page.count("synthetic sample: &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;; world single, seed 3") == 2


def test_a_cell_shows_at_most_48_frames_with_the_same_duration():
    clip = samples.contrast("jog", "clap", seed=1, frames=100, size=32)
    short = preview.subsample(clip, 48)
    assert len(short.frames) / short.fps == pytest.approx(2)
    np.testing.assert_array_equal(short.frames[[0, -1]], clip.frames[[0, -1]])
    np.testing.assert_array_equal(np.any(short.masks, axis=0), short.mask)
    assert preview.subsample(KICK, 48) is KICK
    film = base64.b64decode(re.findall(r"base64,([^\"]+)", clip._repr_mimebundle_()["text/html"])[1])
    assert len(decoded(film)) == 48


def test_repr_of_a_sample_and_a_person():
    person = KICK.people[0]
    assert repr(person) == f"Person('kick', {person.person.mean():.1%} of the clip)"
    assert len(repr(KICK)) < 100


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"path": "kick.mp4"}, ValueError, r"path must end in \.gif or \.webp, got .*kick\.mp4'"),
        ({"path": "kick"}, ValueError, r"\.gif or \.webp"),
        ({"path": "none/kick.gif"}, FileNotFoundError, "no folder .*none' to write 'kick.gif' to"),
        ({"path": "kick.gif", "side": 8}, ValueError, "side must be at least 32, got 8"),
    ],
)
def test_an_animation_that_cannot_be_written_is_an_error_and_leaves_no_file(given, error, text, tmp_path):
    with pytest.raises(error, match=text):
        KICK.film(**{**given, "path": tmp_path / given["path"]})
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_replaced_completely_or_not_at_all(tmp_path, monkeypatch):
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
def test_an_invalid_number_of_strip_frames_is_an_error(frames):
    with pytest.raises(ValueError, match=f"frames must be .*, got {frames}"):
        KICK.strip(frames)


def test_contact_sheets_are_written_for_every_world(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(contact_sheets, "CLIPS", 3)
    contact_sheets.main([str(tmp_path / "new" / "folder"), "--seed", "5"])
    names = {path.stem for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {*contact_sheets.WORLDS, "worlds"}
    assert capsys.readouterr().out.count("3 clips") == len(contact_sheets.WORLDS)
    with Image.open(tmp_path / "new" / "folder" / "single.png") as sheet:
        shown = np.asarray(sheet.convert("RGB")).astype(int)
    first = samples.single(samples.ACTIONS[0], seed=5).strip(contact_sheets.FRAMES)
    box = shown[contact_sheets.BETWEEN :, contact_sheets.BETWEEN :][: first.height, : first.width]
    assert np.abs(box - np.asarray(first)).mean() < 4


def test_the_sheets_show_every_action_and_every_world():
    found = contact_sheets.sheets(0)
    assert {clip.label for clip in found["single"]} == set(samples.ACTIONS)
    assert {clip.world for clip in found["worlds"]} == set(contact_sheets.WORLDS)
    assert all(clip.world == world for world in contact_sheets.WORLDS for clip in found[world])
