"""Examples that both languages are held to: what Python counts and says of maps that a formula makes.

``python -m tests.widgets.tube_examples`` writes them anew to js/test/tubes/examples.json, which JavaScript's tests read.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import in_words, kept, percent

EXAMPLES = Path(__file__).parents[2] / "js" / "test" / "tubes" / "examples.json"
SIZE = (12, 16, 20)
THRESHOLDS = (0.0, 0.15, 0.4, 0.75)
RIVALS: tuple[tuple[float | None, tuple[str, float] | None], ...] = (
    (0.93, ("clap", 0.04)),
    (0.51, ("clap", 0.47)),
    (0.04, ("clap", 0.93)),
    (0.0004, None),
    (None, None),
)


def ball_of(ball: dict[str, float]) -> NDArray[np.float64]:
    """One body of evidence (time, height, width): where it begins, where it ends, how wide and long it is, its strength."""
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
    """The sum of some bodies, on a scale of 1 (time, height, width)."""
    volume = sum((ball_of(ball) for ball in balls), np.zeros(SIZE))
    peak = np.abs(volume).max()
    return (volume / (peak or 1)).astype(np.float32)


def _ball(rng: np.random.Generator) -> dict[str, float]:
    y0, x0, y1, x1, when = rng.uniform(0.05, 0.95, 5)
    if rng.random() < 0.5:
        y1, x1 = y0, x0
    values = {"y0": y0, "x0": x0, "y1": y1, "x1": x1, "when": when}
    values |= {"wide": rng.choice([0.05, 0.12, 0.3, 0.8]), "long": rng.choice([0.05, 0.2, 1.0])}
    values["strength"] = rng.choice([1.0, 0.6, -0.8])
    return {name: round(float(value), 3) for name, value in values.items()}


def make(count: int = 40, seed: int = 7) -> dict[str, Any]:
    """Maps with what is kept of them at some thresholds, in numbers and in words."""
    rng = np.random.default_rng(seed)
    maps = []
    for at in range(count):
        balls = [_ball(rng) for _ in range(at % 4)]
        volume = volume_of(balls)
        probability, rival = RIVALS[at % len(RIVALS)]
        side = "against" if at % 7 == 3 else "for"
        said = []
        for threshold in THRESHOLDS:
            found = kept(-volume if side == "against" else volume, 1.0, threshold)
            sentence = in_words("wave", probability, found, SIZE[0], rival, side)  # type: ignore[arg-type]
            said.append({"threshold": threshold, **asdict(found), "words": sentence})
        maps.append({"balls": balls, "probability": probability, "rival": rival, "side": side, "said": said})
    shares = [0, 0.0004, 0.00095, 0.001, 0.0015, 0.0225, 0.0994, 0.0995, 0.1, 0.125, 0.5, 0.995, 0.9999, 1]
    percents = [
        {"share": share, "digits": digits, "text": percent(share, digits)} for share in shares for digits in (0, 1)
    ]
    return {"size": SIZE, "maps": maps, "percents": percents}


if __name__ == "__main__":
    examples = make()
    lines = ",\n".join(json.dumps(one) for one in examples.pop("maps"))
    EXAMPLES.write_text(f'{json.dumps(examples)[:-1]}, "maps": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{EXAMPLES.name} {EXAMPLES.stat().st_size / 1e3:.0f} kB")
