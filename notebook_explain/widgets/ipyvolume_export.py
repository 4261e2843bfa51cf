"""Tubes as a volume of ipyvolume, for who works with it: an extra, ``pip install notebook_explain[ipyvolume]``.

Our own viewer needs none of this. ipyvolume's last release is of 2023: its figure draws in JupyterLab 4, its panel of
controls does not, which is why there is none.
"""

from __future__ import annotations

import html
import warnings
from typing import Any

import numpy as np
from ipywidgets import HTML, VBox
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.provenance import provenance_lines

LEVELS = 512  # entries of the transfer function, from -1 to 1
OPACITY = 0.25  # of the strongest evidence, per step of a ray
BRIGHTNESS = 1.6  # ipyvolume dims what is not quite opaque, on white too


def tubes_volume(
    tubes: Tubes, layer: str | int | None = None, target: int = 0, threshold: float = DEFAULT_THRESHOLD
) -> Any:
    """Return a figure with the stretched map of a layer: x to the right, y up, z is time in frames.

    Parameters
    ----------
    tubes : Tubes
    layer : str or int, optional
        The last by default.
    target : int
    threshold : float in 0..1
        What is weaker than this fraction of the layer's largest absolute value cannot be seen.

    Returns
    -------
    ipyvolume.Figure

    Raises
    ------
    ImportError, ValueError
        ipyvolume is not installed; the threshold is out of range.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must lie in 0..1, got {threshold}")
    ipyvolume = _imported()
    peak = tubes.layer(layer).peak(target) or 1.0
    time, height, width = tubes.clip.size
    fractions = tubes.volume(layer, target)[:, ::-1] / peak  # rows of a picture count downwards, y upwards
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own: gradients of flat regions, traits it declares in an old way
        before = ipyvolume.pylab.current.figure, ipyvolume.pylab.current.container
        try:
            figure = ipyvolume.figure(width=500, height=450)
            shown = ipyvolume.volshow(
                np.ascontiguousarray(fractions),
                data_min=-1.0,
                data_max=1.0,
                tf=ipyvolume.TransferFunction(rgba=_colours(threshold)),
                extent=[[0, width], [0, height], [0, time]],
                lighting=False,  # its light would make the colours of strong evidence those of weak
                controls=False,
            )
            shown.brightness = BRIGHTNESS
            ipyvolume.xyzlabel("x", "y", "time (synthetic)" if tubes.clip.is_synthetic else "time")
            ipyvolume.view(azimuth=-40, elevation=20, distance=2.5)  # from the front nobody sees time
        finally:  # whoever draws with ipyvolume beside this has a current figure
            ipyvolume.pylab.current.figure, ipyvolume.pylab.current.container = before
    # The figure has no room for words, and its old view fails on a tooltip: a cell shows them below it.
    words = (tubes.in_words(threshold, layer, target), *provenance_lines(tubes), *all_caveats(tubes, layer, target))
    figure._repr_mimebundle_ = VBox([figure, HTML("<br>".join(map(html.escape, words)))])._repr_mimebundle_
    return figure


def _imported() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import ipyvolume
            import ipyvolume.pylab
    except ImportError as error:
        raise ImportError(
            f"to_ipyvolume() needs ipyvolume, which cannot be imported ({error}); "
            "pip install 'notebook_explain[ipyvolume]'. The viewer (tubes.view()) shows the same tube without it"
        ) from error
    return ipyvolume


def _colours(threshold: float) -> NDArray[np.float32]:
    """Red, green, blue and opacity in 0..1 for evidence from -1 (blue) to 1 (orange); nothing below the threshold."""
    share = np.linspace(-1, 1, LEVELS)
    strength = np.abs(share)[:, None]
    weak, strong = (
        np.array(ends) / 255 for ends in (((217, 96, 10), (47, 116, 208)), ((255, 215, 110), (150, 220, 255)))
    )
    side = (share < 0).astype(int)
    colours = (1 - strength) * weak[side] + strength * strong[side]
    opacity = np.where(strength >= max(threshold, 1e-3), OPACITY * strength, 0)
    return np.concatenate([colours, opacity], axis=1).astype(np.float32)
