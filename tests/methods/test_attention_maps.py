"""Attention rollout and gradient-weighted attention against products of matrices by hand, in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.widgets.wire.tubes import state
from tests import zoo
from tests.test_contract import _assert_same, _snapshot
from tests.zoo import tokens
from tests.zoo.attention_nets import (
    HEADS,
    WIDTH,
    DividedTransformer,
    FrameTransformer,
    JointTransformer,
    PooledAttention,
    SelfAttention,
)

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
RULES = ("rollout", "gradient")
Make = Callable[[], nn.Module]


def made(make: Make) -> nn.Module:
    """Return a network whose attention is far from even: queries and keys are large."""
    net = zoo.seeded(make)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, SelfAttention):
                nn.init.normal_(part.inner.in_proj_weight, std=0.6, generator=torch.Generator().manual_seed(1))
    return net


def explained(net: nn.Module, rule: Any, target: Any = 1, clip: Any = CLIP, **changes: Any) -> NDArray[np.float32]:
    tubes = ne.AttentionMaps(rule)(ne.adapt(net, **{**STATED, **changes}), clip, target)
    assert len(tubes.layers) == 1
    assert tubes.layers[0].gap is None
    return tubes.layers[0].values


def matrices(net: nn.Module, rule: str, target: int = 1) -> list[Tensor]:
    """Return what the rule multiplies, (batch, query, key) for each call in float64; `net` keeps its probabilities."""
    net = copy.deepcopy(net).double()
    x = (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].double() / 255 - zoo.MEAN) / zoo.STD
    score = net(x)[0, target]
    kept = [p for part in net.modules() if isinstance(part, SelfAttention) for p in part.kept]
    if rule == "rollout":
        return [p.detach().mean(1) for p in kept]
    gradients = torch.autograd.grad(score, kept)
    return [(g * p).clamp(min=0).mean(1).detach() for g, p in zip(gradients, kept, strict=True)]


def apply(rule: str, matrix: Tensor, relevance: Tensor) -> Tensor:
    """Return the relevance (token, source) after a residual attention layer."""
    update = matrix @ relevance
    return (relevance + update) / 2 if rule == "rollout" else relevance + update


def in_cells(row: Tensor, grid: tuple[int, int, int] = (4, 4, 4)) -> NDArray[np.float64]:
    return (row * row.numel()).reshape(grid).numpy()


def assert_same_map(map_: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    assert expected.max() > 1.2 * expected.min(), "an even map tests nothing"
    np.testing.assert_allclose(map_, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pool", ["class_token", "mean"])
@pytest.mark.parametrize("target", [1, 3])
def test_joint_attention_is_the_product_by_hand(rule: str, pool: Any, target: int) -> None:
    net = made(lambda: JointTransformer("explicit", pool))
    first = pool == "class_token"
    relevance = torch.eye(64 + first, dtype=torch.float64)
    for matrix in matrices(net, rule, target):
        relevance = apply(rule, matrix[0], relevance)
    row = relevance[0, 1:] if first else relevance.mean(0)
    if rule == "gradient" and not first:  # what tokens pass on without attention is left out
        row = row - 1 / 64
    assert_same_map(explained(net, rule, target)[0], in_cells(row))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("form", ["fused", "einsum", "multihead"])
@pytest.mark.parametrize("pool", ["class_token", "mean"])
def test_every_form_of_attention_gives_the_map_of_the_written_out_form(rule: str, form: Any, pool: Any) -> None:
    written = explained(made(lambda: JointTransformer("explicit", pool)), rule)
    other = explained(made(lambda: JointTransformer(form, pool)), rule)
    np.testing.assert_allclose(other, written, atol=1e-5 * written.max())


@pytest.mark.parametrize("rule", RULES)
def test_a_stock_encoder_layer_gives_the_product_by_hand(rule: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv3d(3, WIDTH, (2, 8, 8), (2, 8, 8))
            self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
            self.blocks = nn.Sequential(
                *(nn.TransformerEncoderLayer(WIDTH, HEADS, 24, batch_first=True, norm_first=True) for _ in range(2))
            )
            self.head = nn.Linear(WIDTH, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.patches(x).flatten(2).transpose(1, 2)
            return self.head(self.blocks(torch.cat([self.token.expand(len(x), -1, -1), x], 1))[:, 0])

    net = zoo.seeded(Net)
    double = copy.deepcopy(net).double()
    kept = []

    def keep(attention: nn.MultiheadAttention, args: Any, kwargs: Any) -> Any:
        """Take the probabilities from torch, in the graph of the result."""
        x = args[0]
        q, k, v = (
            part.view(65, HEADS, -1).transpose(0, 1)
            for part in nn.functional.linear(x[0], attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        )
        p = (q @ k.transpose(1, 2) / (WIDTH // HEADS) ** 0.5).softmax(-1)
        kept.append(p)
        return attention.out_proj((p @ v).transpose(0, 1).reshape(1, 65, WIDTH)), None

    for block in double.blocks:
        block.self_attn.forward = lambda *args, _part=block.self_attn, **kwargs: keep(_part, args, kwargs)
    x = (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].double() / 255 - zoo.MEAN) / zoo.STD
    gradients = torch.autograd.grad(double(x)[0, 1], kept)
    relevance = torch.eye(65, dtype=torch.float64)
    for p, gradient in zip(kept, gradients, strict=True):
        matrix = p if rule == "rollout" else (p * gradient).clamp(min=0)
        relevance = apply(rule, matrix.mean(0).detach(), relevance)
    assert_same_map(explained(net, rule)[0], in_cells(relevance[0, 1:]))


@pytest.mark.parametrize("rule", RULES)
def test_divided_attention_is_the_product_of_joint_matrices(rule: str) -> None:
    """Token 0 is the class token; token 1 + 16 t + p stands for frame t and place p."""
    net = made(DividedTransformer)
    calls = matrices(net, rule)
    temporal, spatial = calls[:2], calls[2:]
    relevance = torch.eye(65, dtype=torch.float64)
    for over_time, over_space in zip(temporal, spatial, strict=True):
        joint = torch.zeros(65, 65, dtype=torch.float64)
        for place in range(16):
            for t in range(4):
                for s in range(4):
                    joint[1 + 16 * t + place, 1 + 16 * s + place] = over_time[place, t, s]
        after = apply(rule, joint, relevance)
        after[0] = relevance[0]  # time is attended to without the class token
        relevance, joint = after, torch.zeros(65, 65, dtype=torch.float64)
        for t in range(4):
            slots = [0, *range(1 + 16 * t, 17 + 16 * t)]
            for i, query in enumerate(slots):
                for j, key in enumerate(slots):
                    joint[query, key] += over_space[t, i, j] / (4 if query == 0 else 1)
        relevance = apply(rule, joint, relevance)
    assert_same_map(explained(net, rule)[0], in_cells(relevance[0, 1:]))


@pytest.mark.parametrize("rule", RULES)
def test_pooled_keys_stand_for_the_mean_of_their_tokens_and_added_queries_are_a_residual(rule: str) -> None:
    net = made(lambda: JointTransformer("explicit", "mean", pooled_keys=True))
    pool = torch.zeros(16, 64, dtype=torch.float64)
    for token in range(64):
        t, y, x = token // 16, token // 4 % 4, token % 4
        pool[4 * t + 2 * (y // 2) + x // 2, token] = 0.25
    relevance = torch.eye(64, dtype=torch.float64)
    for matrix in matrices(net, rule):
        inner = apply(rule, matrix[0] @ pool, relevance)  # values and the query
        relevance = (relevance + inner) / 2
    row = relevance.mean(0) - (1 / 64 if rule == "gradient" else 0)
    assert isinstance(net.blocks[0].attention, PooledAttention)
    assert_same_map(explained(net, rule)[0], in_cells(row))


@pytest.mark.parametrize("rule", RULES)
def test_frames_in_the_batch_attend_to_themselves_only(rule: str) -> None:
    """The map of each frame is a quarter of the map of a clip that repeats this frame."""
    net = made(FrameTransformer)
    whole = explained(net, rule, frames=4, clip=CLIP[:4])[0]
    for t in range(4):
        alone = explained(net, rule, frames=4, clip=np.repeat(CLIP[t : t + 1], 4, axis=0))[0]
        np.testing.assert_allclose(whole[t], alone[t], atol=1e-5 * whole.max())
    assert np.abs(whole[0] - whole[1]).max() > 0.05 * whole.max()


@pytest.mark.parametrize("rule", RULES)
def test_shifted_windows_are_the_product_of_joint_matrices(rule: str) -> None:
    entry = zoo.ZOO["channels_last"]
    net = entry.make()
    grids = {16: (4, 8, 8), 32: (4, 4, 4)}
    double, kept, places = copy.deepcopy(net).double(), [], []
    for block in (part for part in double.modules() if isinstance(part, tokens.WindowBlock)):
        width = block.attention.proj.in_features
        # Which token each slot of each window holds: the block's own moves, on indices.
        slots: list[Tensor] = []
        cells = int(np.prod(grids[width]))
        index = torch.arange(cells, dtype=torch.float64).view(1, *grids[width], 1).expand(-1, -1, -1, -1, width)
        probe = copy.deepcopy(block)
        probe.attention.forward = lambda x, slots=slots: (slots.append(x[..., 0].long()), x)[1]
        probe.attend(index)
        places.append((slots[0], cells))

        def attend(x: Tensor, part: Any = block.attention) -> Tensor:
            batch, count, width = x.shape
            q, k, v = part.qkv(x).view(batch, count, 3, part.heads, -1).permute(2, 0, 3, 1, 4)
            kept.append((q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1))
            return part.proj((kept[-1] @ v).transpose(1, 2).reshape(batch, count, width))

        block.attention.forward = attend
    x = (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].double() / 255 - zoo.MEAN) / zoo.STD
    gradients = torch.autograd.grad(double(x)[0, 1], kept)
    relevance = torch.eye(256, dtype=torch.float64)
    for p, gradient, (slots, cells) in zip(kept, gradients, places, strict=True):
        if len(relevance) != cells:  # four neighbours are merged
            relevance = relevance.view(4, 4, 2, 4, 2, 256).mean((2, 4)).view(64, 256)
        matrix = (p if rule == "rollout" else (p * gradient).clamp(min=0)).mean(1).detach()
        joint = torch.zeros(cells, cells, dtype=torch.float64)
        for window, of_window in zip(slots, matrix, strict=True):
            joint[window[:, None], window[None, :]] = of_window
        relevance = apply(rule, joint, relevance)
    row = relevance.mean(0) - (1 / 256 if rule == "gradient" else 0)
    assert_same_map(explained(net, rule)[0], in_cells(row, (4, 8, 8)))


def planted() -> nn.Module:
    """Make a network that attends to bright patches, and whose score rises with their brightness."""
    net = zoo.seeded(lambda: JointTransformer("fused", "class_token"))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.patches.weight[0] = 1 / net.patches.weight[0].numel()
        for block in net.blocks:
            block.norm1 = nn.Identity()
            block.attention.inner.in_proj_bias[:WIDTH] = 4.0  # the query; the key and the value are the brightness
            block.attention.inner.in_proj_weight[WIDTH:, 0] = 1.0
            block.attention.inner.out_proj.weight[0] = 0.1
        net.norm = nn.Identity()
        net.head.weight[1, 0] = 1.0
    return net


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cell", [(0, 0, 0), (1, 2, 3), (3, 3, 1)])
def test_attention_planted_to_one_patch_lights_that_patch(rule: str, cell: tuple[int, int, int]) -> None:
    t, y, x = cell
    clip = np.full((8, 32, 32, 3), 60, np.uint8)
    clip[2 * t : 2 * t + 2, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = 250
    tubes = ne.AttentionMaps(rule)(ne.adapt(planted(), **STATED), clip, 1)
    values = tubes.layers[0].values[0]
    assert np.unravel_index(values.argmax(), values.shape) == cell
    assert values.max() > 3 * np.sort(values.ravel())[-2]
    frame, row, column = np.unravel_index(tubes.volume().argmax(), (8, 32, 32))
    assert (frame // 2, row // 8, column // 8) == cell


def test_rollout_is_the_same_for_every_class_and_gradient_attention_is_not() -> None:
    net = made(JointTransformer)
    rollout = explained(net, "rollout", [0, 1])
    np.testing.assert_array_equal(rollout[0], rollout[1])
    gradient = explained(net, "gradient", [0, 1])
    assert np.abs(gradient[0] - gradient[1]).max() > 0.1 * gradient.max()
    np.testing.assert_allclose(gradient[1], explained(net, "gradient", 1)[0], atol=1e-6 * gradient.max())
    difference = explained(net, "gradient", ne.Target(0) - ne.Target(1))
    assert (difference >= 0).all()
    assert np.abs(difference[0] - gradient[0]).max() > 0.01 * gradient.max()


def test_the_maps_say_what_they_are() -> None:
    model = ne.adapt(made(JointTransformer), **STATED)
    for rule, kind in (("rollout", "attention"), ("gradient", "relevance")):
        tubes = ne.AttentionMaps(rule)(model, CLIP, [0, 1])
        assert tubes.layers[0].kind == tubes.layers[0].quantity == kind
        assert CaveatCode.ATTENTION in [getattr(caveat, "code", None) for caveat in tubes.provenance.caveats]
        assert tubes.provenance.knobs == {"rule": rule}
        assert tubes.provenance.backwards == (0 if rule == "rollout" else 2)
    assert "does not depend on the class" in ne.AttentionMaps("rollout")(model, CLIP).provenance.method


def test_what_stays_on_the_class_token_is_said() -> None:
    tubes = ne.AttentionMaps("rollout")(ne.adapt(made(JointTransformer), **STATED), CLIP)
    elsewhere = 100 * (1 - tubes.layers[0].values[0].mean())
    assert 1 < elsewhere < 99
    assert any(caveat.startswith(f"{elsewhere:.0f} % of the relevance") for caveat in tubes.provenance.caveats)


def test_the_default_rule_is_specific_to_the_class_and_unknown_rules_are_refused() -> None:
    assert ne.AttentionMaps().rule == "gradient"
    with pytest.raises(
        ValueError, match="rule must be one of 'gradient', 'rollout'; got 'rolout'; did you mean 'rollout'"
    ):
        ne.AttentionMaps("rolout")  # type: ignore[arg-type]


def test_a_network_without_attention_is_an_error_that_names_the_alternative() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **STATED)
    with pytest.raises(ne.ExplainError, match=r"no attention was found in the forward pass of .*; use SaliencyTubes"):
        ne.AttentionMaps()(model, CLIP)


class _Changed(JointTransformer):
    """A transformer with another step before the last block."""

    def __init__(self, step: Callable[[Tensor], Tensor]) -> None:
        super().__init__("fused", "mean")
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.blocks[0](x + self.embedding)
        return self.head(self.norm(self.blocks[1](self.step(x))).mean(1))


def _pool_by_softmax(x: Tensor) -> Tensor:
    return x + (x[..., :1].softmax(1) * x).sum(1, keepdim=True)


def _strongest(x: Tensor) -> Tensor:
    index = x.norm(dim=-1).topk(32).indices
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def _by_content(x: Tensor) -> Tensor:
    return x + (x @ x.transpose(1, 2)).tanh() @ x


@pytest.mark.parametrize(
    ("step", "what"), [(_pool_by_softmax, "a softmax"), (_strongest, "topk"), (_by_content, "a product of activations")]
)
@pytest.mark.parametrize("rule", RULES)
def test_what_relevance_cannot_be_followed_through_is_an_error(step: Any, what: str, rule: str) -> None:
    model = ne.adapt(zoo.seeded(lambda: _Changed(step)), **STATED)
    with pytest.raises(ne.ExplainError, match=f"attention cannot be followed through .*{what}.*use SaliencyTubes"):
        ne.AttentionMaps(rule)(model, CLIP)


class _Flat(JointTransformer):
    """A head with a weight for each token."""

    def __init__(self) -> None:
        super().__init__("fused", "mean")
        self.flat = nn.Linear(64 * WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.embedding
        return self.flat(self.blocks[0](x).flatten(1))


MERGING: dict[str, tuple[Make, bool]] = {
    "class token": (JointTransformer, False),
    "mean": (lambda: JointTransformer("multihead", "mean"), False),
    "divided": (DividedTransformer, False),
    "pooled keys": (lambda: JointTransformer("explicit", "mean", pooled_keys=True), True),
    "patch merging": (tokens.ChannelsLast, True),
    "head over all tokens": (_Flat, True),
}


@pytest.mark.parametrize(("make", "merges"), MERGING.values(), ids=MERGING)
@pytest.mark.parametrize("rule", RULES)
def test_a_caveat_says_where_tokens_are_merged(make: Make, merges: bool, rule: Any) -> None:
    tubes = ne.AttentionMaps(rule)(ne.adapt(zoo.seeded(make), **STATED), CLIP)
    assert any("merge tokens" in caveat for caveat in tubes.provenance.caveats) == merges


def test_a_second_pass_replaces_what_the_first_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass is repeated if the parameters change meanwhile."""
    net = made(JointTransformer)
    expected = explained(net, "gradient")
    model, runs = ne.adapt(net, **STATED), []
    run = type(model).run

    def run_twice(self: Any, clip: Any, layers: Any, compute: Any, around: Any) -> Any:
        runs.append(run(self, clip, layers, compute, around))
        return run(self, clip, layers, compute, around)

    monkeypatch.setattr(type(model), "run", run_twice)
    np.testing.assert_array_equal(ne.AttentionMaps()(model, CLIP, 1).layers[0].values, expected)
    assert len(runs) == 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("form", ["fused", "multihead"])
