"""Size and time of every export: ``python -m benchmarks.exports``.

The unit is one forward pass of an r3d_18-sized network at 16x112x112. Videos are compared with the same frames written
directly, as a GIF by Pillow and a WebM by OpenCV, without evidence, captions or a shared palette.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

import notebook_explain as ne
from benchmarks.timing import line, ratio, seconds
from notebook_explain.explanations import Tubes
from notebook_explain.figures import strip_png
from notebook_explain.figures.placement import Placement, resize_image
from tests import zoo

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"
REPEATS = 3


def large(folder: Path) -> Tubes:
    """Explain thirteen layers of an r3d_18-sized network on 16x224x224 frames of a real video, or of noise without one."""
    real = sorted(CLIPS.glob("*archery*"))
    path = real[0] if real else noise_video(folder / "noise.avi")
    model = ne.adapt(zoo.seeded(zoo.full_size_r3d18), size=224, frames=16, mean=0.45, std=0.225, layout="BCTHW")
    return ne.SaliencyTubes()(model, ne.Clip.read(path, frames=16, size=224), 0)


def noise_video(path: Path) -> Path:
    """Write a video of smooth noise."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for frame in zoo.random_clip(131, 320)[:, :240]:
        writer.write(np.ascontiguousarray(frame))
    writer.release()
    return path


def exports(tubes: Tubes, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return a function for each file that writes it."""

    def write_figure(kind: str) -> Callable[[], Any]:
        return lambda: tubes.figure().savefig(folder / f"figure.{kind}", dpi=150)

    writers: dict[str, Callable[[], Any]] = {
        "page.html": lambda: tubes.to_html(folder / "page.html"),
        "cell.html": lambda: (folder / "cell.html").write_text(tubes.embed().html, encoding="utf-8"),
        "cell.png": lambda: (folder / "cell.png").write_bytes(strip_png(tubes)),
        **{f"figure.{kind}": write_figure(kind) for kind in ("png", "svg", "pdf")},
        "film.gif": lambda: tubes.to_gif(folder / "film.gif"),
        "film.webm": lambda: tubes.to_video(folder / "film.webm"),
        "tubes.npz": lambda: tubes.save(folder / "tubes.npz"),
        "made.json": lambda: (folder / "made.json").write_text(tubes.provenance.to_json(), encoding="utf-8"),
    }
    if Path(tubes.clip.source).exists():
        writers["source.webm"] = lambda: tubes.to_video(folder / "source.webm", source=True)
    return writers


def peers(tubes: Tubes, folder: Path) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Return the name of a plain file of the same frames at the same size for each video, and a function that writes it."""

    def frames(low: int, high: int) -> list[np.ndarray]:
        placement = Placement.build(tubes.clip, min(max(*tubes.clip.size[1:], low), high))
        return [resize_image(frame, placement.size) for frame in tubes.clip.frames]

    def gif() -> None:
        first, *rest = (Image.fromarray(frame) for frame in frames(320, 480))
        first.save(folder / "bare.gif", save_all=True, append_images=rest, duration=100, loop=0)

    def webm() -> None:
        images = frames(320, 4096)
        size = images[0].shape[1], images[0].shape[0]
        writer = cv2.VideoWriter(str(folder / "bare.webm"), cv2.VideoWriter.fourcc(*"VP80"), 8, size)
        for frame in images:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()

    return {"film.gif": ("bare.gif", gif), "film.webm": ("bare.webm", webm)}


def measure(name: str, tubes: Tubes, forward: Callable[[], Any]) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        plain = peers(tubes, folder)
        for file, write in exports(tubes, folder).items():
            middle, low, high, base = ratio(write, forward, REPEATS)
            size = (folder / file).stat().st_size / 1e3
            result = f"{size:8.1f} kB {middle * base:7.2f} s"
            detail = f"{middle:.2f} x ({low:.2f} to {high:.2f}) a forward pass of {base:.2f} s"
            if file in plain:
                peer, work = plain[file]
                against = ratio(write, work, REPEATS)[0]
                detail += f"; {against:.1f} x {peer} of {(folder / peer).stat().st_size / 1e3:.0f} kB"
            line(f"{name}, {file}", result, detail)
        load = seconds(lambda: ne.load(folder / "tubes.npz"))
        line(f"{name}, tubes.npz read again", f"{'':11} {load:7.2f} s")


def main() -> None:
    print(f"exports (median of {REPEATS} pairs, {torch.get_num_threads()} threads)")
    net, video = zoo.seeded(zoo.full_size_r3d18).eval(), torch.rand(1, 3, 16, 112, 112)

    def forward() -> None:
        with torch.no_grad():
            net(video)

    measure("demo", ne.demo(), forward)
    with tempfile.TemporaryDirectory() as folder:
        measure("16x224x224", large(Path(folder)), forward)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
