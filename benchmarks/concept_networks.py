"""Networks of ``benchmarks.concepts`` that are trained there: one that follows a mark, one of real people, one of real size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.small_net import SmallNet, fresh, train_small
from benchmarks.weizmann import LABELS, RealClip, windows
from notebook_explain.models.demo import FRAMES, DemoNet
from notebook_explain.samples import ACTIONS, Sample, contrast, shortcut, single
from scripts.demo_model.data import answers, normalised
from scripts.demo_model.evaluate import Share
from tests.zoo.convnets import full_size_r3d18

TRAINING, STEPS, BATCH = 8_400_000, 90, 24  # seeds and length of the training of the shortcut network
REAL_SIZE, REAL_TRAINING, REAL_BATCH, REAL_MOST = 112, 8_500_000, 16, 4_000  # pixels, seeds, clips of a step, steps
REAL_PHASES, WARM_UP = (
    ((56, 5e-4), (REAL_SIZE, 2e-4)),
    20,
)  # pixels and learning rate of each phase; steps of warming up
GOAL, EVERY, TESTED = 0.9, 50, 100  # accuracy at which training ends; steps between tests; clips of a test
REAL_WEIGHTS = Path(__file__).parents[1] / "out" / "concepts_r3d18.pt"
HELD_OUT_PEOPLE, STRIDE = 6, 3  # people from this one on are held out; frames of a window


class Marked(DemoNet):
    """The demo network without the subtraction of the mean over time, so that it sees a static mark."""

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class)."""
        logits: Tensor = self.head(self.pool(self.blocks(self.stem(clips))).flatten(1))
        return logits


def shortcut_net(steps: int = STEPS) -> nn.Module:
    """Train a network on clips whose mark reveals the action."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = Marked().train()
        nn.init.normal_(net.head.weight, std=0.05)
        nn.init.zeros_(net.head.bias)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for step in range(steps):
        seeds = range(TRAINING + step * BATCH, TRAINING + (step + 1) * BATCH)
        batch = [shortcut(ACTIONS[seed % len(ACTIONS)], seed=seed) for seed in seeds]
        answers = torch.tensor([seed % len(ACTIONS) for seed in seeds])
        loss = F.cross_entropy(net(normalised(batch)), answers, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def print_shortcut(net: nn.Module, count: int) -> None:
    """Print how often the network is right, and how often it follows a misleading mark."""
    seeds = range(TRAINING + 100_000, TRAINING + 100_000 + count)
    right = follows = 0
    for seed in seeds:
        action, mark = (ACTIONS[(seed + shift) % len(ACTIONS)] for shift in (0, 3))
        batch = [shortcut(action, seed=seed), shortcut(action, mark=mark, seed=seed)]
        with torch.inference_mode():
            first, second = net(normalised(batch)).argmax(1).tolist()
        right += ACTIONS[first] == action
        follows += ACTIONS[second] == mark
    print(f"  right on {Share(right, count)}; follows a misleading mark on {Share(follows, count)}")


def people_net(clips: tuple[RealClip, ...]) -> nn.Module:
    """Train the small network on the first six people."""
    chosen = [clip for clip in clips if clip.person < HELD_OUT_PEOPLE]
    net = fresh(lambda: SmallNet(len(LABELS)), 0)
    train_small(
        net, [clip.frames for clip in chosen], [clip.index for clip in chosen], torch.Generator().manual_seed(0)
    )
    return net


def people_windows(clips: tuple[RealClip, ...], label: str, *, is_held_out: bool, count: int) -> list[np.ndarray]:
    """Return windows of the clips of one action, of people that the network was trained on or not."""
    chosen = [clip for clip in clips if clip.label == label and (clip.person >= HELD_OUT_PEOPLE) == is_held_out]
    return [window for clip in chosen for window in windows(clip.frames, FRAMES, STRIDE, count)]


def real_scale_net(device: torch.device) -> nn.Module:
    """Train a network of the size of r3d_18 until it is right on 90 % of clips of 112 pixels, or read its weights.

    It learns from smaller clips first, which cost a quarter. Convolutions of training run in bfloat16, the result in float32.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = full_size_r3d18(len(ACTIONS))
    if REAL_WEIGHTS.exists():
        net.load_state_dict(torch.load(REAL_WEIGHTS, map_location="cpu", weights_only=True))
        return net.eval().to(device)
    net.to(device)
    first = REAL_TRAINING
    for size, rate in REAL_PHASES:
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
        for step in range(REAL_MOST):
            if step % EVERY == 0 and step:
                accuracy = _accuracy(net, device, size)
                print(f"  {size} pixels, step {step}: right on {accuracy:.0%} of {TESTED} clips", flush=True)
                if accuracy >= GOAL:
                    break
            batch = _real_batch(first, REAL_BATCH, size)
            first += REAL_BATCH
            inputs, targets = normalised(batch).to(device), answers(batch).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                logits = net.train()(inputs)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / WARM_UP)
            optimizer.step()
    REAL_WEIGHTS.parent.mkdir(exist_ok=True)
    torch.save({name: value.cpu() for name, value in net.state_dict().items()}, REAL_WEIGHTS)
    return net.eval()


def _real_batch(first: int, count: int, size: int) -> list[Sample]:
    found = []
    for seed in range(first, first + count):
        a, b = np.random.default_rng((seed, 0)).choice(len(ACTIONS), 2, replace=False)
        one = seed % 2 == 0
        found.append(
            single(ACTIONS[a], seed=seed, size=size) if one else contrast(ACTIONS[a], ACTIONS[b], seed=seed, size=size)
        )
    return found


def _accuracy(net: nn.Module, device: torch.device, size: int) -> float:
    """Return the share of clips of one person that the network is right about."""
    seeds, right = range(REAL_TRAINING + 400_000, REAL_TRAINING + 400_000 + TESTED), 0
    net.eval()
    for seed in seeds:
        label = ACTIONS[seed % len(ACTIONS)]
        with torch.inference_mode():
            right += ACTIONS[int(net(normalised([single(label, seed=seed, size=size)]).to(device)).argmax())] == label
    return right / TESTED
