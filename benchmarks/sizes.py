"""Bytes sent to the browser, bundle sizes, and import time of the package."""

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
    """Measure the widget state of a 16x224x224 clip with 13 layers: the default ones plus the stages, or plus other layers.

    The stages share their tensors with the last blocks, the other layers do not.
    """
    archery = sorted(CLIPS.glob("*archery*"))
    clip = ne.Clip.read(archery[0], frames=16, size=224) if archery else ne.Clip(zoo.random_clip(16, 224))
    line("clip", archery[0].name if archery else "random clouds")
    model = ne.adapt(zoo.seeded(zoo.full_size_r3d18), size=224, frames=16, mean=0.45, std=0.225, layout="BCTHW")
    default = [layer.name for layer in model.layers]
    for kind, extra in (("with shared ones", "layer{}"), ("all distinct", "layer{}.0.conv1")):
        names = (*default, *(extra.format(stage) for stage in (1, 2, 3, 4)))
        explainer = ne.SaliencyTubes(layers=names)
        frames, maps, rest = _bytes(explainer(model, clip, 0))
        _, maps_of_two, _ = _bytes(explainer(model, clip, [0, 1]))
        total = f"{(frames + maps + rest) / 1e6:.2f} MB ({frames / 1e3:.0f} + {maps / 1e3:.0f} + {rest / 1e3:.0f} kB)"
        line(f"wire, 16x224x224, {len(names)} layers ({kind}), one target", total, "goal 1 MB (frames + maps + rest)")
        line("  each further target", f"{(maps_of_two - maps) / 1e6:.2f} MB", "goal 0.9 MB")


def _bytes(tubes: Tubes) -> tuple[int, int, int]:
    """Return the bytes of the frames, of the maps, and of the rest of a widget's state."""
    viewer = tubes.view()
    rest = len(str({name: getattr(viewer, name) for name in ("layers", "targets", "caveats", "times")}))
    sizes = sum(map(len, viewer.frames)), sum(map(len, viewer.maps)), rest
    viewer.close()
    return sizes


def bundle() -> None:
    """Print the size of each bundle."""
    for name in ("tube_viewer.js", "tube_viewer.css", "host.js"):
        line(
            f"bundle {name}",
            f"{(STATIC / name).stat().st_size / 1e3:.1f} kB",
            "goal 60 kB" if name == "tube_viewer.js" else "",
        )


def imports(repeats: int = 9) -> None:
    """Time the import of the package in a fresh interpreter, minus the start of the interpreter."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    pairs = [(run("import notebook_explain"), run("pass")) for _ in range(repeats)]
    extra = statistics.median(a - b for a, b in pairs)
    line("import notebook_explain, beyond starting Python", f"{extra:.3f} s", "goal 0.2 s")


def main() -> None:
    print("sizes")
    wire()
    bundle()
    imports()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
