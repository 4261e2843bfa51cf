"""`explain`, which takes a network and a video to its sharp tubes in one call, and the offline `demo`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from notebook_explain._errors import UsageTypeError
from notebook_explain.explanations import Tubes, Visualization

DEMO_STILL = ("wave both hands", 9_781_024)  # action and seed of the clip that gives the still
DEMO_MOVES, DEMO_REALS, DEMO_STEPS = "jumping jack", range(9_780_000, 9_780_012), 60
DEMO_ACTIONS, DEMO_SEED = ("kick", "wave one hand"), 4  # chosen by eye: both actions are easy to see


def explain(
    module: Any,
    clip: Any,
    target: Any = None,
    labels: Any = None,
    *,
    size: int | Sequence[int] | None = None,
    frames: int | None = None,
    channels: int | None = None,
    mean: Any = None,
    std: Any = None,
    layout: Any = None,
    crop: str | None = None,
    outputs: Any = None,
    unit: str | None = None,
    norms: str = "constant",
    inputs: Any = None,
    keep_hooks: bool | None = None,
    processor: Any = None,
    like: Any = None,
) -> Tubes:
    """Adapt a module, read a clip, and compute sharp tubes: where in space and time the model finds its evidence.

    The exact coarse maps of the layers are computed too: ``tubes.view(layer=...)`` and the viewer's slider show them.

    Parameters
    ----------
    module : nn.Module or VideoModel
    clip : path to a video, Clip, or array (time, height, width, channel)
        An array of 8-bit or of unambiguous colours, as for `Clip.of`; or of real values, for a network of other channels.
    target : None, label, index, Target, or a list of these
        Class to explain; None explains the class with the highest score.
    labels : sequence of str, optional
        Class names in order.
    size, frames, channels, mean, std, layout, crop
        Preprocessing that the network was trained with, as for `adapt`.
    outputs : "classes", "binary", "multilabel" or "regression", or {head: kind}, optional
    unit : str, optional
        What the network returns, and the unit of its values, as for `adapt`.
    norms : "constant" or "differentiated"
        How evidence passes through norms, as for `SharpTubes`.
    inputs : dict, list, tuple or function, optional
        What the network takes beside the clip, as for `adapt`.
    keep_hooks : bool, optional
        Run with the module's forward hooks, as for `adapt`.
    processor : object, optional
        A processor of Hugging Face, weights of torchvision, or other statement of the preprocessing, as for `adapt`.
    like : VideoModel, optional
        A model whose preprocessing, labels and options are taken, as for `adapt`.

    Returns
    -------
    Tubes
        Shows its viewer as the last line of a cell.

    Raises
    ------
    TypeError
        ``module`` is already a VideoModel, but preprocessing or labels are given.
    """
    from notebook_explain.methods import SharpTubes
    from notebook_explain.models import VideoModel, adapt

    options = {
        "size": size,
        "frames": frames,
        "channels": channels,
        "mean": mean,
        "std": std,
        "layout": layout,
        "crop": crop,
        "inputs": inputs,
        "outputs": outputs,
        "unit": unit,
        "keep_hooks": keep_hooks,
        "labels": labels,
        "processor": processor,
        "like": like,
    }
    options = {name: value for name, value in options.items() if value is not None}
    if isinstance(module, VideoModel):
        if options:
            names = ", ".join(options)
            raise UsageTypeError(f"this model is adapted already; pass {names} to adapt() instead of explain()")
        return SharpTubes(norms=norms)(module, clip, target)
    return SharpTubes(norms=norms)(adapt(module, **options), clip, target)


def demo() -> Tubes:
    """Explain the bundled synthetic clip with the bundled model, offline and within seconds.

    In the clip, two people perform two actions. Both actions are explained, and the evidence for each should lie on the
    person who performs it.
    """
    from notebook_explain import samples

    sample = samples.contrast(*DEMO_ACTIONS, seed=DEMO_SEED)
    return explain(_model_of_demo(), sample, list(sample.labels))


def demo_animation() -> Visualization:
    """Make a still picture of a bundled synthetic person move as the bundled model expects of a jumping jack, offline."""
    from notebook_explain import samples
    from notebook_explain.methods import animate

    action, seed = DEMO_STILL
    reals = [samples.single(DEMO_MOVES, seed=seed) for seed in DEMO_REALS]
    still = samples.single(action, seed=seed)
    return animate(_model_of_demo(), still, DEMO_MOVES, reals, steps=DEMO_STEPS, restarts=1)


@functools.cache
def _model_of_demo() -> Any:
    """Return the bundled model, which stays in memory, so that the explanation can be checked."""
    from notebook_explain.models.demo import demo_model

    return demo_model()
