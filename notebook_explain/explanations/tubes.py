"""Saliency tubes: the evidence at each position of the clip, for every layer and target."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from notebook_explain._deprecated import renamed_fields, warn_renamed
from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.frame_signal import FrameSignal
from notebook_explain.explanations.check import Check
from notebook_explain.explanations.layer_map import LayerMap as LayerMap
from notebook_explain.explanations.layer_maps import LayerMaps
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.text import tubes_in_words


@renamed_fields(courses="frame_signals")
@dataclass(frozen=True, eq=False)
class Tubes(LayerMaps):
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
    checks : tuple of Check
        What `check` measured, one for each target; empty before.
    """

    provenance: Provenance
    frame_signals: tuple[FrameSignal, ...] = ()
    checks: tuple[Check, ...] = ()

    def __repr__(self) -> str:
        names = [layer.name for layer in self.layers]
        layers = f"layer {names[0]!r}" if len(names) == 1 else f"{len(names)} layers, {names[0]!r} to {names[-1]!r}"
        return f"Tubes({', '.join(repr(target.name) for target in self.targets)}; {layers}; {self.clip!r})"

    def in_words(
        self,
        threshold: float | None = None,
        layer: str | int | None = None,
        target: int | str = 0,
        *,
        share: float | None = None,
    ) -> str:
        """Return sentences on the class, its probability, the best other class, and where and when the evidence lies.

        Of a regression, they give the value in its unit, and where and when the evidence lies that raises and lowers it. The
        threshold is chosen as by `threshold`.
        """
        least = self.threshold(threshold, layer, target, share=share)
        return tubes_in_words(self, least, layer, self.target_index(target))

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

    def check(self, model: Any = None, explainer: Any = None, **knobs: Any) -> Tubes:
        """Return the tubes with a check of each target's map: whether hiding it matters, and whether it follows the weights.

        The network runs about 25 times for each target, and explains the clip with random weights.

        Parameters
        ----------
        model, explainer : optional
            What made the tubes; needed only for tubes that were loaded, or whose network is gone.
        **knobs
            As for ``notebook_explain.evaluation.check``: ``layer``, ``threshold``, ``fill``, ``parts``, ``networks``, ``seed``.
        """
        from notebook_explain.evaluation.check import check

        return check(self, model, explainer, **knobs)

    def check_of(self, target: int | str = 0, layer: str | int | None = None) -> Check | None:
        """Return the check of the map of a target and a layer; ``None`` if it was not checked."""
        names = self.targets[self.target_index(target)].name, self.layer(layer).name
        return next((check for check in self.checks if (check.target, check.layer) == names), None)

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
            Initial state: ``layer`` and ``target`` by name or index, ``frame``, ``threshold`` (0..1, a fraction of the
            layer's largest absolute value) or ``share`` (0..1, a share of the evidence), ``playing``, ``window`` (values of
            the clip that are shown darkest and brightest), ``title``, and the other traits of the viewer.
        """
        from notebook_explain import display

        return display.view(self, **state)

    def figure(
        self,
        layer: str | int | None = None,
        target: int | str = 0,
        frames: int = 8,
        threshold: float | None = None,
        *,
        share: float | None = None,
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
        threshold : float in 0..1, optional
            Evidence below this fraction of the layer's largest absolute value is not drawn. By default as for `threshold`.
        share : float in 0..1, optional
            Draw this share of the evidence, instead of a threshold: 0.5 for the strongest half.
        window : (low, high), optional
            Values of the clip that are shown darkest and brightest, for clips of `Clip.from_array`; see `Clip.with_range`.
        """
        from notebook_explain import display

        shown: dict[str, Any] = {"layer": layer, "target": self.target_index(target)}
        least = self.threshold(threshold, **shown, share=share)
        return display.figure(self, window, **shown, frames=frames, threshold=least)

    def to_png(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | int | None = None,
        target: int | str = 0,
        frames: int = 8,
        threshold: float | None = None,
        share: float | None = None,
        window: Any = None,
        dpi: float = 150,
    ) -> Path:
        """Write the `figure` as a PNG, with every caveat below it.

        Parameters
        ----------
        path : path to a file (".png" is added if it has no extension)
        layer, target, frames, threshold, share, window
            As for `figure`.
        dpi : float
            Pixels per inch, 20 to 1200; the figure is 6 inches wide or, for many frames, wider.

        Returns
        -------
        Path
            The file; an existing one is replaced atomically.
        """
        from notebook_explain import display

        shown: dict[str, Any] = {"layer": layer, "target": self.target_index(target)}
        least = self.threshold(threshold, **shown, share=share)
        return display.to_png(self, path, **shown, frames=frames, threshold=least, window=window, dpi=dpi)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None, **state: Any) -> Path:
        """Write one interactive HTML page that opens anywhere, with no kernel and no network.

        ``notebook_explain.to_html([first, second], path)`` puts several explanations on one page.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; the target by default.
        **state
            Initial state, as for `view`: ``to_html(path, layer=0, share=0.5, mode="montage")``.
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
        threshold: float | None = None,
        share: float | None = None,
        fps: float | None = None,
        size: int | None = None,
        caption: bool = True,
        window: Any = None,
    ) -> Path:
        """Write the clip with its evidence as a repeating GIF, captioned with what it shows and the caveats.

        Parameters
        ----------
        path : path to a file (".gif" is added if it has no extension)
        layer, target, threshold, share
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

        shown: dict[str, Any] = {"layer": layer, "target": self.target_index(target)}
        least = self.threshold(threshold, **shown, share=share)
        return display.to_gif(self, path, window, **shown, threshold=least, fps=fps, size=size, caption=caption)

    def to_video(
        self,
        path: str | os.PathLike[str],
        *,
        layer: str | int | None = None,
        target: int | str = 0,
        threshold: float | None = None,
        share: float | None = None,
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
        layer, target, threshold, share
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

        shown: dict[str, Any] = {"layer": layer, "target": self.target_index(target)}
        least = self.threshold(threshold, **shown, share=share)
        return display.to_video(
            self, path, window, **shown, threshold=least, fps=fps, size=size, source=source, caption=caption
        )

    def to_ipyvolume(
        self,
        *,
        layer: str | int | None = None,
        target: int | str = 0,
        threshold: float | None = None,
        share: float | None = None,
    ) -> Any:
        """Return an ipyvolume figure (a widget) with the tube as a volume; requires ``notebook_explain[ipyvolume]``.

        Parameters
        ----------
        layer, target, threshold, share
            As for `figure`.

        Raises
        ------
        ImportError
            ipyvolume is not installed.
        """
        from notebook_explain import display

        shown: dict[str, Any] = {"layer": layer, "target": self.target_index(target)}
        return display.to_ipyvolume(self, **shown, threshold=self.threshold(threshold, **shown, share=share))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.mimebundle(self)
