"""Check an explanation: hide what it shows, hide as much elsewhere, and explain networks with random weights.

For each target, the part of the map above the threshold is hidden, and the fall of the score is compared with the falls for

* the same shape elsewhere: mirrored at random and shifted round the clip by random steps in time, height and width;
* as many voxels of what moves most (``baselines.motion``).

Then the same explainer explains copies of the network with random weights, and the maps are compared by their correlation:
a map that stays the same shows the clip, and not what the network has learned. The verdict follows in `Check.verdict`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError, UsageError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_choice, check_int
from notebook_explain.evaluation.correlation import pearson
from notebook_explain.evaluation.fills import FILLS, filling
from notebook_explain.evaluation.random_weights import with_random_weights
from notebook_explain.evaluation.scores import Scorer
from notebook_explain.explanations import Target, TargetResult, Tubes
from notebook_explain.explanations.check import Check
from notebook_explain.methods.baselines import motion
from notebook_explain.methods.random_parts import elsewhere
from notebook_explain.models import VideoModel
from notebook_explain.models.origins import copy_origin, origin_of, target_of

Bools = NDArray[np.bool_]


def check(
    tubes: Tubes,
    model: VideoModel | None = None,
    explainer: Callable[..., Any] | None = None,
    *,
    layer: str | int | None = None,
    threshold: float | None = None,
    fill: str = "blur",
    parts: int = 19,
    networks: int = 2,
    seed: int = 0,
) -> Tubes:
    """Return the tubes with a `Check` for each target.

    Parameters
    ----------
    tubes : Tubes
    model, explainer : optional
        What made the tubes; needed for tubes that were loaded, or whose network is gone.
    layer : str or int, optional
        Layer whose map is checked; `Tubes.default_layer` by default.
    threshold : float in 0..1, optional
        As for ``Tubes.threshold``.
    fill : "blur", "freeze", "mean" or "linear"
        What takes the place of the hidden part.
    parts : int
        Number of random parts, 1 or more. With 19, a part that is above all of them is so by chance in 5 of 100 cases.
    networks : int
        Number of networks with random weights, 1 or more.
    seed : int
        Of the random parts and weights.

    Raises
    ------
    ExplainError
        The model is not given and not known.
    ValueError
        A knob out of its range, or a model that does not give the scores of the tubes.
    """
    check_choice("fill", fill, FILLS)
    parts, networks, seed = check_int("parts", parts), check_int("networks", networks), check_int("seed", seed, least=0)
    model, explainer, targets = _origin(tubes, model, explainer)
    shown = tubes.layer(layer)
    with working("check"):
        scorer = Scorer(model)
        video = scorer.video(tubes.clip)
        targets = tuple(scorer.resolve(video, target)[0] for target in targets)
        movement = motion(tubes.clip)
        random_maps = [
            explainer(with_random_weights(model, seed=seed + index), tubes.clip, list(targets))
            for index in range(networks)
        ]
        checks = []
        for index, target in enumerate(targets):
            stage("target", index + 1, len(targets))
            _check_score(scorer, video, target, tubes.targets[index])
            volume, least = tubes.volume(shown.name, index), tubes.threshold(threshold, shown.name, index)
            part = (volume > 0) & (volume >= least * shown.peak(index))
            drops = _drops(
                scorer, filling(video, fill, seed), target, part, movement, parts, np.random.default_rng(seed)
            )
            others = [other for other in random_maps if any(layer_map.name == shown.name for layer_map in other.layers)]
            likeness = [pearson(volume, other.volume(shown.name, index)) for other in others]
            checks.append(
                Check(
                    layer=shown.name,
                    target=tubes.targets[index].name,
                    threshold=float(least),
                    volume=float(part.mean()),
                    fill=fill,
                    likeness=tuple(value for value in likeness if value is not None),
                    **drops,
                )
            )
    checked = replace(tubes, checks=tuple(checks))
    copy_origin(checked, tubes)
    return checked


def _origin(
    tubes: Tubes, model: VideoModel | None, explainer: Callable[..., Any] | None
) -> tuple[VideoModel, Callable[..., Any], tuple[Target, ...]]:
    known = origin_of(tubes)
    model = model or (None if known is None else known.model)
    explainer = explainer or (None if known is None else known.explainer)
    if model is None or explainer is None:
        missing = " and ".join(
            name for name, value in (("the model", model), ("the explainer", explainer)) if value is None
        )
        raise ExplainError(
            f"a check runs the network again, and {missing} of this explanation is not in memory; "
            "write tubes.check(model, explainer) with what made it, such as tubes.check(model, ne.SharpTubes())"
        )
    return model, explainer, tuple(map(target_of, tubes.targets)) if known is None else known.targets


def _check_score(scorer: Scorer, video: torch.Tensor, target: Target, result: TargetResult) -> None:
    score = float(scorer.scores(lambda first, end: video, 1, target).logits[0])
    if abs(score - result.logit) > 1e-2 * max(1.0, abs(result.logit)):
        raise UsageError(
            f"this model gives {result.name!r} the score {score:.4g}, but the explanation was made of {result.logit:.4g}; "
            "pass the model that made it"
        )


def _drops(
    scorer: Scorer,
    hide: Callable[[torch.Tensor], torch.Tensor],
    target: Target,
    part: Bools,
    movement: NDArray[np.float32],
    parts: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return how far the score falls when the part is hidden, random parts, and what moves most."""
    count = int(part.sum())
    if count == 0:
        return {"drop": 0.0, "random_drops": (), "probabilities": None, "motion_drop": None}
    hidden = [np.zeros_like(part), part, *(elsewhere(part, rng) for _ in range(parts))]
    has_motion = bool(movement.max() > 0)
    if has_motion:
        strongest = np.zeros(part.size, bool)
        strongest[np.argpartition(-movement.ravel(), count - 1)[:count]] = True
        hidden.append(strongest.reshape(part.shape))
    scores = scorer.scores(lambda first, end: hide(torch.from_numpy(~np.stack(hidden[first:end]))), len(hidden), target)
    drops = [float(scores.logits[0] - value) for value in scores.logits[1:]]
    known = scores.probabilities
    return {
        "drop": drops[0],
        "random_drops": tuple(drops[1 : 1 + parts]),
        "probabilities": None if known is None else (float(known[0]), float(known[1])),
        "motion_drop": drops[-1] if has_motion else None,
    }
