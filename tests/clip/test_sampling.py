"""Choice of frames, compared with a direct implementation frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notebook_explain.clip.sampling import Sampling

counts = st.none() | st.integers(1, 40)
rising = st.lists(st.integers(2, 200), min_size=1, max_size=60).map(lambda gaps: np.cumsum(gaps) / 1000)
frame_windows = st.tuples(st.integers(0, 70), st.integers(1, 40)).map(lambda pair: (pair[0], pair[0] + pair[1]))
second_windows = st.tuples(st.integers(0, 4000), st.integers(1, 4000)).map(
    lambda pair: (
        pair[0] / 1000 + 0.0007,
        (pair[0] + pair[1]) / 1000 + 0.0007,
    )  # never within the tolerance of a frame time
)


def _chosen_directly(times: np.ndarray, frames: int | None, window: tuple | None, stride: int | None) -> list[int]:
    inside = [
        number
        for number, seconds in enumerate(times)
        if window is None or window[0] <= (seconds if isinstance(window[0], float) else number) < window[1]
    ]
    if stride is not None:
        return inside[::stride] if frames is None else inside[::stride][:frames]
    if frames is None or not inside:
        return inside
    last = len(inside) - 1
    return [inside[last * i // (frames - 1) if frames > 1 else 0] for i in range(frames)]


@given(rising, counts, st.none() | frame_windows | second_windows, counts)
def test_chosen_frames_are_those_requested(
    times: np.ndarray, frames: int | None, window: tuple | None, stride: int | None
) -> None:
    sampling, expected = Sampling(frames, window, stride), _chosen_directly(times, frames, window, stride)
    if expected:
        assert sampling.choose(len(times), times).tolist() == expected
    else:
        with pytest.raises(ValueError, match="no frame lies in the window"):
            sampling.choose(len(times), times)


@given(rising, counts, st.none() | frame_windows | second_windows, counts)
def test_frames_past_the_end_change_nothing(
    times: np.ndarray, frames: int | None, window: tuple | None, stride: int | None
) -> None:
    sampling = Sampling(frames, window, stride)
    assume(_chosen_directly(times, frames, window, stride))
    count = next((n for n, seconds in enumerate(times) if sampling.is_past_end(n, seconds)), len(times))
    assert sampling.choose(count, times[:count]).tolist() == sampling.choose(len(times), times).tolist()
    assert sampling.shortfalls(count, times[:count]) == sampling.shortfalls(len(times), times)


def test_a_frame_on_the_edge_of_a_window_belongs_to_it_despite_rounded_times() -> None:
    times = np.round(np.arange(90) / 30, 3)  # as Matroska rounds them
    for number in range(1, 80):
        window = (number / 30, (number + 5) / 30)
        assert Sampling(window=window).choose(90, times).tolist() == list(range(number, number + 5))


def test_a_window_in_seconds_needs_a_frame_rate() -> None:
    with pytest.raises(ValueError, match=r"the window is in seconds, but the frame rate is unknown .*; pass fps="):
        Sampling(window=(0.0, 1.0)).choose(10, None)
