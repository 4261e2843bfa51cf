"""Study whether maps of transformers lie on the object of the class that they explain.

Clips hold two moving squares of different colours on a noisy background, and a grey one; the classes are the colours, and both
colours are labels of the clip. Two small transformers are trained on them: one reads its class from a class token, one from
the mean of its tokens. Each colour of fresh clips is then explained in turn. The study counts maps whose largest value lies
on the square of that colour, maps whose largest value lies on any coloured square, and maps that are 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import notebook_explain as ne
from benchmarks.timing import line
from notebook_explain.explanations import LayerMap

FRAMES, SIZE, SIDE = 8, 64, 12
COLOURS = np.array([[230, 40, 40], [40, 210, 60], [60, 80, 240], [230, 210, 40]])
STATED: Any = {"size": SIZE, "frames": FRAMES, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
Array = NDArray[Any]


class Net(nn.Module):
    """Transformer over 4x8x8 tokens."""

    def __init__(self, pool: Literal["class token", "mean"], width: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, width, (2, 8, 8), (2, 8, 8))
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.embedding = nn.Parameter(0.1 * torch.randn(1, 256, width))
        layers = (
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.blocks = nn.ModuleList(layers)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, len(COLOURS))
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, class)."""
        x = self.patches(x).flatten(2).transpose(1, 2) + self.embedding
        if self.pool == "class token":
            x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        logits: torch.Tensor = self.head(x[:, 0] if self.pool == "class token" else x.mean(1))
        return logits


def make_clip(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return a clip uint8 (time, height, width, 3), its two colours, and their masks bool (2, time, height, width)."""
    clip = rng.normal(110, 30, (FRAMES, SIZE, SIZE, 3))
    chosen = rng.choice(len(COLOURS), 2, replace=False)
    masks = np.zeros((3, FRAMES, SIZE, SIZE), bool)
    corners = [(y, x) for y in (2, 34) for x in (2, 34)]  # each square moves within its own quarter of the picture
    for mask, corner in zip(masks, rng.permutation(corners)[:3], strict=True):
        start, end = rng.uniform(0, 28 - SIDE, (2, 2))
        for t in range(FRAMES):
            y, x = (corner + start + (end - start) * t / (FRAMES - 1)).astype(int)
            mask[t, y : y + SIDE, x : x + SIDE] = True
    for colour, mask in zip([*COLOURS[chosen], np.array([200, 200, 200])], masks, strict=True):
        clip[mask] = colour + rng.normal(0, 20, (int(mask.sum()), 3))
    return clip.clip(0, 255).astype(np.uint8), chosen, masks[:2]


def train(net: nn.Module, steps: int, seed: int) -> float:
    """Train a network, and return the share of fresh clips whose two colours are its two top classes."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    correct = []
    for step in range(steps + 4):
        made = [make_clip(rng) for _ in range(32)]
        x = torch.from_numpy(np.stack([clip for clip, _, _ in made])).permute(0, 4, 1, 2, 3).float() / 255
        labels = torch.from_numpy(np.stack([chosen for _, chosen, _ in made]))
        logits = net.train(step < steps)((x - 0.5) / 0.25)
        if step < steps:
            loss = nn.functional.cross_entropy(logits, nn.functional.one_hot(labels, len(COLOURS)).sum(1) / 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        else:
            correct.append((logits.topk(2).indices.sort().values == labels.sort().values).all(1).float())
    return float(torch.cat(correct).mean())


def cells(mask: Array) -> Array:
    """Return which of the 4x8x8 tokens a mask (time, height, width) covers by at least a quarter."""
    covered: Array = mask.reshape(4, 2, 8, 8, 8, 8).mean((1, 3, 5)) >= 0.25
    return covered


def count(explain: Callable[[Any, int], LayerMap], clips: int, seed: int) -> tuple[float, float, float]:
    """Return the shares of maps that peak on the square of their class, on either square, and that are blank."""
    rng = np.random.default_rng(seed)
    own, either, blank = [], [], []
    for _ in range(clips):
        clip, chosen, masks = make_clip(rng)
        for index, colour in enumerate(chosen):
            values = explain(clip, int(colour)).values[0]
            peak = np.unravel_index(values.argmax(), values.shape)
            is_blank = not values.any()
            own.append(not is_blank and cells(masks[index])[peak])
            either.append(not is_blank and cells(masks.any(0))[peak])
            blank.append(is_blank)
    return float(np.mean(own)), float(np.mean(either)), float(np.mean(blank))


def explainers(model: ne.VideoModel) -> dict[str, Callable[[Any, int], LayerMap]]:
    """Return what is compared: from a clip and a class to a map."""

    def attention(rule: Any) -> Callable[[Any, int], LayerMap]:
        return lambda clip, target: ne.AttentionMaps(rule)(model, clip, target).layers[0]

    def tubes(layer: str) -> Callable[[Any, int], LayerMap]:
        return lambda clip, target: ne.SaliencyTubes(layers=(layer,))(model, clip, target).layers[0]

    found = {f"{rule} attention": attention(rule) for rule in ("gradient", "rollout")}
    return found | {f"gradient x activation, {layer.name}": tubes(layer.name) for layer in model.layers}


def main(steps: int = 100, clips: int = 40, seeds: int = 2) -> None:
    print(f"maps of small transformers on two coloured squares ({seeds} networks each, {clips} clips x 2 classes)")
    chance = np.mean([cells(make_clip(np.random.default_rng(k))[2][0]).mean() for k in range(100)])
    line("cells of one square, of all cells", f"{chance:.1%}")
    for pool in ("class token", "mean"):
        rows: dict[str, list[tuple[float, float, float]]] = {}
        right = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            net = Net(pool)  # type: ignore[arg-type]
            right.append(train(net, steps, seed))
            model = ne.adapt(net.eval(), **STATED)
            for name, explain in explainers(model).items():
                rows.setdefault(name, []).append(count(explain, clips, 1000 + seed))
        line(f"{pool}: both colours right", f"{np.mean(right):.1%}")
        for name, found in rows.items():
            own, either, blank = np.mean(found, axis=0)
            each = ", ".join(f"{entry[0]:.0%}" for entry in found)
            line(f"  {name}", f"own {own:.1%} ({each}), either {either:.1%}, blank {blank:.1%}")


if __name__ == "__main__":
    main()
