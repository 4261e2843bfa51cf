"""Read and write visualizations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.io.fields import (
    Arrays,
    pack_clip,
    read_clip,
    read_float,
    read_int,
    read_list,
    read_optional_float,
    read_str,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.visualization.synthesis import Best, Facet, Neighbour, Synthesis, Verdict
from notebook_explain.explanations.visualization.visualization import Visualization

MAX_MADE, MAX_CLIPS, MAX_PREVIEWS = 200, 2_000, 100
MAX_STEPS, MAX_ENTRIES = 100_000, 1_000  # of a curve; of any other list of a made clip
MAX_TEXT = 1_000  # letters of a name, a label or the code of an objective
ABOVE_ONE = 1e-4  # by which rounding may raise a cosine above 1
_ARRAYS = ("curve", "real_scores", "previews")
_NUMBERS = ("score", "start_score", "seconds")
_CLIPS = ("clip", "start")


def pack(visualization: Visualization) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for a visualization that `unpack` would refuse."""
    for reason in _reasons_to_refuse(visualization):
        raise UsageError(reason)
    arrays: Arrays = {}
    clips = [_pack_clip(clip, f"clip{index}_", arrays) for index, clip in enumerate(visualization.clips)]
    text = {
        "syntheses": [_pack_synthesis(one, f"made{index}_", arrays) for index, one in enumerate(visualization)],
        "clips": clips,
        "labels": list(visualization.labels),
        "layer": visualization.layer,
        "provenance": asdict(visualization.provenance),
    }
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Visualization:
    """Read what `pack` returned."""
    made, clips = read_list(text["syntheses"], "made clips"), read_list(text["clips"], "clips")
    if len(made) > MAX_MADE or len(clips) > MAX_CLIPS:
        raise RefusedError(_too_many(len(made), len(clips)))
    visualization = Visualization(
        syntheses=tuple(_read_synthesis(entry, f"made{index}_", arrays) for index, entry in enumerate(made)),
        clips=tuple(_read_clip(entry, f"clip{index}_", arrays) for index, entry in enumerate(clips)),
        labels=tuple(read_str(label) for label in read_list(text["labels"], "labels")),
        layer=read_str(text["layer"]),
        provenance=Provenance.of(text["provenance"]),
    )
    for reason in _reasons_to_refuse(visualization):
        raise RefusedError(reason)
    return visualization


def _reasons_to_refuse(visualization: Visualization) -> Iterator[str]:
    """Yield what is wrong with a visualization of values of the right types: the same on writing and on reading."""
    made, clips = len(visualization), len(visualization.clips)
    if not 0 < made <= MAX_MADE or clips > MAX_CLIPS:
        yield _too_many(made, clips)
    if len(visualization.labels) != clips:
        yield f"it has {len(visualization.labels)} labels for {clips} clips"
    if max(map(len, (visualization.layer, *visualization.labels)), default=0) > MAX_TEXT:
        yield f"a label or its layer has more than {MAX_TEXT} letters"
    for one in visualization:
        name = repr(one.name[:40])
        yield from (f"made clip {name}: {reason}" for reason in _reasons_of_synthesis(one, clips))


def _too_many(made: int, clips: int) -> str:
    return (
        f"it holds {made} made clips and {clips} real clips; a file holds 1 to {MAX_MADE} made clips and at most "
        f"{MAX_CLIPS:,} real clips"
    )


def _reasons_of_synthesis(one: Synthesis, clips: int) -> Iterator[str]:
    """Yield what is wrong with a made clip, given the number of real clips."""
    yield from _reasons_of_arrays(one, clips)
    best = [one.best, one.start_best, one.control]
    best += [entries for verdict in one.verdicts for entries in (verdict.best, verdict.shuffled)]
    texts = [one.name, one.objective, *(verdict.model for verdict in one.verdicts)]
    texts += [label for entries in best for label, _ in entries]
    if max(map(len, texts)) > MAX_TEXT:
        yield f"a name has more than {MAX_TEXT} letters"
    if not one.name.strip() or not one.name.isprintable():
        yield "its name has no printable letters"
    if max(map(len, [*best, one.neighbours, one.verdicts, one.restarts])) > MAX_ENTRIES:
        yield f"a list has more than {MAX_ENTRIES:,} entries"
    if not all(0 <= share <= 1 for entries in best for _, share in entries):
        yield "a probability lies outside 0..1"
    if not all(math.isfinite(value) for value in (one.score, one.start_score, *one.restarts)):
        yield "a score is not finite"
    sizes = [*(neighbour.distance for neighbour in one.neighbours), one.seconds, one.motion or 0.0]
    if not all(0 <= value < math.inf for value in sizes):
        yield "a distance, its motion or its seconds are negative or not finite"
    if not {neighbour.clip for neighbour in one.neighbours} <= set(range(clips)):
        yield "it refers to clips that the file does not hold"
    if one.facet is not None:
        yield from _reasons_of_facet(one.facet, clips)


def _reasons_of_facet(facet: Facet, clips: int) -> Iterator[str]:
    if not 0 <= facet.index < facet.count <= MAX_ENTRIES or not abs(facet.cosine) <= 1 + ABOVE_ONE:
        yield "the number of its facet or the cosine is out of range"
    if not 0 <= facet.spread < math.inf:
        yield "the spread of its facet is negative or not finite"
    if len(facet.members) > clips or not set(facet.members) <= set(range(clips)):
        yield "its facet refers to clips that the file does not hold"


