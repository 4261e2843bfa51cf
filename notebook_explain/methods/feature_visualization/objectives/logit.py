"""Objective of a class: its score, or the difference of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from notebook_explain.explanations import Target
from notebook_explain.methods.feature_visualization.objectives.base import Objective
from notebook_explain.methods.feature_visualization.passes import Pass
from notebook_explain.models import VideoModel
from notebook_explain.models.heads import Head
from notebook_explain.models.target_resolution import score_in


@dataclass(frozen=True, repr=False)
class Logit(Objective):
    """The score of a class, or of a difference of two.

    Attributes
    ----------
    label : label, index or Target
    """

    label: Any

    def __post_init__(self) -> None:
        if not isinstance(self.label, Target):
            Target(self.label)  # raises for anything else

    @property
    def _given(self) -> Target:
        return self.label if isinstance(self.label, Target) else Target(self.label)

    def __repr__(self) -> str:
        target = self._given
        if target.against is None and target.head is None and target.where is None and target.frames is None:
            return f"Logit({target.label!r})"
        return f"Logit({_target_code(target)})"

    @property
    def target(self) -> Target | None:
        """The class that it stands for."""
        return self._given

    @property
    def has_own_scale(self) -> bool:
        """True: the logit."""
        return True

    @property
    def title(self) -> str:
        """Name for readers."""
        given = self._given
        has_no_label = not given.head and given.against is None and isinstance(given.label, int)
        return f"class {given.label}" if has_no_label else str(given)

    def named(self, labels: Mapping[str, tuple[str, ...]]) -> Objective:
        """Return the same objective with the label of its class instead of an index, where it has one."""
        target = self.target
        if target is None or target.against is not None or target.where is not None or target.frames is not None:
            return self
        names = labels.get(target.head or "")
        is_known = (
            isinstance(target.label, int) and names is not None and len(labels) == 1 and target.label < len(names)
        )
        return Logit(names[target.label]) if is_known and names is not None else self  # type: ignore[index]

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective, checked against a pass of the network."""
        return ResolvedLogit(self.label, model.resolve(heads, self.label)[0])

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        raise TypeError("resolve the objective first")


@dataclass(frozen=True, repr=False)
class ResolvedLogit(Logit):
    """A `Logit` whose head and index are known."""

    index: Target = field(kw_only=False, default_factory=lambda: Target(0))

    @property
    def target(self) -> Target:
        """The class that it stands for."""
        return self.index

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        return torch.stack([score_in(heads, self.index) for heads in found.heads])


def _target_code(target: Target) -> str:
    fields = [repr(target.label)]
    fields += [
        f"{name}={getattr(target, name)!r}" for name in ("head", "where", "frames") if getattr(target, name) is not None
    ]
    code = f"Target({', '.join(fields)})"
    return code if target.against is None else f"{code} - {_target_code(target.against)}"
