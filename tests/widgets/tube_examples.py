"""Write examples for the tests in JavaScript: what Python counts in maps made by a formula, and the sentences on them.

``python -m tests.widgets.tube_examples`` writes js/test/tubes/examples.json again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import default_threshold, in_words, kept, percent, threshold_for_share
from notebook_explain.explanations.text import verdict

EXAMPLES = Path(__file__).parents[2] / "js" / "test" / "tubes" / "examples.json"
SIZE = (12, 16, 20)
TIMES = [0.125 + 0.33 * frame for frame in range(SIZE[0])]  # seconds
THRESHOLDS = (0.0, 0.15, 0.4, 0.75)
SHARES = (0.1, 0.5, 0.9, None)  # None: the default threshold
VERDICTS: tuple[dict[str, Any], ...] = (
    {"probability": 0.93, "rival": ("clap", 0.04), "against": None},
    {"probability": 0.51, "rival": ("clap", 0.47), "against": None},
    {"probability": 0.04, "rival": ("clap", 0.93), "against": None},
    {"probability": 0.0004, "rival": None, "against": None},
    {"probability": None, "rival": None, "against": "clap"},
)
_NONE: dict[str, Any] = {"probability": None, "rival": None, "against": None}
# Values, a binary head with two names and with one, labels that do not exclude one another, and a region.
KINDS: tuple[dict[str, Any], ...] = (
    {**_NONE, "name": "ESV", "kind": "regression", "value": "55.6 ml"},
    {**_NONE, "name": "value", "kind": "regression", "value": "\u221255.6 ms", "region": "frames 3 to 5"},
    {**_NONE, "name": "EDV", "against": "ESV", "kind": "regression", "value": "12 ml"},
    {**_NONE, "name": "fake", "kind": "binary", "probability": 0.81, "rival": ("real", 0.19)},
    {**_NONE, "name": "yes", "kind": "binary", "probability": 0.81},
    {**_NONE, "name": "fake", "against": "real", "kind": "binary"},
    {**_NONE, "name": "run", "kind": "multilabel", "probability": 0.7, "region": "a region of 3.1 % of the clip"},
    {
        **_NONE,
        "name": "lesion",
        "probability": 0.6,
        "rival": ("rest", 0.4),
        "region": "a region of 12 % of the picture",
    },
)
_BALL = {"y0": 0.3, "x0": 0.2, "y1": 0.3, "x1": 0.2, "when": 0.3, "wide": 0.12, "long": 0.2, "strength": 1.0}
# Most evidence is far below the maximum, as in the first layers of networks: the default threshold is lowered.
THIN = {**_BALL, "y0": 0.6, "y1": 0.6, "x0": 0.7, "x1": 0.7, "wide": 0.8, "long": 1.0, "strength": 0.12}
MIXED = [_BALL, {**_BALL, "x0": 0.8, "x1": 0.8, "wide": 0.3, "strength": -0.8}]
# Bands as wide as the picture that move from the middle to the bottom, from the top to the bottom, and back up.
BANDS = [
    [
        {"y0": y0, "x0": x, "y1": y1, "x1": x, "when": 0.5, "wide": 0.12, "long": 1.0, "strength": 1.0}
        for x in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    for y0, y1 in ((0.45, 0.95), (0.05, 0.95), (0.9, 0.1))
]


def ball_of(ball: dict[str, float]) -> NDArray[np.float64]:
    """Return a moving Gaussian (time, height, width): start, end, width, time, duration and strength are given."""
    time, height, width = SIZE
    t = ((np.arange(time) + 0.5) / time)[:, None, None]
    y = ((np.arange(height) + 0.5) / height)[None, :, None]
    x = ((np.arange(width) + 0.5) / width)[None, None, :]
    dy = y - ball["y0"] - (ball["y1"] - ball["y0"]) * t
    dx = x - ball["x0"] - (ball["x1"] - ball["x0"]) * t
    near = np.exp(-(dy**2 + dx**2) / (2 * ball["wide"] ** 2)) * np.exp(
        -((t - ball["when"]) ** 2) / (2 * ball["long"] ** 2)
    )
    return ball["strength"] * np.where(near > 0.01, near, 0)


def volume_of(balls: list[dict[str, float]]) -> NDArray[np.float32]:
    """Return the sum of some Gaussians (time, height, width), scaled to a largest absolute value of 1."""
    volume = sum((ball_of(ball) for ball in balls), np.zeros(SIZE))
    peak = np.abs(volume).max()
    return (volume / (peak or 1)).astype(np.float32)


def _random_ball(rng: np.random.Generator) -> dict[str, float]:
    y0, x0, y1, x1, when = rng.uniform(0.05, 0.95, 5)
    if rng.random() < 0.5:
        y1, x1 = y0, x0
    values = {"y0": y0, "x0": x0, "y1": y1, "x1": x1, "when": when}
    values |= {"wide": rng.choice([0.05, 0.12, 0.3, 0.8]), "long": rng.choice([0.05, 0.2, 1.0])}
    values["strength"] = rng.choice([1.0, 0.6, -0.8])
    return {name: round(float(value), 3) for name, value in values.items()}


def _example(index: int, balls: list[dict[str, float]], stated: dict[str, Any]) -> dict[str, Any]:
    """Return a map, and at some thresholds what is kept of it, as numbers and as a sentence."""
    volume, result = volume_of(balls), {"name": "wave", **stated}
    timed = index % 2 == 0
    side: Any = "against" if index % 7 == 3 else "for"
    said = []
    for threshold in THRESHOLDS:
        found = kept(-volume if side == "against" else volume, 1.0, threshold)
        words = in_words(found=found, frames=SIZE[0], side=side, times=TIMES if timed else None, **result)
        said.append({"threshold": threshold, **asdict(found), "words": words})
    shares = [_share_example(-volume if side == "against" else volume, share) for share in SHARES]
    return {"balls": balls, **result, "side": side, "timed": timed, "said": said, "shares": shares}


def _share_example(volume: NDArray[np.float32], share: float | None) -> dict[str, Any]:
    """Return the threshold of a share of the evidence, or the default one, and what it keeps."""
    threshold = default_threshold(volume, 1.0) if share is None else threshold_for_share(volume, 1.0, share)
    return {"share": share, "threshold": threshold, "evidence": kept(volume, 1.0, threshold).evidence}


def make(count: int = 40, seed: int = 7) -> dict[str, Any]:
    """Return all examples as plain values."""
    rng = np.random.default_rng(seed)
    balls = [[_random_ball(rng) for _ in range(index % 4)] for index in range(count)]
    shares = [0, 0.0004, 0.00095, 0.001, 0.0015, 0.0225, 0.0994, 0.0995, 0.1, 0.125, 0.5, 0.995, 0.9999, 1]
    percents = [
        {"share": share, "digits": digits, "text": percent(share, digits)} for share in shares for digits in (0, 1)
    ]
    maps = [_example(index, entry, VERDICTS[index % len(VERDICTS)]) for index, entry in enumerate([*balls, *BANDS])]
    maps += [_example(index, [{**MIXED[0], "strength": 1.0}, THIN], VERDICTS[0]) for index in (2, 3)]
    # At the number 3 the negative side is described.
    maps += [_example(index, entry, kind) for kind in KINDS for index in (1, 3) for entry in (MIXED, MIXED[:1], [])]
    verdicts = [
        {"probability": own, "rival": ["clap", other], "text": verdict("wave", own, ("clap", other))}
        for own, other in ((0.45, 0.4), (0.4, 0.45), (0.079, 0.12), (0.12, 0.079), (0.5, 0.39), (0.08, 0.1), (0.0, 0.0))
    ]
    return {"size": SIZE, "times": TIMES, "maps": maps, "percents": percents, "verdicts": verdicts}


if __name__ == "__main__":
    examples = make()
    lines = ",\n".join(json.dumps(example) for example in examples.pop("maps"))
    EXAMPLES.write_text(f'{json.dumps(examples)[:-1]}, "maps": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{EXAMPLES.name} {EXAMPLES.stat().st_size / 1e3:.0f} kB")
