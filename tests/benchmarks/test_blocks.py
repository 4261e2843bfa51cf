"""Benchmark of the blocks: its counts of multiply-adds, memory and weights, and its output."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from benchmarks import blocks
from notebook_explain import layers


def test_multiply_adds_equal_those_counted_by_hand() -> None:
    x = torch.randn(2, 3, 4, 6, 6)
    conv = nn.Conv3d(3, 5, 3, padding=1, bias=False)
    assert blocks.multiply_adds(conv, x) == 2 * 4 * 6 * 6 * 5 * 3 * 27
    recursion = layers.SRTG(3)
    assert blocks.multiply_adds(recursion, x) == 2 * 4 * 16 * 3**2  # 16 T C^2 for a clip
    head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 7))
    assert blocks.multiply_adds(nn.Sequential(conv, nn.Conv3d(5, 3, 1, 2, groups=1), head), x) == (
        2 * 4 * 6 * 6 * 5 * 3 * 27 + 2 * 2 * 3 * 3 * 3 * 5 + 2 * 3 * 7
    )


def test_peak_memory_counts_tensors_that_exist_at_the_same_time() -> None:
    x = torch.ones(1000)
    assert blocks.peak_bytes(lambda: x + 1) == 4000
    assert blocks.peak_bytes(lambda: (x + 1) * 2) == 8000
    assert blocks.peak_bytes(lambda: [x + number for number in range(3)]) == 12_000
    assert blocks.peak_bytes(lambda: [(x + number).sum() for number in range(3)]) < 4100
    assert blocks.peak_bytes(lambda: x.view(10, 100)) == 0


def test_time_and_memory_of_every_pooling_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "SHAPE", (1, 8, 8, 28, 28))
    blocks.pooling(1)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("pooling of 8x8x28x28 by 2x2x2")
    assert [row.split(",")[0].strip() for row in rows] == ["average"] * 2 + ["max"] * 2 + ["soft"] * 2
    peaks = [float(re.search(r"peak ([\d.]+)", row)[1]) for row in rows]  # type: ignore[index]
    assert peaks[:4] == pytest.approx([0.125, 1.125, 0.375, 1.375], abs=0.01)  # max pooling keeps int64 indices
    assert rows[4].endswith("goal: at most 4 x max")


def test_variants_have_the_expected_number_of_weights() -> None:
    with torch.device("meta"):
        plain, nets = blocks.zoo.full_size_r3d18(blocks.CLASSES), blocks.variants()
    base = sum(p.numel() for p in plain.parameters())
    recursions = sum(2 * (16 * c**2 + 16 * c) for c in (64, 128, 256, 512))
    counts = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()}
    assert counts["r3d_18"] == counts["soft pooling after the stem"] == base
    assert counts["SRTG after every block"] == base + recursions
    assert counts["class regularization after every stage"] == base + 512 * (64 + 128 + 256 + 512)
    assert abs(counts["FAST instead of 3x3x3"] / base - 1) < 0.001
    assert abs(counts["FAST with parallel planes"] / base - 1) < 0.001
