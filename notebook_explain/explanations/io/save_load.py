"""Explanations as files: one .npz, arrays beside one JSON text, no pickle; what is not known is refused.

A file from elsewhere is not trusted: sizes are capped before anything is unpacked, only plain arrays are read, names
and texts are data. A file of a later version is refused in words rather than read by half. How each kind of explanation
becomes text and arrays stands in a file of its own.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError
from notebook_explain.explanations.blocks.report import BlockReport
from notebook_explain.explanations.io import blocks as blocks_io
from notebook_explain.explanations.io import pyramid as pyramid_io
from notebook_explain.explanations.io import tubes as tubes_io
from notebook_explain.explanations.io.npz import RefusedError, read_arrays
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.tubes import Tubes

FORMAT, VERSION = "notebook_explain", 1
MAX_BYTES = 2**30
MAX_TEXT = 2**24
Saved = Tubes | Pyramid | BlockReport
KINDS: dict[str, tuple[type, Any]] = {
    "tubes": (Tubes, tubes_io),
    "pyramid": (Pyramid, pyramid_io),
    "blocks": (BlockReport, blocks_io),
}


def save(explanation: Saved, path: str | os.PathLike[str]) -> Path:
    """Write an explanation to ``path`` (".npz" is added where missing); an existing file is replaced as a whole.

    The file tells where the clip was read from, so that a film can be drawn over it later; pages and pictures do not.

    Raises
    ------
    ValueError, OSError
        It holds numbers that are not finite; the folder is missing or cannot be written to.
    """
    path = Path(path)
    if not path.name:
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
    path = path if path.suffix.lower() == ".npz" else path.with_name(path.name + ".npz")
    name, how = next((name, how) for name, (kind, how) in KINDS.items() if isinstance(explanation, kind))
    try:
        text, arrays = how.pack(explanation)
    except ValueError as error:
        raise UsageError(f"this explanation cannot be saved: {error}") from None
    try:
        said = json.dumps({"format": FORMAT, "version": VERSION, "kind": name, **text}, allow_nan=False)
    except ValueError as error:
        raise UsageError(f"this explanation cannot be saved, it holds a number that is not finite ({error})") from None
    header = np.frombuffer(said.encode(), np.uint8)
    if header.size > MAX_TEXT:
        raise UsageError(f"this explanation cannot be saved, its names come to {header.size:,} bytes of text")
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, header=header, **arrays)
    return path


def load(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Saved:
    """Read what ``save`` wrote.

    Parameters
    ----------
    path : path to an .npz file
    max_bytes : int
        The unpacked size above which a file is refused.

    Returns
    -------
    Tubes, Pyramid or BlockReport
        Whichever was saved.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; damaged; not one of ours; of a later version; too large.
    """
    path = Path(path)
    if not path.exists() and path.suffix.lower() != ".npz":
        path = path.with_name(path.name + ".npz")  # as save() does
    if not path.is_file():
        raise FileNotFoundError(f"no file at {str(path)!r}; give the path of an .npz that save() wrote")
    try:
        arrays = read_arrays(path, max_bytes)
        text = _text_of(arrays)
        explanation: Saved = KINDS[text["kind"]][1].unpack(text, arrays)
        return explanation
    except RefusedError as refusal:
        raise UsageError(f"{str(path)!r} cannot be loaded: {refusal}") from None
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zipfile.BadZipFile, MemoryError) as error:
        raise UsageError(
            f"{str(path)!r} cannot be loaded: it is damaged or not a file that save() wrote ({error})"
        ) from error
    except Exception as error:  # zlib.error and whatever else a damaged archive provokes
        raise UsageError(f"{str(path)!r} cannot be loaded: it is damaged ({error})") from error


def _text_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The JSON of a file of this format, version and of a kind that is known."""
    if "header" not in arrays:
        raise RefusedError("it has no header, so notebook_explain did not write it")
    header = arrays["header"]
    if header.dtype != np.uint8 or header.ndim != 1 or header.size > MAX_TEXT:
        raise RefusedError("its header is not text")
    text = json.loads(header.tobytes().decode(), parse_constant=_refuse_constant)
    json.dumps(text, ensure_ascii=False).encode()  # halves of letters, which no page could be written with
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise RefusedError("its header is not one of notebook_explain")
    if text.get("version") != VERSION:
        raise RefusedError(f"it has version {text.get('version')!r}, this one reads {VERSION}; update notebook_explain")
    if not isinstance(text.get("kind"), str) or text["kind"] not in KINDS:
        *first, last = map(repr, KINDS)
        known = f"{', '.join(first)} and {last}"
        raise RefusedError(f"it holds {text.get('kind')!r}, this version knows {known}; update notebook_explain")
    return text


def _refuse_constant(constant: str) -> Any:
    raise RefusedError(f"its header holds {constant}, which is no number")
