"""The progress bar of a stream: none in a pipe, and none for short work."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator

import pytest

from notebook_explain.explanations import Progress
from notebook_explain.methods import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps(pause: float) -> Iterator[Progress]:
    yield Progress("pass", 1, 1, 0.0)
    for done in range(1, 5):
        time.sleep(pause)
        yield Progress("rows", done, 4, done * pause, f"row {done}")


@pytest.mark.parametrize(
    ("error", "pause", "bar"), [(Terminal, 0.2, True), (Terminal, 0.0, False), (io.StringIO, 0.2, False)]
)
def test_the_bar_appears_in_a_terminal_after_a_delay(monkeypatch, error, pause, bar):
    written = error()
    monkeypatch.setattr(sys, "stderr", written)
    assert progress_bar.run_with_progress(steps(pause), "pyramid") == "row 4"
    assert ("pyramid:" in written.getvalue()) == bar
    assert ("4/4" in written.getvalue()) == bar


def test_an_error_of_a_stream_is_raised():
    def fails() -> Iterator[Progress]:
        yield Progress("pass", 1, 1, 0.0)
        raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        progress_bar.run_with_progress(fails(), "pyramid")
