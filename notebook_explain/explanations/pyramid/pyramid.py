"""A class feature pyramid: from a class down through the network, the kernels that inform it. A plain value."""

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
from notebook_explain.clip import Clip
from notebook_explain.explanations.geometry import stretch
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid import export
from notebook_explain.explanations.pyramid import text as pyramid_text
from notebook_explain.explanations.pyramid.units import CLASS, INPUT, KERNEL, SUM, Edge, Row, Unit
from notebook_explain.explanations.targets import TargetResult

__all__ = ["CLASS", "INPUT", "KERNEL", "SUM", "Edge", "Pyramid", "Row", "Unit"]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Which kernels inform a class, layer by layer, from the class (row 0) down to the clip.

    Attributes
    ----------
    clip : Clip
        The frames that the network really saw.
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
        """The one target, as every explanation tells its targets."""
        return (self.target,)

    @cached_property
    def _above(self) -> tuple[tuple[int, ...], ...]:
        """The parents of each unit."""
        parents: list[list[int]] = [[] for _ in self.units]
        for edge in self.edges:
            parents[edge.child].append(edge.parent)
        return tuple(map(tuple, parents))

    def row(self, which: str | int) -> Row:
        """A row by name or place (ValueError lists the names)."""
        return self.rows[self.row_index(which)]

    def row_index(self, which: str | int) -> int:
        """Place of a row, by place or name (ValueError lists the names)."""
        names = [row.name for row in self.rows]
        if isinstance(which, int) and -len(names) <= which < len(names):
            return which % len(names)
        if which in names:
            return names.index(str(which))
        raise UsageError(f"row {which!r} is not in this pyramid; it has {', '.join(names)}")

    def prune(self, threshold: float) -> tuple[int, ...]:
        """The units that stay at a threshold: the oracle for every view.

        A unit stays when its score is at least `threshold` times the largest of its row, and one of its parents stays.
        The classes always do. At 0 all stay; a higher threshold never brings one back.

        Parameters
        ----------
        threshold : float in 0..1

        Returns
        -------
        tuple of int
            Places among the units, ascending.
        """
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold must lie in 0..1, got {threshold}")
        stays: set[int] = set()
        for row in self.rows:
            most = max((self.units[at].score for at in row.units), default=0.0)
            for at in row.units:
                strong = self.units[at].score >= threshold * most
                if row.kind == CLASS or (strong and any(parent in stays for parent in self._above[at])):
                    stays.add(at)
        return tuple(sorted(stays))

    def tube(self, which: str | int, threshold: float = 0.0) -> NDArray[np.float32]:
        """Where a row's units are active: their maps, weighted by score and direction, stretched over the clip.

        Parameters
        ----------
        which : str or int
            The row, by name or place.
        threshold : float in 0..1
            As for ``prune``: only units that stay take part.

        Returns
        -------
        float32 array (time, height, width)

        Raises
        ------
        ValueError
            No such row, or one without maps (a class, a linear layer).
        """
        row = self.row(which)
        if row.maps is None or row.geometry is None:
            raise UsageError(f"row {row.name!r} has no maps: its units have no place in the clip")
        stays = set(self.prune(threshold))
        weights = [self.units[at].score * self.units[at].direction * (at in stays) for at in row.units]
        together = np.einsum("u,uthw->thw", np.asarray(weights, np.float32), row.maps)
        return stretch(together, row.geometry, self.clip.size)

    def in_words(self, unit: int | None = None, threshold: float = 0.0) -> str:
        """One sentence: of the whole at a threshold, or of one unit by its place."""
        if unit is not None:
            return pyramid_text.of_unit(self, unit)
        return pyramid_text.of_pyramid(self, self.prune(threshold))

    def to_json(self) -> dict[str, Any]:
        """The pyramid as a graph of plain values (no maps): ``nodes`` and ``links``, ready for ``json.dumps``."""
        return export.graph(self)

    def to_tree(self) -> dict[str, Any]:
        """The pyramid as a nested tree (``name``, ``children``), as D3's hierarchies read it.

        A unit with several parents hangs under the one that it gives the largest share to.
        """
        return export.tree(self)

    def write_json(self, path: str | os.PathLike[str], *, nested: bool = False) -> Path:
        """Write the graph, or the nested tree, with its provenance as a JSON file; an existing file is replaced."""
        path = Path(path)
        text = export.text(self, nested=nested)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and text, no pickle); ``notebook_explain.load`` reads it back."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    # The one sanctioned door from an explanation to the rooms that show it.

    def view(self, **state: Any) -> Any:
        """Return the viewer, a widget.

        Parameters
        ----------
        **state
            How it opens: ``threshold`` (0..1), ``row`` by name or place, ``selected`` (places of units), ``title``, and
            the other traits of the viewer.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(
        self, rows: int | list[str | int] | tuple[str | int, ...] = 6, units: int = 8, threshold: float = 0.0
    ) -> Any:
        """Return a matplotlib figure: rows of units with their maps over the frame, and the links between them.

        Parameters
        ----------
        rows : int, or list of str and int
            How many rows, evenly chosen from the class to the clip; or which, by name or place.
        units : int
            How many units of a row at most, those of the highest score; the rest is told as "others".
        threshold : float in 0..1
            As for ``prune``.
        """
        from notebook_explain import display

        return display.figure(self, rows=rows, units=units, threshold=threshold)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        ``notebook_explain.to_html([tubes, pyramid], path)`` puts several explanations on one page.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; by default what is explained.
        **state
            How it opens, as for `view`.
        """
        from notebook_explain import display

        return display.to_html(self, path, title=title, **state)

    def embed(self, title: str | None = None) -> Any:
        """Return the page for the output of a cell: it is saved with the notebook, and lives without a kernel."""
        from notebook_explain import display

        return display.embed(self, title=title)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.mimebundle(self)
