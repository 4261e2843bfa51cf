"""Times: from the first frame that a player shows, whatever the container's clock starts at, and however it counts."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from notebook_explain import Clip
from tests.clip.video_files import coded, decode_with_pyav, numbers_of, uneven_times, write

GROUPS = {"g": "12", "bf": "2"}


def _remux(source: Path, target: Path, change: object = None, *, skip: int = 0) -> Path:
    """Copy the packets of the only track, each changed by a function, without the first ones."""
    with av.open(str(source)) as file, av.open(str(target), "w") as out:
        stream = file.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for number, packet in enumerate(file.demux(stream)):
            if packet.dts is None or number < skip:
                continue
            if change is not None:
                change(packet)  # type: ignore[operator]
            packet.stream = copy
            out.mux(packet)
    return target


def _read_as_pyav_does(path: Path) -> Clip:
    """Return a clip that is read without a warning, and check its frames against PyAV's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
    frames, _ = decode_with_pyav(path)
    np.testing.assert_array_equal(clip.frames, frames)
    return clip


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "mpeg2video"])
@pytest.mark.parametrize("frames", ["0", "2", "3"])
def test_an_avi_with_reordered_frames_counts_from_its_first(tmp_path: Path, codec: str, frames: str) -> None:
    path = write(tmp_path / "b.avi", codec, 30, options={"bf": frames})
    clip = Clip.read(path)
    assert numbers_of(clip.frames) == list(range(30))
    np.testing.assert_allclose(clip.times, np.arange(30) / 25, atol=1e-9)
    for window, expected in (((0, 10), range(10)), ((0.2, 0.6), range(5, 15)), ((0.99, 1.21), range(25, 30))):
        some = Clip.read(path, window=window)
        assert numbers_of(some.frames) == some.frame_numbers.tolist() == list(expected)
        np.testing.assert_allclose(some.times, np.array(expected) / 25, atol=1e-9)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "mpg", "m2v"])
def test_times_count_from_the_first_frame(tmp_path: Path, kind: str) -> None:
    codec = "mpeg2video" if kind in ("mpg", "m2v") else "libx264"
    path = write(tmp_path / f"a.{kind}", codec, 24, options=GROUPS)  # a transport stream starts after a second or so
    clip = Clip.read(path)
    np.testing.assert_allclose(clip.times, np.arange(24) / 25, atol=1e-9)
    assert numbers_of(Clip.read(path, window=(0.4, 0.52)).frames) == [10, 11, 12]


@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov"])
def test_a_variable_frame_rate_is_kept(tmp_path: Path, kind: str) -> None:
    times = uneven_times(40, start=700)
    path = write(tmp_path / f"phone.{kind}", frames=40, times_ms=times, options=GROUPS)
    clip = Clip.read(path)
    np.testing.assert_allclose(clip.times, (np.array(times) - 700) / 1000, atol=1e-9)
    start, stop = clip.times[13], clip.times[21]
    assert numbers_of(Clip.read(path, window=(float(start), float(stop))).frames) == list(range(13, 21))


