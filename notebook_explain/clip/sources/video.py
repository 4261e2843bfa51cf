"""Video files, decoded by PyAV: every frame in turn, with the times of the container.

- Headers are not trusted: packets are counted first, which takes a few milliseconds, and frames as they are decoded.
- Seeking is not exact in every container. Every frame is decoded in turn; only those that are wanted are converted to RGB.
- A packet that cannot be decoded is not the end. After the first, decoding starts again with one thread, because frames may
  get lost on the way from several.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip.sampling import Sampling, Times
from notebook_explain.clip.sources.base import Note, SourceFrame, SourceInfo
from notebook_explain.clip.sources.container import PacketCache, codec_options, open_container, read_packets, reading
from notebook_explain.clip.sources.picture import pixel_note, to_picture
from notebook_explain.clip.sources.timestamps import Timeline
from notebook_explain.clip.sources.tracks import choose_track, codec_name

# Frames of H.265 are decoded one after the other, each by several threads: in damaged streams, threads that decode different
# frames have been seen to wait for each other forever.
_ONE_FRAME_AT_A_TIME = ("hevc",)
_STATED_DURATIONS = ("matroska", "flv", "asf", "mxf")  # others estimate it from what is there


class VideoFile:
    """A video file.

    Attributes
    ----------
    path : Path
    name : str
        File name without its path; paths are stripped for privacy.
    notes : list of Note
        On the frames that have been converted to RGB so far.
    """

    def __init__(self, path: Path, max_pixels: int, *, maps_tones: bool = True) -> None:
        self.path, self.name = path, path.name
        self.notes: list[Note] = []
        self._max_pixels, self._maps_tones = max_pixels, maps_tones
        self._track: int | None = None
        self._codec = ""
        self._opened: tuple[Any, Iterator[Any]] | None = None  # a container, and the packets that are to be decoded
        self._failures = 0  # packets that could not be decoded in the last pass
        self._timeline: Timeline | None = None

    def probe(self, sampling: Sampling) -> SourceInfo:
        """Read the header and the packets, up to the last that is needed, without decoding."""
        self.close()
        with reading(self.path), contextlib.ExitStack() as closing:
            container = open_container(self.path, self._max_pixels)
            closing.callback(container.close)
            if self._track is None:
                self._track = choose_track(container, self.name, self._count_packets)
            stream = container.streams[self._track]
            self._codec = codec_name(stream)
            packets = PacketCache(read_packets(container, list(container.streams)), self._track)
            is_avi = container.format.name == "avi"
            timeline = self._timeline = Timeline.read(packets.record(), stream, sampling, is_avi=is_avi)
            header_count = _frames_if_cut_off(container, stream, timeline)
            size = (stream.height, stream.width) if stream.codec_context is not None else (0, 0)
            if packets.is_kept:
                self._opened = container, packets.replay()
                closing.pop_all()
        return SourceInfo(timeline.packet_count, timeline.times, size, header_count)

    def close(self) -> None:
        """Close the file that `probe` may have left open for `frames`."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    def frames(self, info: SourceInfo) -> Generator[SourceFrame, None, None]:
        """Decode from the first frame to the last."""
        self._failures = 0
        number = yield from self._decode(0, all_threads=True)
        if self._failures:
            self._failures = 0
            yield from self._decode(number, all_threads=False)

    def frame_times(self, seconds: list[Any]) -> Times:
        """Return the container's times if they are plausible, otherwise evenly spaced times at the frame rate."""
        return None if self._timeline is None else self._timeline.plausible(seconds)

    def claimed_frames(self, info: SourceInfo, times: Times, count: int) -> tuple[int, Times]:
        """Return the frames that the header announces if the file is cut off, else those that the packets should give."""
        if info.header_count or self._timeline is None:
            return max(info.header_count, info.count), info.times
        return (info.count, info.times) if self._failures else self._timeline.expected(times, count)

    def no_frames_reason(self) -> str:
        """Return an error message for a file without a single decodable frame."""
        reason = (
            f"a part of its codec {self._codec} is not supported" if self._codec else "FFmpeg has no decoder for it"
        )
        return (
            f"no frame of {str(self.path)!r} could be decoded; it may be empty or damaged, or {reason} "
            "(ffmpeg -i FILE -c:v libx264 OUT.mp4 converts it to a common format)"
        )

    def _decode(self, first: int, *, all_threads: bool) -> Generator[SourceFrame, None, int]:
        """Yield the frames from number ``first`` on, and return the number of frames.

        With all threads, the first packet that cannot be decoded ends the generator.
        """
        import av
        from av.video.reformatter import VideoReformatter

        assert self._timeline is not None
        number, reformatter = 0, VideoReformatter()
        with reading(self.path), contextlib.ExitStack() as closing:
            container, packets = self._opened or (open_container(self.path, self._max_pixels), None)
            self._opened = None
            closing.callback(container.close)
            stream = container.streams[self._track]
            if stream.codec_context is None:
                return 0
            stream.codec_context.options = codec_options(self._max_pixels)
            _set_threads(stream.codec_context, all_threads=all_threads)
            for packet in packets or read_packets(container, stream):
                try:
                    frames = packet.decode()
                except (av.FFmpegError, MemoryError):
                    if not number and not packet.is_keyframe:  # a recording that starts between key frames
                        continue
                    self._failures += 1
                    if all_threads:
                        return number
                    continue
                for frame in frames:
                    if number >= first:
                        seconds = self._timeline.seconds_of(frame, number)
                        yield SourceFrame(number, seconds, partial(self._picture, stream, reformatter, frame, number))
                    number += 1
        return number

    def _picture(self, stream: Any, reformatter: Any, frame: Any, number: int) -> NDArray[np.uint8]:
        """Return a frame as upright RGB."""
        import av

        try:
            picture, notes = to_picture(frame, stream.codec_context, reformatter, maps_tones=self._maps_tones)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise UsageError(
                f"frame {number} of {str(self.path)!r} was decoded, but cannot be converted to an image ({error})"
            ) from error
        notes += pixel_note(stream.sample_aspect_ratio, (frame.height, frame.width))
        self.notes += [note for note in notes if note not in self.notes]
        return picture

    def _count_packets(self, tracks: list[int]) -> dict[int, int]:
        """Return the number of packets of each of some tracks."""
        counts = dict.fromkeys(tracks, 0)
        with contextlib.closing(open_container(self.path, self._max_pixels)) as container:
            for packet in read_packets(container, [container.streams[track] for track in tracks]):
                counts[packet.stream.index] += packet.size > 0
        return counts


