"""Export of tubes to an ipyvolume figure; needs the extra ``notebook_explain[ipyvolume]``.

The last release of ipyvolume dates from 2023: its figure works in JupyterLab 4, its control panel does not, so the
figure has none. The package's own viewer does not need ipyvolume.
"""

from __future__ import annotations

import html
import warnings
from typing import Any

import numpy as np
from ipywidgets import HTML, VBox
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.provenance import provenance_lines

LEVELS = 512  # entries of the transfer function, from -1 to 1
OPACITY = 0.25  # opacity of the strongest evidence, per step of a ray
BRIGHTNESS = 1.6  # compensates for ipyvolume, which darkens translucent voxels


def tubes_volume(tubes: Tubes, layer: str | int | None = None, target: int = 0, threshold: float | None = None) -> Any:
    """Return a figure of a layer's map stretched over the clip: x to the right, y up, z is time in frames.

    Parameters
    ----------
    tubes : Tubes
    layer : str or int, optional
        Name or index; by default the last layer.
    target : int
        Index of the target.
    threshold : float in 0..1, optional
        Evidence below this fraction of the layer's largest absolute value is transparent; as `Tubes.threshold` by default.

    Returns
    -------
    ipyvolume.Figure

    Raises
    ------
    ImportError
        ipyvolume cannot be imported.
    ValueError
        The threshold is out of range, or there is no such layer or target.
    """
    threshold = tubes.threshold(threshold, layer, target)
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must lie in 0..1, got {threshold!r}")
    ipyvolume = _import_ipyvolume()
    peak = tubes.layer(layer).peak(target) or 1.0
    time, height, width = tubes.clip.size
    fractions = tubes.volume(layer, target)[:, ::-1] / peak  # image rows count downwards, y upwards
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ipyvolume warns of flat gradients and of its own deprecated traits
        current = ipyvolume.pylab.current
        before = current.figure, current.container
        try:
            figure = ipyvolume.figure(width=500, height=450)
            volume = ipyvolume.volshow(
                np.ascontiguousarray(fractions),
                data_min=-1.0,
                data_max=1.0,
                tf=ipyvolume.TransferFunction(rgba=_colours(threshold)),
                extent=[[0, width], [0, height], [0, time]],
                lighting=False,  # shading would give strong evidence the colours of weak evidence
                controls=False,
            )
            volume.brightness = BRIGHTNESS
            ipyvolume.xyzlabel("x", "y", "time (synthetic)" if tubes.clip.is_synthetic else "time")
            ipyvolume.view(azimuth=-40, elevation=20, distance=2.5)  # from the front, the time axis is hidden
        finally:  # the current figure may be one of the user's own
            current.figure, current.container = before
    # The figure itself can show no text, so a cell shows the caveats below it.
    lines = (tubes.in_words(threshold, layer, target), *provenance_lines(tubes), *all_caveats(tubes, layer, target))
    figure._repr_mimebundle_ = VBox([figure, HTML("<br>".join(map(html.escape, lines)))])._repr_mimebundle_
    return figure


def _import_ipyvolume() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import ipyvolume
            import ipyvolume.pylab
    except ImportError as error:
        raise ImportError(
            f"to_ipyvolume() needs ipyvolume, which cannot be imported ({error}); "
            "pip install ipyvolume ipython_genutils six, or use tubes.view(), which shows the same volume without it"
        ) from error
    return ipyvolume


def _colours(threshold: float) -> NDArray[np.float32]:
    """Return (LEVELS, 4) red, green, blue, opacity in 0..1 for evidence from -1 (blue) to 1 (orange); 0 below the threshold."""
    share = np.linspace(-1, 1, LEVELS)
    strength = np.abs(share)[:, None]
    weak, strong = (
        np.array(ends) / 255 for ends in (((217, 96, 10), (47, 116, 208)), ((255, 215, 110), (150, 220, 255)))
    )
    side = (share < 0).astype(int)
    colours = (1 - strength) * weak[side] + strength * strong[side]
    opacity = np.where(strength >= max(threshold, 1e-3), OPACITY * strength, 0)
    return np.concatenate([colours, opacity], axis=1).astype(np.float32)
