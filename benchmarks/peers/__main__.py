"""Compare maps, time, memory and traces with captum, pytorch-grad-cam and torch-cam: ``python -m benchmarks.peers``.

Needs the packages of the dependency group "peers", for example in a folder of their own, so that torch stays as it is::

    pip install --no-deps --target out/peers --group peers
    PYTHONPATH=out/peers python -m benchmarks.peers

A package that cannot be imported is reported as such. Networks: both trained demo networks, and one with the layers of r3d_18
(random weights, 33.4 M parameters, 16x112x112). One thread. Every figure is measured by this command:

* agreement: the worst layer of each network, before upsampling, with our method that has the same rule;
* time, memory: all layers, over one forward pass and a backward pass to the clip. Time is the median over pairs in turns,
  of CPU time; range, number of pairs, and the same median of wall-clock time follow. Memory is the peak of tensors;
* left behind: what differs in the user's module, in eval mode and in the middle of training;
* networks: whether one with frozen parameters can be explained, and how many of the small networks of the tests.
"""

from __future__ import annotations

import argparse
import datetime
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

import notebook_explain as ne
from benchmarks.blocks import peak_bytes
from benchmarks.peers.agreement import Agreement, agreement, worst
from benchmarks.peers.coverage import coverage
from benchmarks.peers.tools import OURS, PEERS, Task, Tool, add_torchvision
from benchmarks.peers.traces import left_behind, left_behind_in_training
from benchmarks.timing import paired_times
from notebook_explain import samples
from notebook_explain.models.demo import demo_net
from tests import zoo
from tests.branch_net import branch_net

STATED: Any = {"size": 112, "frames": 16, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
SECTIONS = ("agreement", "traces", "networks", "memory", "time", "sharp")


def small_tasks() -> dict[str, Task]:
    """Return a clip of the synthetic world for each trained network."""
    clip = samples.single("kick", seed=9_500_000)
    model = ne.demo_model()
    nets = {"bundled": demo_net(), "branches": branch_net()}
    return {name: Task.of(model.with_module(net), clip, 0) for name, net in nets.items()}


def large_task() -> Task:
    """Return a random clip for the r3d_18-sized network."""
    net = zoo.seeded(zoo.full_size_r3d18)
    return Task.of(ne.adapt(net, **STATED), ne.Clip(zoo.random_clip(16, 112)), 3)


def forward(task: Task) -> Callable[[], Any]:
    """Return a forward pass without gradients."""

    def run() -> None:
        with torch.no_grad():
            task.net(task.video)

    return run


def forward_backward(task: Task) -> Callable[[], Any]:
    """Return a forward pass and a backward pass from one score to the clip."""

    def run() -> None:
        video = task.video.clone().requires_grad_()
        torch.autograd.grad(task.net(video)[0, task.target], video)

    return run


def agreement_of(tool: Tool, task: Task) -> Agreement:
    """Compare a library's maps with those of our method that has the same rule."""
    (same,) = (own for own in OURS if own.rule == tool.rule)
    references = [np.maximum(one, 0) if tool.is_positive else one for one in same.maps(task)]
    return worst([agreement(*pair) for pair in zip(tool.maps(task), references, strict=True)])


def attempt(run: Callable[[], str]) -> str:
    """Return a cell of the table, or the error that came instead."""
    try:
        return run()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:60]}"


