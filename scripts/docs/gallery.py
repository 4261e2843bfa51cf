"""Write the gallery: live pages of the bundled model, each with the code that makes it."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

from scripts.docs.tutorials import frame

SETUP = """
import torch
import notebook_explain as ne

model = ne.demo_model()
clip = ne.samples.contrast("kick", "wave one hand", seed=4)   # two synthetic people
"""
# Title, text, code, file.
ENTRIES = (
    (
        "Where does the model find its evidence?",
        "Saliency tubes of two classes for one clip. Choose the other class, move the threshold, rotate the tube.",
        'tubes = ne.SaliencyTubes()(model, clip, ["kick", "wave one hand"])\ntubes.to_html("tubes.html")',
        "tubes.html",
    ),
    (
        "Why this class rather than that one?",
        "A difference of two classes is a target too.",
        'why = ne.SaliencyTubes()(model, clip, ne.Target("kick") - ne.Target("wave one hand"))\nwhy.to_html("difference.html")',
        "difference.html",
    ),
    (
        "All frames at once",
        "The same tubes, opened as a montage in sequential colours.",
        'tubes.to_html("montage.html", mode="montage", colours="sequential")',
        "montage.html",
    ),
    (
        "Which kernels carry the evidence?",
        "A class feature pyramid: the class on top, a row of kernels per layer below it. Click a kernel to see its tube.",
        'pyramid = ne.FeaturePyramid()(model, clip, "kick")\npyramid.to_html("pyramid.html")',
        "pyramid.html",
    ),
    (
        "What changes when a block is swapped?",
        "Two explanations of one clip, side by side: the model as it is, and a copy with SoftPool instead of average pooling.",
        """soft = ne.layers.swap(model.module, {torch.nn.AdaptiveAvgPool3d: ne.layers.AdaptiveSoftPool3d}).model
p = model.preprocessing
soft = ne.adapt(soft, size=p.size, frames=p.frames, mean=p.mean, std=p.std, layout=p.layout, labels=model.labels[""])
before, after = ne.SaliencyTubes()(model, clip, "kick"), ne.SaliencyTubes()(soft, clip, "kick")
ne.compare(before, after, titles=("average pooling", "SoftPool")).to_html("compare.html")""",
        "compare.html",
    ),
    (
        "What do many clips of a class have in common for the network?",
        "Concepts of twelve clips of a kick, ranked by what the network loses without them. Point at a clip, type a name.",
        """others = ("clap", "bend", "punch", "jog")
kicks = [ne.samples.contrast("kick", others[seed % 4], seed=seed) for seed in range(12)]
concepts = ne.ConceptDiscovery()(model, kicks, "kick")
concepts.to_html("concepts.html")""",
        "concepts.html",
    ),
    (
        "What does a block do with each frame?",
        "The signals that the building blocks of a network report, as a figure.",
        'report = ne.BlockSignals()(soft, clip, "kick")\nreport.figure().savefig("blocks.png", dpi=130)',
        "blocks.png",
    ),
)
INTRODUCTION = """# Gallery

Every picture on this page is a live page that `to_html` wrote: it runs in your browser, without a kernel and without a
network connection. The clips are synthetic; the model is the small one that comes with the package.

```python
{setup}
```
"""


def write_gallery(out: Path) -> None:
    """Run the code of every entry in ``out/gallery`` and write ``out/gallery.md``."""
    folder = out / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, object] = {}
    here = Path.cwd()
    os.chdir(folder)
    try:
        exec(SETUP, names)
        for _, _, code, _ in ENTRIES:
            exec(code, names)
    finally:
        os.chdir(here)
    sections = [INTRODUCTION.format(setup=SETUP.strip())]
    for title, text, code, file in ENTRIES:
        shown = frame(f"gallery/{file}", title) if file.endswith(".html") else f"![{title}](gallery/{file})"
        sections.append(f"## {title}\n\n{text}\n\n{shown}\n\n```python\n{textwrap.dedent(code).strip()}\n```\n")
    (out / "gallery.md").write_text("\n".join(sections), encoding="utf-8")
