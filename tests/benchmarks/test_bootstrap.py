"""Bootstrap intervals: paired differences, repeatable seeds, and invalid input."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bootstrap import Interval, paired_bootstrap


def test_variation_between_clips_cancels_in_a_paired_interval() -> None:
    random = np.random.default_rng(3)
    clips = random.normal(0, 100, 60)  # clips differ far more than the two methods do
    better, worse = clips + random.normal(1, 0.1, 60), clips
    paired = paired_bootstrap(better, worse)
    assert paired.mean == pytest.approx((better - worse).mean())
    assert paired.excludes_zero()
    assert paired.high - paired.low < 0.2
    alone = paired_bootstrap(better)
    assert alone.high - alone.low > 20


def test_an_interval_has_the_width_that_theory_gives() -> None:
    values = np.random.default_rng(4).normal(0.5, 1, 400)
    interval = paired_bootstrap(values, level=0.9)
    assert interval.high - interval.low == pytest.approx(2 * 1.645 * values.std() / 20, rel=0.05)
    assert interval.low < values.mean() < interval.high
    assert interval.count == 400


def test_the_same_seed_gives_the_same_interval_and_numpy_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    values = np.arange(20.0)
    assert paired_bootstrap(values, seed=5) == paired_bootstrap(values, seed=5) != paired_bootstrap(values, seed=6)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_an_interval_prints_as_one_line() -> None:
    assert str(Interval(1.234, -0.5, 3, 10)) == "+1.23 (-0.50 to +3.00)"
    assert not Interval(1, -0.5, 3, 10).excludes_zero()
    assert Interval(-1, -2, -0.5, 10).excludes_zero()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": [1.0]}, "two clips or more"),
        ({"values": [[1.0, 2.0]]}, "one finite number per clip"),
        ({"values": [1.0, np.nan]}, "one finite number per clip"),
        ({"values": [1, 2], "others": [1, 2, 3]}, "the same clips"),
    ],
)
def test_invalid_values_are_refused(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(**given)