def print_row(*cells: str) -> None:
    """Print one row of a Markdown table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def print_head(*cells: str) -> None:
    """Print the names of columns."""
    print()
    print_row(*cells)
    print_row(*["---"] * len(cells))


def print_agreement(tasks: Mapping[str, Task], peers: Sequence[Tool]) -> None:
    """Print how far each library agrees with our method of the same rule."""
    print_head("agreement: cosine, relative error", *tasks)
    for tool in peers:
        found = [agreement_of(tool, task) for task in tasks.values()]
        print_row(tool.name, *(f"{one.cosine:.6f}, {one.error:.0e}" for one in found))


def print_traces(task: Task, peers: Sequence[Tool]) -> None:
    """Print what each call leaves behind."""
    print_head("left behind", "eval mode", "in the middle of training")
    for tool in (*OURS, *peers):
        run = partial(tool.maps, task)
        cells = []
        for check in (left_behind, left_behind_in_training):
            cells.append(attempt(lambda c=check, r=run: ", ".join(c(task.net, r)) or "nothing"))  # type: ignore[misc]
            task.net.eval().zero_grad()
        print_row(tool.name, *cells)


def print_networks(task: Task, peers: Sequence[Tool]) -> None:
    """Print which networks each call can explain."""
    print_head("networks", "frozen parameters", f"small networks (of {len(zoo.ZOO)})")
    for tool in (OURS[1], *peers):
        task.net.requires_grad_(False)
        frozen = attempt(lambda t=tool: "yes" if t.maps(task) else "no")  # type: ignore[misc]
        task.net.requires_grad_(True)
        print_row(tool.name, frozen, str(coverage(tool)))


def print_memory(task: Task, peers: Sequence[Tool]) -> None:
    """Print the peak memory for all layers."""
    print_head("all layers, r3d_18-sized", "peak memory / forward and backward")
    base = peak_bytes(forward_backward(task))
    for tool in (*OURS, *peers):
        print_row(tool.name, f"{peak_bytes(partial(tool.maps, task)) / base:.2f}")
        task.net.zero_grad()


def print_times(task: Task, peers: Sequence[Tool], repeats: int, budget: float) -> None:
    """Print the time for all layers."""
    print_head("all layers, r3d_18-sized", "time / forward and backward")
    for tool in (*OURS, *peers):
        print_row(tool.name, str(paired_times(partial(tool.maps, task), forward_backward(task), repeats, budget)))


def print_sharp(task: Task, repeats: int) -> None:
    """Print what sharp tubes cost in forward passes, read-out included, and their memory."""
    print_head("r3d_18-sized", "time / forward", "goal", "peak memory / forward and backward", "goal")
    last, base = task.layers[-1:], peak_bytes(forward_backward(task))
    for name, explainer, goal in (
        ("SharpTubes(conserve=False, layers=(last,))", ne.SharpTubes(conserve=False, layers=last), "2.7"),
        ("SharpTubes(layers=(last,))", ne.SharpTubes(layers=last), "3.8"),
        ("SharpTubes()", ne.SharpTubes(), ""),
        ("SaliencyTubes()", ne.SaliencyTubes(), ""),
    ):

        def run(explainer: Any = explainer) -> None:
            explainer(task.model, task.clip, task.target)

        times = paired_times(run, forward(task), repeats)
        print_row(name, str(times), goal, f"{peak_bytes(run) / base:.2f}", "1.6")
    print_row("forward and backward", str(paired_times(forward_backward(task), forward(task), repeats)), "", "1", "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=main.__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--small", action="store_true", help="agreement on the small networks only")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of timings")
    parser.add_argument("--budget", type=float, default=180, help="seconds for the pairs of one tool")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    note = add_torchvision()
    print(f"{datetime.date.today().isoformat()}, torch {torch.__version__}, 1 thread. {note}")
    reasons = {tool.package: tool.unavailable() for tool in PEERS}
    for tool in PEERS:
        print(f"{tool.name}: {reasons[tool.package] or tool.version()}")
    peers = [tool for tool in PEERS if not reasons[tool.package]]
    small = small_tasks()
    wanted = set(options.only)
    without_large = {"traces", "networks"} | ({"agreement"} if options.small else set())
    large = large_task() if wanted - without_large else None
    if "agreement" in wanted:
        print_agreement(small if options.small or large is None else {**small, "r3d_18-sized": large}, peers)
    if "traces" in wanted:
        print_traces(small["bundled"], peers)
    if "networks" in wanted:
        print_networks(small["bundled"], peers)
    if "memory" in wanted and large is not None:
        print_memory(large, peers)
    if "time" in wanted and large is not None:
        print_times(large, peers, options.repeats, options.budget)
    if "sharp" in wanted and large is not None:
        print_sharp(large, options.repeats)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
