"""Class names from a file: one a line, or JSON. A file from elsewhere: text only, of limited size."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from notebook_explain._errors import UsageError

MAX_BYTES = 2**22  # a hundred times the largest set of classes of video


def read_labels(path: Path) -> Any:
    """Class names as ``adapt`` takes them.

    Parameters
    ----------
    path : path to a file
        UTF-8 text with one label a line; or JSON: a list of labels, {index: label}, {label: index}, or
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
        raise FileNotFoundError(f"no file of labels at {str(path)!r}; give a text file with one label a line, or JSON")
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path.name} is larger than {MAX_BYTES // 2**20} MB, which no file of labels is")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8 text; give a text file with one label a line, or JSON") from None
    if "\0" in text:
        raise UsageError(f"{path.name} is not text: it holds zero bytes; give one label a line, or JSON")
    return _from_json(text, path.name) if text.lstrip()[:1] in ("[", "{") else _from_lines(text, path.name)


def _from_lines(text: str, name: str) -> list[str]:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines:
        raise UsageError(f"{name} is empty; give one label a line, or JSON")
    if "" in lines:
        raise UsageError(f"line {lines.index('') + 1} of {name} is empty, which would shift the labels after it")
    return lines


def _from_json(text: str, name: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} begins like JSON but is none ({error}); give one label a line, or JSON") from None
    if value and _names(value):
        return value
    if value and isinstance(value, dict):
        if _names(list(value.values())) and all(re.fullmatch(r"[0-9]{1,9}", key) for key in value):
            return {int(key): label for key, label in value.items()}
        if all(type(index) is int for index in value.values()):  # as pytorchvideo's file of Kinetics' names has it
            turned = {index: label.strip('"') for label, index in value.items()}
            if len(turned) < len(value):
                raise UsageError(f"{name} gives the same index to several labels")
            return turned
        if all(labels and _names(labels) for labels in value.values()):
            return value
    raise UsageError(
        f"{name} must hold a list of labels, {{index: label}}, {{label: index}} or {{head: labels}}, all of them text"
    )


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(label, str) for label in value)
