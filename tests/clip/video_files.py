"""Test videos of every kind, with frames that encode their number, and PyAV as a second decoder."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)


def coded(index: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Return a frame (height, width, 3) that encodes its number in 8 black and white bars."""
    frame = np.zeros((height, width, 3), np.uint8)
    for bit in range(8):
        frame[:, bit * width // 8 : (bit + 1) * width // 8] = 235 if index >> bit & 1 else 20
    return frame


def number_of(frame: np.ndarray) -> int:
    """Return the number that a coded frame encodes."""
    width = frame.shape[1]
    middle = frame[frame.shape[0] // 2].mean(axis=1)
    return sum(int(middle[(2 * bit + 1) * width // 16] > 128) << bit for bit in range(8))


def numbers_of(frames: np.ndarray) -> list[int]:
    return [number_of(frame) for frame in frames]


def write(
    path: Path,
    codec: str = "libx264",
    frames: int | Sequence[np.ndarray] = 60,
    *,
    size: tuple[int, int] = (96, 128),
    pixels: str = "yuv420p",
    rate: int = 25,
    times_ms: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode coded frames (or given ones) with PyAV, optionally at given times in milliseconds."""
    images = [coded(index, *size) for index in range(frames)] if isinstance(frames, int) else frames
    # The encoder of AV1 gives the thread that calls it real-time priority, if it may. Such a thread, and every process that
    # it starts, leaves no time to others, so it must end here.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(_encode, path, codec, images, pixels, rate, times_ms, options or {}).result()
    return path


def _encode(
    path: Path,
    codec: str,
    images: Sequence[np.ndarray],
    pixels: str,
    rate: int,
    times_ms: Sequence[int] | None,
    options: dict[str, str],
) -> None:
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={**quiet, **options})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        if times_ms is not None:
            stream.time_base = stream.codec_context.time_base = MILLISECONDS
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[index], MILLISECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def uneven_times(count: int, start: int = 0, seed: int = 0) -> list[int]:
    """Return increasing times in milliseconds, 10 to 120 apart: a variable frame rate."""
    return (start + np.cumsum([0, *np.random.default_rng(seed).integers(10, 120, count - 1)])).tolist()


def rotated(path: Path, degrees: int) -> Path:
    """Write a display matrix into the only track of an mp4: players rotate it clockwise by these degrees."""
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    return with_display_matrix(path, cosine, sine, -sine, cosine)


def with_display_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Write a display matrix into the only track of an mp4: pixel (x, y) is shown at (a x + c y, b x + d y), y downwards."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    assert data[header + 4] == 0, "only version 0 of the box is supported"
    one = 1 << 16
    matrix = (round(a * one), round(b * one), 0, round(c * one), round(d * one), 0, 0, 0, 1 << 30)
    data[header + 44 : header + 80] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    return path


def add_video(
    container: Any, codec: str, images: Sequence[np.ndarray], pixels: str = "yuv420p", **properties: Any
) -> Any:
    """Add a track to an open container and return the function that writes its frames; properties are set on the stream."""
    stream = container.add_stream(codec, rate=25)
    stream.height, stream.width = images[0].shape[:2]
    stream.pix_fmt = pixels
    for name, value in properties.items():
        setattr(stream, name, value)

    def write_frames() -> None:
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))

    return write_frames


def add_sound(container: Any, seconds: float, codec: str = "aac", rate: int = 16000) -> Any:
    """Add a silent track to an open container and return the function that writes it."""
    stream = container.add_stream(codec, rate=rate, layout="mono")

    def write_frames() -> None:
        for start in range(0, round(seconds * rate), 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return write_frames


def write_planes(
    path: Path, planes: Sequence[np.ndarray], options: dict[str, str], *, full_range: bool, pixels: str = "yuv444p"
) -> Path:
    """Encode one picture without loss from its planes, so that its tags alone decide how it is shown."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixels)
    for plane, values in zip(frame.planes, planes, strict=True):
        kind = np.dtype(np.uint8 if pixels.endswith("p") else np.uint16)
        padded = np.zeros((plane.height, plane.line_size // kind.itemsize), kind)
        padded[:, : values.shape[1]] = values
        plane.update(padded.tobytes())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0", **options})
        stream.height, stream.width, stream.pix_fmt = height, width, pixels
        frame.color_range = stream.codec_context.color_range = 2 if full_range else 1
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def decode_with_pyav(path: Path, track: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Decode every frame (time, height, width, 3), RGB, and its seconds with a bare loop of PyAV."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0] if track is None else container.streams[track]
        frames = list(container.decode(stream))
        start = stream.start_time or 0
        seconds = np.array([float((frame.pts - start) * stream.time_base) for frame in frames])
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), seconds