def test_the_model_is_unchanged(rule: Any, form: Any) -> None:
    net = made(lambda: JointTransformer(form)).train()
    net.layer3 = net.blocks  # what the snapshot reads
    before = _snapshot(net)
    model = ne.adapt(net, **STATED)
    for context in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with context():
            ne.AttentionMaps(rule)(model, CLIP, [0, 1])
    _assert_same(before, _snapshot(net))


@pytest.mark.parametrize("rule", RULES)
def test_maps_are_saved_loaded_and_shown(rule: Any, tmp_path: Any) -> None:
    tubes = ne.AttentionMaps(rule)(ne.adapt(made(JointTransformer), **STATED), CLIP, [0, 1])
    loaded = ne.load(tubes.save(tmp_path / "maps.npz"))
    np.testing.assert_array_equal(loaded.layers[0].values, tubes.layers[0].values)
    assert loaded.layers[0].kind == tubes.layers[0].kind
    assert tubes.to_html(tmp_path / "maps.html").stat().st_size > 10_000
    assert tubes.figure() is not None
    on_the_wire = state(tubes)["layers"][0]
    assert on_the_wire["kind"] == on_the_wire["quantity"] == tubes.layers[0].kind
    words = tubes.in_words()
    assert "evidence" not in words
    assert ("of the attention, whatever the class" if rule == "rollout" else "of the relevance for 'class 0'") in words
