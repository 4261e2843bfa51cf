"""Every explainer leaves the user's model, gradients and random state unchanged, in every situation."""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from tests import zoo

EDITS = [
    ne.edits.Occlude((4, 4, 20, 20), (1, 5), "noise"),
    ne.edits.Shuffle(),
    ne.edits.Ablate("layer1.0", [0, 2], "mean"),
    ne.edits.Scale("stem", factor=0.5),
    ne.edits.Swap("layer4.1", "Identity"),
]
EXPLAINERS: dict[str, Callable[..., Any]] = {
    "tubes": ne.SaliencyTubes(),
    "pooled": ne.SaliencyTubes(pooled=True),
    "sharp": ne.SharpTubes(),
    "detail": ne.SharpTubes(conserve=False, layers=("layer2.0",)),
    "one layer": ne.SaliencyTubes(layers=("layer2.0",)),
    "guided": ne.GuidedGradCAM(),
    "guided, signed": ne.GuidedGradCAM(read_out=True, signed=True),
    "random map": ne.RandomMap(),
    "motion tubes": ne.MotionTubes(),
    "captum": ne.Captum("IntegratedGradients", n_steps=4),
    "captum's random draws": ne.Captum("GradientShap", baselines=torch.zeros(2, 3, 8, 32, 32), n_samples=2),
    "captum's hooks": ne.Captum("GuidedBackprop"),
    "captum at a layer": ne.Captum("LayerGradCam", layer="layer2.0"),
    "RISE": ne.RISE(masks=24, batch=8),
    "occlusion": ne.Occlusion(box=(4, 16, 16), stride=(4, 8, 8)),
    "pyramid": ne.FeaturePyramid(contribution="preactivation", depth=4),
    "pyramid by gradient": ne.FeaturePyramid(contribution="gradient", depth=4),
    "pyramid as published": ne.FeaturePyramid(mode="paper"),
    "what if": lambda model, clip, targets: ne.what_if(model, clip, EDITS, targets[0], ne.SaliencyTubes()),
    "many what-ifs": lambda model, clip, targets: ne.what_if(model, clip, [[edit] for edit in EDITS], targets[1]),
    "temporal reliance": lambda model, clip, targets: ne.temporal_reliance(model, clip, targets[0], seeds=2),
}
STREAMS = {name: explainer for name, explainer in EXPLAINERS.items() if hasattr(explainer, "stream")}
SPECIFIED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)


def _used_network() -> nn.Module:
    """Make a network in use: partly frozen, partly in train mode, with gradients and hooks."""
    net = zoo.ZOO["residual"].make().train()
    net.layer1.eval()
    for parameter in net.stem.parameters():
        parameter.requires_grad_(False)
    net(zoo.feed(zoo.ZOO["residual"], CLIP)).sum().backward()
    net.fired = 0
    net.layer3.register_forward_hook(lambda *_: setattr(net, "fired", net.fired + 1))
    net.layer4.register_full_backward_hook(lambda *_: setattr(net, "fired", net.fired + 1))
    net.register_forward_pre_hook(lambda *_: setattr(net, "fired", net.fired + 1))
    return net


def _snapshot(net: nn.Module) -> dict[str, Any]:
    return {
        "state": {name: value.clone() for name, value in net.state_dict().items()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in net.named_parameters()},
        "training": {name: part.training for name, part in net.named_modules()},
        "versions": {name: p._version for name, p in net.named_parameters()},
        "hooks": {name: [len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)]
                  for name, part in net.named_modules()},
        "fired": getattr(net, "fired", 0),
        "random": (torch.get_rng_state(), torch.tensor(np.random.get_state()[1].astype(np.int64)), random.getstate()),  # noqa: NPY002
        "grad_mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }  # fmt: skip


def _assert_same(before: Any, after: Any, path: str = "") -> None:
    if isinstance(before, torch.Tensor):
        assert torch.equal(before, after), path
    elif isinstance(before, dict):
        assert before.keys() == after.keys(), path
        for key in before:
            _assert_same(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, tuple):
        for index, (a, b) in enumerate(zip(before, after, strict=True)):
            _assert_same(a, b, f"{path}[{index}]")
    else:
        assert before == after, path


@pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
@pytest.mark.parametrize("context", ["plain", "no_grad", "inference_mode"])
def test_a_model_is_unchanged_after_adapting_and_explaining(explainer: Callable[..., Any], context: str) -> None:
    net = _used_network()
    before = _snapshot(net)
    manager = {"plain": torch.enable_grad, "no_grad": torch.no_grad, "inference_mode": torch.inference_mode}[context]
    with manager():
        model = ne.adapt(net, **SPECIFIED)
        explainer(model, CLIP, 1 if isinstance(explainer, ne.FeaturePyramid) else [0, 1])  # a pyramid has one target
    _assert_same(before, _snapshot(net))


@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("explainer", STREAMS.values(), ids=STREAMS)
def test_a_model_is_unchanged_between_the_steps_of_a_stream_and_after_it_is_dropped(
    explainer: Any, context: Callable[..., Any]
) -> None:
    net = _used_network()
    before = _snapshot(net)
    with context():
        model = ne.adapt(net, **SPECIFIED)
        expected = {**before, "grad_mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled())}
        steps = explainer.stream(model, CLIP, 1)
        for _ in range(4):
            next(steps)
            _assert_same(expected, _snapshot(net))
        del steps
    _assert_same(before, _snapshot(net))


@pytest.mark.parametrize("explainer", STREAMS.values(), ids=STREAMS)
def test_a_stream_reports_progress_and_ends_with_the_result_of_a_call(explainer: Any) -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    steps = list(explainer.stream(model, CLIP, 1))
    assert all(0 < step.done <= step.total for step in steps)
    assert all(a.seconds <= b.seconds for a, b in pairwise(steps))
    assert all(b.done == a.done + 1 for a, b in pairwise(steps) if a.stage == b.stage)
    assert steps[-1].done == steps[-1].total
    partial = [_content(step.partial) for step in steps if step.partial is not None]
    assert partial[-1] == _content(explainer(model, CLIP, 1))
    assert len(set(partial)) > 2, "partial results do not grow"


def _content(explanation: Any) -> Any:
    """Return what tells explanations of one clip apart."""
    if isinstance(explanation, Tubes):
        return tuple(layer.values.tobytes() for layer in explanation.layers)
    return repr((explanation.units, explanation.edges))


@pytest.mark.parametrize("explainer", STREAMS.values(), ids=STREAMS)
def test_a_stream_explains_the_parameters_at_its_start(explainer: Any) -> None:
    net = zoo.ZOO["residual"].make()
    model = ne.adapt(net, **SPECIFIED)
    expected = explainer(model, CLIP, 1)
    steps = explainer.stream(model, CLIP, 1)
    last = next(step for step in steps if step.partial is not None)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(-1)
    for last in steps:  # noqa: B007
        pass
    assert _content(last.partial) == _content(expected)


@pytest.mark.parametrize("name", zoo.BLOCKS)
def test_networks_of_building_blocks_are_explained_and_unchanged(name: str) -> None:
    net = zoo.seeded(zoo.BLOCKS[name]).train()
    before = _snapshot(net)
    model = ne.adapt(net, **SPECIFIED)
    for explainer in (ne.SaliencyTubes(), ne.SaliencyTubes(pooled=True), ne.FeaturePyramid(depth=4)):
        explainer(model, CLIP, 1)
    _assert_same(before, _snapshot(net))


class Interrupting(nn.Module):
    """Network that raises in the middle of its forward pass while it is armed."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.net, self.error, self.armed = zoo.ZOO["residual"].make(), error, [False]
        self.raising = _Raising(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        net = self.net
        x = self.raising(net.layer2(net.layer1(net.stem(x))))
        return net.fc(net.avgpool(net.layer4(net.layer3(x))).flatten(1))


class _Raising(nn.Module):
    def __init__(self, owner: Interrupting) -> None:
        super().__init__()
        self.armed, self.error = owner.armed, owner.error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.armed[0]:
            raise self.error
        return x

    def __deepcopy__(self, memo: dict[int, Any]) -> _Raising:
        return self  # so that the test also arms the shadow


@pytest.mark.parametrize("explainer", list(EXPLAINERS.values())[:2], ids=list(EXPLAINERS)[:2])
@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt()], ids=["exception", "interrupt"])
@pytest.mark.parametrize("copyable", [True, False])
def test_a_model_is_unchanged_after_an_exception_or_an_interrupt(
    explainer: Callable[..., Any], error: BaseException, copyable: bool
) -> None:
    net = Interrupting(error).train()
    if not copyable:
        net.lock = threading.Lock()
    model = ne.adapt(net, **SPECIFIED)
    before = _snapshot(net)
    net.armed[0] = True
    with pytest.raises(type(error)):
        explainer(model, CLIP)
    net.armed[0] = False
    _assert_same(before, _snapshot(net))


def test_a_model_is_unchanged_after_an_invalid_target() -> None:
    net = _used_network()
    model = ne.adapt(net, **SPECIFIED)
    before = _snapshot(net)
    with pytest.raises(ValueError, match="out of range"):
        ne.SaliencyTubes()(model, CLIP, 99)
    _assert_same(before, _snapshot(net))


def test_a_model_that_cannot_be_copied_is_guarded_and_explained_equally() -> None:
    net = _used_network()
    reference = ne.SaliencyTubes()(ne.adapt(net, **SPECIFIED), CLIP, 0)
    net.lock = threading.Lock()
    before = _snapshot(net)
    with pytest.warns(UserWarning, match="forward hooks that may change its output"):  # not run to find out
        guarded = ne.SaliencyTubes()(ne.adapt(net, **SPECIFIED), CLIP, 0)
    _assert_same(before, _snapshot(net))
    for a, b in zip(reference.layers, guarded.layers, strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def _tubes(net: nn.Module, **changes: Any) -> Any:
    return ne.SaliencyTubes()(ne.adapt(net, **{**SPECIFIED, **changes}), CLIP, 1)


REFERENCE = _tubes(zoo.ZOO["residual"].make())


def _assert_like_reference(tubes: Any, tolerance: float = 1e-5) -> None:
    assert [layer.name for layer in tubes.layers] == [layer.name for layer in REFERENCE.layers]
    for layer, reference in zip(tubes.layers, REFERENCE.layers, strict=True):
        scale = np.abs(reference.values).max()
        np.testing.assert_allclose(layer.values / scale, reference.values / scale, atol=tolerance)


def test_train_mode_and_frozen_parameters_have_no_effect_and_user_hooks_are_left_out_with_a_warning() -> None:
    net = zoo.ZOO["residual"].make().train()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    net.layer2.register_forward_hook(lambda *args: args[2] * 0)
    with pytest.warns(UserWarning, match="forward hooks that change its output"):
        tubes = _tubes(net)
    _assert_like_reference(tubes)


def test_compiled_modules_are_explained_like_the_original() -> None:
    in_place = zoo.ZOO["residual"].make()
    in_place.compile(backend="eager")
    _assert_like_reference(_tubes(in_place))
    assert in_place._compiled_call_impl is not None
    _assert_like_reference(_tubes(torch.compile(zoo.ZOO["residual"].make(), backend="eager")))


def test_data_parallel_is_unwrapped() -> None:
    _assert_like_reference(_tubes(nn.DataParallel(zoo.ZOO["residual"].make())))


def test_a_model_made_in_inference_mode_is_explained() -> None:
    with torch.inference_mode():
        net = zoo.ZOO["residual"].make()
    _assert_like_reference(_tubes(net))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_similar_float32_maps(dtype: torch.dtype) -> None:
    net = zoo.ZOO["residual"].make().to(dtype)
    tubes = _tubes(net)
    assert all(layer.values.dtype == np.float32 and np.isfinite(layer.values).all() for layer in tubes.layers)
    last, reference = tubes.layers[-1].values.ravel(), REFERENCE.layers[-1].values.ravel()
    assert np.corrcoef(last, reference)[0, 1] > 0.98
    assert next(net.parameters()).dtype == dtype


def test_an_operation_without_a_half_version_is_computed_in_float32_with_a_caveat() -> None:
    class HalfPool(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv3d(3, 4, 3, padding=1), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            if x.dtype == torch.float16:
                raise NotImplementedError("\"avg_pool3d_out_frame\" not implemented for 'Half'")
            return self.head(x.mean((2, 3, 4)))

    tubes = _tubes(HalfPool().half())
    assert any("Computed in float32" in caveat for caveat in tubes.provenance.caveats)


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and not torch.backends.mps.is_available(),
    reason="no CUDA or MPS device",
)
def test_explanations_run_on_the_device_of_the_module() -> None:
    device = "cuda" if torch.cuda.is_available() else "mps"
    net = zoo.ZOO["residual"].make().to(device)
    _assert_like_reference(_tubes(net), 1e-3)
    assert next(net.parameters()).device.type == device


class Drawing(nn.Module):
    """Network that draws random numbers in evaluation mode, in several ways."""

    def __init__(self) -> None:
        super().__init__()
        self.net = zoo.ZOO["residual"].make()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 0.01 * torch.randn_like(x) + 0.01 * torch.rand(x.shape)
        x = nn.functional.dropout(x, 0.1)
        x = x + 0.01 * torch.empty(x.shape).normal_()
        return self.net(x)[:, torch.randperm(1)[0] :]


def test_a_random_network_is_repeatable_and_does_not_use_the_global_generator() -> None:
    net = Drawing()
    model = ne.adapt(net, **SPECIFIED)
    before = torch.get_rng_state()
    first, second = (ne.SaliencyTubes()(model, CLIP, 0) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first.layers[-1].values, second.layers[-1].values)


def _train(net: nn.Module, steps: int, out: list[float]) -> None:
    """Train as a user would: dropout draws from the global generator, batch norm and parameters change in place."""
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-4)
    x = zoo.feed(zoo.ZOO["residual"], CLIP)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.dropout(net(x), 0.5).square().mean()
        loss.backward()
        optimiser.step()
        out.append(float(loss))


def test_training_in_another_thread_gives_the_same_numbers_as_alone() -> None:
    def run(explaining: bool) -> tuple[list[float], list[Any]]:
        torch.manual_seed(7)
        net = zoo.ZOO["residual"].make().train()
        model = ne.adapt(net, **SPECIFIED)
        losses: list[float] = []
        tubes = []
        thread = threading.Thread(target=_train, args=(net, 25, losses))
        thread.start()
        while explaining and thread.is_alive():
            tubes.append(ne.SaliencyTubes()(model, CLIP, 0))
        thread.join()
        return losses, tubes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone, _ = run(False)
        together, tubes = run(True)
    assert together == alone
    assert tubes
    assert any("parameters changed during the computation" in " ".join(t.provenance.caveats) for t in tubes)


@pytest.mark.parametrize(
    "name", ["layer1.0.conv1.0.weight", "fc.bias"], ids=["detected by autograd", "not detected by autograd"]
)
def test_parameters_that_change_during_an_explanation_are_detected(name: str) -> None:
    net = zoo.ZOO["residual"].make()
    model = ne.adapt(net, **SPECIFIED)
    changes = iter([True])

    def change_parameter() -> None:
        if next(changes, False):
            with torch.no_grad():
                net.get_parameter(name).add_(0.5)

    # The shadow has no user hooks, so the change happens in a function that the shadow also calls.
    original = net.avgpool.forward
    net.avgpool.forward = lambda x: (change_parameter(), original(x))[1]
    tubes = ne.SaliencyTubes()(model, CLIP, 1)
    assert any("parameters changed" in caveat for caveat in tubes.provenance.caveats)
    fresh = ne.SaliencyTubes()(model, CLIP, 1)
    assert not any("parameters changed" in caveat for caveat in fresh.provenance.caveats)
    np.testing.assert_array_equal(tubes.layers[-1].values, fresh.layers[-1].values)
    assert tubes.targets == fresh.targets


def test_weight_norm_of_both_kinds_is_explained() -> None:
    net = zoo.ZOO["residual"].make()
    torch.nn.utils.parametrizations.weight_norm(net.layer1[0].conv1[0])
    _assert_like_reference(_tubes(net), 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        old = zoo.ZOO["residual"].make()
        torch.nn.utils.weight_norm(old.layer1[0].conv1[0])
        old(zoo.feed(zoo.ZOO["residual"], CLIP))
        _assert_like_reference(_tubes(old), 1e-4)


def test_concurrent_explanations_are_independent() -> None:
    net = zoo.ZOO["residual"].make()
    model = ne.adapt(net, **SPECIFIED)
    results: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda k=k: results.update({k: ne.SaliencyTubes()(model, CLIP, 1)})) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for tubes in results.values():
        _assert_like_reference(tubes)
    assert len(results) == 4
