"""Saliency tubes: the evidence at each position of the clip, for every layer and target."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._deprecated import renamed_fields, warn_renamed
from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.frame_signal import FrameSignal
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.reliability import Reliability
from notebook_explain.explanations.shared_volumes import stretched
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import tubes_in_words
from notebook_explain.explanations.threshold import DEFAULT_THRESHOLD, Kept, kept

ATTENTION, RELEVANCE = "attention", "relevance"  # kinds of maps that are no evidence: of any class, and for a class


@dataclass(frozen=True, eq=False)
class LayerMap:
    """Evidence at one layer, at that layer's own resolution.

    Attributes
    ----------
    name : str
        Dotted module name, with "#2" for the second call of a module and "[1]" for the second of several outputs.
    kind : str
        "stem", "block", "pooling input", "named", or "combined" for the sum of parallel pathways; "attention" or
        "relevance" for maps of attention, which hold no evidence (`quantity`).
    values : float32 array (target, time, height, width)
        Signed. The mean over time, height and width is the contribution of this layer's positions to the score.
    geometry : Geometry
        Positions of the cells in the clip.
    pathway : int or None
        Index of the network's parallel pathway.
    gap : float32 array (target,)
        Score minus the mean of the map (of all pathways' maps together, if there are several): the bias of the
        classifier if the evidence of this layer is complete, another value if it is not.
    reliability : Reliability, optional
        Share of the score, and whether the map is more than rounding. None in older files.
    """

    name: str
    kind: str
    values: NDArray[np.float32]
    geometry: Geometry
    pathway: int | None = None
    gap: NDArray[np.float32] | None = None
    reliability: Reliability | None = None

    def __repr__(self) -> str:
        return f"LayerMap({self.name!r}, {self.kind}, {'x'.join(map(str, self.grid))} cells)"

    @property
    def grid(self) -> tuple[int, int, int]:
        """(time, height, width) in cells."""
        time, height, width = self.values.shape[1:]
        return time, height, width

    @property
    def quantity(self) -> str:
        """Name of the values: "evidence", "attention" (the same for every class) or "relevance" (for a class)."""
        return self.kind if self.kind in (ATTENTION, RELEVANCE) else "evidence"

    def peak(self, target: int = 0) -> float:
        """Largest absolute value, of which thresholds are fractions."""
        return float(np.abs(self.values[target]).max())


@renamed_fields(courses="frame_signals")
@dataclass(frozen=True, eq=False)
class Tubes:
    """Evidence of a network in space and time, at every layer.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    targets : tuple of TargetResult
    layers : tuple of LayerMap
        From input to output.
    provenance : Provenance
    frame_signals : tuple of FrameSignal
        Per-frame signals reported by network modules; the viewer's timeline can plot one.
    """

    clip: Clip
    targets: tuple[TargetResult, ...]
    layers: tuple[LayerMap, ...]
    provenance: Provenance
    frame_signals: tuple[FrameSignal, ...] = ()

    def __repr__(self) -> str:
        names = [layer.name for layer in self.layers]
        layers = f"layer {names[0]!r}" if len(names) == 1 else f"{len(names)} layers, {names[0]!r} to {names[-1]!r}"
        return f"Tubes({', '.join(repr(target.name) for target in self.targets)}; {layers}; {self.clip!r})"

    @property
    def default_layer(self) -> int:
        """Index of the layer that is shown first: the last one with evidence for the first target."""
        with_evidence = [index for index, layer in enumerate(self.layers) if layer.peak(0) > 0]
        return with_evidence[-1] if with_evidence else len(self.layers) - 1

    def layer(self, which: str | int | None = None) -> LayerMap:
        """Return one layer's map by name or index; `default_layer` by default (ValueError lists the names)."""
        if which is None:
            return self.layers[self.default_layer]
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
        """Count what lies at or above a threshold (a fraction of the layer's largest absolute value)."""
        return kept(self.volume(layer, target), self.layer(layer).peak(self.target_index(target)), threshold)

    def in_words(
        self, threshold: float = DEFAULT_THRESHOLD, layer: str | int | None = None, target: int | str = 0
    ) -> str:
        """Return sentences on the class, its probability, the best other class, and where and when the evidence lies.

        Of a regression, they give the value in its unit, and where and when the evidence lies that raises and lowers it.
        """
        return tubes_in_words(self, threshold, layer, self.target_index(target))

    def target_index(self, target: int | str) -> int:
        """Return the index of a target, by index or name (ValueError lists them)."""
        names = [result.name for result in self.targets]
        if isinstance(target, str) and target in names:
            return names.index(target)
        if isinstance(target, int) and 0 <= target < len(names):
            return target
        listed = ", ".join(f"{index}: {name!r}" for index, name in enumerate(names))
        raise UsageError(f"target {target!r} is not among those computed, {listed}")

    def with_frame_signals(self, frame_signals: Iterable[FrameSignal], clip: Clip | None = None) -> Tubes:
        """Return the same tubes with other frame signals.

        Parameters
        ----------
        frame_signals : iterable of FrameSignal
        clip : Clip, optional
            The clip of the frame signals.

        Raises
        ------
        ValueError
            ``clip`` has other frames than the clip of the tubes.
        """
        if clip is not None and not clip.has_same_content(self.clip):
            which = "other frames of the clip" if clip.name == self.clip.name else f"clip {clip.name!r}, not"
            raise UsageError(
                f"these frame signals are of {which} {self.clip.name!r}; make both explanations of the same clip"
            )
        return replace(self, frame_signals=tuple(frame_signals))

    def with_courses(self, courses: Iterable[FrameSignal], clip: Clip | None = None) -> Tubes:
        """Deprecated name of `with_frame_signals`."""
        warn_renamed("Tubes.with_courses()", "Tubes.with_frame_signals()")
        return self.with_frame_signals(courses, clip)

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
            Initial state: ``layer`` and ``target`` by name or index, ``frame``, ``threshold`` (0..1), ``playing``,
            ``window`` (values of the clip that are shown darkest and brightest), ``title``, and the other traits of the
            viewer.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(
        self,
        layer: str | int | None = None,
        target: int | str = 0,
        frames: int = 8,
        threshold: float = DEFAULT_THRESHOLD,
        *,
        window: Any = None,
    ) -> Any:
        """Return a matplotlib figure: a strip of frames with the evidence overlaid, and the evidence per frame.

        Parameters
        ----------
        layer : str or int, optional
            Name or index; by default the last one with evidence.
        target : int or str
            Index among the computed targets, or name.
        frames : int
            Number of the clip's frames to show, evenly spaced.
        threshold : float in 0..1
            Evidence below this fraction of the layer's largest absolute value is not drawn.
        window : (low, high), optional
            Values of the clip that are shown darkest and brightest, for clips of `Clip.from_array`; see `Clip.with_range`.
        """
        from notebook_explain import display

        shown = {"layer": layer, "target": self.target_index(target), "frames": frames, "threshold": threshold}
        return display.figure(self, window, **shown)

    def to_png(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | int | None = None,
        target: int | str = 0,
        frames: int = 8,
        threshold: float = DEFAULT_THRESHOLD,
        window: Any = None,
        dpi: float = 150,
    ) -> Path:
        """Write the `figure` as a PNG, with every caveat below it.

        Parameters
        ----------
        path : path to a file (".png" is added if it has no extension)
        layer, target, frames, threshold, window
            As for `figure`.
        dpi : float
            Pixels per inch, 20 to 1200; the figure is 6 inches wide or, for many frames, wider.

        Returns
        -------
        Path
            The file; an existing one is replaced atomically.
        """
        from notebook_explain import display

        shown = {"layer": layer, "target": self.target_index(target), "frames": frames, "threshold": threshold}
        return display.to_png(self, path, **shown, window=window, dpi=dpi)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        ``notebook_explain.to_html([first, second], path)`` puts several explanations on one page.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; the target by default.
        **state
            Initial state, as for `view`: ``to_html(path, layer=0, threshold=0.6, mode="montage")``.
        """
        from notebook_explain import display

        return display.to_html(self, path, title=title, **state)

    def embed(self, title: str | None = None) -> Any:
        """Return the interactive page for the output of a cell; it is saved with the notebook and needs no kernel.

        It comes with a picture for hosts that do not show HTML. A cell that ends with the explanation shows the same page,
        or the widget if the page is too large for a notebook server; this method always gives the page.
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
        caption: bool = True,
        window: Any = None,
    ) -> Path:
        """Write the clip with its evidence as a repeating GIF, captioned with what it shows and the caveats.

        Parameters
        ----------
        path : path to a file (".gif" is added if it has no extension)
        layer, target, threshold
            As for `figure`.
        fps : float, optional
            Frames per second, at most 50; by default the clip's own, limited to 2..10.
        size : int, optional
            Pixels of the longer side; by default the clip's own, limited to 320..480.
        caption : bool
            False leaves out the caption. State the caveats yourself then; the file keeps them as a comment.
        window : (low, high), optional
            As for `figure`.

        Returns
        -------
        Path
            The file; an existing one is replaced atomically.
        """
        from notebook_explain import display

        shown = {"layer": layer, "target": self.target_index(target), "threshold": threshold}
        return display.to_gif(self, path, window, **shown, fps=fps, size=size, caption=caption)

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
        caption: bool = True,
        window: Any = None,
    ) -> Path:
        """Write a video, WebM (VP8) or MP4 (H.264), of the clip with its evidence, or of the clip's source with it.

        Parameters
        ----------
        path : path to a file that ends in ".webm" or ".mp4" (".webm" is added if it has no extension)
        layer, target, threshold
            As for `figure`.
        fps : float, optional
            Frames per second. By default those of the source; for the clip's own frames as for `to_gif`.
        size : int, optional
            Pixels of the longer side; by default the source's own size, or the clip's own but at least 320.
        source : bool or path
            False: the frames that the network saw. True: every frame of the clip's source from the first of them to the
            last, at the source's resolution; evidence is interpolated between the frames that the network saw, and pixels
            outside the network's input are dimmed. A path replaces the recorded path of the source.
        caption : bool
            False leaves out the caption; state the caveats yourself then.
        window : (low, high), optional
            As for `figure`.

        Returns
        -------
        Path
            The file; an existing one is replaced atomically.

        Raises
        ------
        FileNotFoundError, ValueError, ExplainError
            The source is missing or is another video; an argument is out of range; PyAV lacks the encoder.
        """
        from notebook_explain import display

        shown = {"layer": layer, "target": self.target_index(target), "threshold": threshold}
        return display.to_video(self, path, window, **shown, fps=fps, size=size, source=source, caption=caption)

    def to_ipyvolume(
        self, *, layer: str | int | None = None, target: int | str = 0, threshold: float = DEFAULT_THRESHOLD
    ) -> Any:
        """Return an ipyvolume figure (a widget) with the tube as a volume; requires ``notebook_explain[ipyvolume]``.

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
