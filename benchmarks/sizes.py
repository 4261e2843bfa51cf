"""Bytes on the wire, size of the bundle, and what importing the package costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import notebook_explain as ne
from benchmarks.timing import line
from notebook_explain.explanations import Tubes
from tests import zoo

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"
STATIC = Path(ne.__file__).parent / "static"


def wire() -> None:
    """A 16x224x224 clip with 13 layers: stem, blocks, and once the stages (whose tensors the last blocks share), once others."""
    real = sorted(CLIPS.glob("*archery*"))
    clip = ne.Clip.read(real[0], frames=16, size=224) if real else ne.Clip(zoo.random_clip(16, 224))
    line("clip", real[0].name if real else "random clouds")
    model = ne.adapt(zoo.seeded(zoo.full_size_r3d18), size=224, frames=16, mean=0.45, std=0.225, layout="BCTHW")
    catalogue = [layer.name for layer in model.layers]
    for kind, more in (("stages too", "layer{}"), ("all distinct", "layer{}.0.conv1")):
        names = (*catalogue, *(more.format(stage) for stage in (1, 2, 3, 4)))
        explainer = ne.SaliencyTubes(layers=names)
        frames, maps, rest = _bytes(explainer(model, clip, 0))
        _, two, _ = _bytes(explainer(model, clip, [0, 1]))
        total = f"{(frames + maps + rest) / 1e6:.2f} MB ({frames / 1e3:.0f} + {maps / 1e3:.0f} + {rest / 1e3:.0f} kB)"
        line(f"wire, 16x224x224, {len(names)} layers ({kind}), one target", total, "goal 1 MB (frames + maps + rest)")
        line("  each further target", f"{(two - maps) / 1e6:.2f} MB", "goal 0.9 MB")


def _bytes(tubes: Tubes) -> tuple[int, int, int]:
    viewer = tubes.view()
    rest = len(str({name: getattr(viewer, name) for name in ("layers", "targets", "caveats", "times")}))
    sizes = sum(map(len, viewer.frames)), sum(map(len, viewer.maps)), rest
    viewer.close()
    return sizes


def bundle() -> None:
    for name in ("tube_viewer.js", "tube_viewer.css", "host.js"):
        line(
            f"bundle {name}",
            f"{(STATIC / name).stat().st_size / 1e3:.1f} kB",
            "goal 60 kB" if name == "tube_viewer.js" else "",
        )


def imports(repeats: int = 9) -> None:
    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    pairs = [(once("import notebook_explain"), once("pass")) for _ in range(repeats)]
    extra = statistics.median(a - b for a, b in pairs)
    line("import notebook_explain, above an empty interpreter", f"{extra:.3f} s", "goal 0.2 s")


def main() -> None:
    print("sizes")
    wire()
    bundle()
    imports()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
