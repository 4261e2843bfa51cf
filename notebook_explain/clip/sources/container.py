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
_SMALLEST_LIMIT = 2**24  # pixels of a coded frame: smaller limits are checked afterwards, with a better message


@contextlib.contextmanager
def open_container(path: Path, max_pixels: int) -> Iterator[Any]:
    """Yield an ``av.container.InputContainer``, and close it afterwards.

    Parameters
    ----------
    path : Path
        A regular file; its name is taken literally.
    max_pixels : int
        Limit of a coded frame, before FFmpeg allocates it.

    Raises
    ------
    ValueError
        FFmpeg cannot open the file, or fails while the body runs.
    """
    import av

    with silenced():
        try:
            container = av.open(
                f"file:{path.absolute()}",
                options=codec_options(max_pixels),
                container_options={"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS)},
                metadata_errors="replace",
            )
        except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
            raise UsageError(
                f"{str(path)!r} could not be opened as a video; it may be empty, cut off, or not a video"
            ) from error
        try:
            yield container
        except (av.FFmpegError, MemoryError) as error:
            raise UsageError(f"{str(path)!r} could not be decoded: {error}") from error
        finally:
            container.close()


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
