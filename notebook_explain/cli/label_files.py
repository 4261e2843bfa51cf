"""Read class names from a text or JSON file. The file is untrusted: text only, of limited size."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from notebook_explain._errors import UsageError

MAX_BYTES = 2**22  # a hundred times the largest label set of a video dataset
_FORMATS = "give a text file with one label per line, or JSON"


def read_labels(path: Path) -> Any:
    """Read class names in a form that ``adapt`` accepts.

    Parameters
    ----------
    path : Path
        UTF-8 text with one label per line; or JSON: a list of labels, {index: label}, {label: index}, or
        {head: labels} for a network with several heads.

    Returns
    -------
    list of str, dict of int to str, or dict of str to list of str

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; too large; not text; not one of these forms.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no label file at {str(path)!r}; {_FORMATS}")
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path.name} is larger than {MAX_BYTES // 2**20} MB, too large for a label file; {_FORMATS}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8 text; {_FORMATS}") from None
    if "\0" in text:
        raise UsageError(f"{path.name} is not text, it contains null bytes; {_FORMATS}")
    return _parse_json(text, path.name) if text.lstrip()[:1] in ("[", "{") else _parse_lines(text, path.name)


def _parse_lines(text: str, name: str) -> list[str]:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines:
        raise UsageError(f"{name} is empty; {_FORMATS}")
    if "" in lines:
        raise UsageError(f"line {lines.index('') + 1} of {name} is empty, which would shift the labels after it")
    return lines


def _parse_json(text: str, name: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} begins like JSON but is not valid ({error}); {_FORMATS}") from None
    if value and _is_label_list(value):
        return value
    if value and isinstance(value, dict):
        if _is_label_list(list(value.values())) and all(re.fullmatch(r"[0-9]{1,9}", key) for key in value):
            return {int(key): label for key, label in value.items()}
        if all(type(index) is int for index in value.values()):  # as in pytorchvideo's Kinetics file
            by_index = {index: label.strip('"') for label, index in value.items()}
            if len(by_index) < len(value):
                raise UsageError(f"{name} gives the same index to several labels")
            return by_index
        if all(labels and _is_label_list(labels) for labels in value.values()):
            return value
    raise UsageError(
        f"{name} must contain a list of labels, {{index: label}}, {{label: index}} or {{head: labels}}; labels must be strings"
    )


def _is_label_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(label, str) for label in value)
