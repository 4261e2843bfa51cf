"""Local random generators for networks that draw random numbers even in evaluation mode.

The global generator belongs to the user: another thread may train with it during an explanation, and must get the same
numbers as without one. Restoring its state afterwards is not enough, since that would undo the other thread's draws.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_TAKES_GENERATOR = frozenset(
    """rand randn randint randperm bernoulli multinomial normal poisson normal_ uniform_ bernoulli_ random_
    exponential_ geometric_ cauchy_ log_normal_ kaiming_uniform_""".split()
)
_LIKE = {"rand_like": "rand", "randn_like": "randn", "randint_like": "randint"}
_DROPOUTS = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"})


class LocalRandomness(TorchFunctionMode):
    """Make torch's random functions draw from new generators with a fixed seed, so that results are repeatable."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator of a device."""
        if device not in self.generators:
            self.generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self.generators[device]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _LIKE:
            like = args[0]
            options = {"dtype": kwargs.get("dtype") or like.dtype, "device": kwargs.get("device") or like.device}
            generator = self.generator(torch.device(options["device"]))
            bounds = args[1:] if name == "randint_like" else ()
            return getattr(torch, _LIKE[name])(*bounds, tuple(like.shape), generator=generator, **options)
        if name == "scaled_dot_product_attention":  # takes no generator; evaluation mode means no dropout
            if len(args) > 4:
                args = (*args[:4], 0.0, *args[5:])
            else:
                kwargs["dropout_p"] = 0.0
        if name == "gumbel_softmax":
            return self._gumbel(*args, **kwargs)
        if name in _DROPOUTS and isinstance(args[0], torch.Tensor):
            return self._dropout(func, args, kwargs)
        if name in _TAKES_GENERATOR and kwargs.get("generator") is None:
            given = (*args, *kwargs.values())  # torch.nn.init passes the tensor by keyword
            device = next((value.device for value in given if isinstance(value, torch.Tensor)), None)
            kwargs["generator"] = self.generator(
                torch.device(device or kwargs.get("device") or torch.get_default_device())
            )
        return func(*args, **kwargs)

    def _gumbel(self, logits: torch.Tensor, tau: float = 1, hard: bool = False, eps: float = 0, dim: int = -1) -> Any:
        uniform = torch.rand(tuple(logits.shape), generator=self.generator(logits.device), device=logits.device)
        soft = ((logits - (-uniform.clamp_min(1e-20).log()).log()) / tau).softmax(dim)
        if not hard:
            return soft
        one_hot = torch.zeros_like(soft).scatter_(dim, soft.argmax(dim, keepdim=True), 1.0)
        return one_hot - soft.detach() + soft

    def _dropout(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Apply dropout that is on in evaluation mode (``F.dropout(x)``), drawn from the local generator."""
        x = args[0]
        p = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
        training = kwargs.get("training", args[2] if len(args) > 2 else True)
        if not training or p == 0:
            return func(*args, **kwargs)
        shape = x.shape if func.__name__ == "dropout" else (*x.shape[:2], *[1] * (x.ndim - 2))
        mask = torch.rand(shape, generator=self.generator(x.device), device=x.device) >= p
        return x * mask / (1 - p) if p < 1 else x * 0
