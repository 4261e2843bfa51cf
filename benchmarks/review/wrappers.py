"""Video networks that people wire by hand around image networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FrameByFrame(nn.Module):
    """Temporal segment network: an image network on every frame, its logits averaged.

    Parameters
    ----------
    image_net : nn.Module
        From (batch, 3, height, width) to logits (batch, class).
    """

    def __init__(self, image_net: nn.Module) -> None:
        super().__init__()
        self.image_net = image_net

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, time, 3, height, width)."""
        batch, time = clips.shape[:2]
        logits: Tensor = self.image_net(clips.flatten(0, 1)).view(batch, time, -1).mean(1)
        return logits


class CnnLstm(nn.Module):
    """A CNN that is called once per frame, then an LSTM; its last output is classified."""

    def __init__(self, classes: int = 20) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
        )
        self.rnn, self.fc = nn.LSTM(32, 24, batch_first=True), nn.Linear(24, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, time, 3, height, width)."""
        frames = torch.stack([self.cnn(clips[:, t]).mean((2, 3)) for t in range(clips.shape[1])], 1)
        logits: Tensor = self.fc(self.rnn(frames)[0][:, -1])
        return logits
