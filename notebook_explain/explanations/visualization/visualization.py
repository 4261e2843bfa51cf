"""Visualization: clips that a network responds to, beside the real clips that they were made from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.number_format import counted
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.visualization.export import visualization_json
from notebook_explain.explanations.visualization.synthesis import Synthesis
from notebook_explain.explanations.visualization.text import report_of, visualization_in_words


@dataclass(frozen=True, eq=False)
class Visualization:
    """Clips that a network responds to: one for each class, facet, channel or direction.

    ``visualization[0]`` is the first made clip; ``visualization["kick"]`` the one with that name.

    Attributes
    ----------
    syntheses : tuple of Synthesis
    clips : tuple of Clip
        The real clips, as the network saw them; empty if none were given.
    labels : tuple of str
        What the network says about each real clip.
    layer : str
        Layer of the features in which distances are measured.
    provenance : Provenance
    """

    syntheses: tuple[Synthesis, ...]
    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    layer: str
    provenance: Provenance

    def __repr__(self) -> str:
        names = ", ".join(repr(one.name) for one in self.syntheses[:6]) + (", ..." if len(self) > 6 else "")
        return f"Visualization({names}; {counted(len(self.clips), 'real clip')})"

    def __len__(self) -> int:
        return len(self.syntheses)

    def __iter__(self) -> Iterator[Synthesis]:
        return iter(self.syntheses)

    def __getitem__(self, which: int | str) -> Synthesis:
        return self.syntheses[self.index(which)]

    @property
    def model_name(self) -> str:
        """Class of the network and its number of parameters."""
        return self.provenance.model

    @property
    def caveats(self) -> tuple[str, ...]:
        """Sentences that readers must see."""
        return self.provenance.caveats

    def index(self, which: int | str) -> int:
        """Return the index of a made clip, by index or name (ValueError lists them)."""
        names = [one.name for one in self.syntheses]
        if isinstance(which, str) and which in names:
            return names.index(which)
        if isinstance(which, (int, np.integer)) and not isinstance(which, bool) and -len(names) <= which < len(names):
            return int(which) % len(names)
        listed = ", ".join(f"{index}: {name!r}" for index, name in enumerate(names))
        raise UsageError(f"made clip {which!r} is not among {listed}")

    def checked_by(self, model: Any) -> Visualization:
        """Return the same visualization with the verdict of another network on every made clip, also with its frames shuffled.

        Parameters
        ----------
        model : VideoModel
            A network that took no part, better of another architecture and other training clips.
        """
        from notebook_explain.methods.feature_visualization.verdicts import verdict_on

        changed = replace(
            self, syntheses=tuple(replace(one, verdicts=(*one.verdicts, verdict_on(one, model))) for one in self)
        )
        origins = sys.modules.get("notebook_explain.models.origins")
        if origins is not None:
            origins.copy_origin(changed, self)
        return changed

    def in_words(self) -> str:
        """Return sentences on what was made, and how it compares with real clips."""
        return visualization_in_words(self)

    def report(self) -> str:
        """Return a table of every number, as plain text."""
        return report_of(self)

    def to_json(self) -> str:
        """Return every number as JSON, without frames.

        The keys are ``"format"`` ("notebook_explain.visualization"), ``"version"`` (1), ``"layer"``, ``"clips"``,
        ``"syntheses"`` and ``"provenance"``.
        """
        return visualization_json(self)

    # A visualization imports the packages that show it here and nowhere else.

    def view(self, **state: Any) -> Any:
        """Return the viewer, a widget: each made clip beside its start and the nearest real clip.

        Parameters
        ----------
        **state
            Initial state: ``selected``, ``frame``, ``step``, ``arrows``, ``playing``, ``title``; see `VisualizationViewer`.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(self, frames: int = 8) -> Any:
        """Return a matplotlib figure: a row of frames for each made clip, with its start and the nearest real clip.

        Parameters
        ----------
        frames : int
            Largest number of frames of each.
        """
        from notebook_explain import display

        return display.figure(self, frames=frames)

    def to_png(self, path: str | os.PathLike[str], *, dpi: float = 150, **options: Any) -> Path:
        """Write the `figure` as a PNG of 20 to 1200 pixels per inch; an existing file is replaced atomically."""
        from notebook_explain import display

        return display.to_png(self, path, dpi=dpi, **options)

    def to_gif(self, path: str | os.PathLike[str], which: int | str = 0, **options: Any) -> Path:
        """Write one made clip beside its start as a looping GIF.

        Parameters
        ----------
        path : path to a file
        which : int or str
            Index or name of the made clip.
        **options
            ``side``, the height of a frame in pixels at most (frames are enlarged by a whole factor); ``fps``;
            ``caption=False`` to leave out the text below the frames.
        """
        from notebook_explain import display

        return display.to_gif(self, path, which=which, **options)

    def to_video(self, path: str | os.PathLike[str], which: int | str = 0, **options: Any) -> Path:
        """Write one made clip beside its start as a video (.mp4 or .webm); options as for `to_gif`."""
        from notebook_explain import display

        return display.to_video(self, path, which=which, **options)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; a question by default.
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
