"""Figures, pictures, videos and pages of explanations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from notebook_explain._atomic import replacing, with_suffix
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._progress import counted, working
from notebook_explain._validation import check_range
from notebook_explain.explanations import (
    BlockReport,
    ConceptCurves,
    Concepts,
    Evaluation,
    Explanation,
    Pyramid,
    TemporalReliance,
    Tubes,
    Visualization,
    WhatIf,
)
from notebook_explain.explanations.provenance import clips_named, provenance_lines
from notebook_explain.explanations.targets import REGRESSION
from notebook_explain.explanations.text import quoted_target, shortened, verdict_of

MIN_DPI, MAX_DPI = 20, 1200  # of a PNG


Drawn = Explanation | BlockReport | Evaluation | ConceptCurves | WhatIf | TemporalReliance  # what has a figure


def figure(explanation: Drawn, window: Any = None, **options: Any) -> Any:
    """Return the matplotlib figure of an explanation, whose clip is shown in a window of its values if one is given."""
    from notebook_explain.figures import (
        concept_curves,
        concepts,
        evaluation,
        pyramid,
        temporal_reliance,
        tubes,
        visualization,
        what_if,
    )
    from notebook_explain.figures.blocks import report

    explanation = _in_window(explanation, window)
    with working("drawing the figure"):
        if isinstance(explanation, Evaluation):
            return evaluation.evaluation_figure(explanation, **options)
        if isinstance(explanation, ConceptCurves):
            return concept_curves.curves_figure(explanation)
        if isinstance(explanation, WhatIf):
            return what_if.what_if_figure(explanation, **options)
        if isinstance(explanation, TemporalReliance):
            return temporal_reliance.temporal_reliance_figure(explanation)
        if isinstance(explanation, Concepts):
            return concepts.concepts_figure(explanation, **options)
        if isinstance(explanation, BlockReport):
            return report.report_figure(explanation, **options)
        if isinstance(explanation, Pyramid):
            return pyramid.pyramid_figure(explanation, **options)
        if isinstance(explanation, Visualization):
            return visualization.visualization_figure(explanation, **options)
        return tubes.tubes_figure(explanation, **options)


def to_png(
    explanation: Drawn,
    path: str | os.PathLike[str],
    *,
    dpi: float = 150,
    **options: Any,
) -> Path:
    """Write the figure of an explanation as a PNG."""
    path = with_suffix(path, (".png",), "to_png() writes a PNG (figure().savefig() other formats)")
    dots = check_range("dpi", dpi, MIN_DPI, MAX_DPI)
    with replacing(path) as temporary:
        figure(explanation, **options).savefig(temporary, format="png", dpi=dots)
    return path


def _in_window(explanation: Any, window: Any) -> Any:
    """Return an explanation whose clip is shown between other limits of its values; itself if there are none."""
    if window is None:
        return explanation
    if not hasattr(explanation, "clip"):
        raise UsageTypeError(
            f"window applies to explanations of one clip, and {type(explanation).__name__} has several; leave it out"
        )
    return replace(explanation, clip=explanation.clip.with_range(window))


def to_gif(
    explanation: Tubes | Visualization, path: str | os.PathLike[str], window: Any = None, **options: Any
) -> Path:
    """Write an explanation as a GIF."""
    from notebook_explain.figures.video import export, visualization

    explanation = _in_window(explanation, window)
    if isinstance(explanation, Visualization):
        return visualization.visualization_gif(explanation, path, **options)
    return export.tubes_gif(explanation, path, **options)


def to_video(
    explanation: Tubes | Visualization, path: str | os.PathLike[str], window: Any = None, **options: Any
) -> Path:
    """Write an explanation as a video."""
    from notebook_explain.figures.video import export, visualization

    explanation = _in_window(explanation, window)
    if isinstance(explanation, Visualization):
        return visualization.visualization_video(explanation, path, **options)
    return export.tubes_video(explanation, path, **options)


def to_ipyvolume(explanation: Tubes, **options: Any) -> Any:
    """Return an ipyvolume figure of an explanation."""
    from notebook_explain.widgets import ipyvolume_export

    return ipyvolume_export.tubes_volume(explanation, **options)


def to_html(
    explanations: Explanation | Iterable[Explanation],
    path: str | os.PathLike[str],
    title: str | None = None,
    **state: Any,
) -> Path:
    """Write one interactive HTML page of one or several explanations, one below the other.

    The page needs no kernel and no network. An existing file is replaced as a whole.

    Parameters
    ----------
    explanations : Tubes, Pyramid, Concepts or Visualization, or several of them
    path : path to a file
    title : str, optional
        Heading of the page, plain text; by default the question that the explanation answers.
    **state
        First values of each viewer, as for `view`; readers can change all of them on the page.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        Something other than explanations, or no such first value.
    ValueError
        No explanation, or no such layer, target or row.
    traitlets.TraitError
        A first value is out of range.
    OSError
        The folder does not exist.
    """
    path = Path(path)
    is_single = isinstance(explanations, Explanation | BlockReport)
    shown: list[Any] = [explanations] if is_single else list(explanations)  # type: ignore[arg-type]
    with working(f"writing {path.name}"), replacing(path) as temporary:
        temporary.write_text(page_of(shown, title, state), encoding="utf-8")
    return path


def page_of(
    explanations: Sequence[Explanation], title: str | None, state: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return the text of a page of explanations; ``state`` has the first values of each viewer."""
    from notebook_explain.widgets.html import page

    _check_explanations(explanations)
    is_single = len(explanations) == 1
    viewers, notes = [], []
    for explanation in counted(explanations, "viewers", len(explanations)):
        heading = f"{question(explanation, state)} ({clips_named(explanation)})"
        viewers.append(viewer_state(explanation, "" if is_single else heading, state))
        notes += [line if is_single else f"{heading}: {line}" for line in provenance_lines(explanation)]
    default = question(explanations[0], state) if is_single else f"{len(explanations)} explanations"
    return page(viewers, title or default, notes)


