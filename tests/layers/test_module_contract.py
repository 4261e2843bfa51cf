"""Properties that every building block shares with torch's own modules."""

from __future__ import annotations

import copy
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from notebook_explain import layers


class Streams(nn.Module):
    """Wrapper of a module of two streams: one tensor in, both streams concatenated out."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        short, long = self.module(layers.split_streams(x))
        return torch.cat([short.flatten(1), long.flatten(1)], 1)


def regularization(**factory: Any) -> layers.ClassRegularization:
    return layers.ClassRegularization(8, nn.Linear(12, 5, **factory).weight, 0.3, **factory)


BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "SoftPool3d": lambda **_: layers.SoftPool3d(3, 2, 1, temperature=0.5),
    "SoftPool3d as released": lambda **_: layers.SoftPool3d(2, released="cpu"),
    "AdaptiveSoftPool3d": lambda **_: layers.AdaptiveSoftPool3d((2, 3, 1)),
    "AdaptiveSoftPool3d uneven": lambda **_: layers.AdaptiveSoftPool3d((4, None, 3), temperature=0.5),
    "AdaptiveSoftPool3d of everything": lambda **_: layers.AdaptiveSoftPool3d(),
    "SRTG soft": lambda **factory: layers.SRTG(8, **factory),
    "SRTG hard": lambda **factory: layers.SRTG(8, gate="hard", monotone=True, **factory),
    "SRTG through": lambda **factory: layers.SRTG(8, gate="straight-through", cell="gru", **factory),
    "SRTGBlock": lambda **factory: layers.SRTGBlock(8, 8, (1, 2, 2), "mid", **factory),
    "MTConv": lambda **factory: Streams(layers.MTConv(8, 16, 3, **factory)),
    "MTConv3d": lambda **factory: layers.MTConv3d(8, 16, 3, 2, **factory),
    "MTBlock": lambda **factory: Streams(layers.MTBlock(8, 16, 2, **factory)),
    "FAST3d": lambda **factory: layers.FAST3d(8, 8, **factory),
    "FAST3d parallel": lambda **factory: layers.FAST3d(8, 6, 3, 2, parallel=True, merge="concat", norm=True, **factory),
    "ClassRegularization": regularization,
}
ALL = pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)


def clip(seed: int = 0, **factory: Any) -> torch.Tensor:
    return torch.randn(2, 8, 6, 9, 8, generator=torch.Generator().manual_seed(seed)).to(**factory)


def built(make: Callable[..., nn.Module], **factory: Any) -> nn.Module:
    torch.manual_seed(0)
    return make(**factory).eval()


@ALL
def test_device_and_precision_are_as_requested(make: Callable[..., nn.Module]) -> None:
    block = built(make, device="meta", dtype=torch.float64)
    assert all(p.device.type == "meta" and p.dtype == torch.float64 for p in block.parameters())
    if not isinstance(block, nn.Module) or any(True for _ in block.parameters()):
        assert built(make, dtype=torch.float64)(clip(dtype=torch.float64)).dtype == torch.float64


@ALL
def test_shapes_on_the_meta_device_equal_those_of_a_real_pass(make: Callable[..., nn.Module]) -> None:
    real = built(make)(clip())
    assert built(make, device="meta")(clip(device="meta")).shape == real.shape


@ALL
def test_state_dicts_round_trip_through_a_file_and_copies_compute_the_same(make: Callable[..., nn.Module]) -> None:
    block, file = built(make), io.BytesIO()
    torch.save(block.state_dict(), file)
    torch.manual_seed(1)
    other = make().eval()
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert torch.equal(other(clip()), block(clip()))
    assert torch.equal(copy.deepcopy(block)(clip()), block(clip()))
    assert repr(other) == repr(block)
    assert repr(block) != f"{type(block).__name__}()"


@ALL
def test_the_input_is_not_modified_and_clips_of_a_batch_are_independent(make: Callable[..., nn.Module]) -> None:
    block, x = built(make), clip()
    out = block(x)
    assert torch.equal(x, clip())
    torch.testing.assert_close(torch.cat([block(x[:1]), block(x[1:])]), out, rtol=1e-4, atol=1e-5)


@ALL
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_to_full_precision(make: Callable[..., nn.Module], dtype: torch.dtype) -> None:
    block = built(make)
    expected = block(clip(dtype=dtype).float())
    out = copy.deepcopy(block).to(dtype)(clip(dtype=dtype))
    assert out.dtype == dtype
    assert (out.float() - expected).norm() < (0.05 if dtype == torch.bfloat16 else 0.01) * expected.norm()


@ALL
def test_autocast_is_close_and_has_finite_gradients(make: Callable[..., nn.Module]) -> None:
    block, x = built(make), clip().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = block(x)
    expected = block(clip())
    assert (out.float() - expected).norm() < 0.05 * expected.norm()
    assert torch.autograd.grad(out.float().square().sum(), x)[0].isfinite().all()


@ALL
def test_every_parameter_has_a_gradient(make: Callable[..., nn.Module]) -> None:
    block = built(make).train()
    # The sum of squares behind a batch norm has no gradient for its bias, hence + 1.
    (block(clip().requires_grad_()) + 1).square().sum().backward()
    without = [n for n, p in block.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    if isinstance(block, layers.SRTG) and block.gate == "hard":
        assert without  # no cycle returns here: see test_srtg
    else:
        assert not without


@ALL
def test_a_scripted_block_has_the_same_output_and_gradient(make: Callable[..., nn.Module]) -> None:
    block = built(make)
    scripted = torch.jit.script(block)
    torch.testing.assert_close(scripted(clip()), block(clip()), rtol=1e-5, atol=1e-6)
    leaf, other_leaf = clip().requires_grad_(), clip().requires_grad_()
    torch.testing.assert_close(
        torch.autograd.grad(scripted(leaf).sum(), leaf)[0],
        torch.autograd.grad(block(other_leaf).sum(), other_leaf)[0],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute"  # dynamo reads it at the end of a graph before a recurrent network
)
@ALL
def test_a_block_compiled_into_one_graph_has_the_same_output_and_gradient(make: Callable[..., nn.Module]) -> None:
    torch._dynamo.reset()
    block = built(make)
    recurrent = any(isinstance(part, nn.RNNBase) for part in block.modules())  # dynamo does not trace these
    compiled = torch.compile(block, backend="aot_eager", fullgraph=not recurrent)
    leaf, other_leaf = clip().requires_grad_(), clip().requires_grad_()
    out, expected = compiled(leaf), block(other_leaf)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    gradient, expected_gradient = (
        torch.autograd.grad(y.square().sum(), x)[0] for y, x in ((out, leaf), (expected, other_leaf))
    )
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler for inductor"
)
@pytest.mark.parametrize("block", [layers.SoftPool3d(3, 2, 1), layers.AdaptiveSoftPool3d((4, None, 3))], ids=str)
def test_compiled_soft_pooling_has_the_same_output_and_gradient(block: nn.Module) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(block, fullgraph=True)
    leaf, other_leaf = clip().requires_grad_(), clip().requires_grad_()
    out, expected = compiled(leaf), block(other_leaf)
    torch.testing.assert_close(out, expected)
    gradient, expected_gradient = (
        torch.autograd.grad(y.square().sum(), x)[0] for y, x in ((out, leaf), (expected, other_leaf))
    )
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_soft_pooling_is_one_operation_of_a_compiled_graph(dtype: torch.dtype) -> None:
    """Traced through, a window of 27 cells takes minutes to compile."""
    torch._dynamo.reset()
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, _: object) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    x = clip().to(dtype)
    out = torch.compile(layers.SoftPool3d(3, 2, 1), backend=keep, fullgraph=True)(x)
    calls = [node.target for node in graphs[0].graph.nodes if node.op == "call_function"]
    assert len(graphs) == 1
    assert [str(call) for call in calls] == ["notebook_explain.soft_mean"]
    assert torch.equal(out, layers.SoftPool3d(3, 2, 1)(x))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@ALL
def test_the_output_on_a_gpu_is_the_same(make: Callable[..., nn.Module]) -> None:
    block = built(make)
    expected = block(clip())
    torch.testing.assert_close(block.cuda()(clip(device="cuda")).cpu(), expected, rtol=1e-3, atol=1e-3)


def test_every_public_name_resolves_and_layers_is_public() -> None:
    import notebook_explain as ne

    assert ne.layers is layers
    assert all(getattr(layers, name) is not None for name in layers.__all__)
    assert set(layers.__all__) == set(layers._HOMES) <= set(dir(layers))
    with pytest.raises(AttributeError, match=r"module 'notebook_explain\.layers' has no attribute 'SoftPool4d'"):
        layers.SoftPool4d  # noqa: B018


@pytest.mark.parametrize("name", ["swap", "signals", "mtnet"])
def test_functions_keep_their_names_when_a_module_of_the_same_name_is_imported(name: str) -> None:
    code = f"""
import importlib, inspect
import notebook_explain.layers as layers
module = importlib.import_module("notebook_explain.layers.{name}")
assert inspect.isfunction(layers.{name}), layers.{name}
assert layers.{name} is module.{name}
assert inspect.ismodule(layers.mtconv)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_explaining_a_network_without_blocks_imports_no_block() -> None:
    code = """
import sys
import notebook_explain as ne
sample = ne.samples.single("kick", seed=4)
assert ne.SaliencyTubes()(ne.demo_model(), sample).layers
print(*(name for name in sys.modules if name.startswith("notebook_explain.layers.")))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.split(".")[2] for name in run.stdout.split()}
    assert imported == {"signal_types", "signals", "swap", "swap_report"}
