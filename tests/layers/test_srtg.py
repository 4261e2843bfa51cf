"""SRTG: truth table and effect of the gate, gradients, and causality."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from notebook_explain import layers
from notebook_explain.layers.srtg import GATES, PLACES
from tests.layers import reference


def sequence(frames: int = 6, channels: int = 5, seed: int = 0, scale: float = 4.0) -> torch.Tensor:
    return torch.randn(1, channels, frames, generator=torch.Generator().manual_seed(seed)) * scale


def clips(batch: int = 2, channels: int = 4, frames: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, channels, frames, 3, 5, generator=torch.Generator().manual_seed(seed))


def open_gate(**options: object) -> tuple[layers.SRTG, torch.Tensor]:
    """Return a block whose recursion repeats its input, so that all cycles return, and an input."""
    block = layers.SRTG(4, **options)  # type: ignore[arg-type]
    block.recursion = Echo()
    far = torch.arange(24.0).view(1, 4, 6)[..., None, None].expand(2, 4, 6, 3, 5) * 3
    return block, far.clone()


class Echo(nn.Module):
    """Recursion that repeats its input, scaled by a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return x * self.gain, None


class TestTruthTable:
    def test_identical_sequences_of_distinct_frames_return(self) -> None:
        s = sequence()
        cycles = layers.cyclic_consistency(s, s)
        assert cycles.returns.all()
        assert cycles.likelihood.min() > 0.99

    def test_distant_sequences_do_not_return(self) -> None:
        cycles = layers.cyclic_consistency(sequence(), sequence(seed=1) * 0.01 + 9)
        assert not cycles.returns.all()

    def test_a_reversed_sequence_returns_unless_order_is_required(self) -> None:
        s = sequence()
        assert layers.cyclic_consistency(s, s.flip(2)).returns.all()
        backward = layers.cyclic_consistency(s, s.flip(2), monotone=True)
        assert not backward.returns.any()
        assert (backward.likelihood == 0).all()
        assert layers.cyclic_consistency(s, s, monotone=True).returns.all()

    def test_a_constant_sequence_does_not_return_but_a_single_frame_does(self) -> None:
        s = torch.ones(1, 5, 6)
        cycles = layers.cyclic_consistency(s, s)
        assert not cycles.returns.any()
        torch.testing.assert_close(cycles.likelihood, torch.full((1, 6), 1 / 6))
        assert layers.cyclic_consistency(s[..., :1], s[..., :1]).returns.all()

    def test_two_identical_frames_do_not_return_but_the_others_do(self) -> None:
        s = sequence()
        s[..., 3] = s[..., 2]
        assert layers.cyclic_consistency(s, s).returns.tolist() == [[True, True, False, False, True, True]]

    def test_both_directions_must_return(self) -> None:
        s, r = sequence(), sequence()
        r[..., 5] = r[..., 4]  # from r, frame 5 comes back to 4; from s, frame 5 finds 4 first
        returns = layers.cyclic_consistency(s, r).returns
        assert not returns[0, 5]

    def test_samples_of_a_batch_are_independent(self) -> None:
        s = torch.cat([sequence(), sequence(seed=2)])
        r = torch.cat([sequence(), torch.zeros(1, 5, 6)])
        assert layers.cyclic_consistency(s, r).returns.all(1).tolist() == [True, False]

    @settings(max_examples=60, deadline=None)
    @given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 500), st.sampled_from([0.3, 1.0, 5.0]))
    def test_cycles_follow_the_definition(self, frames: int, channels: int, seed: int, temperature: float) -> None:
        s = sequence(frames, channels, seed, 1.5).double()
        r = s + sequence(frames, channels, seed + 1, 0.8).double()
        a, b = s[0].numpy(), r[0].numpy()
        forth, back = reference.cycle(a, b, temperature), reference.cycle(b, a, temperature)
        cycles = layers.cyclic_consistency(s, r, temperature)
        assert cycles.returns[0].tolist() == [x and y for x, y in zip(forth[0], back[0], strict=True)]
        np.testing.assert_allclose(cycles.likelihood[0], (np.array(forth[1]) + back[1]) / 2, rtol=1e-9)


