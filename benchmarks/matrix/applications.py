"""Networks as applications wire them: recurrent heads, other inputs than colours, several heads, several inputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 20


def _frame_cnn(channels: int = 3) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 48, 3, 2, 1), nn.BatchNorm2d(48), nn.ReLU()),
    )


def _clip_cnn(channels: int = 3, last: int = 48) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv3d(channels, 16, 3, (1, 2, 2), 1), nn.BatchNorm3d(16), nn.ReLU()),
        *(nn.Conv3d(16, 32, 3, 2, 1), nn.BatchNorm3d(32), nn.ReLU()),
        *(nn.Conv3d(32, last, 3, (1, 2, 2), 1), nn.BatchNorm3d(last), nn.ReLU()),
    )


class CnnGru(nn.Module):
    """A CNN on every frame, then a bidirectional GRU whose outputs are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = _frame_cnn()
        self.rnn, self.fc = nn.GRU(48, 24, batch_first=True, bidirectional=True), nn.Linear(48, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, time, 3, height, width)."""
        batch, time = clips.shape[:2]
        frames = self.cnn(clips.flatten(0, 1)).mean((2, 3)).view(batch, time, -1)
        logits: Tensor = self.fc(self.rnn(frames)[0].mean(1))
        return logits


class ShiftedBlock(nn.Module):
    """Residual block of a temporal shift module: an eighth of the channels comes from the frame before, another from the next."""

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames, self.conv, self.norm = frames, nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch * time, channel, height, width)."""
        clip = x.view(-1, self.frames, *x.shape[1:])
        part = clip.shape[2] // 8
        before = F.pad(clip[:, 1:, :part], (0, 0, 0, 0, 0, 0, 0, 1))
        after = F.pad(clip[:, :-1, part : 2 * part], (0, 0, 0, 0, 0, 0, 1, 0))
        shifted = torch.cat([before, after, clip[:, :, 2 * part :]], 2).view_as(x)
        return F.relu(x + self.norm(self.conv(shifted)))


class TemporalShift(nn.Module):
    """Network of the temporal segment kind as its code takes it: frames stacked in the channel axis."""

    def __init__(self, frames: int = 8) -> None:
        super().__init__()
        self.frames, self.stem = frames, _frame_cnn()
        self.block1, self.block2 = ShiftedBlock(48, frames), ShiftedBlock(48, frames)
        self.fc = nn.Linear(48, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, time * 3, height, width)."""
        x = self.stem(clips.view(-1, 3, *clips.shape[2:]))
        scores = self.fc(self.block2(self.block1(x)).mean((2, 3)))
        return scores.view(-1, self.frames, CLASSES).mean(1)


class LipReading(nn.Module):
    """Front end of lip reading: a 3-D convolution on grey frames, a 2-D network on each, temporal convolutions, a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.frontend = nn.Sequential(
            nn.Conv3d(1, 16, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False), nn.BatchNorm3d(16), nn.PReLU(16)
        )
        self.trunk = _frame_cnn(16)
        self.tcn = nn.Sequential(nn.Conv1d(48, 48, 3, padding=1), nn.BatchNorm1d(48), nn.PReLU(48))
        self.fc = nn.Linear(48, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of grey clips (batch, 1, time, height, width)."""
        x = self.frontend(clips)
        batch, channels, time, height, width = x.shape
        x = self.trunk(x.transpose(1, 2).reshape(batch * time, channels, height, width)).mean((2, 3))
        logits: Tensor = self.fc(self.tcn(x.view(batch, time, -1).transpose(1, 2)).mean(2))
        return logits


class ClipNet(nn.Module):
    """Small 3-D network with any number of channels and outputs."""

    def __init__(self, channels: int = 3, outputs: int = CLASSES) -> None:
        super().__init__()
        self.features, self.fc = _clip_cnn(channels), nn.Linear(48, outputs)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class)."""
        logits: Tensor = self.fc(self.features(clips).mean((2, 3, 4)))
        return logits


class MultiLabel(ClipNet):
    """Returns an independent probability for each label."""

    def forward(self, clips: Tensor) -> Tensor:
        """Return probabilities (batch, label)."""
        return super().forward(clips).sigmoid()


class VerbNoun(nn.Module):
    """Two heads on one trunk, as for egocentric actions."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.verb, self.noun = _clip_cnn(), nn.Linear(48, 12), nn.Linear(48, 25)

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        """Return logits (batch, class) by head."""
        pooled = self.features(clips).mean((2, 3, 4))
        return {"verb": self.verb(pooled), "noun": self.noun(pooled)}


class AudioVisual(nn.Module):
    """A clip and a spectrogram, fused before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.video = _clip_cnn()
        self.audio = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, 3, time, height, width) and spectrograms (batch, 1, mel, time)."""
        logits: Tensor = self.fc(torch.cat([self.video(video).mean((2, 3, 4)), self.audio(audio)], 1))
        return logits


class TwoStream(nn.Module):
    """Colours and optical flow in networks of their own; their logits are averaged. Both come in one clip of 5 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.flow = ClipNet(3), ClipNet(2)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class) of clips (batch, 5, time, height, width): red, green, blue, flow in x and y."""
        return (self.rgb(clips[:, :3]) + self.flow(clips[:, 3:])) / 2


class FrameScores(nn.Module):
    """Scores of every frame: (batch, time, class), with as many frames as classes."""

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv3d(3, 16, 3, (1, 2, 2), 1), nn.ReLU(), nn.Conv3d(16, 32, 3, (1, 2, 2), 1), nn.ReLU())
        )
        self.fc = nn.Linear(32, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, time, class)."""
        logits: Tensor = self.fc(self.features(clips).mean((3, 4)).transpose(1, 2))
        return logits


class SixAxes(nn.Module):
    """Recognizer that takes (batch, view, 3, time, height, width) and averages the views."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ClipNet()

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class)."""
        logits: Tensor = self.backbone(clips.flatten(0, 1)).view(len(clips), -1, CLASSES).mean(1)
        return logits


class Silhouettes(nn.Module):
    """Gait network on (batch, time, height, width), without an axis of colours; maximum over time."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn, self.fc = _frame_cnn(1), nn.Linear(48, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (batch, class)."""
        batch, time, height, width = clips.shape
        frames = self.cnn(clips.reshape(batch * time, 1, height, width)).amax((2, 3))
        logits: Tensor = self.fc(frames.view(batch, time, -1).amax(1))
        return logits
