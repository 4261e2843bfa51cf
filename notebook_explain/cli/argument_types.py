"""Values of options, read from text; argparse shows the errors."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from notebook_explain._errors import UsageError
from notebook_explain.cli import outputs


def size(text: str) -> tuple[int, int]:
    """Read the height and the width in pixels: N, or HxW."""
    if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9})?", text):
        raise argparse.ArgumentTypeError(f"must be N or HxW, such as 112 or 180x320, got {text!r}")
    sides = [count(side) for side in text.split("x")]
    return sides[0], sides[-1]


def count(text: str) -> int:
    """Read a whole number above 0."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return int(text)


def whole_number(text: str) -> int:
    """Read a whole number from 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, got {text!r}")
    return int(text)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def per_channel(text: str) -> float | tuple[float, ...]:
    """Read one number, or one for each channel."""
    numbers = _numbers(text)
    if not numbers:
        raise argparse.ArgumentTypeError(
            f"must be one number or three (red,green,blue), or one for each other channel, got {text!r}"
        )
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def positive_number(text: str) -> float:
    """Read a number above 0."""
    numbers = _numbers(text)
    if len(numbers) != 1 or not 0 < numbers[0] < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return numbers[0]


def fraction(text: str) -> float:
    """Read a number in 0..1."""
    numbers = _numbers(text)
    if len(numbers) != 1 or not 0 <= numbers[0] <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0..1, got {text!r}")
    return numbers[0]


def layout(text: str) -> str | tuple[int, ...]:
    """Read the order of the axes, or the temporal stride of each pathway."""
    return tuple(count(part) for part in text.split(",")) if text[:1].isdigit() else text


def window(text: str) -> tuple[float, float] | tuple[int, int]:
    """Read START:STOP, in seconds or in frames."""
    seconds = r"[0-9]+\.[0-9]*s?|\.[0-9]+s?|[0-9]+s"
    ends = text.split(":")
    if len(ends) == 2 and all(re.fullmatch(r"[0-9]{1,9}", end) for end in ends):
        return int(ends[0]), int(ends[1])
    if len(ends) == 2 and all(re.fullmatch(seconds, end) for end in ends):
        return float(ends[0].rstrip("s")), float(ends[1].rstrip("s"))
    raise argparse.ArgumentTypeError(
        f"must be START:STOP, both in seconds (1.5:4.0, 2s:4s) or both frame numbers (30:90), got {text!r}"
    )


def crop(text: str) -> str:
    """Read how a frame is fitted to the size of the input."""
    from notebook_explain.clip.resize import check_crop

    try:
        return check_crop(text)
    except UsageError:
        raise argparse.ArgumentTypeError(f"must be center, letterbox, stretch, or center:256, got {text!r}") from None


def output_path(text: str) -> Path:
    """Read the path of an output, whose ending sets its format."""
    try:
        return outputs.check_ending(Path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