class TestGate:
    def test_an_open_gate_multiplies_and_a_closed_gate_is_the_identity_bitwise(self) -> None:
        block, x = open_gate(gate="hard")
        torch.testing.assert_close(block(x), x * x.mean((3, 4))[..., None, None])
        inconsistent = clips()
        for closed in (layers.SRTG(4, gate="hard"), layers.SRTG(4, gate="closed")):
            assert torch.equal(closed(inconsistent), inconsistent)
            assert closed.explain(inconsistent).gate.tolist() == [0, 0]

    def test_one_frame_that_does_not_return_closes_a_hard_gate(self) -> None:
        block, x = open_gate(gate="hard")
        assert block.explain(x).gate.tolist() == [1, 1]
        x[1, :, 4] = x[1, :, 3]
        signals = block.explain(x)
        assert signals.returns[1].tolist() == [True, True, True, False, False, True]
        assert signals.gate.tolist() == [1, 0]
        assert torch.equal(block(x)[1], x[1])

    def test_gate_none_is_the_recursion_alone_as_in_released_checkpoints(self) -> None:
        block, x = layers.SRTG(4, gate="none"), clips()
        r = block.recursion(x.mean((3, 4)).transpose(1, 2))[0].transpose(1, 2)
        torch.testing.assert_close(block(x), x * r[..., None, None])

    def test_a_soft_gate_is_between_0_and_1_and_straight_through_is_hard_forward(self) -> None:
        torch.manual_seed(0)
        x = clips(batch=40)
        soft, through = layers.SRTG(4), layers.SRTG(4, gate="straight-through")
        gate = soft.explain(x).gate
        assert ((gate >= 0) & (gate < 1)).all()
        assert gate.max() > 0
        torch.testing.assert_close(soft(x), x * soft.explain(x).factor[..., None, None])
        assert torch.equal(through(x), x)
        block, far = open_gate(gate="straight-through")
        torch.testing.assert_close(block(far), far * far.mean((3, 4))[..., None, None])

    @pytest.mark.parametrize(
        ("gate", "learns"), [("soft", True), ("straight-through", True), ("hard", False), ("none", True)]
    )
    def test_gradient_reaches_the_recursion_through_a_closed_gate_unless_it_is_hard(
        self, gate: str, learns: bool
    ) -> None:
        torch.manual_seed(0)
        block, x = layers.SRTG(4, gate=gate), clips()
        if gate != "none":
            assert not layers.cyclic_consistency(*_sr(block, x)).returns.all(1).any()
        gradient = torch.autograd.grad(block(x).square().sum(), block.recursion.weight_ih_l0)[0]
        assert bool(gradient.abs().max() > 0) == learns

    def test_gradient_reaches_the_recursion_through_an_open_hard_gate(self) -> None:
        block, x = open_gate(gate="hard")
        assert torch.autograd.grad(block(x).sum(), block.recursion.gain)[0].abs() > 0

    def test_the_gradient_of_the_soft_gate_is_correct(self) -> None:
        s, r = (sequence(3, 2, seed, 1.0).double().requires_grad_() for seed in (0, 1))
        assert torch.autograd.gradcheck(lambda s, r: layers.cyclic_consistency(s, r).likelihood, (s, r))


