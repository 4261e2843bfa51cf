"""The viewer of saliency tubes: the frame with its overlay beside the tube in space and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes
from notebook_explain.widgets import wire

STATIC = Path(__file__).parent.parent / "static"


class TubeViewer(anywidget.AnyWidget):
    """Show tubes in a cell; every control works in the browser, with the kernel busy or dead.

    The traits ``frame``, ``layer``, ``threshold``, ``target`` and ``playing`` follow what the person does (one
    message when a gesture ends, none during it), may be set from Python, observed and linked.

    Parameters
    ----------
    tubes : Tubes
    title : str
    **state
        First values of the traits: ``frame, layer`` (indices, or a layer's name), ``threshold`` (0..1), ``target``,
        ``playing``.

    Raises
    ------
    traitlets.TraitError
        An index out of range, or a threshold outside 0..1.
    """

    _esm = (STATIC / "tube_viewer.js").read_text(encoding="utf-8")
    _css = (STATIC / "tube_viewer.css").read_text(encoding="utf-8")

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    size = traitlets.List(traitlets.Int(), help="[time, height, width] of the clip").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="seconds of each frame; empty when unknown").tag(sync=True)
    frames = traitlets.List(traitlets.Bytes(), help="one JPEG per frame").tag(sync=True)
    layers = traitlets.List(traitlets.Dict(), help="name, kind, shape, offset, scale, geometry of each map").tag(
        sync=True
    )
    maps = traitlets.List(traitlets.Bytes(), help="one int8 buffer per target").tag(sync=True)
    targets = traitlets.List(traitlets.Dict(), help="name, logit, probability of each target").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="what a reader has to know").tag(sync=True)
    frame = traitlets.Int(0, help="index of the frame shown").tag(sync=True)
    layer = traitlets.Int(0, help="index of the layer shown").tag(sync=True)
    threshold = traitlets.Float(DEFAULT_THRESHOLD, help="fraction of the map's largest absolute value").tag(sync=True)
    target = traitlets.Int(0, help="index of the target shown").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the clip plays").tag(sync=True)

    def __init__(self, tubes: Tubes, *, title: str = "", **state: Any) -> None:
        unknown = sorted(set(state) - {"frame", "layer", "threshold", "target", "playing"})
        if unknown:
            raise TypeError(f"view has no {unknown[0]!r}; it takes frame, layer, threshold, target, playing and title")
        names = [layer.name for layer in tubes.layers]
        if isinstance(state.get("target"), str):
            state["target"] = tubes.target_index(state["target"])
        if isinstance(state.get("layer"), str):
            state["layer"] = names.index(tubes.layer(state["layer"]).name)
        state.setdefault("layer", len(names) - 1)
        state.setdefault("frame", _brightest_frame(tubes, state["layer"], state.get("target", 0)))
        super().__init__(**wire.state(tubes, title), **state)

    def close(self) -> None:
        """Close the widget and the layout that came with it: nothing of it stays in the kernel."""
        layout = getattr(self, "layout", None)
        super().close()
        if layout is not None:
            layout.close()

    @traitlets.validate("frame", "layer", "target")
    def _in_range(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        count = {"frame": len(self.frames), "layer": len(self.layers), "target": len(self.targets)}[name]
        if count and not 0 <= value < count:
            raise traitlets.TraitError(f"{name} must lie in 0..{count - 1}, got {value}")
        return int(value)

    @traitlets.validate("threshold")
    def _fraction(self, proposal: Any) -> float:
        if not 0 <= proposal["value"] <= 1:
            raise traitlets.TraitError(f"threshold must lie in 0..1, got {proposal['value']}")
        return float(proposal["value"])


def _brightest_frame(tubes: Tubes, layer: int, target: int) -> int:
    """The frame that holds the most evidence for the target: the one worth opening with."""
    if not (0 <= layer < len(tubes.layers) and 0 <= target < len(tubes.targets)):
        return 0
    return int(tubes.volume(layer, target).clip(min=0).sum(axis=(1, 2)).argmax())
