"""Bootstrap intervals against scipy's, against theory, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from notebook_explain.evaluation import Interval, paired_bootstrap


def test_an_interval_is_that_of_scipy() -> None:
    random = np.random.default_rng(1)
    values, others = random.exponential(2, 80), random.exponential(1, 80)
    ours = paired_bootstrap(values, others, resamples=20_000)
    theirs = stats.bootstrap(
        (values - others,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.mean == pytest.approx((values - others).mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)
    assert ours.count == 80


def test_what_both_have_in_common_falls_out_of_a_paired_interval() -> None:
    random = np.random.default_rng(3)
    clips = random.normal(0, 100, 60)  # clips differ far more than the two methods do
    better, worse = clips + random.normal(1, 0.1, 60), clips
    paired = paired_bootstrap(better, worse)
    assert paired.apart()
    assert paired.high - paired.low < 0.2
    alone = paired_bootstrap(better)
    assert alone.high - alone.low > 20


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(4)
    held = 0
    for _ in range(300):
        interval = paired_bootstrap(random.normal(0.5, 1, 100), resamples=800, seed=int(random.integers(2**31)))
        held += interval.low <= 0.5 <= interval.high
    assert 0.90 < held / 300 < 0.985


def test_the_same_seed_gives_the_same_interval_and_numpy_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    values = np.arange(20.0)
    assert paired_bootstrap(values, seed=5) == paired_bootstrap(values, seed=5) != paired_bootstrap(values, seed=6)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_an_interval_reads_as_a_line() -> None:
    assert str(Interval(1.234, -0.5, 3, 10)) == "+1.23 (-0.50 to +3.00)"
    assert not Interval(1, -0.5, 3, 10).apart()
    assert Interval(-1, -2, -0.5, 10).apart()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"values": [1.0]}, "two clips or more"),
        ({"values": [[1.0, 2.0]]}, r"got an array \(1, 2\)"),
        ({"values": [1.0, np.nan]}, "finite numbers, got nan"),
        ({"values": [1, 2], "others": [1, 2, 3]}, "same clips, got 2 and 3"),
        ({"values": [1, 2], "level": 1}, "level must lie in 0..1"),
        ({"values": [1, 2], "resamples": 0}, "resamples be 1 or more"),
    ],
)
def test_what_is_no_list_of_values_is_said(given: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paired_bootstrap(**given)
