"""Concepts of a class: what they cover in every clip, what the network loses without them, and how sure that is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.explanations.concepts.cells import over_clip
from notebook_explain.explanations.concepts.concept import Concept
from notebook_explain.explanations.concepts.export import concepts_json
from notebook_explain.explanations.concepts.names import check_names, default_name
from notebook_explain.explanations.concepts.text import concepts_in_words, concepts_report
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.number_format import counted
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult


@dataclass(frozen=True, eq=False)
class Concepts:
    """Concepts of one class over several clips, in the order of their effect.

    ``concepts[0]`` is the concept with the largest effect; ``concepts["ball"]`` is the one with that name.

    Attributes
    ----------
    concepts : tuple of Concept
    clips : tuple of Clip
        The frames that the network saw.
    results : tuple of TargetResult
        The network's prediction for each clip.
    units : "positions", "supervoxels" or "crops"
        Parts of a clip that were grouped.
    layer : str
        Name of the layer that describes the units.
    grids : int16 array (clip, level, time, height, width)
        Index of the concept of every cell, -1 for none. A level is a division of the clip: positions have one, supervoxels
        one for each resolution.
    geometry : Geometry
        Positions of the cells in the clip.
    centres : float32 array (cluster, channel)
        Means of the clusters: of the concepts, then of clusters that were left out because few clips have them.
    drops : float32 array (fill, clip, concept)
        Fall of the margin in each clip; 0 where the concept does not occur.
    evidence : float32 array (clip, concept)
        Evidence inside each concept, in units of the score.
    remainder : float32 array (clip,)
        Part of the score that belongs to no concept: score minus bias minus `evidence`.
    stability : float
        Mean adjusted Rand index between clusterings with different seeds: 1 if they agree, 0 by chance.
    provenance : Provenance
    """

    concepts: tuple[Concept, ...]
    clips: tuple[Clip, ...]
    results: tuple[TargetResult, ...]
    units: str
    layer: str
    grids: NDArray[np.int16]
    geometry: Geometry
    centres: NDArray[np.float32]
    drops: NDArray[np.float32]
    evidence: NDArray[np.float32]
    remainder: NDArray[np.float32]
    stability: float
    provenance: Provenance

    def __repr__(self) -> str:
        parts = [counted(len(self.concepts), "concept"), counted(len(self.clips), "clip"), self.units]
        return f"Concepts({self.target_name!r}; {', '.join(parts)} of {self.layer!r})"

    def __len__(self) -> int:
        return len(self.concepts)

    def __iter__(self) -> Iterator[Concept]:
        return iter(self.concepts)

    def __getitem__(self, which: int | str) -> Concept:
        return self.concepts[self.index(which)]

    @property
    def target_name(self) -> str:
        """Name of the class, or of the difference of two."""
        return self.results[0].name

    @property
    def model_name(self) -> str:
        """Class of the network and its number of parameters."""
        return self.provenance.model

    @property
    def caveats(self) -> tuple[str, ...]:
        """Sentences that readers must see."""
        return self.provenance.caveats

    @property
    def fills(self) -> tuple[str, ...]:
        """Fills whose effects were measured; the first one orders the concepts."""
        return tuple(effect.fill for effect in self.concepts[0].effects) if self.concepts else ()

    def index(self, which: int | str) -> int:
        """Return the index of a concept, by index or name (ValueError lists them)."""
        names = [concept.name for concept in self.concepts]
        if isinstance(which, str) and which in names:
            return names.index(which)
        if isinstance(which, (int, np.integer)) and not isinstance(which, bool) and 0 <= which < len(names):
            return int(which)
        listed = ", ".join(f"{index}: {name!r}" for index, name in enumerate(names))
        raise UsageError(f"concept {which!r} is not among {listed}")

    def mask(self, which: int | str, clip: int) -> NDArray[np.bool_]:
        """Return everything that a concept covers in a clip: bool (time, height, width).

        Parameters
        ----------
        which : int or str
            Index or name of the concept.
        clip : int
            Index into `clips`.
        """
        if not 0 <= clip < len(self.clips):
            raise UsageError(f"clip {clip!r} is out of range; these concepts have clips 0 to {len(self.clips) - 1}")
        labels = over_clip(self.grids[clip], self.geometry, self.clips[clip].size)
        return np.asarray((labels == self.index(which)).any(0), np.bool_)

    def with_name(self, which: int | str, name: str) -> Concepts:
        """Return the same concepts, one of them with another name.

        Parameters
        ----------
        which : int or str
            Index or present name.
        name : str
            1 to 80 letters without control characters; no other concept may have it.
        """
        names = [concept.name for concept in self]
        names[self.index(which)] = name
        return self.with_names(names)

    def with_names(self, names: Sequence[str]) -> Concepts:
        """Return the same concepts with other names: one for each, all different, as `with_name` takes them."""
        given = check_names(names, len(self))
        named = [replace(concept, name=name) for concept, name in zip(self.concepts, given, strict=True)]
        changed = replace(self, concepts=tuple(named))
        origins = sys.modules.get("notebook_explain.models.origins")  # without it, nothing was made in this process
        if origins is not None:
            origins.copy_origin(changed, self)
        return changed

    def no_model_effects(self, fill: str | None = None) -> tuple[float, ...]:
        """Return the effects that the concepts would have if only the change of the input counted.

        The total effect is shared out by `Effect.change`. A concept whose effect is not above this bar shows movement or
        contrast, whatever the network makes of it.

        Parameters
        ----------
        fill : str, optional
            One of `fills`; the first one by default.

        Returns
        -------
        tuple of float
            In units of `Effect.value`.
        """
        chosen = check_choice("fill", self.fills[0] if fill is None and self.fills else str(fill), self.fills)
        effects = [effect for concept in self for effect in concept.effects if effect.fill == chosen]
        volumes = [concept.volume for concept in self]
        total, change = (
            sum(getattr(effect, name) * volume for effect, volume in zip(effects, volumes, strict=True))
            for name in ("value", "change")
        )
        return tuple(effect.change * total / change if change else 0.0 for effect in effects)

    def tube(self, clip: Any, which: int | str, model: Any = None) -> Any:
        """Return where a concept is in a clip, and what it gives the class.

        Parameters
        ----------
        clip : Clip, path, or uint8 array (time, height, width, 3)
            Any clip, also one that these concepts were not made of.
        which : int or str
            Index or name of the concept.
        model : VideoModel, optional
            The model that made these concepts; needed only if they were loaded, or if its network is gone.

        Returns
        -------
        Tubes
            One map: the evidence of the layer inside the concept, 0 elsewhere.
        """
        from notebook_explain.methods.concepts.new_clips import concept_tube

        return concept_tube(self, clip, self.index(which), model)

    def explain(self, clip: Any, model: Any = None) -> Any:
        """Return the score of a clip as a sum over the concepts in it.

        Parameters
        ----------
        clip, model
            As for `tube`.

        Returns
        -------
        ClipConcepts
        """
        from notebook_explain.methods.concepts.new_clips import explain_clip

        return explain_clip(self, clip, model)

    def curves(self, held_out: Any, model: Any = None, **knobs: Any) -> Any:
        """Return how the class fares on other clips as concepts are added to nothing, or removed from the clip.

        Parameters
        ----------
        held_out : clips
            Clips of the class that these concepts were not made of.
        model : VideoModel, optional
            As for `tube`.
        **knobs
            ``by`` ("change", "volume" or "concepts"), ``fill``, ``steps``, ``draws``, ``seed``, ``batch``.

        Returns
        -------
        ConceptCurves
        """
        from notebook_explain.methods.concepts.curves import concept_curves

        return concept_curves(self, held_out, model, **knobs)

    def in_words(self, most: int = 3) -> str:
        """Return sentences on the concepts that the network uses most."""
        return concepts_in_words(self, most)

    def report(self) -> str:
        """Return a table of every concept and every number, as plain text."""
        return concepts_report(self)

    def to_json(self) -> str:
        """Return every number as JSON (no frames and no masks).

        The keys are ``"format"`` ("notebook_explain.concepts"), ``"version"`` (1), ``"target"``, ``"units"``, ``"layer"``,
        ``"stability"``, ``"clips"``, ``"concepts"`` and ``"provenance"``.
        """
        return concepts_json(self)

    # Concepts import the packages that show them here and nowhere else.

    def view(self, **state: Any) -> Any:
        """Return the viewer, a widget: a row for each concept, with the clips that show it best.

        Parameters
        ----------
        **state
            Initial state: ``names``, ``sort_by`` (a fill, "evidence" or "change"), ``max_q``, ``min_presence``,
            ``selected``, ``playing``, ``title``, and ``curves`` to draw below the rows; see `ConceptViewer`.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(self, count: int = 8, exemplars: int = 4) -> Any:
        """Return a matplotlib figure: a row for each concept, with clips that show it, and its effects with intervals.

        Parameters
        ----------
        count : int
            Largest number of concepts, those with the largest effects.
        exemplars : int
            Largest number of clips of each.
        """
        from notebook_explain import display

        return display.figure(self, count=count, exemplars=exemplars)

    def to_png(self, path: str | os.PathLike[str], *, dpi: float = 150, **options: Any) -> Path:
        """Write the `figure` as a PNG of 20 to 1200 pixels per inch; an existing file is replaced atomically."""
        from notebook_explain import display

        return display.to_png(self, path, dpi=dpi, **options)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; a question about the class by default.
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

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and JSON, no pickle); ``notebook_explain.load`` reads it."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)


def reordered(concepts: Concepts, order: Sequence[int]) -> Concepts:
    """Return the same concepts in another order, numbered anew; ``order`` holds the present indices."""
    if list(order) == list(range(len(concepts))):
        return concepts
    kept, count = list(order), len(concepts)
    rank = np.full(count + 1, -1, np.int16)  # the last entry is for cells of no concept
    rank[kept] = np.arange(count)
    others = list(range(count, len(concepts.centres)))
    renumbered = []
    for index, one in enumerate(kept):
        concept = concepts.concepts[one]
        is_unnamed = concept.name == default_name(one)
        renumbered.append(replace(concept, index=index, name=default_name(index) if is_unnamed else concept.name))
    return replace(
        concepts,
        concepts=tuple(renumbered),
        grids=rank[concepts.grids],
        centres=concepts.centres[kept + others],
        drops=concepts.drops[:, :, kept],
        evidence=concepts.evidence[:, kept],
    )
