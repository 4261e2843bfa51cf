"""Animate a still picture by the movement that a network expects of a class."""

from __future__ import annotations

import os
from typing import Any

from notebook_explain.explanations import Visualization
from notebook_explain.methods.feature_visualization.canvases import Flow
from notebook_explain.methods.feature_visualization.explainer import FeatureVisualization
from notebook_explain.models import VideoModel


def animate(
    model: VideoModel,
    still: str | os.PathLike[str] | Any,
    target: Any,
    clips: Any = None,
    **knobs: Any,
) -> Visualization:
    """Move the pixels of a still picture so that the score of a class rises.

    Parameters
    ----------
    model : VideoModel
        From ``notebook_explain.adapt``.
    still : path to a picture, uint8 array (height, width, 3), or Clip
        Fitted as clips are. Of a clip, the frame that differs most from the mean of its frames.
    target : label, index, Target, or a list of these
        The class to animate for; a list makes a clip for each.
    clips : clips, optional
        Real clips, whose statistics make the movement more ordinary, and with which it is compared.
    **knobs
        Other arguments of `FeatureVisualization`: ``steps``, ``restarts``, ``seed``, ``control`` ...

    Returns
    -------
    Visualization

    Examples
    --------
    ``ne.animate(model, "me.jpg", "jumping jack").to_gif("me.gif")``
    """
    return FeatureVisualization(canvas=Flow(still=still), **knobs)(model, clips, target)
