"""Two hundred random requests leave nothing behind; ``python -m benchmarks.explorer`` sends a thousand."""

from __future__ import annotations

from tests.explorer.soak import soak


def test_two_hundred_random_requests_leave_nothing_behind() -> None:
    remains = soak(200)
    assert remains.is_clean, remains
    assert sum(remains.ends.values()) == 200
    assert set(remains.ends) == {"done", "error", "superseded", "cancelled"}
    assert remains.growth < 60, remains
