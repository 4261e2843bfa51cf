"""What blocks have in common when they tell of themselves or are taken out."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from torch import nn

from notebook_explain import layers
from notebook_explain.layers.signal_types import blocks_of, explains, holding
from tests import zoo

X = torch.rand(2, 8, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def test_held_attributes_come_back_whatever_happens() -> None:
    block = layers.SRTG(8, gate="none")
    with suppress(KeyboardInterrupt), holding(block, gate="closed", temperature=2.0):
        assert (block.gate, block.temperature) == ("closed", 2.0)
        raise KeyboardInterrupt
    assert (block.gate, block.temperature) == ("none", 1.0)


@pytest.mark.parametrize(
    "block",
    [layers.SRTG(8, gate="none"), layers.ClassRegularization(8, nn.Parameter(torch.randn(5, 8)), beta=0.5)],
    ids=lambda block: type(block).__name__,
)
def test_what_lets_everything_through_is_the_identity_while_it_is_out(block: nn.Module) -> None:
    (out,) = block.ablations().values()  # type: ignore[operator]
    with torch.no_grad():
        before = block(X)
        with out():
            assert torch.equal(block(X), X)
        assert not torch.equal(before, X)
        assert torch.equal(block(X), before)


def test_a_plane_comes_back_as_the_very_module_that_it_was() -> None:
    block = layers.FAST3d(8, 8)
    was = {plane: getattr(block, plane)[0] for plane in ("yx", "tx", "ty")}
    for plane, out in zip(was, block.ablations().values(), strict=True):
        with suppress(ZeroDivisionError), out():
            assert getattr(block, plane)[0] is not was[plane]
            raise ZeroDivisionError
        assert getattr(block, plane)[0] is was[plane]


def test_only_what_is_marked_explains_itself() -> None:
    class Marked(nn.Module):
        @explains
        def explain(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Named(nn.Module):
        def explain(self, x: torch.Tensor) -> torch.Tensor:
            return x

    assert list(blocks_of(nn.Sequential(Marked(), Named()))) == ["0"]
    with pytest.raises(ValueError, match="no module that explains itself"):
        layers.signals(nn.Sequential(Named()), X)


@pytest.mark.parametrize("name", zoo.BLOCKS)
def test_blocks_of_the_zoo_that_explain_themselves_have_something_to_tell(name: str) -> None:
    net = zoo.seeded(zoo.BLOCKS[name])
    if not blocks_of(net):
        return
    said = layers.signals(net, zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32)))
    assert said
    for value in said.values():
        for one in value.told():
            assert one.values.isfinite().all()
            assert one.what[0].islower()