def _reasons_of_arrays(one: Synthesis, clips: int) -> Iterator[str]:
    """Yield where the arrays of a made clip do not agree."""
    for name, length in (("curve", min(len(one.curve), MAX_STEPS)), ("real_scores", clips)):
        values = getattr(one, name)
        if values.dtype != np.float32 or values.shape != (length,) or not np.isfinite(values).all():
            yield f"its {name} is not an array of {length:,} finite float32 numbers"
    if one.start.size[1:] != one.clip.size[1:]:
        yield "its start has another height or width"
    steps = one.preview_steps
    has_previews = one.previews.dtype == np.uint8 and one.previews.shape == (len(steps), *one.clip.size, 3)
    if len(steps) > MAX_PREVIEWS or not has_previews:
        yield f"its previews are not a uint8 array of at most {MAX_PREVIEWS} previews of its size, one for each step"
    if not all(low < high for low, high in zip((-1, *steps), (*steps, len(one.curve) + 1), strict=True)):
        yield "the steps of its previews do not rise from 0 to at most the last step of its curve"
    flow = one.flow
    if flow is not None and (
        flow.dtype != np.float16 or flow.shape != (*one.clip.size, 2) or not np.isfinite(flow).all()
    ):
        yield "its flow is not a float16 array of finite numbers of its size, two for each pixel"


def _pack_clip(clip: Clip, prefix: str, arrays: Arrays) -> dict[str, Any]:
    own: Arrays = {}
    entry = pack_clip(clip, own)
    arrays.update({prefix + name: values for name, values in own.items()})
    return entry


def _read_clip(entry: Any, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Clip:
    own = ("frames", "times", "frame_numbers", "clip_values")
    return read_clip(entry, {name: arrays[prefix + name] for name in own if prefix + name in arrays})


def _pack_synthesis(one: Synthesis, prefix: str, arrays: Arrays) -> dict[str, Any]:
    for name in _ARRAYS:
        arrays[prefix + name] = getattr(one, name)
    if one.flow is not None:
        arrays[prefix + "flow"] = one.flow
    others = {name: getattr(one, name) for name in ("name", "objective", *_NUMBERS, "motion", "is_moved")}
    return {
        **others,
        **{name: _pack_clip(getattr(one, name), f"{prefix}{name}_", arrays) for name in _CLIPS},
        "has_flow": one.flow is not None,
        **{name: list(getattr(one, name)) for name in ("preview_steps", "best", "start_best", "restarts", "control")},
        "neighbours": [asdict(neighbour) for neighbour in one.neighbours],
        "facet": None if one.facet is None else asdict(one.facet),
        "verdicts": [asdict(verdict) for verdict in one.verdicts],
    }


def _read_synthesis(entry: Any, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Synthesis:
    expected = set(Synthesis.__dataclass_fields__) - set(_ARRAYS) - {"flow"} | {"has_flow"}
    if set(entry) != expected:
        raise RefusedError(f"a made clip has the wrong fields: {sorted(entry)[:12]}")
    clips: dict[str, Any] = {name: _read_clip(entry[name], f"{prefix}{name}_", arrays) for name in _CLIPS}
    numbers: dict[str, Any] = {name: read_float(entry[name]) for name in _NUMBERS}
    values: dict[str, Any] = {name: arrays[prefix + name] for name in _ARRAYS}
    return Synthesis(
        name=read_str(entry["name"]),
        objective=read_str(entry["objective"]),
        flow=arrays[prefix + "flow"] if _read_bool(entry["has_flow"]) else None,
        preview_steps=tuple(map(read_int, read_list(entry["preview_steps"], "preview steps"))),
        best=_read_best(entry["best"]),
        start_best=_read_best(entry["start_best"]),
        neighbours=tuple(map(_read_neighbour, read_list(entry["neighbours"], "neighbours"))),
        motion=read_optional_float(entry["motion"]),
        restarts=tuple(map(read_float, read_list(entry["restarts"], "restarts"))),
        facet=None if entry["facet"] is None else _read_facet(entry["facet"]),
        verdicts=tuple(map(_read_verdict, read_list(entry["verdicts"], "verdicts"))),
        control=_read_best(entry["control"]),
        is_moved=_read_bool(entry["is_moved"]),
        **clips,
        **numbers,
        **values,
    )


def _read_best(entries: Any) -> Best:
    pairs = [read_list(pair, "classes") for pair in read_list(entries, "classes")]
    return tuple((read_str(label), read_float(share)) for label, share in pairs)


def _read_neighbour(entry: Any) -> Neighbour:
    _check_fields(entry, Neighbour)
    return Neighbour(read_int(entry["clip"]), read_float(entry["distance"]))


def _read_facet(entry: Any) -> Facet:
    _check_fields(entry, Facet)
    return Facet(
        index=read_int(entry["index"]),
        count=read_int(entry["count"]),
        members=tuple(map(read_int, read_list(entry["members"], "members"))),
        cosine=read_float(entry["cosine"]),
        spread=read_float(entry["spread"]),
        is_nearest_own=_read_bool(entry["is_nearest_own"]),
    )


def _read_verdict(entry: Any) -> Verdict:
    _check_fields(entry, Verdict)
    names_target = entry["names_target"]
    return Verdict(
        model=read_str(entry["model"]),
        best=_read_best(entry["best"]),
        shuffled=_read_best(entry["shuffled"]),
        names_target=None if names_target is None else _read_bool(names_target),
    )


def _check_fields(entry: Any, kind: type) -> None:
    if set(entry) != set(kind.__dataclass_fields__):  # type: ignore[attr-defined]
        raise RefusedError(f"a {kind.__name__.lower()} has the wrong fields: {sorted(entry)[:12]}")


def _read_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise RefusedError(f"expected true or false, got {str(value)[:40]!r}")
    return value