class TestChance:
    """The soft gate does not depend on the number of frames by chance, as it did: 1 / N, and 1 for one frame."""

    @pytest.mark.parametrize("frames", [2, 3, 4, 8, 16])
    def test_frames_that_cannot_be_told_apart_leave_the_gate_shut_whatever_their_number(self, frames: int) -> None:
        same = clips(frames=1).expand(-1, -1, frames, -1, -1)
        block = layers.SRTG(4)
        block.recursion = Echo()
        np.testing.assert_allclose(block.explain(same).gate.detach(), 0, atol=1e-6)
        torch.testing.assert_close(block(same), same)
        before = layers.SRTG(4, chance_corrected=False)
        before.recursion = Echo()
        np.testing.assert_allclose(before.explain(same).gate.detach(), 1 / frames, rtol=1e-5)

    def test_unrelated_sequences_open_the_gate_about_as_far_whatever_the_number_of_frames(self) -> None:
        """They find themselves more often than by chance, since the way back starts near; measured: .20 to .29."""
        means: dict[bool, list[float]] = {True: [], False: []}
        for frames in (2, 4, 8, 16):
            generator = torch.Generator().manual_seed(frames)
            s, r = (torch.randn(500, 3, frames, generator=generator) for _ in range(2))
            for corrected in means:
                means[corrected].append(float(layers.SRTG(3, chance_corrected=corrected)._gate(s, r).mean()))
        assert np.ptp(means[True]) < 0.15
        assert np.ptp(means[False]) > 0.3

    @pytest.mark.parametrize("gate", ["soft", "hard", "straight-through"])
    def test_one_frame_leaves_every_gate_shut(self, gate: str) -> None:
        one = clips(frames=1)
        assert torch.equal(layers.SRTG(4, gate=gate)(one), one)
        assert layers.SRTG(4, gate=gate, chance_corrected=False).explain(one).gate.tolist() == [1, 1]

    @settings(max_examples=40, deadline=None)
    @given(st.integers(2, 6), st.integers(0, 500), st.floats(0.0, 3.0))
    def test_the_gate_follows_the_definition(self, frames: int, seed: int, noise: float) -> None:
        s = sequence(frames, 3, seed, 1.5).double()
        r = s + sequence(frames, 3, seed + 1, noise).double()
        a, b = s[0].numpy(), r[0].numpy()
        likelihood = (np.mean(reference.cycle(a, b, 1.0)[1]) + np.mean(reference.cycle(b, a, 1.0)[1])) / 2
        expected = max(0.0, (likelihood - 1 / frames) / (1 - 1 / frames))
        np.testing.assert_allclose(layers.SRTG(3)._gate(s, r)[0], expected, atol=1e-9)
        np.testing.assert_allclose(layers.SRTG(3, chance_corrected=False)._gate(s, r)[0], likelihood, rtol=1e-9)

    def test_consistent_frames_open_the_gate_whatever_their_number(self) -> None:
        for frames in (2, 5, 16):
            s = torch.arange(4.0 * frames).view(1, 4, frames) * 3
            torch.testing.assert_close(layers.SRTG(4)._gate(s, s), torch.ones(1))

    @pytest.mark.parametrize(("frames", "channels"), [(2, 1), (3, 2), (4, 2), (6, 3)])
    def test_no_sequences_return_less_often_than_by_chance(self, frames: int, channels: int) -> None:
        generator = torch.Generator().manual_seed(0)
        scales = 4 * torch.rand(2, 100, 1, 1, generator=generator, dtype=torch.float64)
        pairs = scales * torch.randn(2, 100, channels, frames, generator=generator, dtype=torch.float64)
        pairs.requires_grad_()
        optimizer = torch.optim.Adam([pairs], lr=0.02)
        for _ in range(200):  # search for a counterexample
            likelihood = layers.cyclic_consistency(*pairs).likelihood.mean(1)
            assert likelihood.min() > 1 / frames - 1e-12
            optimizer.zero_grad()
            likelihood.sum().backward()
            optimizer.step()

    def test_the_gradient_of_the_gate_is_correct_and_passes_a_gate_that_is_shut(self) -> None:
        pair = [sequence(3, 2, seed, 1.0).double().requires_grad_() for seed in (0, 1)]
        assert torch.autograd.gradcheck(layers.SRTG(2)._gate, pair)
        assert torch.autograd.gradcheck(layers.SRTG(2, chance_corrected=False)._gate, pair)
        same = torch.ones(1, 2, 3)
        away = (same + 1e-4 * sequence(3, 2, 2, 1.0)).requires_grad_()
        gate = layers.SRTG(2)._gate(same + 1e-4 * sequence(3, 2, 3, 1.0), away)
        assert 0 <= gate.item() < 1e-6
        assert torch.autograd.grad(gate, away)[0].abs().max() > 0

    def test_a_gate_that_requires_order_is_shut_by_frames_in_reverse(self) -> None:
        s = sequence()
        assert layers.SRTG(5, monotone=True)._gate(s, s.flip(2)).tolist() == [0]
        assert layers.SRTG(5, monotone=True)._gate(s, s) > 0.99

    def test_modules_pickled_before_the_correction_keep_their_gate(self) -> None:
        old = layers.SRTG(4)
        del old.chance_corrected  # as in a file that was written before there was such an attribute
        assert old.explain(clips(frames=1)).gate.tolist() == [1, 1]
        assert "chance_corrected=False" in repr(old)


