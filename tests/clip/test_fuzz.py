"""Videos and images with flipped bytes: a clip or a ValueError, never a crash, a hang or output of FFmpeg.

FFmpeg might crash or hang on a damaged file, so each test runs in a subprocess with a time limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.clip.video_files import coded, write

FILES, SECONDS = 24, 60  # damaged versions of each file, and a time limit ten times the usual duration

DECODE = """
import json, sys, warnings
from pathlib import Path
from notebook_explain import Clip
warnings.simplefilter("ignore")
outcomes = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path.name, flush=True)
    for options in ({"frames": 8, "size": 32}, {"window": (0.1, 0.4)}, {"stride": 3, "frames": 2}):
        try:
            clip = Clip.read(path, max_pixels=2**22, fps=10 if path.is_dir() else None, **options)
            times = range(len(clip)) if clip.times is None else clip.times.tolist()  # a damaged frame rate is unknown
            assert len(clip) == len(times) == len(clip.frame_numbers), (clip, times)
            assert list(times) == sorted(times)
            outcomes["clip"] = outcomes.get("clip", 0) + 1
        except ValueError as error:
            assert path.name.split(".")[0] in str(error) or "window" in str(error), error
            outcomes["error"] = outcomes.get("error", 0) + 1
print(json.dumps(outcomes))
"""


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bytes in one of three ways: a few anywhere, many in the header, or a whole range; truncate some files."""
    damaged = bytearray(data)
    kind = rng.integers(3)
    if kind == 0:
        indices = rng.integers(0, len(damaged), rng.integers(1, 40))
    elif kind == 1:
        indices = rng.integers(0, min(len(damaged), 600), rng.integers(1, 12))
    else:
        start = rng.integers(0, len(damaged))
        indices = np.arange(start, min(start + rng.integers(4, 400), len(damaged)))
    for index in indices:
        damaged[index] = int(rng.integers(256))
    return bytes(damaged[: rng.integers(len(damaged) // 3, len(damaged))] if rng.random() < 0.2 else damaged)


def _run(folder: Path) -> dict[str, int]:
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", DECODE, str(folder)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == 0, f"after {run.stdout.splitlines()[-1:]}: {run.stderr[-2000:]}"
    assert run.stderr == ""
    return dict(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("kind", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "libx265", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mkv", "libx264", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("webm", "libvpx", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("gif", "gif", "rgb8"),
        ("ts", "mpeg2video", "yuv420p"),
        ("mkv", "libsvtav1", "yuv420p10le"),
        ("mov", "prores_ks", "yuv422p10le"),
        ("flv", "flv", "yuv420p"),
    ],
)
def test_damaged_videos_give_a_clip_or_an_error(tmp_path: Path, kind: str, codec: str, pixels: str) -> None:
    rng = np.random.default_rng(7)
    options = {"gif": {}, "prores_ks": {}, "libsvtav1": {"svtav1-params": "lp=1:keyint=4"}}.get(codec, {"g": "4"})
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV here has no encoder {codec}")
    data = write(tmp_path / f"whole.{kind}", codec, 12, pixels=pixels, options=options).read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    for index in range(FILES):
        (folder / f"{index}.{kind}").write_bytes(_damaged(data, rng))
    outcomes = _run(folder)
    assert outcomes["clip"] > 0
    assert outcomes["clip"] + outcomes.get("error", 0) == 3 * FILES


def test_damaged_images_give_a_clip_or_an_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    for index in range(FILES):
        folder = tmp_path / f"{index}"
        folder.mkdir()
        for number, kind in enumerate(("png", "jpg", "bmp", "webp", "tiff", "ppm")[index % 6 : index % 6 + 1] * 4):
            path = folder / f"img_{number}.{kind}"
            Image.fromarray(coded(number)).save(path)
            if number == 1:
                path.write_bytes(_damaged(path.read_bytes(), rng))
    outcomes = _run(tmp_path)
    assert outcomes["error"] > 0
    assert outcomes["clip"] + outcomes["error"] == 3 * FILES
