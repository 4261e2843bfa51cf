"""Messages between the explorer's views and the kernel: requests are checked, and bytes of answers become buffers.

Up come {type, session, id, ...}: "request" (edits, target, against, method, knobs, wants, frame, settled), "step" (index),
"pin" (index, pinned), "compare" (a, b), "cancel" and "hello". Down go parts, {session, id, part, seq, ...}, and for each id
exactly one end, {session, id, end, words}. A value {"$buffer": k} stands for the k-th buffer of the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from notebook_explain._errors import UsageError

REQUEST, STEP, PIN, COMPARE, CANCEL, HELLO = TYPES = ("request", "step", "pin", "compare", "cancel", "hello")
BUFFER = "$buffer"
TUBES, PYRAMID = WANTS = ("tubes", "pyramid")
MOST_EDITS, LONGEST_SESSION = 64, 64


@dataclass(frozen=True)
class Message:
    """A checked message of a view.

    Attributes
    ----------
    type : str
        One of `TYPES`.
    session : str
        The view.
    id : int
    content : dict
        The other fields, of the right types.
    """

    type: str
    session: str
    id: int
    content: Mapping[str, Any] = field(default_factory=dict)


def read(message: Any) -> Message | None:
    """Return a checked message; None for what no explorer sends.

    Raises
    ------
    ValueError
        A field is missing or has the wrong type.
    """
    if not isinstance(message, Mapping) or message.get("type") not in TYPES:
        return None
    session, number = message.get("session"), message.get("id")
    if not isinstance(session, str) or not 0 < len(session) <= LONGEST_SESSION or not _is_int(number):
        return None
    kind = message["type"]
    content = {name: check(name, message.get(name)) for name, check in _FIELDS.get(kind, {}).items()}
    return Message(kind, session, int(number), content)  # type: ignore[arg-type]


def with_buffers(content: Any) -> tuple[Any, list[bytes]]:
    """Return plain values with references for bytes, and the bytes."""
    buffers: list[bytes] = []

    def refer(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            buffers.append(bytes(value))
            return {BUFFER: len(buffers) - 1}
        if isinstance(value, Mapping):
            return {key: refer(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [refer(entry) for entry in value]
        return value

    return refer(content), buffers


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(name: str, value: Any) -> int:
    if not _is_int(value):
        raise UsageError(f"{name} must be a whole number, got {value!r}")
    return int(value)


def _whole_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be true or false, got {value!r}")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_SESSION:
        raise UsageError(f"{name} must be a short text, got {type(value).__name__}")
    return value


def _edits(name: str, value: Any) -> list[tuple[Mapping[str, Any], bool]]:
    if not isinstance(value, list) or len(value) > MOST_EDITS:
        raise UsageError(f"{name} must be a list of at most {MOST_EDITS} edits")
    entries = []
    for entry in value:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("edit"), Mapping):
            raise UsageError("each edit must be {edit, enabled}")
        entries.append((entry["edit"], _flag("enabled", entry.get("enabled", True))))
    return entries


def _knobs(name: str, value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(entry, Mapping) for entry in value.values()):
        raise UsageError(f"{name} must be {{method: {{knob: value}}}}")
    return {str(method): dict(entry) for method, entry in value.items()}


def _wants(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(entry in WANTS for entry in value):
        raise UsageError(f"{name} must list some of {', '.join(WANTS)}, got {value!r}")
    return tuple(value)


_FIELDS: dict[str, dict[str, Any]] = {
    REQUEST: {
        "settled": _flag,
        "edits": _edits,
        "target": _whole,
        "against": _whole_or_none,
        "method": _text,
        "knobs": _knobs,
        "wants": _wants,
        "frame": _whole,
    },
    STEP: {"index": _whole},
    PIN: {"index": _whole, "pinned": _flag},
    COMPARE: {"a": _whole, "b": _whole},
}
