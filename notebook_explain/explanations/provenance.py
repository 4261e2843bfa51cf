"""How a result came about: enough to judge it, and to make it again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError


@dataclass(frozen=True)
class Provenance:
    """Where an explanation comes from.

    Attributes
    ----------
    method : str
        Name of the explainer.
    knobs : dict
        Its fields.
    model : str
        Class of the network, and its number of parameters.
    preprocessing : dict
        Size (height, width; one number in older files), crop, frames, mean, std and layout; ``"assumed"`` lists those
        that nobody stated.
    versions : dict
        Of this package, torch, numpy and Python.
    seconds : float
        Wall time.
    forwards, backwards : int
        Passes through the network that were used.
    caveats : tuple of str
        What a reader has to know, as whole sentences.
    """

    method: str
    knobs: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # As JSON would give them back: what is saved and loaded is equal to what it was.
        for name in _DICTS:
            value = getattr(self, name)
            if not isinstance(value, dict):
                raise UsageTypeError(f"{name} must be a dict, got {value!r}")
            # JSON has no infinite numbers: they become words.
            object.__setattr__(self, name, json.loads(json.dumps(value), parse_constant=str))

    def to_json(self) -> str:
        """Return everything as JSON text, to be kept beside a picture or in a log.

        The keys are ``"format"`` ("notebook_explain.provenance"), ``"version"`` (1), and the attributes of this class by
        their names: ``"method", "knobs", "model", "preprocessing", "versions", "seconds", "forwards", "backwards",
        "caveats"``. Paths are shortened to names of files: folders are nobody else's business.
        """
        body = {field.name: _without_folders(getattr(self, field.name)) for field in fields(self)}
        return json.dumps({"format": FORMAT, "version": VERSION, **body}, indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            It is not JSON, not of this format, of a later version; a key is missing, unknown, or of another type.
        """
        try:
            entry = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"this is no JSON that to_json() wrote: {error}") from None
        if not isinstance(entry, dict) or entry.get("format") != FORMAT:
            raise UsageError(f'this JSON is no provenance: its "format" is not {FORMAT!r}; give what to_json() wrote')
        if entry.get("version") != VERSION:
            raise UsageError(
                f"this provenance has version {entry.get('version')!r}, this one reads {VERSION}; update notebook_explain"
            )
        return cls.of({key: value for key, value in entry.items() if key not in ("format", "version")})

    @classmethod
    def of(cls, entry: Any) -> Provenance:
        """Make it of a dict of all its fields, none more, each of its type (ValueError otherwise): nothing is trusted."""
        if not isinstance(entry, dict) or set(entry) != set(_KINDS):
            given = sorted(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
            raise UsageError(f"a provenance has the fields {', '.join(_KINDS)}; got {given}")
        for name, kind in _KINDS.items():
            value = entry[name]
            if isinstance(value, bool) or not isinstance(value, kind):
                raise UsageError(f"{name} of the provenance has another type: {type(value).__name__}")
            if isinstance(value, (int, float)) and not abs(value) < FAR:
                raise UsageError(f"{name} of the provenance is not finite")
        texts = [*entry["caveats"], *entry["versions"].values()]
        if not all(isinstance(text, str) for text in texts):
            raise UsageError("caveats and versions of the provenance must be texts")
        return cls(**{**entry, "seconds": float(entry["seconds"]), "caveats": tuple(entry["caveats"])})


FORMAT, VERSION = "notebook_explain.provenance", 1
FAR = 2.0**53  # what floats count exactly
_DICTS = ("knobs", "preprocessing", "versions")
_KINDS: dict[str, Any] = {
    "method": str,
    "knobs": dict,
    "model": str,
    "preprocessing": dict,
    "versions": dict,
    "seconds": (int, float),
    "forwards": int,
    "backwards": int,
    "caveats": (list, tuple),
}
# A path from the root, a drive, a server or the home, up to its last part; blanks belong to a folder where the path is all
# there is, or stands in quotes.
_WHOLE = re.compile(r"""(?:~?[/\\]|[A-Za-z]:[/\\])[^'"\n]*[/\\](?=[^/\\\n]+$)""")
_QUOTED = re.compile(r"""(?<=['"])(?:~?[/\\]|[A-Za-z]:[/\\])[^'"\n]*[/\\](?=[^'"/\\\n]*['"])""")
_BARE = re.compile(r"""(?<![\w.:/\\])(?:~?/|[A-Za-z]:[/\\]|\\\\)(?:[^\s/\\'",;]+[/\\])+""")


def _without_folders(value: Any) -> Any:
    """A value of JSON with every path in its texts shortened to the last part."""
    if isinstance(value, str):
        return _BARE.sub("", _QUOTED.sub("", value[whole.end() :] if (whole := _WHOLE.match(value)) else value))
    if isinstance(value, dict):
        return {_without_folders(key): _without_folders(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(entry) for entry in value]
    return value


def _refuse(constant: str) -> Any:
    raise UsageError(f"it holds {constant}, which is no number")
