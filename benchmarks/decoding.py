"""Time of reading a video, relative to a bare loop of PyAV and to OpenCV: ``python -m benchmarks.decoding``.

Every frame: PyAV decodes from the first to the last and converts each to RGB. 16 frames: it converts those 16 only. Both use the
same threads as `Clip.read` (``thread_type="AUTO"``, "SLICE" for H.265). OpenCV's reader, which this package used before, does
the same. All are timed in turns and compared by ratio, because absolute times are noisy.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

import notebook_explain as ne
from benchmarks.timing import line, ratio

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"
FRAMES, COUNT, HEIGHT, WIDTH = 16, 300, 240, 320
GOAL = 1.15
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


def decode_with_pyav(path: Path, numbers: set[int] | None) -> list[np.ndarray]:
    """Decode a whole video with a bare loop and return the frames with the given numbers, or all."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "SLICE" if stream.codec_context.name == "hevc" else "AUTO"
        frames = enumerate(container.decode(stream))
        return [frame.to_ndarray(format="rgb24") for number, frame in frames if numbers is None or number in numbers]


def decode_with_opencv(path: Path, numbers: set[int] | None) -> list[np.ndarray]:
    """Decode a whole video with OpenCV and return the frames with the given numbers, or all."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames, number = [], 0
    while video.grab():
        if numbers is None or number in numbers:
            frames.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB))
        number += 1
    video.release()
    return frames


def compare(path: Path) -> list[list[float]]:
    """Print and return the ratios of the time of `Clip.read` to PyAV and to OpenCV, for every frame and for 16."""
    found = []
    for frames in (None, FRAMES):
        ours = partial(ne.Clip.read, path, frames=frames)
        numbers = None if frames is None else set(ours().frame_numbers.tolist())
        ratios = []
        for name, decode in (("PyAV", decode_with_pyav), ("OpenCV", decode_with_opencv)):
            median, low, high, seconds = ratio(ours, partial(decode, path, numbers))
            ratios.append(median)
            shown = f"{median:.2f} x ({low:.2f} to {high:.2f}) of {1000 * seconds:.0f} ms"
            line(f"{path.name[:30]}, {frames or 'every'} frame{'s' if frames else ''} / {name}", shown)
        found.append(ratios)
    return found


def main() -> None:
    print(f"reading a video (goal: at most {GOAL} x the time of a bare loop of PyAV)")
    with tempfile.TemporaryDirectory() as folder:
        frames = landscape(COUNT)
        ratios = [compare(encode(Path(folder) / name, frames)) for name in CODECS]
    ratios += [compare(path) for path in sorted(CLIPS.glob("*")) if path.suffix != ".txt"]
    table = np.array(ratios)  # (files, every frame or 16, PyAV or OpenCV)
    for i, amount in enumerate(("every frame", "16 frames")):
        for k, name in enumerate(("PyAV", "OpenCV")):
            values = table[:, i, k]
            fast = f", {(values <= GOAL).sum()} of {len(values)}" if name == "PyAV" else ""
            shown = f"{np.median(values):.2f} x (worst {values.max():.2f}{fast})"
            line(f"{amount}, median of all files / {name}", shown, f"goal {GOAL} x" if name == "PyAV" else "")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
