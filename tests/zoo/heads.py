"""One small trunk with every type of head, and every form in which networks return logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import CLASSES, conv_bn_relu, x3d_trunk

NOUNS = 7
WIDTH = 16


def trunk() -> nn.Sequential:
    """Make three convolutions: (16, T/2, H/4, W/4)."""
    return nn.Sequential(
        conv_bn_relu(3, 8, stride=(1, 2, 2)), conv_bn_relu(8, 12, stride=(2, 2, 2)), conv_bn_relu(12, WIDTH)
    )


class PooledNet(nn.Module):
    """Trunk, average pooling and classifier; subclasses choose the output."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.trunk = trunk()
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(WIDTH, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.avgpool(self.trunk(x)).flatten(1)


class ProbsFirst(PooledNet):
    """Returns (probabilities, logits)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.fc(self.features(x))
        return torch.softmax(logits, dim=1), logits


class LogitsAndFeatures(PooledNet):
    """Returns (logits, input of the classifier)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.fc(features), features


class FeaturesAndLogits(PooledNet):
    """Returns (input of the classifier, logits)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return features, self.fc(features)


class LogitsDict(PooledNet):
    """Two named heads with different numbers of classes after one pooling."""

    def __init__(self, classes: int = CLASSES, nouns: int = NOUNS) -> None:
        super().__init__(classes)
        self.fc_noun = nn.Linear(WIDTH, nouns)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.features(x)
        return {"verb": self.fc(features), "noun": self.fc_noun(features)}


class LogSoftmaxOut(PooledNet):
    """Returns log-probabilities."""

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(self.fc(self.features(x)), dim=1)


class SigmoidOut(PooledNet):
    """Returns one probability for each label, for clips with several."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__(classes)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.sigmoid(self.fc(self.features(x)))


class FunctionalPool(nn.Module):
    """Pools with `Tensor.mean` instead of a module."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.trunk = trunk()
        self.fc = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.trunk(x).mean((2, 3, 4)))


class MaxPoolHead(nn.Module):
    """Max pooling, so the logit is not a mean over the clip."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.trunk = trunk()
        self.maxpool = nn.AdaptiveMaxPool3d(1)
        self.fc = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.maxpool(self.trunk(x)).flatten(1))


class Squeeze(nn.Module):
    """SqueezeNet: a 1x1x1 convolution makes one map per class, whose ReLU is pooled; no logit is negative."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.features = trunk()
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv3d(WIDTH, classes, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool3d(1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).view(x.shape[0], -1)


class X3DHead(nn.Module):
    """Complete X3D: two layers after the pooling; probabilities instead of logits, but only in eval mode."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.blocks = x3d_trunk()
        self.pool = nn.Sequential(
            *(nn.Conv3d(24, 32, 1, bias=False), nn.BatchNorm3d(32), nn.ReLU()),
            *(nn.AdaptiveAvgPool3d(1), nn.Conv3d(32, 40, 1, bias=False), nn.ReLU()),
        )
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(40, classes)
        self.activation = nn.Softmax(dim=1)
        self.output_pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.pool(self.blocks(x)))
        x = self.proj(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        if not self.training:
            x = self.activation(x)
        return self.output_pool(x).flatten(1)


class FlatHead(nn.Module):
    """C3D: max pooling between convolutions with bias, then flatten and three linear layers; no average pooling.

    The last activations, after the fifth ReLU, are (16, T/4, H/8, W/8); the linear layers fix frames and size.
    """

    def __init__(self, classes: int = CLASSES, frames: int = 8, size: int = 32) -> None:
        super().__init__()
        self.conv1, self.pool1 = nn.Conv3d(3, 8, 3, padding=1), nn.MaxPool3d((1, 2, 2), (1, 2, 2))
        self.conv2, self.pool2 = nn.Conv3d(8, 12, 3, padding=1), nn.MaxPool3d(2, 2)
        self.conv3a, self.conv3b = nn.Conv3d(12, 16, 3, padding=1), nn.Conv3d(16, 16, 3, padding=1)
        self.pool3 = nn.MaxPool3d(2, 2)
        self.conv4 = nn.Conv3d(16, 16, 3, padding=1)
        self.pool4 = nn.MaxPool3d((2, 2, 2), (2, 2, 2), padding=(0, 1, 1))
        self.fc6 = nn.Linear(16 * (frames // 8) * (size // 16 + 1) ** 2, 32)
        self.fc7 = nn.Linear(32, 32)
        self.fc8 = nn.Linear(32, classes)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        relu = self.relu
        x = self.pool1(relu(self.conv1(x)))
        x = self.pool2(relu(self.conv2(x)))
        x = self.pool3(relu(self.conv3b(relu(self.conv3a(x)))))
        x = self.pool4(relu(self.conv4(x))).flatten(1)
        x = self.dropout(relu(self.fc6(x)))
        return self.fc8(self.dropout(relu(self.fc7(x))))
