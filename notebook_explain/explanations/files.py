"""Explanations as files: one .npz, arrays beside one JSON text, no pickle; what is not known is refused.

A file from elsewhere is not trusted: sizes are capped before anything is unpacked, only plain arrays are read, names
and texts are data. A file of a later version is refused in words rather than read by half.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.tubes import LayerMap, Tubes
from notebook_explain.explanations.writing import replacing

FORMAT, VERSION = "notebook_explain", 1
MAX_BYTES = 2**30
MAX_TEXT = 2**24


def save(explanation: Tubes, path: str | os.PathLike[str]) -> Path:
    """Write an explanation to ``path`` (".npz" is added where missing); an existing file is replaced as a whole."""
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    text, arrays = _pack(explanation)
    header = np.frombuffer(json.dumps(text).encode(), np.uint8)
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
        arrays = _read(path, max_bytes)
        return _unpack(arrays)
    except _RefusedError as refusal:
        raise ValueError(f"{str(path)!r} cannot be loaded: {refusal}") from None
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zipfile.BadZipFile, MemoryError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be loaded: it is damaged or not a file that save() wrote ({error})"
        ) from error
    except Exception as error:  # zlib.error and whatever else a damaged archive provokes
        raise ValueError(f"{str(path)!r} cannot be loaded: it is damaged ({error})") from error


class _RefusedError(Exception):
    pass


def _read(path: Path, max_bytes: int) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
        if total > max_bytes:
            raise _RefusedError(
                f"it unpacks to {total:,} bytes, above the limit of {max_bytes:,} (max_bytes= raises it)"
            )
    with np.load(path, allow_pickle=False) as file:
        if "header" not in file.files:
            raise _RefusedError("it has no header, so notebook_explain did not write it")
        return {name: file[name] for name in file.files}


def _pack(tubes: Tubes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    clip = tubes.clip
    arrays: dict[str, NDArray[Any]] = {"frames": clip.frames}
    if clip.times is not None:
        arrays["times"] = clip.times
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
    header = arrays["header"]
    if header.dtype != np.uint8 or header.ndim != 1 or header.size > MAX_TEXT:
        raise _RefusedError("its header is not text")
    text = json.loads(header.tobytes().decode())
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise _RefusedError("its header is not one of notebook_explain")
    if text.get("version") != VERSION:
        raise _RefusedError(
            f"it has version {text.get('version')!r}, this one reads {VERSION}; update notebook_explain"
        )
    if text.get("kind") != "tubes":
        raise _RefusedError(f"it holds {text.get('kind')!r}, this version knows 'tubes'")
    about = text["clip"]
    clip = Clip(
        arrays["frames"],
        arrays.get("times"),
        str(about["source"]),
        _pair(about["origin"]),
        _pair(about["step"]),
        (int(about["source_size"][0]), int(about["source_size"][1])),
    )
    targets = tuple(_target(entry) for entry in text["targets"])
    layers = tuple(_layer(entry, index, arrays, len(targets)) for index, entry in enumerate(text["layers"]))
    if not targets or not layers:
        raise _RefusedError("it holds no target or no layer")
    entry = text["provenance"]
    return Tubes(clip, targets, layers, Provenance(**{**entry, "caveats": tuple(map(str, entry["caveats"]))}))


def _pair(value: Any) -> tuple[float, float]:
    return float(value[0]), float(value[1])


def _target(entry: Any) -> TargetResult:
    top5 = tuple((str(name), float(score)) for name, score in entry["top5"])
    numbers = {key: None if entry[key] is None else float(entry[key]) for key in ("probability", "bias")}
    against = None if entry["against"] is None else int(entry["against"])
    names = {"name": str(entry["name"]), "head": str(entry["head"]), "index": int(entry["index"])}
    return TargetResult(
        **{**entry, **numbers, **names, "logit": float(entry["logit"]), "against": against, "top5": top5}
    )


def _layer(entry: Any, index: int, arrays: Mapping[str, NDArray[Any]], targets: int) -> LayerMap:
    values = arrays[f"values_{index}"]
    if values.dtype != np.float32 or values.ndim != 4 or len(values) != targets or 0 in values.shape:
        raise _RefusedError(f"layer {index} is not a float32 array (target, time, height, width)")
    if not np.isfinite(values).all():
        raise _RefusedError(f"layer {index} holds values that are not finite")
    geometry = Geometry(arrays[f"rows_{index}"], _pair(entry["origin"]), _pair(entry["step"]))
    if len(geometry.rows) != values.shape[1]:
        raise _RefusedError(f"layer {index} has {values.shape[1]} rows, its geometry {len(geometry.rows)}")
    gap = None if entry["gap"] is None else np.asarray(entry["gap"], np.float32)
    if gap is not None and gap.shape != (targets,):
        raise _RefusedError(f"layer {index} has {gap.shape} gaps for {targets} targets")
    pathway = None if entry["pathway"] is None else int(entry["pathway"])
    return LayerMap(str(entry["name"]), str(entry["kind"]), values, geometry, pathway, gap)
