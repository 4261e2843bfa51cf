"""Explanations as files: one .npz, arrays beside one JSON text, no pickle; what is not known is refused.

A file from elsewhere is not trusted: sizes are capped before anything is unpacked, only plain arrays are read, names
and texts are data. A file of a later version is refused in words rather than read by half.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.archives import RefusedError, read_arrays
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.tubes import LayerMap, Tubes
from notebook_explain.writing import replacing

FORMAT, VERSION = "notebook_explain", 1
MAX_BYTES = 2**30
MAX_TEXT = 2**24
FAR = 1e9  # pixels: nothing lies further away
MAX_WEIGHTS = 2**27  # numbers that stretching a map along one axis may need


def save(explanation: Tubes, path: str | os.PathLike[str]) -> Path:
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
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    text, arrays = _pack(explanation)
    try:
        header = np.frombuffer(json.dumps(text, allow_nan=False).encode(), np.uint8)
    except ValueError as error:
        raise ValueError(f"this explanation cannot be saved, it holds a number that is not finite ({error})") from None
    for layer in explanation.layers:
        if not np.isfinite(layer.values).all():
            raise ValueError(f"this explanation cannot be saved: layer {layer.name!r} holds values that are not finite")
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, header=header, **arrays)  # type: ignore[arg-type]
    return path


def load(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Tubes:
    """Read what ``save`` wrote.

    Parameters
    ----------
    path : path to an .npz file
    max_bytes : int
        The unpacked size above which a file is refused.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; damaged; not one of ours; of a later version; too large.
    """
    path = Path(path)
    if not path.exists() and path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")  # as save() does
    if not path.is_file():
        raise FileNotFoundError(f"no file at {str(path)!r}; give the path of an .npz that save() wrote")
    try:
        return _unpack(read_arrays(path, max_bytes))
    except RefusedError as refusal:
        raise ValueError(f"{str(path)!r} cannot be loaded: {refusal}") from None
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zipfile.BadZipFile, MemoryError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be loaded: it is damaged or not a file that save() wrote ({error})"
        ) from error
    except Exception as error:  # zlib.error and whatever else a damaged archive provokes
        raise ValueError(f"{str(path)!r} cannot be loaded: it is damaged ({error})") from error


def _pack(tubes: Tubes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    clip = tubes.clip
    arrays: dict[str, NDArray[Any]] = {"frames": clip.frames}
    for name in ("times", "frame_numbers"):  # files of before have no frame_numbers
        if getattr(clip, name) is not None:
            arrays[name] = getattr(clip, name)
    layers = []
    for index, layer in enumerate(tubes.layers):
        arrays[f"values_{index}"], arrays[f"rows_{index}"] = layer.values, layer.geometry.rows
        layers.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "pathway": layer.pathway,
                "origin": layer.geometry.origin,
                "step": layer.geometry.step,
                "gap": None if layer.gap is None else layer.gap.tolist(),
            }
        )
    text = {
        "format": FORMAT,
        "version": VERSION,
        "kind": "tubes",
        "clip": {"source": clip.source, "origin": clip.origin, "step": clip.step, "source_size": clip.source_size},
        "targets": [asdict(target) for target in tubes.targets],
        "layers": layers,
        "provenance": asdict(tubes.provenance),
    }
    return text, arrays


def _unpack(arrays: Mapping[str, NDArray[Any]]) -> Tubes:
    text = _text_of(arrays)
    targets = tuple(_target(entry) for entry in text["targets"])
    clip = _clip(text["clip"], arrays)
    layers = tuple(_layer(entry, index, arrays, len(targets)) for index, entry in enumerate(text["layers"]))
    if not targets or not layers:
        raise RefusedError("it holds no target or no layer")
    for layer in layers:
        if max(pixels * cells for pixels, cells in zip(clip.size, layer.grid, strict=True)) > MAX_WEIGHTS:
            raise RefusedError(
                f"layer {layer.name!r} has {layer.grid} cells, too many to be stretched over {clip.size}"
            )
    return Tubes(clip, targets, layers, Provenance.of(text["provenance"]))


def _text_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The JSON of a file of this format, version and kind."""
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
    if text.get("kind") != "tubes":
        raise RefusedError(f"it holds {text.get('kind')!r}, this version knows 'tubes'")
    return text


