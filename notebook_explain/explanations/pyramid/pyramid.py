"""Class feature pyramids: the kernels that contribute to a class, from the class down to the clip."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.explanations.geometry import stretch
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid import export
from notebook_explain.explanations.pyramid import path as pyramid_path
from notebook_explain.explanations.pyramid import text as pyramid_text
from notebook_explain.explanations.pyramid.path import StrongestPath
from notebook_explain.explanations.pyramid.units import (
    CLASS,
    FIRST_ORDER,
    INPUT,
    KERNEL,
    PRUNE_BY,
    SUM,
    UNKNOWN,
    Edge,
    Row,
    Unit,
)
from notebook_explain.explanations.targets import TargetResult

__all__ = ["CLASS", "INPUT", "KERNEL", "SUM", "Edge", "Pyramid", "Row", "StrongestPath", "Unit"]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Kernels that contribute to a class, layer by layer, from the class (row 0) down to the clip.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    target : TargetResult
    rows : tuple of Row
    units : tuple of Unit
        Row by row, each row by descending score.
    edges : tuple of Edge
    provenance : Provenance
    """

    clip: Clip
    target: TargetResult
    rows: tuple[Row, ...]
    units: tuple[Unit, ...]
    edges: tuple[Edge, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        return (
            f"Pyramid({self.target.name!r}; {len(self.rows)} rows, {len(self.units)} units, {len(self.edges)} edges; "
            f"{self.clip!r})"
        )

    @property
    def targets(self) -> tuple[TargetResult, ...]:
        """The target as a tuple, as all explanations have it."""
        return (self.target,)

    @property
    def has_local_shares(self) -> bool:
        """True if contributions to a sum are measured at the sum itself, whatever the next layer does with it."""
        return self.provenance.knobs.get("contribution") not in FIRST_ORDER

    @property
    def has_score_contributions(self) -> bool:
        """True if contributions are to the class score, to first order; False if they are to the mean of the parent."""
        return not self.has_local_shares and self.provenance.knobs.get("mode") != "paper"

    @cached_property
    def _contributions(self) -> dict[int, float]:
        """Sum of each unit's contributions over its edges to parents, where one is known."""
        sums: dict[int, float] = {}
        for edge in self.edges:
            if edge.kind != UNKNOWN:
                sums[edge.child] = sums.get(edge.child, 0.0) + edge.contribution
        return sums

    @cached_property
    def _parents(self) -> tuple[tuple[int, ...], ...]:
        """Parents of each unit."""
        parents: list[list[int]] = [[] for _ in self.units]
        for edge in self.edges:
            parents[edge.child].append(edge.parent)
        return tuple(map(tuple, parents))

    def row(self, which: str | int) -> Row:
        """Return a row by name or index (ValueError lists the names)."""
        return self.rows[self.row_index(which)]

    def row_index(self, which: str | int) -> int:
        """Return the index of a row, by index or name (ValueError lists the names)."""
        names = [row.name for row in self.rows]
        if isinstance(which, int) and -len(names) <= which < len(names):
            return which % len(names)
        if which in names:
            return names.index(str(which))
        raise UsageError(f"row {which!r} is not in this pyramid; it has {', '.join(names)}")

    def prune(self, threshold: float, against: bool = True, by: str = "path") -> tuple[int, ...]:
        """Return the units that a threshold keeps; all views agree with this method.

        Classes are always kept. At 0 all units are kept; a higher threshold never adds one.

        Parameters
        ----------
        threshold : float in 0..1
        against : bool
            Keep units that are shown only because they work against a unit above; their score is 0.
        by : "path" or "score"
            "score" keeps a unit if its score is at least ``threshold`` times the largest of its row. "path" also requires
            that one of its parents is kept, so that links lead from every unit to the class; it may remove the strongest
            unit of a row.

        Returns
        -------
        tuple of int
            Indices of units, ascending.
        """
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold must lie in 0..1, got {threshold}")
        is_by_path = check_choice("by", by, PRUNE_BY) == "path"
        kept: set[int] = set()
        for row in self.rows:
            largest = max((self.units[unit].score for unit in row.units), default=0.0)
            for unit in row.units:
                score, parents = self.units[unit].score, self._parents[unit]
                strong = score >= threshold * largest and (against or score > 0)
                if row.kind == CLASS or (strong and (not is_by_path or any(parent in kept for parent in parents))):
                    kept.add(unit)
        return tuple(sorted(kept))

    def contribution(self, unit: int) -> float | None:
        """Return what a unit adds to the class score through the shown units above, to first order: the sum over its edges.

        None for a class, for units of which no edge has a contribution of its own, and where contributions are to the mean of
        the parent, which cannot be added (``contribution="preactivation"``, ``mode="paper"``).
        """
        return self._contributions.get(unit) if self.has_score_contributions else None

    def strongest_path(self, threshold: float = 0.0, by: str = "path") -> StrongestPath:
        """Return the path from the class down to the clip that follows the child with the largest share at each step.

        A child from which positive shares lead on to the clip comes before one where the path would end.

        Parameters
        ----------
        threshold, by
            As for ``prune``: only kept units count.
        """
        return pyramid_path.strongest_path(self, self.prune(threshold, by=by))

    def tube(self, which: str | int, threshold: float = 0.0, by: str = "path") -> NDArray[np.float32]:
        """Return the activity of a row's units: their maps, weighted by score and sign, stretched over the clip.

        A map counts as negative where higher values of it lower the score of the class (``Unit.map_direction``).

        Parameters
        ----------
        which : str or int
            Name or index of the row.
        threshold, by
            As for ``prune``: only kept units count.

        Returns
        -------
        float32 array (time, height, width)

        Raises
        ------
        ValueError
            No such row, or a row without maps (a class, a linear layer).
        """
        row = self.row(which)
        if row.maps is None or row.geometry is None:
            raise UsageError(f"row {row.name!r} has no maps: its units have no positions in the clip")
        kept = set(self.prune(threshold, by=by))
        weights = [self.units[unit].score * self.units[unit].map_direction * (unit in kept) for unit in row.units]
        total = np.einsum("u,uthw->thw", np.asarray(weights, np.float32), row.maps)
        return stretch(total, row.geometry, self.clip.size)

    def in_words(
        self, unit: int | None = None, threshold: float = 0.0, *, row: str | int | None = None, by: str = "path"
    ) -> str:
        """Return sentences on the whole pyramid, on one unit, or on one row.

        Parameters
        ----------
        unit : int, optional
            Index of a unit.
        threshold, by
            As for ``prune``: only kept units count.
        row : str or int, optional
            Name or index of a row: how many of its layer's channels are shown, and the evidence that they carry.

        Raises
        ------
        ValueError
            No such unit or row; a threshold outside 0..1.
        """
        kept = self.prune(threshold, by=by)
        if unit is not None:
            return pyramid_text.unit_sentences(self, unit, kept)
        if row is not None:
            return pyramid_text.row_sentences(self, self.row(row), kept)
        return pyramid_text.pyramid_sentences(self, kept)

    def to_json(self) -> dict[str, Any]:
        """Return the pyramid as a graph of plain values (no maps): ``nodes`` and ``links``, ready for ``json.dumps``."""
        return export.graph(self)

    def to_tree(self) -> dict[str, Any]:
        """Return the pyramid as a nested tree (``name``, ``children``), as D3's hierarchies read it.

        A unit with several parents is a child of the one that it contributes most to.
        """
        return export.tree(self)

    def write_json(self, path: str | os.PathLike[str], *, nested: bool = False) -> Path:
        """Write the graph, or the nested tree, and the provenance as a JSON file; an existing file is replaced."""
        path = Path(path)
        text = export.text(self, nested=nested)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and JSON, no pickle); ``notebook_explain.load`` reads it."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    # An explanation imports the packages that show it here and nowhere else.

    def view(self, **state: Any) -> Any:
        """Return the viewer, a widget.

        Parameters
        ----------
        **state
            Initial state: ``threshold`` (0..1), ``prune_by`` ("path" or "score"), ``against`` (False hides links and units
            against the class), ``row`` by name or index, ``selected`` (indices of units), ``window`` (values of the clip that
            are shown darkest and brightest), ``title``, and the other traits of the viewer.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(
        self,
        rows: int | list[str | int] | tuple[str | int, ...] = 6,
        units: int = 8,
        threshold: float = 0.0,
        against: bool = True,
        by: str = "path",
        *,
        window: Any = None,
    ) -> Any:
        """Return a matplotlib figure: rows of units with their maps overlaid on a frame, and the links between them.

        Parameters
        ----------
        rows : int, or list of str and int
            Number of rows, evenly spaced from the class to the clip; or their names or indices.
        units : int
            Largest number of units per row, by score; the rest is summarised as "others".
        threshold : float in 0..1
        against : bool
            As for ``prune``; False leaves out the links against units too.
        by : "path" or "score"
            As for ``prune``.
        window : (low, high), optional
            Values of the clip that are shown darkest and brightest, for clips of `Clip.from_array`; see `Clip.with_range`.
        """
        from notebook_explain import display

        return display.figure(self, window, rows=rows, units=units, threshold=threshold, against=against, by=by)

    def to_png(self, path: str | os.PathLike[str], *, dpi: float = 150, **options: Any) -> Path:
        """Write the `figure` as a PNG.

        Parameters
        ----------
        path : path to a file (".png" is added if it has no extension)
        dpi : float
            Pixels per inch, 20 to 1200.
        **options
            As for `figure`.

        Returns
        -------
        Path
            The file; an existing one is replaced atomically.
        """
        from notebook_explain import display

        return display.to_png(self, path, dpi=dpi, **options)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        ``notebook_explain.to_html([tubes, pyramid], path)`` puts several explanations on one page.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; the target by default.
        **state
            Initial state, as for `view`.
        """
        from notebook_explain import display

        return display.to_html(self, path, title=title, **state)

    def embed(self, title: str | None = None) -> Any:
        """Return the interactive page for the output of a cell; it is saved with the notebook and needs no kernel."""
        from notebook_explain import display

        return display.embed(self, title=title)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.mimebundle(self)
