"""Protocol of signals: which modules report, what is validated, and ablations that restore the module."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from torch import nn

from notebook_explain import layers
from notebook_explain.layers.signal_types import (
    FrameSignal,
    explains,
    recording_selected_frames,
    reporting_modules,
    temporary_attributes,
    validate_signals,
)
from tests import zoo

X = torch.rand(2, 8, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def test_temporary_attributes_are_restored_after_an_interrupt() -> None:
    block = layers.SRTG(8, gate="none")
    with suppress(KeyboardInterrupt), temporary_attributes(block, gate="closed", temperature=2.0):
        assert (block.gate, block.temperature) == ("closed", 2.0)
        raise KeyboardInterrupt
    assert (block.gate, block.temperature) == ("none", 1.0)


@pytest.mark.parametrize(
    "block",
    [layers.SRTG(8, gate="none"), layers.ClassRegularization(8, nn.Parameter(torch.randn(5, 8)), beta=0.5)],
    ids=lambda block: type(block).__name__,
)
def test_an_ablated_block_is_the_identity_and_is_restored(block: nn.Module) -> None:
    (ablated,) = block.ablations().values()  # type: ignore[operator]
    with torch.no_grad():
        before = block(X)
        with ablated():
            assert torch.equal(block(X), X)
        assert not torch.equal(before, X)
        assert torch.equal(block(X), before)


def test_an_ablated_plane_is_restored_as_the_same_module() -> None:
    block = layers.FAST3d(8, 8)
    original = {plane: getattr(block, plane)[0] for plane in ("yx", "tx", "ty")}
    for plane, ablated in zip(original, block.ablations().values(), strict=True):
        with suppress(ZeroDivisionError), ablated():
            assert getattr(block, plane)[0] is not original[plane]
            raise ZeroDivisionError
        assert getattr(block, plane)[0] is original[plane]


def test_only_modules_with_a_marked_explain_report_signals() -> None:
    class Marked(nn.Module):
        @explains
        def explain(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Unmarked(nn.Module):
        def explain(self, x: torch.Tensor) -> torch.Tensor:
            return x

    assert list(reporting_modules(nn.Sequential(Marked(), Unmarked()))) == ["0"]
    with pytest.raises(ValueError, match="no module that reports signals"):
        layers.signals(nn.Sequential(Unmarked()), X)


@pytest.mark.parametrize("name", zoo.BLOCKS)
def test_blocks_of_the_zoo_report_finite_signals(name: str) -> None:
    net = zoo.seeded(zoo.BLOCKS[name])
    if not reporting_modules(net):
        return
    explained = layers.signals(net, zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32)))
    assert explained
    for value in explained.values():
        for signal in value.report():
            assert signal.values.isfinite().all()
            assert signal.what[0].islower()


class Report:
    def report(self) -> list[FrameSignal]:
        return [FrameSignal("mean", X.mean((1, 3, 4)))]


class Told:
    def told(self) -> list[FrameSignal]:
        return Report().report()


def test_an_object_with_told_works_with_a_warning_that_names_report() -> None:
    with pytest.warns(DeprecationWarning, match=r"Told.told\(\) is deprecated; rename it to report\(\)") as caught:
        signals = validate_signals("gate", Told())
    assert [signal.what for signal in signals] == ["mean"]
    assert caught[0].filename == __file__


def test_report_is_preferred_to_told() -> None:
    class Both(Report, Told):
        pass

    assert [signal.what for signal in validate_signals("gate", Both())] == ["mean"]


@pytest.mark.parametrize("name", ["srtg", "mtnet", "class regularization", "soft pool"])
def test_told_of_the_blocks_returns_the_report_with_a_warning(name: str) -> None:
    explained = layers.signals(zoo.seeded(zoo.BLOCKS[name]), zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32)))
    for value in explained.values():
        with pytest.warns(DeprecationWarning, match=r"told\(\) is deprecated; call report\(\)"):
            signals = value.told()
        assert [signal.what for signal in signals] == [signal.what for signal in value.report()]


def test_selected_frames_are_recorded_by_the_innermost_context_only() -> None:
    layers.report_selected_frames(torch.zeros(1, 2, dtype=torch.int64))
    with recording_selected_frames() as outer:
        layers.report_selected_frames(torch.tensor([[0, 2]]))
        with recording_selected_frames() as inner:
            layers.report_selected_frames(torch.tensor([[1, 3]]))
    layers.report_selected_frames(torch.zeros(1, 2, dtype=torch.int64))
    assert [indices.tolist() for indices in outer] == [[[0, 2]]]
    assert [indices.tolist() for indices in inner] == [[[1, 3]]]
