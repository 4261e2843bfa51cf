"""Norms with constant statistics: the same results, and gradients of the affine function that is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from notebook_explain.models.constant_norms import ConstantNorms

Norm = Callable[[Tensor], Tensor]


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = make().double()
        for parameter in module.parameters():
            nn.init.normal_(parameter)
    return module


def _centred(x: Tensor, dim: int) -> Tensor:
    return x - x.mean(dim, keepdim=True)


NORMS: dict[str, Norm] = {
    "LayerNorm": _seeded(lambda: nn.LayerNorm((4, 5))),
    "RMSNorm": _seeded(lambda: nn.RMSNorm(5)),
    "GroupNorm": _seeded(lambda: nn.GroupNorm(3, 6)),
    "InstanceNorm": _seeded(lambda: nn.InstanceNorm2d(6, affine=True)),
    "BatchNorm without stored statistics": _seeded(lambda: nn.BatchNorm2d(6, track_running_stats=False)),
    "normalize": lambda x: F.normalize(x, dim=1),
    "x / norm": lambda x: x / x.norm(dim=1, keepdim=True),
    "x / vector_norm": lambda x: x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(1e-6),
    "rsqrt of mean square": lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
    "rsqrt of mean product": lambda x: x * (x * x).mean(-1, keepdim=True).add(1e-6).rsqrt(),
    "sqrt of mean square": lambda x: _centred(x, -1) / torch.sqrt(_centred(x, -1).pow(2).mean(-1, keepdim=True) + 1e-6),
    "std": lambda x: _centred(x, 1) / (x.std(1, keepdim=True) + 1e-6),
    "var ** .5": lambda x: _centred(x, 1) / (x.var(1, keepdim=True) + 1e-6) ** 0.5,
    "var ** -.5": lambda x: _centred(x, 1) * (x.var(1, keepdim=True) + 1e-6).pow(-0.5),
}


def _input() -> Tensor:
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x.requires_grad_() * 1.5


def _bias(norm: Norm) -> Tensor:
    """Return what the norm gives where its input is constant, which is the bias."""
    bias = getattr(norm, "bias", None)
    if bias is None:
        return torch.zeros((), dtype=torch.float64)
    return bias.detach() if isinstance(norm, nn.LayerNorm) else bias.detach()[:, None, None]


@pytest.mark.parametrize("name", NORMS)
def test_results_are_unchanged_and_evidence_passes_through(name: str) -> None:
    norm, x = NORMS[name], _input()
    expected = norm(x)
    mode = ConstantNorms()
    with mode:
        result = norm(x)
    torch.testing.assert_close(result, expected)
    assert len(mode.found) == 1
    weight = torch.randn(result.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    score = (result * weight).sum()
    (gradient,) = torch.autograd.grad(score, x)
    passed = float(((result - _bias(norm)) * weight).sum().detach())
    assert float((gradient * x).sum().detach()) == pytest.approx(passed, rel=1e-9)
    (differentiated,) = torch.autograd.grad((norm(x) * weight).sum(), x)
    assert abs(float((differentiated * x).sum().detach())) < 1e-3 * abs(passed), "a norm ignores the scale of its input"


@pytest.mark.parametrize("name", NORMS)
def test_the_gradient_is_that_of_the_function_with_the_recorded_divisors(name: str) -> None:
    """Finite differences of the replayed pass, which divides by the divisors of the first one."""
    norm, x = NORMS[name], _input()
    mode = ConstantNorms()
    with mode:
        result = norm(x)
    weight = torch.randn(result.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad((result * weight).sum(), x)
    direction = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    scores = []
    for sign in (1, -1):
        with mode.replay():
            moved = norm((x + sign * 0.5 * direction).detach().requires_grad_() * 1.0)
        scores.append(float((moved * weight).sum().detach()))
    assert scores[0] - scores[1] == pytest.approx(float((gradient * direction).sum()), rel=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cat([x.mean(-1), x.std(-1)], 1),  # statistics as features
        lambda x: x.softmax(1),
        lambda x: x / x.abs().sum(1, keepdim=True),
        lambda x: x * x.pow(2).mean(1, keepdim=True).sqrt(),  # a statistic that multiplies
        lambda x: F.batch_norm(x, torch.zeros(6).double(), torch.ones(6).double()),
    ],
)
def test_other_functions_are_left_alone(function: Norm) -> None:
    x = _input()
    mode = ConstantNorms()
    with mode:
        result = function(x)
    expected = function(x)
    assert not mode.found
    pair = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (result, expected)]
    torch.testing.assert_close(*pair)