def _sr(block: layers.SRTG, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x.mean((3, 4)), block.explain(x).recurrence


def test_no_frame_depends_on_later_frames() -> None:
    block, x = layers.SRTG(4, gate="none"), clips()
    other = x.clone()
    other[:, :, 3:] += 5
    before, after = block.explain(x).recurrence, block.explain(other).recurrence
    assert torch.equal(before[..., :3], after[..., :3])
    assert (before[..., 3:] != after[..., 3:]).any()


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3)])
def test_the_number_of_parameters_follows_the_closed_form(cell: str, gates: int) -> None:
    count = sum(p.numel() for p in layers.SRTG(32, cell=cell).parameters())
    assert count == 2 * gates * (2 * 32**2 + 2 * 32)  # for an LSTM 16 C^2 + 16 C


def test_the_additional_parameters_of_the_released_r3d_34_are_as_measured() -> None:
    widths = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    more = sum(16 * c**2 + 16 * c for c in widths)
    assert more == pytest.approx((84.01 - 63.84) * 1e6, rel=0.01)


@pytest.mark.parametrize(("place", "gate"), list(itertools.product(PLACES, GATES)))
def test_blocks_run_with_a_recursion_at_every_place(place: str, gate: str) -> None:
    block = layers.SRTGBlock(3, 6, (1, 2, 2), place, gate=gate).eval()
    x = clips(channels=3)
    assert block(x).shape == (2, 6, 6, 2, 3)
    assert block.recursion.channels == (3 if place in ("start", "top") else 6)


@pytest.mark.parametrize("place", PLACES)
def test_the_recursion_is_applied_at_its_place(place: str) -> None:
    torch.manual_seed(0)
    block, x = layers.SRTGBlock(4, 4, place=place, gate="none").eval(), clips()
    r = block.recursion
    start = r(x) if place == "start" else x
    inner = block.first(r(start) if place == "top" else start)
    inner = block.second(r(inner) if place == "mid" else inner)
    inner = r(inner) if place == "end" else inner
    out = torch.relu(inner + (r(start) if place == "skip" else start))
    torch.testing.assert_close(block(x), r(out) if place == "final" else out)


def test_a_closed_gate_has_no_effect_at_any_place() -> None:
    torch.manual_seed(0)
    one = layers.SRTGBlock(4, 4, gate="closed").eval()
    for place in PLACES:
        other = layers.SRTGBlock(4, 4, place=place, gate="closed").eval()
        other.load_state_dict(one.state_dict())
        assert torch.equal(one(clips()), other(clips()))


def test_signals_have_a_value_per_frame() -> None:
    block, x = layers.SRTG(4), clips()
    signals = block.explain(x)
    assert signals.recurrence.shape == signals.factor.shape == (2, 4, 6)
    assert signals.returns.shape == signals.likelihood.shape == (2, 6)
    torch.testing.assert_close(signals.factor, 1 + signals.gate[:, None, None] * (signals.recurrence - 1))
    np.testing.assert_array_less(signals.recurrence.detach().abs(), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate": "open"}, "gate must be one of 'soft', 'hard', 'straight-through', 'none', 'closed'; got 'open'"),
        ({"cell": "rnn"}, "cell must be one of 'lstm', 'gru'; got 'rnn'"),
        ({"temperature": -1}, "temperature must be positive and finite, got -1"),
    ],
)
def test_invalid_settings_raise(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.SRTG(4, **options)  # type: ignore[arg-type]


def test_invalid_places_and_inputs_raise() -> None:
    with pytest.raises(ValueError, match=r"place must be one of 'start', .*; got 'res'"):
        layers.SRTGBlock(4, 4, place="res")
    with pytest.raises(
        ValueError, match=r"expected \(batch, 4 channels, time, height, width\), got shape \[2, 5, 6, 3, 5\]"
    ):
        layers.SRTG(4)(clips(channels=5))
