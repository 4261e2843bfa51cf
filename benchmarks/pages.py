"""Bytes of pages: ``python -m benchmarks.pages``.

Each page beside what it would take as JSON with base64, without compression: a page in the output of a cell is saved with the
notebook. An r3d_18 has random weights here, whose maps compress worse than those of a trained network.
"""

from __future__ import annotations

import html
import json

import torch

import notebook_explain as ne
from notebook_explain.display.cells import LARGEST_CELL
from notebook_explain.explanations import Explanation
from notebook_explain.widgets.html import read_data
from tests import zoo
from tests.widgets.pyramid_examples import with_base64


def main() -> None:
    print(
        f"{'bytes of the page':<36}{'plain':>12}{'packed':>12}{'ratio':>8}  (an output of a cell has at most {LARGEST_CELL:,})"
    )
    for name, explanation in _explanations().items():
        page = explanation.embed().html
        plain = _plain_size(explanation)
        print(f"{name:<36}{plain:>12,}{len(page):>12,}{len(page) / plain:>8.2f}")


def _explanations() -> dict[str, Explanation]:
    """Return explanations by the bundled model and by a network like r3d_18."""
    torch.manual_seed(0)
    net, tubes = zoo.full_size_r3d18(), ne.demo()
    clip = tubes.clip
    knobs = {"frames": 16, "mean": (0.43, 0.39, 0.38), "std": (0.23, 0.22, 0.22)}
    large, small = ne.adapt(net, size=224, **knobs), ne.adapt(net, size=112, **knobs)
    return {
        "demo, tubes": tubes,
        "r3d_18, tubes of 16x224x224": ne.SaliencyTubes()(large, clip),
        "r3d_18, pyramid of 16x112x112": ne.FeaturePyramid()(small, clip),
    }


def _plain_size(explanation: Explanation) -> int:
    """Return the bytes of a page whose data is JSON with base64."""
    page = explanation.embed()
    text = page.html
    srcdoc = text[text.index('srcdoc="') + len('srcdoc="') : text.index('" style="display:block')]
    inner = html.unescape(srcdoc)
    data = json.dumps(with_base64(read_data(inner)), separators=(",", ":")).replace("<", "\\u003c")
    start = inner.index("id='ne-data'>") + len("id='ne-data'>")
    plain = inner[:start] + data + inner[inner.index("</script>", start) :]
    return len(text) - len(srcdoc) + len(html.escape(plain))


if __name__ == "__main__":
    main()
