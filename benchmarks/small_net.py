"""A small 3-D network for a few dozen real clips, and its leave-one-person-out training.

All settings were fixed before looking at any held-out clip. All random numbers come from a generator argument: the same
seed, number of threads and build of torch give the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.weizmann import SIDE, Fold, RealClip, folds, window, windows
from notebook_explain.models.demo import FRAMES, MEAN, STD  # one input for all networks here: 16 x 64 x 64

EPOCHS = 80
BATCH = 16
LEARNING_RATE = 5e-3
TRAIN_STRIDES = (2, 3)  # drawn for each clip, because people move at different speeds
TEST_STRIDE = 3  # the largest for which a window fits into the shortest clip (51 frames)
WINDOWS = 4  # evenly spread; their probabilities are averaged
SHIFT = 6  # pixels


class SmallNet(nn.Module):
    """Four convolutions on the difference from the temporal mean, average pooling, linear classifier.

    Grids for 16 x 64 x 64 in (channel, time, height, width): 16 x 8 x 32 x 32, 32 x 8 x 16 x 16, 64 x 8 x 8 x 8 twice.
    Time is halved first, which halves the cost of the later layers.

    Attributes
    ----------
    stem : nn.Sequential
        Convolution, batch normalisation, ReLU.
    blocks : nn.Sequential
        Three blocks of the same structure.
    pool, drop, head : nn.Module
        Average over time, height and width; dropout; one logit per class.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _block(3, 16, (3, 5, 5), (2, 2, 2))
        self.blocks = nn.Sequential(
            _block(16, 32, (3, 3, 3), (1, 2, 2)), _block(32, 64, (3, 3, 3), (1, 2, 2)), _block(64, 64, (3, 3, 3))
        )
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(64, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, 3, time, height, width)."""
        moving = clips - clips.mean(dim=2, keepdim=True)
        logits: Tensor = self.head(self.drop(self.pool(self.blocks(self.stem(moving))).flatten(1)))
        return logits


def _block(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()
    )


def normalised(clips: NDArray[np.uint8]) -> Tensor:
    """Convert uint8 clips (batch, time, height, width, 3) to network input: float (batch, 3, time, height, width)."""
    mean, std = (torch.tensor(value).view(3, 1, 1, 1) for value in (MEAN, STD))
    pixels = torch.from_numpy(np.ascontiguousarray(clips)).permute(0, 4, 1, 2, 3).float() / 255
    return (pixels - mean) / std


@dataclass(frozen=True, eq=False)
class FoldResult:
    """Predictions for the clips of one person by a network trained on all other people.

    Attributes
    ----------
    fold : Fold
    net : nn.Module
        In eval mode.
    scores : float array (clip, class)
        Probabilities from `probabilities`.
    loss : float
        Mean training loss of the last epoch.
    """

    fold: Fold
    net: nn.Module
    scores: NDArray[np.float64]
    loss: float

    @property
    def right(self) -> NDArray[np.bool_]:
        """True for each clip that is classified correctly: bool (clip,)."""
        return self.scores.argmax(axis=1) == [clip.index for clip in self.fold.held_out]


def leave_one_out(
    clips: Iterable[RealClip], factory: Callable[[], nn.Module], seed: int = 0, epochs: int = EPOCHS
) -> Iterator[FoldResult]:
    """Train a new network for each fold and test it on the person left out.

    Each fold has its own seed, derived from `seed` and the person, so that a fold can be repeated alone.
    """
    for fold in folds(clips):
        fold_seed = 1000 * seed + fold.person
        net = fresh(factory, fold_seed)
        frames, labels = [clip.frames for clip in fold.training], [clip.index for clip in fold.training]
        losses = train_small(net, frames, labels, torch.Generator().manual_seed(fold_seed), epochs)
        scores = np.stack([probabilities(net, clip.frames) for clip in fold.held_out])
        yield FoldResult(fold, net, scores, losses[-1])


def fresh(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network whose initial weights depend on `seed` only; the global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return factory()


def train_small(
    net: nn.Module,
    clips: Sequence[NDArray[np.uint8]],
    labels: Sequence[int],
    generator: torch.Generator,
    epochs: int = EPOCHS,
    draw: Callable[[NDArray[np.uint8], torch.Generator], Tensor] | None = None,
) -> list[float]:
    """Train `net` in place and set it to eval mode.

    Parameters
    ----------
    net : nn.Module
        From float (batch, 3, 16, 64, 64) to logits (batch, class).
    clips : sequence of uint8 arrays (time, 64, 64, 3)
        At least 46 frames each, or as many as `draw` needs; an epoch draws once from each clip.
    labels : sequence of int
        Class index of each clip.
    generator : torch.Generator
        Source of the order, windows, shifts, mirrors, gains and dropout.
    epochs : int
        There is no early stopping.
    draw : function
        Maps a clip to float (3, 16, 64, 64); `augmented` by default.

    Returns
    -------
    list of float
        Mean training loss of each epoch.
    """
    steps = epochs * -(-len(clips) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    classes, losses, draw = torch.tensor(labels), [], draw or augmented
    net.train()
    with torch.random.fork_rng(devices=[]):  # dropout can only use the global generator
        torch.default_generator.manual_seed(_draw(generator, 2**31))
        for _ in range(epochs):
            order, total = torch.randperm(len(clips), generator=generator), 0.0
            for chosen in order.split(BATCH):
                x = torch.stack([draw(clips[i], generator) for i in chosen.tolist()])
                loss = F.cross_entropy(net(x), classes[chosen], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(chosen)
            losses.append(total / len(clips))
    net.eval()
    return losses


def augmented(clip: NDArray[np.uint8], generator: torch.Generator) -> Tensor:
    """Draw a window of a clip, shifted, with random mirroring, time reversal, inversion and contrast.

    Returns float (3, 16, 64, 64). The borders of a shifted clip repeat its edge, so a static edge stays static.
    """
    stride = TRAIN_STRIDES[_draw(generator, len(TRAIN_STRIDES))]
    last_start = len(clip) - (1 + (FRAMES - 1) * stride)
    x = shifted(window(clip, _draw(generator, last_start + 1), FRAMES, stride), generator)
    mirrored, reversed_, inverted = (_draw(generator, 2) for _ in range(3))
    x = x.flip([axis for axis, flipped in ((-1, mirrored), (1, reversed_)) if flipped])
    gain = 0.7 + 0.6 * torch.rand((), generator=generator)
    return x * (-gain if inverted else gain)


def shifted(frames: NDArray[np.uint8], generator: torch.Generator) -> Tensor:
    """Shift a clip of 16 frames by a few pixels: float (3, 16, 64, 64)."""
    x = normalised(frames[None])
    x = F.pad(x.flatten(1, 2), (SHIFT,) * 4, mode="replicate").unflatten(1, (3, FRAMES))[0]
    top, left = _draw(generator, 2 * SHIFT + 1), _draw(generator, 2 * SHIFT + 1)
    return x[..., top : top + SIDE, left : left + SIDE]


def _draw(generator: torch.Generator, stop: int) -> int:
    """Draw an integer from 0 to `stop` - 1."""
    return int(torch.randint(stop, (), generator=generator))


def probabilities(
    net: nn.Module, clip: NDArray[np.uint8], stride: int = TEST_STRIDE, count: int = WINDOWS
) -> NDArray[np.float64]:
    """Return the class probabilities (class,) of one clip (time, 64, 64, 3), averaged over evenly spread windows."""
    with torch.inference_mode():
        logits = net(normalised(windows(clip, FRAMES, stride, count)))
    return logits.double().softmax(dim=1).mean(dim=0).numpy()
