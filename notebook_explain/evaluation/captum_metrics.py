"""Infidelity and maximum sensitivity, computed by captum.

Reference: Yeh, Hsieh, Suggala, Inouye, Ravikumar: On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019,
arXiv:1901.09392.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from notebook_explain._errors import ExplainError
from notebook_explain._validation import check_choice, check_int, check_range
from notebook_explain.evaluation.cells import Cells, Size, check_grid
from notebook_explain.evaluation.fills import FILLS
from notebook_explain.evaluation.metric import Case
from notebook_explain.explanations.evaluation.rows import Better


def captum_metrics(name: str) -> Any:
    """Return ``captum.metrics`` (ExplainError if captum is not installed)."""
    try:
        import captum.metrics
    except ImportError:
        raise ExplainError(
            f"{name} is computed by captum, which is not installed; run pip install 'notebook_explain[captum]', or leave "
            f"{name} out"
        ) from None
    return captum.metrics


@dataclass(frozen=True)
class Infidelity:
    """Mean squared difference between the evidence in random sets of blocks and what hiding them costs the logit.

    The map is first scaled by the best factor, because methods have different units.

    Attributes
    ----------
    fill : "blur", "freeze", "mean" or "linear"
        What hides blocks (``fills``).
    grid : (time, height, width) ints
        Number of blocks; half of them are hidden, on average.
    samples : int
        Number of random sets.
    """

    fill: str = "blur"
    grid: Size = (4, 4, 4)
    samples: int = 50
    better: ClassVar[Better] = Better.LOWER

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, FILLS)
        object.__setattr__(self, "grid", check_grid(self.grid))
        object.__setattr__(self, "samples", check_int("samples", self.samples, least=2))

    def __call__(self, case: Case) -> float | None:
        """Return the infidelity, in squared logits."""
        metrics = captum_metrics(type(self).__name__)
        cells = Cells(case.example.clip.size, self.grid)
        rng = case.rng("infidelity")

        def perturb(shown: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            hidden = torch.from_numpy(rng.integers(0, 2, tuple(shown.shape))).to(shown)
            return hidden, shown - hidden

        def logits(shown: torch.Tensor) -> torch.Tensor:
            def voxels(first: int, end: int) -> torch.Tensor:
                return cells.expand(shown[first:end].to(case.example.video))

            return torch.from_numpy(case.scores(voxels, len(shown), self.fill).logits)

        sums = torch.from_numpy(cells.sums(case.attribution))[None]
        value = metrics.infidelity(
            logits, perturb, torch.ones_like(sums), sums, n_perturb_samples=self.samples, normalize=True
        )
        return float(value[0])


@dataclass(frozen=True)
class MaxSensitivity:
    """Largest relative change of the map when a little noise is added to the clip.

    Attributes
    ----------
    radius : float
        Largest change of a value, as a fraction of the range of the clip's values.
    samples : int
        Number of noisy clips; each is explained anew.
    """

    radius: float = 0.02
    samples: int = 5
    better: ClassVar[Better] = Better.LOWER

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", check_range("radius", self.radius, 1e-6, 1))
        object.__setattr__(self, "samples", check_int("samples", self.samples))

    def __call__(self, case: Case) -> float | None:
        """Return the change, in norms of the map; ``None`` for a map of zeros."""
        metrics = captum_metrics(type(self).__name__)
        if not case.attribution.any():
            return None
        clip, rng = case.example.clip, case.rng("sensitivity")
        values = torch.tensor(clip.frames if clip.values is None else clip.values, dtype=torch.float64)[None]
        span = 255.0 if clip.values is None else float(np.ptp(clip.values)) or 1.0

        def perturb(inputs: torch.Tensor, radius: float) -> torch.Tensor:
            return inputs + torch.from_numpy(rng.uniform(-1, 1, tuple(inputs.shape))) * radius * span

        def explain(inputs: Any) -> tuple[torch.Tensor]:
            (clips,) = inputs if isinstance(inputs, tuple) else (inputs,)  # captum passes the clip itself in a tuple
            return (torch.stack([_attribution(case, part.numpy()) for part in clips]),)

        value = metrics.sensitivity_max(
            explain, values, perturb, perturb_radius=self.radius, n_perturb_samples=self.samples
        )
        return float(value[0])


def _attribution(case: Case, values: Any) -> torch.Tensor:
    """Return the method's map of a clip with these values."""
    clip = case.example.clip
    if clip.values is None:
        noisy = replace(clip, frames=np.clip(np.round(values), 0, 255).astype(np.uint8))
    else:
        noisy = replace(clip, values=values.astype(np.float32))
    return torch.from_numpy(case.explain(noisy).astype(np.float64))
