"""How a result came about: enough to judge it, and to make it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """Where an explanation comes from.

    Attributes
    ----------
    method : str
        Name of the explainer.
    knobs : dict
        Its fields.
    model : str
        Class of the network, and its number of parameters.
    preprocessing : dict
        Size, frames, mean, std and layout; ``"assumed"`` lists those that nobody stated.
    versions : dict
        Of this package, torch, numpy and Python.
    seconds : float
        Wall time.
    forwards, backwards : int
        Passes through the network that were used.
    caveats : tuple of str
        What a reader has to know, as whole sentences.
    """

    method: str
    knobs: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # As JSON would give them back: what is saved and loaded is equal to what it was.
        for name in ("knobs", "preprocessing", "versions"):
            value = getattr(self, name)
            if not isinstance(value, dict):
                raise TypeError(f"{name} must be a dict, got {value!r}")
            object.__setattr__(self, name, json.loads(json.dumps(value)))
