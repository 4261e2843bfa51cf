"""Driver of the explorer in a real browser: pages without a kernel, and pages with a scripted one."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from notebook_explain.explanations import Tubes
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.widgets import compare_viewer, pyramid_viewer, tube_viewer
from notebook_explain.widgets.base import read_bundle
from notebook_explain.widgets.explorer_view import ExplorerView
from notebook_explain.widgets.html import _document, page
from notebook_explain.widgets.wire.common import clip_state
from tests.browser.browser_driver import Viewer

BUNDLE = "explorer"
SETTLED = ".ne-explorer:is([data-ready=true], [data-error=true])"
KERNEL = Path(__file__).with_name("fake_kernel.js")
LABELS = ("clap", "jump", "kick", "turn", "wave", "walk", "sit down", "stand up", "throw", "catch", "point", "run")
SPAN: dict[str, Any] = {
    "name": "frames",
    "kind": "frames",
    "value": None,
    "low": None,
    "high": None,
    "choices": [],
    "help": "",
}


def field(name: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    """Return the description of a knob or of a field of an edit."""
    return {"name": name, "kind": kind, "value": value, "low": None, "high": None, "choices": [], "help": "", **more}


METHODS = [
    {
        "key": "tubes",
        "name": "Saliency tubes",
        "help": "Where and when each layer finds evidence for the class.",
        "makes": "tubes",
        "slow": False,
        "knobs": [
            field("signed", "flag", True, help="Also show the evidence against the class."),
            field("pooled", "flag", False),
        ],
    },
    {
        "key": "occlusion",
        "name": "Occlusion",
        "help": "How far the score falls when a box is hidden, from coarse to fine.",
        "makes": "tubes",
        "slow": True,
        "knobs": [
            field("fill", "choice", "blur", choices=["blur", "mean", "grey"], help="What the box is filled with."),
            field("side", "whole", 16, low=4, high=64, help="Side of the box in pixels."),
            field("overlap", "number", 0.5, low=0, high=0.9, help="Part that neighbouring boxes share."),
        ],
    },
    {
        "key": "pyramid",
        "name": "Feature pyramid",
        "help": "The kernels that contribute to the class, layer by layer.",
        "makes": "pyramid",
        "slow": True,
        "knobs": [],
    },
]
EDIT_KINDS = [
    {"edit": "Occlude", "name": "hide a region", "help": "Hide a box, over some frames.", "of": "clip",
     "fields": [field("box", "region", None), SPAN, field("fill", "choice", "blur", choices=["blur", "mean", "grey"])]},
    {"edit": "Reverse", "name": "reverse", "help": "Play some frames backwards.", "of": "clip", "fields": [SPAN]},
    {"edit": "Freeze", "name": "freeze", "help": "Show one frame in place of some.", "of": "clip",
     "fields": [field("frame", "frame", 0), SPAN]},
    {"edit": "Brighten", "name": "brighten", "help": "Multiply all values.", "of": "clip",
     "fields": [field("factor", "number", 1.3, low=0, high=4)]},
    {"edit": "Ablate", "name": "switch off kernels", "help": "Set channels to zero, or to their mean.", "of": "network",
     "fields": [field("layer", "layer", None), field("channels", "channels", []),
                field("to", "choice", "zero", choices=["zero", "mean"])]},
]  # fmt: skip


def example_state(tubes: Tubes, pyramid: Pyramid | None = None, **changes: Any) -> dict[str, Any]:
    """Return a complete state of the explorer for tubes of their first target, without edits."""
    names = [result.name for result in tubes.targets]
    labels = [*names, *(label for label in LABELS if label not in names)]
    first = tubes.targets[0].probability or 0.7
    others = [(1 - first) * weight for weight in _weights(len(labels) - 1)]
    scores = {"logits": [4.0 - k / 3 for k in range(len(labels))], "probabilities": [first, *others]}
    rows = [] if pyramid is None else [row for row in reversed(pyramid.rows) if row.kind == "kernel"]
    layers = [
        {
            "name": row.name,
            "kind": "conv",
            "shape": None if row.maps is None else list(row.maps.shape[1:]),
            "channels": row.width,
        }
        for row in rows
    ]
    mapped = {layer["name"] for layer in layers}
    own = [
        {"name": layer.name, "kind": layer.kind, "shape": list(layer.values.shape[1:]), "channels": 64}
        for layer in tubes.layers
        if layer.name not in mapped
    ]
    first_step = {
        **{"id": 0, "words": "as it is", "edits": [], "target": 0, "against": None, "method": "tubes", "knobs": {}},
        **{"code": "ne.what_if(model, clip, [])", "pinned": False, "top": [labels[0], first]},
    }
    return {
        "title": "What if?",
        "clip_state": clip_state(tubes.clip),
        **{"labels": labels, "kind": "classes", "before": scores, "after": scores, "target": 0, "against": None},
        **{"method": "tubes", "methods": METHODS, "knobs": {}, "edit_list": [], "edit_kinds": EDIT_KINDS},
        "layers": [*own, *layers],
        "tubes": tube_viewer.initial_state(tubes),
        "pyramid": {} if pyramid is None else pyramid_viewer.initial_state(pyramid),
        **{"animation": {}, "figure": {}, "words": "", "caveats": ["The edits are seen by this network only."]},
        **{"history": [first_step], "step": 0, "error": "", **changes},
    }


def _weights(count: int) -> list[float]:
    """Return shares that fall by half, with the sum 1."""
    shares = [0.5**k for k in range(count)]
    return [share / sum(shares) for share in shares]


def write_page(path: Path, state: dict[str, Any]) -> Path:
    """Write a page of the explorer without a kernel."""
    path.write_text(page([(BUNDLE, state)], "What if?", width=1600), encoding="utf-8")
    return path


def write_live_page(
    path: Path, state: dict[str, Any], pyramid: Pyramid | None = None, streams: int = 0, **changes: Any
) -> Path:
    """Write a page that holds the explorer in a frame, as the output of a cell does, beside a scripted kernel.

    The kernel's state is that of the page with some changes.
    """
    esm, css = read_bundle(BUNDLE)
    movable = list(ExplorerView.movable)
    link = {"id": BUNDLE, "content": [name for name in state if name not in movable], "movable": movable}
    data = {
        "modules": {BUNDLE: {"esm": esm, "css": css}},
        "widgets": [{"module": BUNDLE, "state": state, "link": link}],
    }
    inner = html.escape(_document(data, "What if?", (), 1600), quote=True)
    options = {
        "streams": streams,
        "pyramid": None if pyramid is None else pyramid_viewer.initial_state(pyramid),
        "compared": _compared(state),
    }
    given = ", ".join(
        json.dumps(_with_base64(value)).replace("<", "\\u003c") for value in ({**state, **changes}, options)
    )
    path.write_text(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>cell</title><body style='margin:0'>"
        f"<script>{KERNEL.read_text(encoding='utf-8')}; start({given});</script>"
        f'<iframe title="output" srcdoc="{inner}" style="width:100%;height:700px;border:0"></iframe>',
        encoding="utf-8",
    )
    return path


def _compared(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a compare viewer that shows the tubes twice."""
    from tests.browser.example_tubes import tubes

    return compare_viewer.initial_state(tubes(), tubes(), titles=("step 1", "step 2"))


