"""Train a demo network: ``python -m scripts.demo_model.train [--net NAME] [--out FILE] [--steps N] [--seed S]``.

Every step uses new clips; a quarter of them show two people with different actions, whose target is split evenly. The
same seed and build of torch give the same weights (training uses one thread).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from notebook_explain.models.demo.weights import save
from notebook_explain.samples import Sample
from scripts.demo_model import NETS, WEIGHTS
from scripts.demo_model.data import answers, normalised, pairs, singles, training_seed
from scripts.demo_model.evaluate import report

BATCH = 32
PAIRS = 8  # in each batch
LEARNING_RATE = 5e-3
STEPS = {"residual": 400, "branches": 300}


def fresh_net(name: str, seed: int) -> nn.Module:
    """Build an untrained network whose weights depend only on `seed`."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        net = NETS[name]()
    net.to_empty(device="cpu")
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv3d):
            nn.init.kaiming_uniform_(
                module.weight, a=math.sqrt(5), generator=generator
            )  # the default of torch, with a generator
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05, generator=generator)
            nn.init.zeros_(module.bias)
    return net


def batches(steps: int, seed: int) -> Iterator[list[Sample]]:
    """Yield the clips of each step; a second thread renders the next ones meanwhile."""
    firsts = range(training_seed(seed), training_seed(seed) + steps * BATCH, BATCH)
    with ThreadPoolExecutor(1) as executor:
        pending = [executor.submit(_batch, first) for first in firsts[:1]]
        for following in [*firsts[1:], None]:
            samples = pending.pop().result()
            if following is not None:
                pending.append(executor.submit(_batch, following))
            yield samples


def _batch(first: int) -> list[Sample]:
    return pairs(first, PAIRS) + singles(first + PAIRS, BATCH - PAIRS)


def train(net: nn.Module, steps: int, seed: int) -> None:
    """Train `net` in place on ``steps * BATCH`` clips."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    net.train()
    for step, samples in enumerate(batches(steps, seed), 1):
        loss = F.cross_entropy(net(normalised(samples)), answers(samples), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step:4d} of {steps}: loss {loss.item():.3f}", flush=True)
    net.eval()


def main(arguments: list[str] | None = None) -> None:
    """Train, evaluate and save."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_model.train", description=main.__doc__)
    parser.add_argument("--net", choices=NETS, default="residual", help="default: %(default)s, the bundled network")
    parser.add_argument(
        "--out", type=Path, help="file for the weights (default: those of the package, or of the tests)"
    )
    parser.add_argument("--steps", type=int, help=f"steps of {BATCH} clips (default: {STEPS})")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--clips", type=int, default=1000, help="clips of each kind for the evaluation (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    path = options.out or WEIGHTS[options.net]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # another number of threads changes the order of sums, and so the weights
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        net = fresh_net(options.net, options.seed)
        train(net, STEPS[options.net] if options.steps is None else options.steps, options.seed)
        print(f"trained in {time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
        net.half().float()  # evaluate the weights as they are saved, in half precision
        save(net, path)
        if options.clips:
            report(net, options.net, options.clips)
    finally:
        torch.set_num_threads(threads)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