def _set_threads(context: Any, *, all_threads: bool) -> None:
    """Set the threads of a decoder that has not started."""
    if not all_threads:
        context.thread_count = 1
    context.thread_type = "SLICE" if context.name in _ONE_FRAME_AT_A_TIME else "AUTO"


def _frames_if_cut_off(container: Any, stream: Any, timeline: Timeline) -> int:
    """Return how many frames the header announces if the file ends before them, else 0."""
    is_mp4 = "mov" in container.format.name.split(",")
    if not timeline.is_complete:
        return 0
    if is_mp4 and stream.frames:  # it lists its frames; an edit list may leave some out
        return int(stream.frames) if len(stream.index_entries) > timeline.total else 0
    stated, reached = _durations(container, stream, timeline)
    times = timeline.times
    gap = float(np.diff(times).max()) if times is not None and len(times) > 1 else 0.0
    if stated - reached <= max(2.5 * gap, 0.02 * stated, 0.1):
        return 0
    return int(stream.frames) or round(min(_tagged_duration(stream) or stated, stated) * float(timeline.rate or 0))


def _durations(container: Any, stream: Any, timeline: Timeline) -> tuple[float, float]:
    """Return the seconds that the header states, and those that the packets reach; zeros if it states none.

    AVI and fragmented mp4 state the duration of each track, others that of the longest track, which may be the sound.
    """
    formats, tick = set(container.format.name.split(",")), float(timeline.time_base)
    if "avi" in formats:  # a tick is a frame; FFmpeg shortens the duration of files that are cut off
        return stream.frames * tick, timeline.end * tick
    if "mov" in formats:
        return (stream.duration or 0) * tick, (timeline.end - timeline.start) * tick
    if formats & set(_STATED_DURATIONS):
        return (container.duration or 0) / 1e6, timeline.last_end
    return 0.0, 0.0


def _tagged_duration(stream: Any) -> float:
    """Return the seconds of a track of a Matroska file by its tag, such as "00:00:04.000000000"; 0 without one."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d*)?)", stream.metadata.get("DURATION", ""))
    if match is None:
        return 0.0
    hours, minutes, seconds = map(float, match.groups())
    return 3600 * hours + 60 * minutes + seconds
