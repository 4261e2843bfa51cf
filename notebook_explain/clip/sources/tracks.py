"""Choose the video track of a container as FFmpeg does, and never a cover, a thumbnail or a still picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from notebook_explain._errors import UsageError

_STILL_CODECS = ("mjpeg", "png", "bmp", "tiff", "webp", "jpeg2000", "jpegxl", "jpegls", "ljpeg", "gif", "pgm", "ppm")
_FEW = 10  # a track of stills with this many times fewer pictures than another track is its preview


def choose_track(container: Any, name: str, count_packets: Callable[[list[int]], dict[int, int]]) -> int:
    """Return the index of the video track to decode.

    It is FFmpeg's choice (the default track; then the one with the higher bit rate), unless that is not a film: an
    attached picture, a thumbnail, a still picture, or a track of single JPEGs or PNGs beside one with many more frames.

    Parameters
    ----------
    container : av.container.InputContainer
    name : str
        File name, for errors.
    count_packets : function
        Returns the number of packets of each of the given tracks; called only if several tracks may be the film.

    Raises
    ------
    ValueError
        There is no such track; the message names the tracks that there are.
    """
    films = [stream for stream in container.streams.video if not _is_picture(stream)]
    best = container.streams.best("video")
    if len(films) > 1 or (films and _is_lone_still(films[0], container)):
        counts = count_packets([film.index for film in films])
        films = _drop_previews(films, counts, has_sound=bool(container.streams.audio))
    if not films:
        raise UsageError(f"no video in {name!r}: {describe_tracks(container.streams)}; give a file with a video track")
    chosen = best if best in films else max(films, key=_rank)
    return int(chosen.index)


def describe_tracks(streams: Iterable[Any]) -> str:
    """Return a clause such as ``"its tracks are mjpeg 64 x 64 (attached picture) and aac (audio)"``."""
    names = [_describe(stream) for stream in streams]
    if not names:
        return "it has no tracks"
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"its {'tracks are' if len(names) > 1 else 'only track is'} {listed}"


def codec_name(stream: Any) -> str:
    """Return the name of a track's codec; "" if there is no decoder for it, since PyAV does not name it then."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else ""


def _is_picture(stream: Any) -> bool:
    """Return whether a track is marked as a cover, a thumbnail or a still picture."""
    from av.stream import Disposition

    marks = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    return bool(Disposition(int(stream.disposition)) & marks)


def _is_lone_still(stream: Any, container: Any) -> bool:
    """Return whether the only video track holds JPEGs or the like beside sound: it may be a cover that is not marked."""
    return codec_name(stream) in _STILL_CODECS and bool(container.streams.audio)


def _drop_previews(films: list[Any], counts: dict[int, int], *, has_sound: bool) -> list[Any]:
    """Return the tracks that are neither a preview of another track nor a single picture beside sound."""
    longest = max(counts.values())
    return [
        film
        for film in films
        if not (counts[film.index] <= 1 and (longest > 1 or (has_sound and codec_name(film) in _STILL_CODECS)))
        and not (codec_name(film) in _STILL_CODECS and counts[film.index] * _FEW <= longest)
    ]


def _rank(stream: Any) -> tuple[Any, ...]:
    """Return a key that is larger for a better track: FFmpeg's order of preference."""
    from av.stream import Disposition

    is_default = bool(Disposition(int(stream.disposition)) & Disposition.default)
    context = stream.codec_context
    decodable = context is not None
    return (decodable, is_default, (context.bit_rate or 0) if decodable else 0, stream.frames, -stream.index)


def _describe(stream: Any) -> str:
    from av.stream import Disposition

    name = codec_name(stream) or "unknown codec"
    if stream.type != "video":
        return f"{name} ({stream.type})"
    size = f" {stream.width} x {stream.height}" if stream.codec_context is not None else ""
    marks = Disposition(int(stream.disposition))
    for mark, words in (
        (Disposition.attached_pic, "attached picture"),
        (Disposition.timed_thumbnails, "thumbnails"),
        (Disposition.still_image, "still picture"),
    ):
        if marks & mark:
            return f"{name}{size} ({words})"
    return f"{name}{size} (picture)" if name in _STILL_CODECS else f"{name}{size} (video)"
