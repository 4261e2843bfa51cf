"""The benchmark of what-ifs: its output, and what it counts."""

from __future__ import annotations

import re

import pytest

from benchmarks import what_if
from notebook_explain.models.demo import demo_model


def test_both_parts_are_printed_with_their_goals(capsys: pytest.CaptureFixture[str]) -> None:
    what_if.main(["--clips", "6", "--repeats", "1"])
    time, *truth = capsys.readouterr().out.splitlines()
    assert re.search(r"64 edits in one call over 64 forwards, bundled network +\d\.\d\d .* goal: at most 0.8", time)
    assert [re.search(r"\((\w+), 6 clips\) +\d\.\d{3} \(.*goal: at least 0.9", row)[1] for row in truth] == [  # type: ignore[index]
        *what_if.FILLS
    ]


def test_hiding_the_own_limbs_costs_more_only_for_a_network_that_sees_them() -> None:
    falls = what_if.true_falls(demo_model(), 12, "blur")
    assert what_if.share_of_true(falls).mean >= 0.75
    assert what_if.share_of_true([(other, own) for own, other in falls]).mean <= 0.25


def test_the_share_counts_the_clips_in_which_the_own_limbs_matter_more() -> None:
    share = what_if.share_of_true([(2.0, 1.0), (1.0, 2.0), (3.0, -1.0), (1.0, 1.0)])
    assert (share.mean, share.count) == (0.5, 4)
