"""Saliency tubes: for every layer and target, the evidence at each position of the clip. A plain value."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.frame_signal import Course
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.shared_volumes import stretched
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import in_words
from notebook_explain.explanations.threshold import DEFAULT_THRESHOLD, Kept, kept


@dataclass(frozen=True, eq=False)
class LayerMap:
    """Evidence at one layer, at that layer's own resolution.

    Attributes
    ----------
    name : str
        Dotted module name, with "#2" for the second call of a module and "[1]" for the second of several outputs.
    kind : str
        "stem", "block", "pooling input" or "named".
    values : float32 array (target, time, height, width)
        Signed. The mean over time, height and width is what this layer's positions add to the score.
    geometry : Geometry
        Where the cells lie in the clip.
    pathway : int or None
        Which of the network's parallel pathways.
    gap : float32 array (target,)
        Score minus the mean of the map (of all pathways' maps together, where there are several): the bias of the
        classifier, when the evidence of this layer is complete; more or less, when it is not.
    """

    name: str
    kind: str
    values: NDArray[np.float32]
    geometry: Geometry
    pathway: int | None = None
    gap: NDArray[np.float32] | None = None

    @property
    def grid(self) -> tuple[int, int, int]:
        """(time, height, width) in cells."""
        time, height, width = self.values.shape[1:]
        return time, height, width

    def peak(self, target: int = 0) -> float:
        """Largest absolute value: thresholds are fractions of it."""
        return float(np.abs(self.values[target]).max())


@dataclass(frozen=True, eq=False)
class Tubes:
    """Where in space and time a network found its evidence, at every layer.

    Attributes
    ----------
    clip : Clip
        The frames that the network really saw.
    targets : tuple of TargetResult
    layers : tuple of LayerMap
        From input to output; the last is the default everywhere.
    provenance : Provenance
    courses : tuple of Course
        What parts of the network say of each moment, beside the evidence; the viewer's timeline can show one.
    """

    clip: Clip
    targets: tuple[TargetResult, ...]
    layers: tuple[LayerMap, ...]
    provenance: Provenance
    courses: tuple[Course, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Tubes({', '.join(repr(target.name) for target in self.targets)}; {len(self.layers)} layers, "
            f"{self.layers[0].name} to {self.layers[-1].name}; {self.clip!r})"
        )

    def layer(self, which: str | int | None = None) -> LayerMap:
        """Return one layer's map by name or place; the last by default (ValueError lists the names)."""
        if which is None:
            return self.layers[-1]
        names = [layer.name for layer in self.layers]
        if isinstance(which, int) and -len(names) <= which < len(names):
            return self.layers[which]
        if which in names:
            return self.layers[names.index(which)]
        raise UsageError(f"layer {which!r} is not in these tubes; they have {', '.join(names)}")

    def volume(self, layer: str | int | None = None, target: int | str = 0) -> NDArray[np.float32]:
        """Return the map stretched over the clip: float32 (time, height, width), signed."""
        return stretched(self.layer(layer), self.target_index(target), self.clip.size)

    def kept(self, threshold: float = DEFAULT_THRESHOLD, layer: str | int | None = None, target: int | str = 0) -> Kept:
        """What lies at or above a threshold (a fraction of the layer's largest absolute value)."""
        return kept(self.volume(layer, target), self.layer(layer).peak(self.target_index(target)), threshold)

    def in_words(
        self, threshold: float = DEFAULT_THRESHOLD, layer: str | int | None = None, target: int | str = 0
    ) -> str:
        """One sentence: the class, how sure, how much of the evidence lies where and when."""
        result = self.targets[self.target_index(target)]
        return in_words(result.name, result.probability, self.kept(threshold, layer, target), len(self.clip))

    def target_index(self, target: int | str) -> int:
        """Place of a target among those computed, by place or name (ValueError lists them)."""
        names = [result.name for result in self.targets]
        if isinstance(target, str) and target in names:
            return names.index(target)
        if isinstance(target, int) and 0 <= target < len(names):
            return target
        listed = ", ".join(f"{at}: {name!r}" for at, name in enumerate(names))
        raise UsageError(f"target {target!r} is not among those computed, {listed}")

    def with_courses(self, courses: Iterable[Course], clip: Clip | None = None) -> Tubes:
        """The same tubes with other courses (of this clip; ValueError where ``clip`` says that it was another one)."""
        if clip is not None and not np.array_equal(clip.frames, self.clip.frames):
            which = (
                "other frames of the clip" if clip.name == self.clip.name else f"another clip, {clip.name!r}, not of"
            )
            raise UsageError(f"these courses are of {which} {self.clip.name!r}; make both explanations of one clip")
        return replace(self, courses=tuple(courses))

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
            How it opens: ``layer`` and ``target`` by name or place, ``frame``, ``threshold`` (0..1), ``playing``, ``title``,
            and the other traits of the viewer.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(
        self,
        layer: str | int | None = None,
        target: int | str = 0,
        frames: int = 8,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Any:
        """Return a matplotlib figure: a strip of frames with the evidence over them, and its course in time.

        Parameters
        ----------
        layer : str or int, optional
            By name or place; the last by default.
        target : int or str
            By place among those computed, or by name.
        frames : int
            How many of the clip's frames to show, evenly chosen.
        threshold : float in 0..1
            Below this fraction of the layer's largest absolute value a frame is left as it is.
        """
        from notebook_explain import display

        return display.figure(self, layer=layer, target=self.target_index(target), frames=frames, threshold=threshold)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        ``notebook_explain.to_html([one, other], path)`` puts several explanations on one page.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; by default what is explained.
        **state
            How it opens, as for `view`: ``to_html(path, layer=0, threshold=0.6, mode="montage")``.
        """
        from notebook_explain import display

        return display.to_html(self, path, title=title, **state)

    def embed(self, title: str | None = None) -> Any:
        """Return the page for the output of a cell: it is saved with the notebook, and lives without a kernel.

        With it goes a picture for where HTML is not shown. A cell whose last line is the explanation shows the same,
        unless the page is too large for a notebook's server: then it shows the widget, and this the page nevertheless.
        """
        from notebook_explain import display

        return display.embed(self, title=title)

    def to_gif(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | int | None = None,
        target: int | str = 0,
        threshold: float = DEFAULT_THRESHOLD,
        fps: float | None = None,
        size: int | None = None,
    ) -> Path:
        """Write the clip with its evidence as a GIF that repeats, what it shows and its caveats beneath.

        Parameters
        ----------
        path : path to a file (".gif" is added where it has no ending)
        layer, target, threshold
            As for `figure`.
        fps : float, optional
            Frames a second, at most 50; by default the clip's own, but not below 2 nor above 10, so that one can follow.
        size : int, optional
            Pixels of the picture's longer side; by default the clip's own, but not below 320 nor above 480.

        Returns
        -------
        Path
            An existing file is replaced as a whole.
        """
        from notebook_explain import display

        shown = {"layer": layer, "target": self.target_index(target), "threshold": threshold}
        return display.to_gif(self, path, **shown, fps=fps, size=size)

    def to_video(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | int | None = None,
        target: int | str = 0,
        threshold: float = DEFAULT_THRESHOLD,
        fps: float | None = None,
        size: int | None = None,
        source: bool | str | os.PathLike[str] = False,
    ) -> Path:
        """Write a video (WebM, VP8, which browsers play) of the clip with its evidence, or of the video it came from.

        Parameters
        ----------
        path : path to a file (".webm" is added where it has no ending)
        layer, target, threshold
            As for `figure`.
        fps : float, optional
            Frames a second. By default those of the source; for the clip's few frames as for `to_gif`.
        size : int, optional
            Pixels of the picture's longer side; by default the source's own size, the clip's own but not below 320.
        source : bool or path
            False: the frames that the network saw. True: every frame of the clip's source from the first of them to the
            last, at the source's own resolution; the evidence between the frames that the network saw is interpolated,
            and what it never saw is dimmed. A path tells where the source lies now.

        Returns
        -------
        Path
            An existing file is replaced as a whole.

        Raises
        ------
        FileNotFoundError, ValueError, ExplainError
            No source, or another one; arguments out of range; an OpenCV that cannot write such a video.
        """
        from notebook_explain import display

        shown = {"layer": layer, "target": self.target_index(target), "threshold": threshold}
        return display.to_video(self, path, **shown, fps=fps, size=size, source=source)

    def to_ipyvolume(
        self, *, layer: str | int | None = None, target: int | str = 0, threshold: float = DEFAULT_THRESHOLD
    ) -> Any:
        """Return an ipyvolume figure (a widget) with the tube as a volume; needs ``notebook_explain[ipyvolume]``.

        Parameters
        ----------
        layer, target, threshold
            As for `figure`.

        Raises
        ------
        ImportError
            ipyvolume is not installed.
        """
        from notebook_explain import display

        return display.to_ipyvolume(self, layer=layer, target=self.target_index(target), threshold=threshold)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.mimebundle(self)
