"""What every view has in common: when it is closed, nothing of it stays in the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets


class View(anywidget.AnyWidget):
    """A widget that takes the layout that came with it along when it goes."""

    def close(self) -> None:
        """Close the widget and its layout: nothing of it stays in the kernel."""
        layout = getattr(self, "layout", None)
        super().close()
        if layout is not None:
            layout.close()


STATIC = Path(__file__).parent.parent / "static"


BOUNDS = {"threshold": (0.0, 1.0), "opacity": (0.0, 1.0), "speed": (0.25, 4.0)}


def checked_place(name: str, value: int | None, count: int, targets: Sequence[Mapping[str, Any]]) -> int | None:
    """The index of one of ``count`` things; ``against`` must be a class, not a difference (TraitError otherwise)."""
    if value is None:
        return None
    if name.endswith("course") and not count:
        raise traitlets.TraitError(f"{name} must be None, these tubes have no courses; got {value}")
    if count and not 0 <= value < count:
        raise traitlets.TraitError(f"{name} must lie in 0..{count - 1}, got {value}")
    if name.endswith("against") and count and targets[value]["probability"] is None:
        raise traitlets.TraitError(
            f"{name} must be a single class, got {value}: {targets[value]['name']!r} is a difference already"
        )
    return int(value)


def checked_number(name: str, value: float) -> float:
    """A number within the bounds of its trait, with or without a side's prefix (TraitError otherwise)."""
    low, high = BOUNDS[name.split("_")[-1]]
    if not low <= value <= high:
        raise traitlets.TraitError(f"{name} must lie in {low:g}..{high:g}, got {value}")
    return float(value)
