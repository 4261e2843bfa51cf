"""Train a demo network: ``python -m scripts.demo_model.train [--net NAME] [--out FILE] [--steps N] [--seed S]``.

Every step uses new clips, and their mirror images in other colours, of one person and of two people with different actions.
The camera is still at first (`STILL`), then moves in half of the clips (`MIX`). The target of two people is split evenly. The
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
from torch import Tensor, nn

from notebook_explain.models.demo.weights import save
from notebook_explain.samples import Sample
from scripts.demo_model import NETS, WEIGHTS
from scripts.demo_model.data import answers, clips, normalised, training_seed
from scripts.demo_model.evaluate import report

STILL = {"single": 8, "contrast": 4}  # clips of each world in a step, while the camera is still
MIX = {"single": 4, "camera": 4, "contrast": 2, "moving_pair": 2}  # the same, afterwards
CLIPS = sum(MIX.values())  # clips of a step
STILL_SHARE = 0.25  # of the steps
LEARNING_RATE = 5e-3
STEPS = {"residual": 1250, "branches": 2300}
FORMAT = torch.channels_last_3d  # twice as fast as the default for the second network


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
    with ThreadPoolExecutor(1) as executor:
        pending = [executor.submit(_batch, 0, steps, seed)]
        for following in range(1, steps + 1):
            samples = pending.pop().result()
            if following < steps:
                pending.append(executor.submit(_batch, following, steps, seed))
            yield samples


def _batch(step: int, steps: int, seed: int) -> list[Sample]:
    mix = STILL if step < STILL_SHARE * steps else MIX
    first = training_seed(seed) + step * CLIPS
    samples: list[Sample] = []
    for world, count in mix.items():
        samples += clips(world, first + len(samples), count)
    return samples


def train(net: nn.Module, steps: int, seed: int) -> None:
    """Train `net` in place on `steps` batches."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    net.train().to(memory_format=FORMAT)
    for step, samples in enumerate(batches(steps, seed), 1):
        loss = F.cross_entropy(net(_with_mirrored(samples)), answers(samples).repeat(2, 1), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step:4d} of {steps}: loss {loss.item():.3f}", flush=True)
    net.eval().to(memory_format=torch.contiguous_format)


def _with_mirrored(samples: list[Sample]) -> Tensor:
    """Return clips and then their mirror images with red, green and blue exchanged: the same actions, and no drawing."""
    inputs = normalised(samples)
    return torch.cat((inputs, inputs.flip(1, -1))).contiguous(memory_format=FORMAT)


def main(arguments: list[str] | None = None) -> None:
    """Train, evaluate and save."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_model.train", description=main.__doc__)
    parser.add_argument("--net", choices=NETS, default="residual", help="default: %(default)s, the bundled network")
    parser.add_argument(
        "--out", type=Path, help="file for the weights (default: those of the package, or of the tests)"
    )
    parser.add_argument("--steps", type=int, help=f"steps of {CLIPS} clips and their mirror images (default: {STEPS})")
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
