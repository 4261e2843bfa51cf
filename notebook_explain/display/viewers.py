"""Widgets of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from notebook_explain.display import runs
from notebook_explain.explanations import Concepts, Explanation, Pyramid, Tubes, Visualization

if TYPE_CHECKING:
    from notebook_explain.widgets import CompareViewer


def view(explanation: Explanation, **state: Any) -> Any:
    """Return the widget that shows an explanation."""
    from notebook_explain.widgets import ConceptViewer, PyramidViewer, TubeViewer, VisualizationViewer

    viewers: dict[type, Any] = {
        Tubes: TubeViewer,
        Pyramid: PyramidViewer,
        Concepts: ConceptViewer,
        Visualization: VisualizationViewer,
    }
    viewer = next(viewer for kind, viewer in viewers.items() if isinstance(explanation, kind))
    widget = viewer(explanation, **state)
    runs.close_last_run(widget)
    return widget


def compare(
    a: Tubes, b: Tubes, *more: Tubes, titles: Sequence[str] | None = None, same_clip: bool = True, **state: Any
) -> CompareViewer:
    """Return the widget that shows two to four explanations side by side: of layers, classes, networks, methods or clips.

    All sides share one play bar, the camera and the settings of the display; each side has its own layer, threshold and
    class. Use ``to_html(path)`` of the widget to write a page. Running the cell again closes the widget of its previous run.

    Parameters
    ----------
    a, b, *more : Tubes
        Two to four explanations; the same object may be given several times.
    titles : sequence of str, optional
        Title of each side; by default the clip, network, method, settings and classes in which they differ.
    same_clip : bool
        By default explanations of different clips are an error, because their maps rarely can be compared. With ``False``
        each side shows its own clip. Clips of the same length and frame rate are linked by frame number. Others are linked
        by time: each side shows its frame nearest in time, and names it. It is the time in the source if all clips come
        from one source, else the time since the first frame.
    **state
        First values, such as ``frame=3``, ``b_layer="layer3"``, or ``threshold=0.5`` for all sides (a, b, c, d); see
        `CompareViewer`.

    Returns
    -------
    CompareViewer

    Raises
    ------
    TypeError
        An explanation is not `Tubes`, or there is no such first value.
    ValueError
        More than four explanations, different clips (with ``same_clip=False``: of different lengths, and the times of one
        are unknown), or a side has no such layer, target or frame signal.
    traitlets.TraitError
        A first value is out of range.

    Examples
    --------
    ``ne.compare(tubes, tubes, a_layer="layer2", b_layer="layer4")``; ``ne.compare(before, after, titles=("before
    fine-tuning", "after"))``; ``ne.compare(original, mirrored, same_clip=False)``.
    """
    from notebook_explain.widgets import CompareViewer

    widget = CompareViewer(a, b, *more, titles=titles, same_clip=same_clip, **state)
    runs.close_last_run(widget)
    return widget
