"""Time of reading 16 frames of a video, relative to PyAV: ``python -m benchmarks.decoding``.

PyAV decodes from the first frame to the last and keeps 16 of them as RGB, with its default settings and with all its
threads (``thread_type="AUTO"``). Both are timed in turns and compared by ratio, because absolute times are noisy.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import partial
from pathlib import Path

import av
import numpy as np

import notebook_explain as ne
from benchmarks.timing import line, ratio

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"
FRAMES, COUNT, HEIGHT, WIDTH = 16, 300, 240, 320
FAST = {"deadline": "realtime", "cpu-used": "8", "b": "600k"}
CODECS = {
    "mpeg4.mp4": ("mpeg4", "yuv420p", {"b": "600k"}),
    "h264.mp4": ("libx264", "yuv420p", {}),
    "h265.mp4": ("libx265", "yuv420p", {"x265-params": "log-level=none", "preset": "fast"}),
    "h264.mkv": ("libx264", "yuv420p", {}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "vp8.webm": ("libvpx", "yuv420p", FAST),
    "vp9.webm": ("libvpx-vp9", "yuv420p", FAST),
    "palette.gif": ("gif", "rgb8", {}),
}


def landscape(count: int) -> list[np.ndarray]:
    """Draw frames (HEIGHT, WIDTH, 3) of a camera panning over smooth coloured clouds, with a little noise."""
    rng = np.random.default_rng(0)
    coarse = rng.random((HEIGHT // 16 + 2, WIDTH // 8 + 2, 3))
    clouds = coarse.repeat(16, axis=0).repeat(16, axis=1)
    for axis in (0, 1):
        clouds = np.apply_along_axis(np.convolve, axis, clouds, np.ones(16) / 16, "same")
    frames = []
    for index in range(count):
        shift = round(0.4 * (clouds.shape[1] - WIDTH) * (1 + np.sin(index / 40)))
        view = clouds[8 : 8 + HEIGHT, shift : shift + WIDTH] * 235 + rng.normal(0, 2, (HEIGHT, WIDTH, 1))
        frames.append(np.clip(view, 0, 255).astype(np.uint8))
    return frames


def encode(path: Path, frames: list[np.ndarray]) -> Path:
    """Write a video with the codec that `CODECS` gives for its name."""
    codec, pixels, options = CODECS[path.name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def decode_with_pyav(path: Path, numbers: set[int], threads: str | None) -> np.ndarray:
    """Decode a whole video and return the frames with the given numbers."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if threads is not None:
            stream.thread_type = threads
        frames = enumerate(container.decode(stream))
        return np.stack([frame.to_ndarray(format="rgb24") for number, frame in frames if number in numbers])


def compare(path: Path) -> list[float]:
    """Print and return the ratios of the time of `Clip.read` to that of PyAV, by default and with all threads."""
    numbers = set(ne.Clip.read(path, frames=FRAMES).frame_numbers.tolist())
    ours = partial(ne.Clip.read, path, frames=FRAMES)
    ratios = []
    for threads in (None, "AUTO"):
        median, low, high, seconds = ratio(ours, partial(decode_with_pyav, path, numbers, threads))
        ratios.append(median)
        shown = f"{median:.2f} x ({low:.2f} to {high:.2f}) of {1000 * seconds:.0f} ms"
        line(f"{path.name[:36]} / PyAV{'' if threads is None else ', all threads'}", shown)
    return ratios


def main() -> None:
    print(f"reading {FRAMES} frames spread over a video (goal: at most 1.2 x the time of PyAV)")
    with tempfile.TemporaryDirectory() as folder:
        frames = landscape(COUNT)
        ratios = [compare(encode(Path(folder) / name, frames)) for name in CODECS]
    ratios += [compare(path) for path in sorted(CLIPS.glob("*")) if path.suffix != ".txt"]
    for i, kind in enumerate(("", ", all threads")):
        values = [pair[i] for pair in ratios]
        shown = f"{np.median(values):.2f} x (worst {max(values):.2f}, {sum(value <= 1.2 for value in values)} of {len(values)})"
        line(f"16 frames, median of all files / PyAV{kind}", shown, "goal 1.2 x")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
