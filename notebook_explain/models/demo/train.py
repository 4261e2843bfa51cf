"""Train the demo network: ``python -m notebook_explain.models.demo.train [--out FILE] [--steps N] [--seed S]``.

Every step sees clips never seen before. The same seed, number of threads and build of torch give the same weights.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD, WEIGHTS, DemoNet
from notebook_explain.samples import sample

BATCH = 32
HELD_OUT = 500  # clips of the seeds 0 to 499; training starts far above
LEARNING_RATE = 5e-3


def batch(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Clips float (batch, 3, time, height, width), normalised, of the seeds from `first` on, and their class indices.

    The classes take turns, so that each is as frequent as the others.
    """
    classes = [seed % len(LABELS) for seed in range(first, first + count)]
    clips = [sample(LABELS[c], seed=first + i, frames=FRAMES, size=SIZE).frames for i, c in enumerate(classes)]
    pixels = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 255
    mean, std = (torch.tensor(value).view(3, 1, 1, 1) for value in (MEAN, STD))
    return ((pixels - mean) / std).contiguous(), torch.tensor(classes)


def fresh_net(seed: int) -> DemoNet:
    """Build an untrained network whose weights depend on `seed` alone."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        net = DemoNet()
    net.to_empty(device="cpu")
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05, generator=generator)
            nn.init.zeros_(module.bias)
    return net


def train(net: DemoNet, steps: int, seed: int) -> None:
    """Train `net` in place on ``steps * BATCH`` clips."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    net.train()
    for step in range(steps):
        clips, classes = batch(10_000_000 * (seed + 1) + step * BATCH, BATCH)
        loss = F.cross_entropy(net(clips), classes, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 24:
            print(f"step {step + 1:4d} of {steps}: loss {loss.item():.3f}", flush=True)
    net.eval()


def count_right(net: nn.Module, first: int, count: int) -> int:
    """How many of `count` clips, of the seeds from `first` on, the network names rightly."""
    right = 0
    with torch.inference_mode():
        for start in range(first, first + count, 50):
            clips, classes = batch(start, min(50, first + count - start))
            right += int((net(clips).argmax(dim=1) == classes).sum())
    return right


def interval(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (J. Am. Stat. Assoc. 22, 1927); unlike the normal one it holds near 1."""
    z, share = 1.96, right / count
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def save(net: DemoNet, path: Path) -> None:
    """Write the state dict in half precision, whole or not at all."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    buffer = io.BytesIO()  # given a path, torch.save would write its name into the file
    torch.save(state, buffer)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(buffer.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(prog="python -m notebook_explain.models.demo.train", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go (default: beside the network)")
    parser.add_argument("--steps", type=int, default=100, help=f"of {BATCH} clips each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args(arguments)
    torch.set_num_threads(2)  # sums of other lengths would round otherwise, and give other weights
    wall, cpu = time.perf_counter(), time.process_time()
    net = fresh_net(options.seed)
    train(net, options.steps, options.seed)
    print(f"trained in {time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
    # What is measured is what is shipped: the weights after rounding to half precision.
    net.half().float()
    right = count_right(net, 0, HELD_OUT)
    low, high = interval(right, HELD_OUT)
    print(f"held out: {right} of {HELD_OUT} right, {right / HELD_OUT:.1%} (95 % interval {low:.1%} to {high:.1%})")
    save(net, options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
