"""Open a container with PyAV: no other file, no network, no message, and every error of FFmpeg as a UsageError."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from notebook_explain._errors import UsageError
from notebook_explain.clip.sources.ffmpeg_log import silenced

# Demuxers that read one file. Left out are playlists and sequences, which open other files (concat, hls, dash, image2,
# imf, vobsub, mlv), devices, text, single pictures, and raw pixels without a header. Sound is opened to name what it holds.
_FORMATS = (
    "mov mp4 m4a 3gp 3g2 mj2 matroska webm avi gif apng flv live_flv asf asf_o mpeg mpegts mpegvideo m4v h261 h263 h264 hevc "
    "vvc evc av1 obu ivf dv mxf gxf ogg rm nut nsv wtv dirac cavsvideo avs2 avs3 vc1 vc1test mjpeg mpjpeg mjpeg_2000 smjpeg "
    "yuv4mpegpipe swf flic smk bink roq film_cpk 4xm dxa idcin ea nuv pva mtv vivo rpl lmlm4 r3d cine ser dhav ty xmv vmd "
    "mp3 aac flac wav w64 aiff ape tta wv mpc mpc8 ac3 eac3 dts truehd caf amr au tak oma dsf"
).split()
_MAX_CACHED = 2**26  # bytes of compressed packets that are kept in memory
_SMALLEST_LIMIT = 2**24  # pixels of a coded frame: smaller limits are checked afterwards, with a better message


def open_container(path: Path, max_pixels: int) -> Any:
    """Open a file as an ``av.container.InputContainer``, which the caller closes.

    Parameters
    ----------
    path : Path
        A regular file; its name is taken literally.
    max_pixels : int
        Limit of a coded frame, before FFmpeg allocates it.

    Raises
    ------
    ValueError
        FFmpeg cannot open the file.
    """
    import av

    try:
        return av.open(
            f"file:{path.absolute()}",
            options=codec_options(max_pixels),
            container_options={"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS)},
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
        raise UsageError(
            f"{str(path)!r} could not be opened as a video; it may be empty, cut off, or not a video"
        ) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Silence FFmpeg while the body reads a file, and raise its errors as UsageError."""
    import av

    with silenced():
        try:
            yield
        except (av.FFmpegError, MemoryError) as error:
            raise UsageError(f"{str(path)!r} could not be decoded: {error}") from error


def codec_options(max_pixels: int) -> dict[str, str]:
    """Return the options of a decoder that refuses frames with too many pixels."""
    return {"max_pixels": str(min(max(max_pixels, _SMALLEST_LIMIT), 2**31 - 1))}


def read_packets(container: Any, streams: Any) -> Iterator[Any]:
    """Yield the packets of some streams, up to the end of the file or up to where it is cut off; the last ones are empty."""
    import av

    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        yield packet


class PacketCache:
    """Packets of some tracks, of which those of one are kept, to be decoded without reading the file again.

    Parameters
    ----------
    packets : iterator of av.Packet
    track : int
        Index of the track that is kept.

    Attributes
    ----------
    is_kept : bool
        False once the packets are larger than `_MAX_CACHED`: then none is kept.
    """

    def __init__(self, packets: Iterator[Any], track: int) -> None:
        self._packets, self._track = packets, track
        self._kept: list[Any] = []
        self._bytes = 0
        self.is_kept = True

    def record(self) -> Iterator[Any]:
        """Yield all packets while they are read."""
        for packet in self._packets:
            if self.is_kept and packet.stream.index == self._track:
                self._kept.append(packet)
                self._bytes += packet.size
                if self._bytes > _MAX_CACHED:
                    self.is_kept, self._kept = False, []
            yield packet

    def replay(self) -> Iterator[Any]:
        """Yield the packets of the track: those that were kept, then those that have not been read."""
        kept, self._kept = self._kept, []
        yield from kept
        for packet in self._packets:
            if packet.stream.index == self._track:
                yield packet