def _with_base64(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$b64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: _with_base64(part) for name, part in value.items()}
    return [_with_base64(part) for part in value] if isinstance(value, (list, tuple)) else value


class ExplorerDriver(Viewer):
    """Driver of the explorer on a page, also where the page stands in a frame."""

    def __init__(self, page: Page, is_live: bool = True) -> None:
        within = page.locator("iframe").first.content_frame.locator("body") if is_live else None
        super().__init__(page, within=within)
        self.root = (within or page).locator(".ne-explorer")
        self.tubes = Viewer(page, within=self.root)
        self.is_live = is_live

    def opened(self) -> None:
        """Wait until the first tube is drawn."""
        self.root.wait_for(timeout=30_000)
        self.wait("root.dataset.ready || root.dataset.error")
        if self.data("error") is None:
            self.tubes.wait("root.dataset.ready")

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Messages that the view has sent, without those of the watchdog."""
        messages = self.page.evaluate("kernel.sent")
        return [message for message in messages if message["type"] != "hello"]

    def set_mode(self, mode: str) -> None:
        self.page.evaluate("mode => { kernel.mode = mode; }", mode)

    def idle(self) -> None:
        """Wait until nothing is in work and the newest tube has taken its place."""
        self.wait("root.dataset.working === '' && root.querySelectorAll('.ne-slot-next').length === 0")

    def bar(self, label: str) -> str:
        """Return the text of a class's bar."""
        row = self.root.locator("[data-name=explain]", has_text=label).first
        return row.inner_text().replace("\u00a0", " ").replace("\n", " ")

    def brush(self, tool: str, start: tuple[float, float], end: tuple[float, float], release: bool = True) -> None:
        """Drag over the frame from one point to another, both as fractions of its width and height."""
        if self.part(f"brush-{tool}").get_attribute("aria-pressed") != "true":
            self.part(f"brush-{tool}").click()
        brush = self.root.locator(".ne-brush")
        brush.scroll_into_view_if_needed()
        box = brush.bounding_box()
        assert box
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        self.page.mouse.move(*points[1], steps=8)
        if release:
            self.page.mouse.up()