def _refuse_constant(constant: str) -> Any:
    raise RefusedError(f"its header holds {constant}, which is no number")


def _clip(entry: Any, arrays: Mapping[str, NDArray[Any]]) -> Clip:
    times, numbers = arrays.get("times"), arrays.get("frame_numbers")
    if times is not None and (times.dtype != np.float64 or not np.isfinite(times).all()):
        raise RefusedError("the times of its clip are not finite numbers")
    if numbers is not None and (numbers.dtype != np.int64 or numbers.min(initial=0) < 0):
        raise RefusedError("the frame numbers of its clip are not whole numbers from 0")
    size = _whole(entry["source_size"][0]), _whole(entry["source_size"][1])
    if min(size) < 1 or max(size) > FAR:
        raise RefusedError(f"the source of its clip has the impossible size {size}")
    step = _pair(entry["step"])
    if min(step) < 1 / FAR:
        raise RefusedError(f"the pixels of its clip are {step} pixels of the source, which they cannot be")
    return Clip(arrays["frames"], times, _words(entry["source"]), _pair(entry["origin"]), step, size, numbers)


def _target(entry: Any) -> TargetResult:
    if set(entry) != set(TargetResult.__dataclass_fields__):
        raise RefusedError(f"a target of it has the fields {sorted(entry)[:12]}")
    return TargetResult(
        name=_words(entry["name"]),
        index=_whole(entry["index"]),
        head=_words(entry["head"]),
        logit=_number(entry["logit"]),
        probability=None if entry["probability"] is None else _number(entry["probability"]),
        bias=None if entry["bias"] is None else _number(entry["bias"]),
        against=None if entry["against"] is None else _whole(entry["against"]),
        top5=tuple((_words(name), _number(score)) for name, score in entry["top5"]),
    )


def _layer(entry: Any, index: int, arrays: Mapping[str, NDArray[Any]], targets: int) -> LayerMap:
    values = arrays[f"values_{index}"]
    if values.dtype != np.float32 or values.ndim != 4 or len(values) != targets or 0 in values.shape:
        raise RefusedError(f"layer {index} is not a float32 array (target, time, height, width)")
    if not np.isfinite(values).all():
        raise RefusedError(f"layer {index} holds values that are not finite")
    geometry = Geometry(arrays[f"rows_{index}"], _pair(entry["origin"]), _pair(entry["step"]))
    if len(geometry.rows) != values.shape[1]:
        raise RefusedError(f"layer {index} has {values.shape[1]} rows, its geometry {len(geometry.rows)}")
    if min(geometry.step) < 1 / FAR or np.abs(geometry.rows).max() > FAR:
        raise RefusedError(f"the cells of layer {index} lie where no clip is")
    gap = None if entry["gap"] is None else np.array([_number(part) for part in entry["gap"]], np.float32)
    if gap is not None and gap.shape != (targets,):
        raise RefusedError(f"layer {index} has {gap.shape} gaps for {targets} targets")
    pathway = None if entry["pathway"] is None else _whole(entry["pathway"])
    return LayerMap(_words(entry["name"]), _words(entry["kind"]), values, geometry, pathway, gap)


def _pair(value: Any) -> tuple[float, float]:
    first, second = (_number(part) for part in value)
    if max(abs(first), abs(second)) > FAR:
        raise RefusedError(f"{first:g} and {second:g} lie further away than any pixel")
    return first, second


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(float(value)):
        raise RefusedError(f"{str(value)[:40]!r} stands where a finite number should be")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise RefusedError(f"{str(value)[:40]!r} stands where a whole number should be")
    return value


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError(f"{str(value)[:40]!r} stands where a text should be")
    return value
