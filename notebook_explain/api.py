"""One call from a network and a video to its tubes, and the demo that needs neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notebook_explain._errors import UsageTypeError
from notebook_explain.explanations import Tubes

DEMO_ACTIONS, DEMO_SEED = ("kick", "wave one hand"), 4  # chosen by eye: both are easy to see


def explain(
    module: Any,
    clip: Any,
    target: Any = None,
    labels: Any = None,
    *,
    size: int | Sequence[int] | None = None,
    frames: int | None = None,
    mean: Any = None,
    std: Any = None,
    layout: Any = None,
    crop: str | None = None,
) -> Tubes:
    """Adapt a module, read a clip, and show where the model found its evidence.

    Parameters
    ----------
    module : nn.Module or VideoModel
    clip : path to a video, Clip, or uint8 array (time, height, width, 3)
    target : None, label, index, Target, or a list of these
        ``None`` explains the top class.
    labels : sequence of str, optional
        Class names in order.
    size, frames, mean, std, layout, crop
        What the network was trained with, as for ``adapt``.

    Returns
    -------
    Tubes
        As the last line of a cell it draws its viewer.
    """
    from notebook_explain.methods import SaliencyTubes
    from notebook_explain.models import VideoModel, adapt

    how = {"size": size, "frames": frames, "mean": mean, "std": std, "layout": layout, "crop": crop, "labels": labels}
    how = {name: value for name, value in how.items() if value is not None}
    if isinstance(module, VideoModel):
        if how:
            raise UsageTypeError("this model is adapted already; state labels, size and the like in adapt()")
        return SaliencyTubes()(module, clip, target)
    return SaliencyTubes()(adapt(module, **how), clip, target)


def demo() -> Tubes:
    """Explain the bundled clip with the bundled model: offline, in seconds, both of them synthetic.

    Two people do two things; each action is explained, and the tube of each should lie on the one who does it.
    """
    from notebook_explain import samples
    from notebook_explain.models.demo import demo_model

    sample = samples.contrast(*DEMO_ACTIONS, seed=DEMO_SEED)
    return explain(demo_model(), sample, list(sample.labels))
