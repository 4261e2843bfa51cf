"""Train a demo network: ``python -m scripts.demo_model.train [--net NAME] [--out FILE] [--steps N] [--seed S]``.

Every step sees clips never seen before, a quarter of them of two people who do different things; there the right answer
is half the one, half the other. The same seed, number of threads and build of torch give the same weights.
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

from notebook_explain.models.demo.weights import WEIGHTS, save
from notebook_explain.samples import Sample
from scripts.demo_model import NETS
from scripts.demo_model.data import answers, normalised, pairs, singles, training_seed
from scripts.demo_model.evaluate import report

BATCH = 32
PAIRS = 8  # of each batch
LEARNING_RATE = 5e-3
STEPS = {"residual": 400, "branches": 300}


def fresh_net(name: str, seed: int) -> nn.Module:
    """Build an untrained network whose weights depend on `seed` alone."""
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
            )  # torch's own, with a generator
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05, generator=generator)
            nn.init.zeros_(module.bias)
    return net


def batches(steps: int, seed: int) -> Iterator[list[Sample]]:
    """The clips of one step after another; a second thread draws the next ones while a step is computed."""
    firsts = range(training_seed(seed), training_seed(seed) + steps * BATCH, BATCH)
    with ThreadPoolExecutor(1) as artist:
        coming = [artist.submit(_batch, first) for first in firsts[:1]]
        for following in [*firsts[1:], None]:
            samples = coming.pop().result()
            if following is not None:
                coming.append(artist.submit(_batch, following))
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
    """Train, measure and save."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_model.train", description=main.__doc__)
    parser.add_argument("--net", choices=NETS, default="residual", help="default: %(default)s, the bundled one")
    parser.add_argument("--out", type=Path, help="where the weights go (default: where the bundled ones lie)")
    parser.add_argument("--steps", type=int, help=f"of {BATCH} clips each (default: {STEPS})")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--clips", type=int, default=1000, help="to measure on, of each kind (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.out is None and options.net != "residual":
        parser.error(f"the weights of {options.net!r} are not bundled; say with --out where they go")
    path = options.out or WEIGHTS
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # another number would add up in another order, and give other weights
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        net = fresh_net(options.net, options.seed)
        train(net, STEPS[options.net] if options.steps is None else options.steps, options.seed)
        print(f"trained in {time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
        net.half().float()  # what is measured is what is saved: rounded to half precision
        save(net, path)
        if options.clips:
            report(net, options.net, options.clips)
    finally:
        torch.set_num_threads(threads)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