@pytest.mark.parametrize("cut", [1, 3, 5, 11])
def test_an_edit_list_hides_the_first_frames_without_a_warning(tmp_path: Path, cut: int) -> None:
    def earlier(packet: av.Packet) -> None:
        shift = round(Fraction(cut, 25) / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift

    whole = write(tmp_path / "whole.mp4", frames=36, options=GROUPS)
    path = _remux(whole, tmp_path / "trimmed.mp4", earlier)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
        some = Clip.read(path, frames=4, window=(0.2, 0.4))
    assert numbers_of(clip.frames) == list(range(cut, 36))
    np.testing.assert_array_equal(clip.frames, decode_with_pyav(path)[0])
    np.testing.assert_allclose(clip.times, np.arange(36 - cut) / 25, atol=1e-9)
    assert numbers_of(some.frames) == [cut + number for number in (5, 6, 7, 9)]


def test_an_edit_list_that_starts_late_or_ends_early(tmp_path: Path) -> None:
    path = write(tmp_path / "late.mp4", frames=30, times_ms=[2000 + 40 * index for index in range(30)])
    data = bytearray(path.read_bytes())
    edits = data.index(b"elst")
    entries = int.from_bytes(data[edits + 8 : edits + 12], "big")
    last = edits + 12 + 12 * (entries - 1)
    assert int.from_bytes(data[last : last + 4], "big") == 1200  # thirty frames in the movie's milliseconds
    data[last : last + 4] = (800).to_bytes(4, "big")
    path.write_bytes(data)
    clip = _read_as_pyav_does(path)
    assert 20 <= len(clip) <= 22  # FFmpeg keeps a frame that starts at the very end
    np.testing.assert_allclose(clip.times, np.arange(len(clip)) / 25, atol=1e-9)


@pytest.mark.parametrize("start", [0.5, 0.93, 1.0])
def test_an_edit_list_that_skips_whole_groups_of_frames(tmp_path: Path, start: float) -> None:
    path = write(tmp_path / "cut.mp4", frames=50, options={"g": "10", "bf": "2"})
    data = bytearray(path.read_bytes())
    edits = data.index(b"elst")
    assert data[edits + 8 : edits + 12] == b"\0\0\0\1"
    offset = int.from_bytes(data[edits + 16 : edits + 20], "big")
    data[edits + 12 : edits + 16] = round(2000 - 1000 * start).to_bytes(4, "big")
    data[edits + 16 : edits + 20] = (offset + round(12800 * start)).to_bytes(4, "big")
    path.write_bytes(data)
    clip = _read_as_pyav_does(path)
    assert numbers_of(clip.frames)[-1] == 49
    assert abs(numbers_of(clip.frames)[0] - 25 * start) < 1
    np.testing.assert_allclose(np.diff(clip.times), 1 / 25, atol=1e-9)
    assert clip.times[0] == 0


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "libx265"])
def test_a_recording_that_starts_between_key_frames_is_not_called_damaged(tmp_path: Path, codec: str) -> None:
    options = {"x265-params": "log-level=none:keyint=12:bframes=2"} if codec == "libx265" else GROUPS
    whole = write(tmp_path / "whole.ts", codec, 36, options=options)
    path = _remux(whole, tmp_path / "recorded.ts", skip=5)
    frames, _ = decode_with_pyav(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
    np.testing.assert_array_equal(clip.frames, frames)
    np.testing.assert_allclose(np.diff(clip.times), 1 / 25, atol=1e-9)


def test_joined_recordings_go_on_at_the_frame_rate(tmp_path: Path) -> None:
    first, second = (
        write(tmp_path / "1.ts", frames=20),
        write(tmp_path / "2.ts", frames=[coded(20 + k) for k in range(20)]),
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    clip = Clip.read(path)
    assert numbers_of(clip.frames) == list(range(40))
    np.testing.assert_allclose(clip.times, np.arange(40) / 25, atol=1e-9)
    assert numbers_of(Clip.read(path, window=(0.4, 1.2)).frames) == list(range(10, 30))


def test_frames_that_others_refer_to_are_neither_shown_nor_missed(tmp_path: Path) -> None:
    whole, path = write(tmp_path / "whole.webm", "libvpx", 30), tmp_path / "hidden.webm"
    hidden = (3, 4, 11, 17, 25)
    with av.open(str(whole)) as file, av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(file.streams.video[0])
        for number, packet in enumerate(file.demux(video=0)):
            if packet.size:
                data = bytearray(bytes(packet))
                data[0] &= ~0x10 & 0xFF if number in hidden else 0xFF  # the bit that says that a frame of VP8 is shown
                changed = av.Packet(bytes(data))
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.is_keyframe, changed.stream = packet.is_keyframe, copy
                out.mux(changed)
    shown = [number for number in range(30) if number not in hidden]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path, frames=25)
    np.testing.assert_array_equal(clip.frames, decode_with_pyav(path)[0])
    assert numbers_of(clip.frames) == shown
    np.testing.assert_allclose(clip.times, np.array(shown) / 25, atol=1e-9)


def _not_coded(index: int) -> bytes:
    """Return a frame of MPEG-4 Part 2 that only repeats the one before, at 25 frames a second: a header and nothing else."""
    header = "01" + "0" + "1" + format(index % 25, "05b") + "1" + "0"
    header += "0" + "1" * (-(len(header) + 1) % 8)
    return b"\0\0\1\xb6" + int(header, 2).to_bytes(len(header) // 8, "big")


def _mpeg4_packets(path: Path) -> tuple[list[bytes], bytes]:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return [bytes(packet) for packet in file.demux(stream) if packet.size], stream.codec_context.extradata


def _mux_avi(path: Path, packets: list[bytes], like: Path) -> Path:
    with av.open(str(like)) as file, av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(file.streams.video[0])
        for index, data in enumerate(packets):
            packet = av.Packet(data)
            packet.pts = packet.dts = index
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), copy, index == 0
            out.mux(packet)
    return path


def test_an_avi_of_divx_packs_two_frames_into_one_packet(tmp_path: Path) -> None:
    options = {"bf": "1", "g": "300", "b_strategy": "0", "sc_threshold": "1000000000"}
    whole = write(tmp_path / "whole.avi", "mpeg4", 31, options=options)
    data, header = _mpeg4_packets(whole)
    packets = [header[: header.index(b"\0\0\1\xb2")] + b"\0\0\1\xb2DivX503b1393p" + data[0]]
    for index in range(1, 31, 2):  # a frame and the one before it, then an empty packet
        packets += [data[index] + data[index + 1], _not_coded(index)]
    path = _mux_avi(tmp_path / "packed.avi", packets, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
        some = Clip.read(path, window=(0.2, 0.6))
    assert numbers_of(clip.frames) == list(range(31))
    np.testing.assert_allclose(clip.times, np.arange(31) / 25, atol=1e-9)
    assert numbers_of(some.frames) == list(range(5, 15))


def test_packets_that_repeat_a_frame_are_no_loss(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.avi", "mpeg4", 30, options={"g": "300"})
    packets, shown = [], []
    for index, data in enumerate(_mpeg4_packets(whole)[0]):
        shown.append(len(packets))
        packets += [data, _not_coded(index)] if index % 4 == 3 else [data]
    path = _mux_avi(tmp_path / "repeats.avi", packets, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = Clip.read(path)
    assert numbers_of(clip.frames) == list(range(30))
    np.testing.assert_allclose(clip.times, np.array(shown) / 25, atol=1e-9)
