"""Provenance: how an explanation was made, in enough detail to judge and to repeat it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations.number_format import counted

if TYPE_CHECKING:
    from notebook_explain.explanations.blocks.report import BlockReport
    from notebook_explain.explanations.concepts.concepts import Concepts
    from notebook_explain.explanations.pyramid.pyramid import Pyramid
    from notebook_explain.explanations.tubes import Tubes
    from notebook_explain.explanations.visualization.visualization import Visualization
    from notebook_explain.explanations.what_if.temporal_reliance import TemporalReliance
    from notebook_explain.explanations.what_if.what_if import WhatIf

    Made: TypeAlias = Tubes | Pyramid | BlockReport | Concepts | Visualization | WhatIf | TemporalReliance


@dataclass(frozen=True)
class Provenance:
    """Record of how an explanation was made.

    Attributes
    ----------
    method : str
        Name of the explainer.
    knobs : dict
        Fields of the explainer.
    model : str
        Class of the network and its number of parameters.
    preprocessing : dict
        Size (height, width; one number in older files), crop, frames, channels, mean, std and layout; ``"assumed"`` lists
        those that were not given, and ``"sources"`` says where each came from, labels included.
    versions : dict
        Versions of this package, torch, numpy and Python.
    seconds : float
        Wall time.
    forwards, backwards : int
        Number of passes through the network.
    caveats : tuple of str
        Whole sentences that readers must see.
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
        # Through JSON and back, so that a loaded provenance equals the saved one.
        for name in _DICTS:
            value = getattr(self, name)
            if not isinstance(value, dict):
                raise UsageTypeError(f"{name} must be a dict, got {value!r}")
            # JSON has no infinite numbers: they become strings.
            object.__setattr__(self, name, json.loads(json.dumps(value), parse_constant=str))

    def to_json(self) -> str:
        """Return everything as JSON, to keep beside a picture or in a log.

        The keys are ``"format"`` ("notebook_explain.provenance"), ``"version"`` (1), and the names of the attributes:
        ``"method", "knobs", "model", "preprocessing", "versions", "seconds", "forwards", "backwards", "caveats"``. Paths
        are stripped to file names for privacy.
        """
        body = {field.name: _without_folders(getattr(self, field.name)) for field in fields(self)}
        return json.dumps({"format": FORMAT, "version": VERSION, **body}, indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            Not JSON, another format or a later version; a key that is missing, unknown or has the wrong type.
        """
        try:
            entry = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"not JSON written by to_json(): {error}") from None
        if not isinstance(entry, dict) or entry.get("format") != FORMAT:
            raise UsageError(f'not a provenance: "format" is not {FORMAT!r}; pass the text that to_json() returned')
        if entry.get("version") != VERSION:
            raise UsageError(
                f"this provenance has version {entry.get('version')!r}, but this notebook_explain reads version {VERSION}; "
                "update notebook_explain"
            )
        return cls.of({key: value for key, value in entry.items() if key not in ("format", "version")})

    @classmethod
    def of(cls, entry: Any) -> Provenance:
        """Make a provenance from an untrusted dict.

        Raises
        ------
        ValueError
            Unless the dict has exactly the fields of a provenance, each of its type.
        """
        if not isinstance(entry, dict) or set(entry) != set(_KINDS):
            got = sorted(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
            raise UsageError(f"a provenance has the fields {', '.join(_KINDS)}; got {got}")
        for name, kind in _KINDS.items():
            value = entry[name]
            if isinstance(value, bool) or not isinstance(value, kind):
                raise UsageError(f"{name} of the provenance has the wrong type: {type(value).__name__}")
            if isinstance(value, (int, float)) and not abs(value) < FAR:
                raise UsageError(f"{name} of the provenance is not finite")
        texts = [*entry["caveats"], *entry["versions"].values()]
        if not all(isinstance(text, str) for text in texts):
            raise UsageError("caveats and versions of the provenance must be strings")
        return cls(**{**entry, "seconds": float(entry["seconds"]), "caveats": tuple(entry["caveats"])})


FORMAT, VERSION = "notebook_explain.provenance", 1
FAR = 2.0**53  # floats represent smaller integers exactly
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
# A path from the root, a drive, a server or the home folder, up to its last part. Spaces count as part of a folder's name
# only if the path is the whole text or is quoted.
_WHOLE = re.compile(r"""(?:~?[/\\]|[A-Za-z]:[/\\])[^'"\n]*[/\\](?=[^/\\\n]+$)""")
_QUOTED = re.compile(r"""(?<=['"])(?:~?[/\\]|[A-Za-z]:[/\\])[^'"\n]*[/\\](?=[^'"/\\\n]*['"])""")
_BARE = re.compile(r"""(?<![\w.:/\\])(?:~?/|[A-Za-z]:[/\\]|\\\\)(?:[^\s/\\'",;]+[/\\])+""")


def _without_folders(value: Any) -> Any:
    """Strip the folders from every path in the strings of a JSON value."""
    if isinstance(value, str):
        return _BARE.sub("", _QUOTED.sub("", value[whole.end() :] if (whole := _WHOLE.match(value)) else value))
    if isinstance(value, dict):
        return {_without_folders(key): _without_folders(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(entry) for entry in value]
    return value


def _refuse(constant: str) -> Any:
    raise UsageError(f"it holds {constant}, which is not a number in JSON")


def clips_named(explanation: Made) -> str:
    """Return the name of an explanation's clip, or how many clips it has. Paths are stripped for privacy."""
    from notebook_explain.explanations.concepts.concepts import Concepts
    from notebook_explain.explanations.visualization.visualization import Visualization

    if isinstance(explanation, Visualization):
        made = counted(len(explanation), "made clip")
        return f"{made}, {counted(len(explanation.clips), 'real clip')}" if explanation.clips else made
    return counted(len(explanation.clips), "clip") if isinstance(explanation, Concepts) else explanation.clip.name


def provenance_lines(explanation: Made) -> list[str]:
    """Return two lines: method, model and clip; passes, time and versions. Paths are stripped for privacy.

    Concepts and visualizations say in their own sentences how many clips they have.
    """
    p = explanation.provenance
    clip_words = f"; clip: {clips_named(explanation)}" if hasattr(explanation, "clip") else ""
    versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
    return [
        f"{p.method} of {p.model}{clip_words}",
        f"{p.forwards} forward, {p.backwards} backward, {p.seconds:.2f} s; {versions}",
    ]
