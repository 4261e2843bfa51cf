"""Class regularization: range of its factors, guess, gradients, and the controls for its claim."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from notebook_explain import layers
from tests import zoo


def block(**options: object) -> tuple[layers.ClassRegularization, torch.Tensor]:
    torch.manual_seed(0)
    head = nn.Linear(12, 5)
    return layers.ClassRegularization(6, head.weight, **options), torch.randn(4, 6, 3, 5, 5)  # type: ignore[arg-type]


def test_beta_0_is_the_identity_bitwise() -> None:
    regularization, x = block(beta=0.0)
    assert torch.equal(regularization(x), x)


def test_the_output_follows_the_formula() -> None:
    regularization, x = block(beta=0.3)
    table = regularization.weight @ regularization.projection.t()
    torch.testing.assert_close(regularization.table(), table)
    for clip, out in zip(x, regularization(x), strict=True):
        row = table[(table @ clip.mean((1, 2, 3))).argmax()]
        u = (row - row.min()) / (row.max() - row.min())
        torch.testing.assert_close(out, clip * (0.7 + 0.6 * u)[:, None, None, None])


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.integers(0, 99), st.booleans(), st.sampled_from([1e-3, 1.0, 1e4]))
def test_factors_span_one_minus_beta_to_one_plus_beta(beta: float, seed: int, soft: bool, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, table = torch.ones(3, 6, 2, 2, 2), torch.randn(5, 6, generator=generator) * scale
    factor = layers.class_regularize(x, table, beta, soft=soft)[:, :, 0, 0, 0]
    limits = torch.tensor([1 - beta, 1 + beta])
    torch.testing.assert_close(torch.stack([factor.amin(1), factor.amax(1)], 1), limits.expand(3, 2))


def test_equal_weights_of_all_channels_change_nothing() -> None:
    x = torch.randn(2, 6, 2, 2, 2)
    assert torch.equal(layers.class_regularize(x, torch.ones(5, 6), 0.5), x)


def test_labels_replace_the_guess() -> None:
    regularization, x = block(beta=0.4)
    labels = torch.tensor([0, 1, 2, 3])
    torch.testing.assert_close(
        regularization(x, labels), layers.class_regularize(x, regularization.table(), 0.4, labels=labels)
    )
    guessed = regularization.explain(x).scores.argmax(1)
    torch.testing.assert_close(regularization(x, guessed), regularization(x))
    assert not torch.equal(regularization(x, (guessed + 1) % 5), regularization(x))


@pytest.mark.parametrize("detach", [False, True])
def test_gradient_reaches_the_classifier_unless_detached(detach: bool) -> None:
    regularization, x = block(detach=detach)
    weight, projection = torch.autograd.grad(
        regularization(x).square().sum(), [regularization.weight, regularization.projection], allow_unused=True
    )
    assert projection.abs().max() > 0
    assert (weight is None) == detach
    assert detach or weight.abs().max() > 0


@pytest.mark.parametrize("guess", ["hard", "soft"])
def test_the_gradient_is_correct(guess: str) -> None:
    x, table = (torch.randn(2, 3, 2, 2, 2).double().requires_grad_(), torch.randn(4, 3).double().requires_grad_())
    assert torch.autograd.gradcheck(
        lambda x, table: layers.class_regularize(x, table, 0.3, soft=guess == "soft"), (x, table)
    )


def test_a_certain_soft_guess_equals_the_hard_guess() -> None:
    x, table = torch.randn(2, 3, 2, 2, 2) * 1e4, torch.randn(4, 3)
    torch.testing.assert_close(
        layers.class_regularize(x, table, 0.3, soft=True), layers.class_regularize(x, table, 0.3)
    )


def test_the_shuffled_control_uses_the_rows_of_other_classes() -> None:
    plain, x = block(beta=0.3)
    control, _ = block(beta=0.3, shuffled=1)
    assert sorted(control.order.tolist()) == list(range(5))
    assert control.order.tolist() != list(range(5))
    guess = plain.explain(x).scores.argmax(1)
    torch.testing.assert_close(control(x), plain(x, control.order[guess]))


def test_the_weight_is_shared_with_the_classifier_also_in_copies() -> None:
    net = zoo.ZOO["residual"].make()
    regularized = layers.class_regularized(net, "fc", ["layer1", "layer?"], beta=0.2).model
    blocks = [m for m in regularized.modules() if isinstance(m, layers.ClassRegularization)]
    assert [m.channels for m in blocks] == [8, 12, 16, 24]
    assert all(m.weight is regularized.fc.weight for m in blocks)
    assert regularized.fc.weight is not net.fc.weight
    count = sum(p.numel() for p in regularized.parameters()) - sum(p.numel() for p in net.parameters())
    assert count == 24 * (8 + 12 + 16 + 24)
    moved = regularized.double()
    assert all(m.weight is moved.fc.weight for m in moved.modules() if isinstance(m, layers.ClassRegularization))


def test_a_network_regularized_with_beta_0_has_the_same_output() -> None:
    net, x = zoo.ZOO["residual"].make(), zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32))
    regularized = layers.class_regularized(net, "fc", ["layer1", "layer3"], beta=0.0)
    assert torch.equal(regularized.model(x), net(x))
    assert not torch.equal(layers.class_regularized(net, "fc", ["layer1"]).model(x), net(x))
    assert "layer1: Sequential -> Sequential and ClassRegularization" in repr(regularized)


def test_explain_returns_the_table_the_guess_and_the_factors() -> None:
    regularization, x = block()
    guess = regularization.explain(x)
    assert guess.table.shape == (5, 6)
    assert guess.scores.shape == (4, 5)
    torch.testing.assert_close(guess.scores, x.mean((2, 3, 4)) @ guess.table.t())
    torch.testing.assert_close(regularization(x), x * guess.factor[..., None, None, None])


def test_invalid_settings_raise() -> None:
    weight = nn.Linear(4, 3).weight
    with pytest.raises(ValueError, match=r"beta must be in \[0, 1\], got 2"):
        layers.ClassRegularization(6, weight, beta=2)
    with pytest.raises(ValueError, match="guess must be one of 'hard', 'soft'; got 'best'"):
        layers.ClassRegularization(6, weight, guess="best")
    with pytest.raises(
        TypeError,
        match=r"weight must be the classifier's parameter \(class, channel\), such as net.fc.weight; got Linear",
    ):
        layers.ClassRegularization(6, nn.Linear(4, 3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected \(batch, 6 channels, ...\), got shape \[2, 5, 1, 1, 1\]"):
        layers.ClassRegularization(6, weight)(torch.zeros(2, 5, 1, 1, 1))
    with pytest.raises(
        ValueError, match="head 'head' is not a module with weights in this model; its linear layers are fc"
    ):
        layers.class_regularized(zoo.ZOO["residual"].make(), "head", ["layer1"])
    with pytest.raises(TypeError, match=r"after must be a list of names, got the string 'layer1'; write \['layer1'\]"):
        layers.class_regularized(zoo.ZOO["residual"].make(), "fc", "layer1")
