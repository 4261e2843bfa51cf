"""Origins: the model, explainer and targets that made an explanation, while the network lives in this process.

An explanation is a plain value without a network. Whoever measures something about it needs them again: they are remembered
beside it, with a weak reference to the network, so that no explanation keeps a network in memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.models.video_model import VideoModel


@dataclass(frozen=True, eq=False)
class Origin:
    """Model, explainer and targets that made an explanation.

    Attributes
    ----------
    explainer : explainer
    targets : tuple of Target
        With head and index.
    """

    explainer: Any
    targets: tuple[Target, ...]
    _network: Callable[[], nn.Module | None]
    _model: VideoModel

    @property
    def model(self) -> VideoModel | None:
        """The model; ``None`` once its network is gone."""
        network = self._network()
        return None if network is None else replace(self._model, module=network)


_ORIGINS: weakref.WeakKeyDictionary[Any, Origin] = weakref.WeakKeyDictionary()


def remember(explanation: Any, model: VideoModel, explainer: Any, targets: tuple[Target, ...]) -> None:
    """Remember what made an explanation."""
    without_network = replace(model, module=None)  # type: ignore[arg-type]
    _ORIGINS[explanation] = Origin(explainer, targets, weakref.ref(model.module), without_network)


def copy_origin(explanation: Any, source: Any) -> None:
    """Remember the same for a changed copy of an explanation."""
    if source in _ORIGINS:
        _ORIGINS[explanation] = _ORIGINS[source]


def origin_of(explanation: Any) -> Origin | None:
    """Return what made an explanation; ``None`` if that was in another process."""
    return _ORIGINS.get(explanation)


def target_of(result: TargetResult) -> Target:
    """Return the target of a result, for an explanation that was loaded.

    Raises
    ------
    ExplainError
        The target had a region, which files do not hold.
    """
    if result.region:
        raise ExplainError(
            f"the region of the target {result.name!r} ({result.region}) is not saved in a file; explain the clip again"
        )
    head = result.head or None
    target = Target(result.index, head)
    return target if result.against is None else target - Target(result.against, head)
