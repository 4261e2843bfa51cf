"""Read and write concepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.concepts.concept import TCAV, Concept, Effect, Refusal
from notebook_explain.explanations.concepts.concepts import Concepts
from notebook_explain.explanations.concepts.names import MAX_NAME
from notebook_explain.explanations.io.fields import (
    Arrays,
    pack_clip,
    pack_target,
    read_clip,
    read_float,
    read_fraction,
    read_geometry,
    read_int,
    read_list,
    read_optional_float,
    read_short_str,
    read_str,
    read_target,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance

MAX_CLIPS, MAX_CONCEPTS = 2_000, 254  # a byte holds the concept of a cell, and none
MAX_TEXT = 400  # letters
UNITS = ("positions", "supervoxels", "crops")


def pack(concepts: Concepts) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for values that are not finite."""
    arrays: Arrays = {}
    clips = []
    for index, clip in enumerate(concepts.clips):
        own: Arrays = {}
        clips.append(pack_clip(clip, own))
        arrays.update({f"clip{index}_{name}": values for name, values in own.items()})
    if len(concepts.clips) > MAX_CLIPS or len(concepts) > MAX_CONCEPTS:
        raise UsageError(
            f"it holds {len(concepts.clips)} clips and {len(concepts)} concepts; a file holds at most {MAX_CLIPS} and "
            f"{MAX_CONCEPTS}"
        )
    for name in ("centres", "drops", "evidence", "remainder"):
        arrays[name] = np.asarray(getattr(concepts, name), np.float32)
        if not np.isfinite(arrays[name]).all():
            raise UsageError(f"its {name} hold values that are not finite")
    arrays["grids"] = (concepts.grids + 1).astype(np.uint8)
    arrays["rows"] = concepts.geometry.rows
    text = {
        "clips": clips,
        "targets": [pack_target(result) for result in concepts.results],
        "concepts": [asdict(concept) for concept in concepts],
        "units": concepts.units,
        "layer": concepts.layer,
        "geometry": {"origin": concepts.geometry.origin, "step": concepts.geometry.step},
        "stability": concepts.stability,
        "provenance": asdict(concepts.provenance),
    }
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Concepts:
    """Read what `pack` returned."""
    entries = read_list(text["clips"], "clips")
    if not 0 < len(entries) <= MAX_CLIPS:
        raise RefusedError(f"it has {len(entries)} clips")
    clips = tuple(read_clip(entry, _of_clip(arrays, index)) for index, entry in enumerate(entries))
    results = tuple(map(read_target, read_list(text["targets"], "targets")))
    concepts = tuple(map(_read_concept, read_list(text["concepts"], "concepts")))
    if len(results) != len(clips) or len({clip.size for clip in clips}) > 1:
        raise RefusedError("its clips have different sizes, or another number than its targets")
    fills = [[effect.fill for effect in concept.effects] for concept in concepts]
    is_numbered = [concept.index for concept in concepts] == list(range(len(concepts)))
    has_names = len({concept.name for concept in concepts}) == len(concepts)
    if not 0 < len(concepts) <= MAX_CONCEPTS or not is_numbered or not has_names or any(f != fills[0] for f in fills):
        raise RefusedError("its concepts are not numbered, share a name, or have different fills")
    for concept in concepts:
        if len(concept.presence) != len(clips) or not set(concept.exemplars) <= set(range(len(clips))):
            raise RefusedError("a concept refers to clips that the file does not hold")
    grids = arrays["grids"]
    if grids.dtype != np.uint8 or grids.ndim != 5 or len(grids) != len(clips) or 0 in grids.shape:
        raise RefusedError("its grids are not a uint8 array (clip, level, time, height, width)")
    if int(grids.max()) > len(concepts):
        raise RefusedError("its grids refer to a concept that the file does not hold")
    geometry = read_geometry("the grid", arrays["rows"], text["geometry"], grids.shape[2:], clips[0].size)
    sizes = {
        "centres": (len(arrays["centres"]), arrays["centres"].shape[-1]),
        "drops": (len(fills[0]), len(clips), len(concepts)),
        "evidence": (len(clips), len(concepts)),
        "remainder": (len(clips),),
    }
    values = {name: _read_floats(name, arrays[name], shape) for name, shape in sizes.items()}
    if len(values["centres"]) < len(concepts):
        raise RefusedError("it has fewer centres than concepts")
    if read_str(text["units"]) not in UNITS:
        raise RefusedError(f"expected units of {', '.join(UNITS)}")
    return Concepts(
        concepts=concepts,
        clips=clips,
        results=results,
        units=read_str(text["units"]),
        layer=read_short_str(text["layer"], MAX_TEXT),
        grids=grids.astype(np.int16) - 1,
        geometry=geometry,
        stability=read_float(text["stability"]),
        provenance=Provenance.of(text["provenance"]),
        **values,
    )


def _of_clip(arrays: Mapping[str, NDArray[Any]], index: int) -> Arrays:
    prefix = f"clip{index}_"
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def _read_floats(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if values.dtype != np.float32 or values.shape != shape or not np.isfinite(values).all():
        raise RefusedError(f"its {name} are not finite float32 numbers of shape {shape}")
    return values


def _read_concept(entry: Any) -> Concept:
    if set(entry) != set(Concept.__dataclass_fields__):
        raise RefusedError(f"a concept has the wrong fields: {sorted(entry)[:12]}")
    name = read_short_str(entry["name"], MAX_NAME)
    if not name.isprintable() or not name.strip():
        raise RefusedError("the name of a concept has no printable letters")
    return Concept(
        index=read_int(entry["index"]),
        name=name,
        effects=tuple(map(_read_effect, read_list(entry["effects"], "effects"))),
        evidence=read_float(entry["evidence"]),
        volume=read_fraction(entry["volume"]),
        presence=tuple(map(read_fraction, read_list(entry["presence"], "presence"))),
        exemplars=tuple(map(read_int, read_list(entry["exemplars"], "exemplars"))),
        tcav=None if entry["tcav"] is None else _read_tcav(entry["tcav"]),
    )


def _read_effect(entry: Any) -> Effect:
    if set(entry) != set(Effect.__dataclass_fields__):
        raise RefusedError(f"an effect has the wrong fields: {sorted(entry)[:12]}")
    numbers = {name: read_float(entry[name]) for name in ("value", "low", "high", "change")}
    shares = {name: read_fraction(entry[name]) for name in ("p", "q")}
    return Effect(fill=read_short_str(entry["fill"], MAX_NAME), **numbers, **shares)


def _read_tcav(entry: Any) -> TCAV:
    if set(entry) != set(TCAV.__dataclass_fields__):
        raise RefusedError(f"a TCAV has the wrong fields: {sorted(entry)[:12]}")
    reason = entry["reason"]
    if reason is not None and reason not in [one.value for one in Refusal]:
        raise RefusedError("the reason why a fraction is refused is unknown")
    fraction = read_optional_float(entry["fraction"])
    return TCAV(
        layer=read_short_str(entry["layer"], MAX_TEXT),
        fraction=None if fraction is None else read_fraction(fraction),
        magnitude=read_float(entry["magnitude"]),
        p=read_fraction(entry["p"]),
        accuracy=read_fraction(entry["accuracy"]),
        reason=None if reason is None else Refusal(reason),
    )