def _check_explanations(explanations: Sequence[Any]) -> None:
    wrong = [type(other).__name__ for other in explanations if not isinstance(other, Explanation)]
    if BlockReport.__name__ in wrong:
        raise UsageTypeError(
            "a page shows explanations that have a viewer, such as tubes; got BlockReport; draw it with .figure(), or put "
            "its frame signals on the timeline of tubes with report.on(tubes)"
        )
    if wrong:
        raise UsageTypeError(f"a page shows explanations, such as tubes; got {', '.join(wrong)}")
    if not explanations:
        raise UsageError("there is nothing to show; give at least one explanation")


def viewer_state(explanation: Explanation, title: str, first_values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the bundle that shows an explanation, and the complete state that it opens with."""
    from notebook_explain.widgets import concept_viewer, pyramid_viewer, tube_viewer, visualization_viewer

    if isinstance(explanation, Visualization):
        return visualization_viewer.BUNDLE, visualization_viewer.initial_state(explanation, title=title, **first_values)
    if isinstance(explanation, Concepts):
        return concept_viewer.BUNDLE, concept_viewer.initial_state(explanation, title=title, **first_values)
    if isinstance(explanation, Pyramid):
        return pyramid_viewer.BUNDLE, pyramid_viewer.initial_state(explanation, title=title, **first_values)
    return tube_viewer.BUNDLE, tube_viewer.initial_state(explanation, title=title, **first_values)


def question(explanation: Explanation, first_values: Mapping[str, Any]) -> str:
    """Return the question that a page answers when it opens, about the target that is shown first."""
    if isinstance(explanation, Concepts):
        return f"Which concepts does the network use for {shortened(quoted_target(explanation.results[0]), 80)}?"
    if isinstance(explanation, Visualization):
        place = f" in {shortened(explanation[0].name, 80)!r}" if len(explanation) == 1 else ""
        return f"What does the network look for{place}?"
    index = 0
    if isinstance(explanation, Tubes) and first_values.get("target") is not None:
        index = explanation.target_index(first_values["target"])
    result = explanation.targets[index]
    if result.kind == REGRESSION:
        return f"Why {verdict_of(result, 80)}?"
    place = f" in {result.region}" if result.region else ""
    return f"Why {shortened(result.name, 80)!r}{place}?"
