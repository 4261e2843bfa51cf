"""Save and load explanations as .npz files: arrays and one JSON header, no pickle.

Files are untrusted: sizes are limited before anything is unpacked, only plain arrays are read, and strings are data. A file
of a later version is refused rather than read in part. Each kind of explanation has its own module.
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
from notebook_explain.explanations.concepts.concepts import Concepts
from notebook_explain.explanations.evaluation.result import Evaluation
from notebook_explain.explanations.io import blocks as blocks_io
from notebook_explain.explanations.io import concepts as concepts_io
from notebook_explain.explanations.io import evaluation as evaluation_io
from notebook_explain.explanations.io import pyramid as pyramid_io
from notebook_explain.explanations.io import temporal_reliance as temporal_reliance_io
from notebook_explain.explanations.io import tubes as tubes_io
from notebook_explain.explanations.io import visualization as visualization_io
from notebook_explain.explanations.io import what_if as what_if_io
from notebook_explain.explanations.io.npz import RefusedError, read_arrays
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.tubes import Tubes
from notebook_explain.explanations.visualization.visualization import Visualization
from notebook_explain.explanations.what_if.temporal_reliance import TemporalReliance
from notebook_explain.explanations.what_if.what_if import WhatIf

FORMAT, VERSION = "notebook_explain", 1
MAX_BYTES = 2**30
MAX_TEXT = 2**24
Saved = Tubes | Pyramid | BlockReport | Evaluation | Concepts | Visualization | WhatIf | TemporalReliance
KINDS: dict[str, tuple[type, Any]] = {
    "tubes": (Tubes, tubes_io),
    "pyramid": (Pyramid, pyramid_io),
    "blocks": (BlockReport, blocks_io),
    "evaluation": (Evaluation, evaluation_io),
    "concepts": (Concepts, concepts_io),
    "visualization": (Visualization, visualization_io),
    "what_if": (WhatIf, what_if_io),
    "temporal_reliance": (TemporalReliance, temporal_reliance_io),
}


def save(explanation: Saved, path: str | os.PathLike[str]) -> Path:
    """Write an explanation to ``path`` (".npz" is added if missing); an existing file is replaced atomically.

    The file holds the path of the clip's source, so that `Tubes.to_video` can find it later; pages and pictures do not.

    Raises
    ------
    ValueError, OSError
        The explanation holds numbers that are not finite; the folder is missing or cannot be written to.
    """
    path = Path(path)
    if not path.name:
        raise IsADirectoryError(f"{str(path)!r} is a folder; pass the path of a file")
    path = path if path.suffix.lower() == ".npz" else path.with_name(path.name + ".npz")
    name, module = next((name, module) for name, (kind, module) in KINDS.items() if isinstance(explanation, kind))
    try:
        text, arrays = module.pack(explanation)
    except ValueError as error:
        raise UsageError(f"this explanation cannot be saved: {error}") from None
    try:
        header_text = json.dumps({"format": FORMAT, "version": VERSION, "kind": name, **text}, allow_nan=False)
    except ValueError as error:
        raise UsageError(f"this explanation cannot be saved: it holds a number that is not finite ({error})") from None
    header = np.frombuffer(header_text.encode(), np.uint8)
    if header.size > MAX_TEXT:
        raise UsageError(
            f"this explanation cannot be saved: its names take {header.size:,} bytes, above the limit of {MAX_TEXT:,}"
        )
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, header=header, **arrays)
    return path


def load(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Saved:
    """Read an explanation that ``save`` wrote.

    Parameters
    ----------
    path : path to an .npz file
    max_bytes : int
        Largest unpacked size; larger files are refused.

    Returns
    -------
    Tubes, Pyramid, BlockReport, Evaluation, Concepts, Visualization, WhatIf or TemporalReliance
        The explanation that was saved.

    Raises
    ------
    FileNotFoundError, ValueError
        The file does not exist; is damaged, too large, of a later version, or not written by ``save``.
    """
    path = Path(path)
    if not path.exists() and path.suffix.lower() != ".npz":
        path = path.with_name(path.name + ".npz")  # as save() does
    if not path.is_file():
        raise FileNotFoundError(f"no file at {str(path)!r}; pass the path of an .npz file that save() wrote")
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
    except Exception as error:  # zlib.error and others that a damaged archive provokes
        raise UsageError(f"{str(path)!r} cannot be loaded: it is damaged ({error})") from error


def _text_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the header of a file, if it has this format and version and a known kind."""
    if "header" not in arrays:
        raise RefusedError("it has no header, so notebook_explain did not write it")
    header = arrays["header"]
    if header.dtype != np.uint8 or header.ndim != 1 or header.size > MAX_TEXT:
        raise RefusedError("its header is not text")
    text = json.loads(header.tobytes().decode(), parse_constant=_refuse_constant)
    json.dumps(text, ensure_ascii=False).encode()  # fails for lone surrogates, which cannot be written to a page
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise RefusedError("its header is not one of notebook_explain")
    if text.get("version") != VERSION:
        raise RefusedError(
            f"it has version {text.get('version')!r}, but this notebook_explain reads version {VERSION}; update notebook_explain"
        )
    if not isinstance(text.get("kind"), str) or text["kind"] not in KINDS:
        *first, last = map(repr, KINDS)
        known = f"{', '.join(first)} and {last}"
        raise RefusedError(f"it holds {text.get('kind')!r}, but this version reads {known}; update notebook_explain")
    return text


def _refuse_constant(constant: str) -> Any:
    raise RefusedError(f"its header holds {constant}, which is not a number in JSON")
