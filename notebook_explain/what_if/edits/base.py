"""Base of all edits: frozen dataclasses that print as the code that makes them and are rebuilt from a JSON of their fields."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, ClassVar

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int
from notebook_explain.clip import Clip
from notebook_explain.explanations.number_format import counted
from notebook_explain.explanations.targets import Mask
from notebook_explain.what_if.edits.masks import mask_code, mask_to_json

Span = tuple[int, int]


class Edit:
    """One change of a clip or of a network. Subclasses are frozen dataclasses without a ``repr`` of their own.

    Attributes
    ----------
    of : str
        What is edited: "clip" or "network".
    """

    of: ClassVar[str] = ""

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={_code(value)}" for name, value in self._given().items())
        return f"edits.{type(self).__name__}({arguments})"

    def to_json(self) -> dict[str, Any]:
        """Return the edit as a dict of JSON values; fields that have their default are left out."""
        return {"edit": type(self).__name__, **{name: _to_json(value) for name, value in self._given().items()}}

    def in_words(self) -> str:
        """Return the edit as a phrase: "the frames run backwards"."""
        raise NotImplementedError

    def _given(self) -> dict[str, Any]:
        """Return the fields that differ from their default."""
        values = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, (value, default) in values.items() if default is MISSING or value != default}


class ClipEdit(Edit):
    """An edit of a clip. Coordinates are the clip's own pixels and frames, counted from 0; spans leave out their end."""

    of: ClassVar[str] = "clip"

    def __call__(self, clip: Clip) -> Clip:
        """Return the edited clip, as long as the edit makes it.

        Raises
        ------
        ValueError
            The edit does not fit the clip: frames or pixels outside of it, or no frames are left.
        """
        raise NotImplementedError


def check_span(name: str, value: Any) -> Span:
    """Return (start, stop), two whole numbers with 0 <= start < stop.

    Raises
    ------
    TypeError, ValueError
        Another form or order.
    """
    expected = f"{name} must be (start, stop), whole numbers of frames from 0, without the stop, such as (4, 9)"
    entries = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) else ()
    if len(entries) != 2:
        raise UsageTypeError(f"{expected}; got {value!r}")
    try:
        start, stop = (_index(entry) for entry in entries)
    except TypeError:
        raise UsageTypeError(f"{expected}; got {value!r}") from None
    if not 0 <= start < stop:
        raise UsageError(f"{expected}, with 0 <= start < stop; got {value!r}")
    return start, stop


def _index(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)


def span_of(frames: Span | None, clip: Clip) -> Span:
    """Return a span as (start, stop) in a clip; the whole clip for ``None``.

    Raises
    ------
    ValueError
        The span reaches beyond the clip.
    """
    if frames is None:
        return 0, len(clip)
    if frames[1] > len(clip):
        raise UsageError(
            f"frames {frames} lie outside the clip, which has {counted(len(clip), 'frame')}, 0 to {len(clip) - 1}"
        )
    return frames


def check_frame(name: str, frame: int, clip: Clip) -> int:
    """Return the index of a frame of a clip; raise ValueError if the clip has no such frame."""
    if frame >= len(clip):
        raise UsageError(f"{name} {frame} is not in the clip, which has frames 0 to {len(clip) - 1}")
    return frame


def span_words(frames: Span | None) -> str:
    """Return a span as people count frames, from 1: "frames 5 to 9", "frame 5", "all frames"."""
    if frames is None:
        return "all frames"
    start, stop = frames
    return f"frame {stop}" if stop - start == 1 else f"frames {start + 1} to {stop}"


def check_indices(name: str, value: Any, limit: int) -> tuple[int, ...]:
    """Return different whole numbers of at least 0 in ascending order, at most ``limit`` of them; one number is a list of one."""
    entries = value if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) else (value,)
    found = []
    for entry in entries:
        found.append(check_int(name, entry, least=0))
        if len(found) > limit:
            raise UsageError(f"{name} holds more than {limit:,} numbers; give fewer, or leave it out for all")
    return tuple(sorted(set(found)))


def _code(value: Any) -> str:
    return mask_code(value) if isinstance(value, Mask) else repr(value)


def _to_json(value: Any) -> Any:
    if isinstance(value, Mask):
        return mask_to_json(value)
    return [_to_json(entry) for entry in value] if isinstance(value, tuple) else value
