"""Preprocessing that a processor states: of Hugging Face, torchvision's weights and presets, timm, or a plain dict.

Not all that a processor does is in its attributes: ViViT's video processor subtracts 1 in a method. Therefore a
processor that can be called is also measured (``processor_probe``), and where the two differ, the measurement counts.
None of these packages is imported: objects are recognised by their attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.text import percent
from notebook_explain.models.carried import (
    Carried,
    entry_of,
    in_unit_range,
    read_timm,
    read_values,
    to_numbers,
    to_size,
)
from notebook_explain.models.processor_probe import Measured, Probe

_PARTS = ("video_processor", "image_processor", "feature_extractor")  # of Hugging Face's processors of several kinds
_HUGGING_FACE = ("image_mean", "do_rescale", "do_normalize", "rescale_factor")
_TOLERANCE = 1e-4  # of the standard deviation
_EXACT = 0.001  # of the range of colours: filters of resizing differ by this on a smooth picture
_CLEAR = 0.003  # of the range of colours: a resized side that is a pixel too long


def read_processor(processor: Any) -> Carried:
    """Return what a processor states and does.

    Parameters
    ----------
    processor : object
        Image or video processor of Hugging Face, or a processor that has one; member of a weights enum of torchvision, or
        its transforms; data configuration of timm; dict with some of these keys.

    Raises
    ------
    TypeError
        Nothing of use was found in it.
    """
    for part in _PARTS:
        inner = entry_of(processor, part)
        if inner is not None and not isinstance(inner, (str, Mapping)):
            processor = inner
            break
    meta, transforms = entry_of(processor, "meta"), entry_of(processor, "transforms")
    if isinstance(meta, Mapping) and callable(transforms):
        return _read_weights(meta, transforms(), "weights")
    found = _read(processor, "processor")
    if not found.values:
        advice = "; pass one of its members, such as .DEFAULT" if hasattr(processor, "DEFAULT") else ""
        raise UsageTypeError(
            "processor must be an image or video processor of Hugging Face, weights or transforms of torchvision, a data "
            f"configuration of timm, or a dict with size, mean and std; got {type(processor).__name__}{advice}"
        )
    return found


def _read_weights(meta: Mapping[str, Any], transforms: Any, name: str) -> Carried:
    """Return the labels and the preprocessing of torchvision's weights."""
    labels = read_values({"categories": meta.get("categories")}, f"{name}.meta")
    found = labels.over(_read(transforms, f"{name}.transforms()"))
    frames = meta.get("min_temporal_size")
    if isinstance(frames, int) and frames > 1:  # a minimum: the number of frames in training is not stated
        hint = Carried({"frames": frames}, {"frames": f"{name}.meta.min_temporal_size"}, frozenset({"frames"}))
        found = found.over(hint)
    return found


def _read(source: Any, name: str) -> Carried:
    """Return what one processor states; if it can be called, what it does."""
    found = read_values(source, name)
    found = found.only(lambda key, _: key in ("frames", "labels")).over(_normalization(source, name))
    timm = read_timm(source, name)
    found = found.over(timm if "size" in timm.values else _geometry(source, name))
    for key, check in (("crop", check_crop), ("layout", None)):
        value = entry_of(source, key) if isinstance(source, Mapping) else None
        if value is not None:
            stated = Carried({key: check(value) if check else value}, {key: f"{name}.{key}"})
            found = stated.over(found)
    if isinstance(source, Mapping) or not callable(source):
        return found
    return _as_measured(source, name, found)


def _normalization(source: Any, name: str) -> Carried:
    """Return the mean and standard deviation, in units of 0..1, to which a processor's steps amount."""
    mean, std = _numbers(source, "image_mean", "mean"), _numbers(source, "image_std", "std")
    if not any(_has(source, key) for key in _HUGGING_FACE):
        if mean is None or std is None or min(std) <= 0:
            return Carried()
        mean, std = in_unit_range(mean, std)
        return Carried({"mean": mean, "std": std}, {"mean": f"{name}.mean", "std": f"{name}.std"})
    is_normalized = _flag(source, "do_normalize", True)
    if is_normalized and (mean is None or std is None or min(std) <= 0):
        return Carried()
    if not is_normalized or mean is None or std is None:
        mean, std = (0.0,) * 3, (1.0,) * 3
    factor = entry_of(source, "rescale_factor")
    factor = float(factor) if isinstance(factor, (int, float)) and factor > 0 else 1 / 255
    is_rescaled = _flag(source, "do_rescale", True)
    offset = 1.0 if is_rescaled and (_flag(source, "offset", False) or _flag(source, "rescale_offset", False)) else 0.0
    scale = 255 * factor if is_rescaled else 255.0
    values = {
        "mean": tuple((offset + value) / scale for value in mean),
        "std": tuple(value / scale for value in std),
    }
    steps = "image_mean" if is_normalized else "do_normalize"
    return Carried(values, {"mean": f"{name}.{steps}", "std": f"{name}.{steps.replace('mean', 'std')}"})


def _geometry(source: Any, name: str) -> Carried:
    """Return the size of the input, and how a frame is resized and cropped to it."""
    has_presets = _has(source, "resize_size")
    resize = entry_of(source, "resize_size" if has_presets else "size") if _flag(source, "do_resize", True) else None
    crop_size = to_size(entry_of(source, "crop_size")) if _flag(source, "do_center_crop", True) else None
    fraction = entry_of(source, "crop_pct")
    shorter, both = _shorter_side(resize, is_shorter=has_presets or crop_size is not None), to_size(resize)
    key = "crop_size" if crop_size is not None else "size"
    size = crop_size or both
    caveats: tuple[Caveat, ...] = ()
    if shorter is not None and size is None:
        size = shorter, shorter
    if size is None:
        return Carried()
    if shorter is None:
        distorts = both is not None and not isinstance(resize, int)
        crop = "center" if not distorts else "stretch" if both == size else f"center:{_words(both)}"
    elif isinstance(fraction, float) and 0.1 < fraction < 1:
        # ConvNeXt distorts large pictures to a square instead.
        crop = f"center:{int(shorter / fraction)}" if crop_size is not None or shorter < 384 else "stretch"
    elif crop_size is None:
        crop = "center"
        caveats = (
            Caveat(
                f"The processor resizes the shorter side to {shorter} pixels and does not crop; here the centre of "
                f"{_words(size)} pixels is cropped.",
                CaveatCode.PROCESSOR,
                ("size", "crop"),
            ),
        )
    else:
        crop = f"center:{shorter}"
    return Carried({"size": size, "crop": crop}, {"size": f"{name}.{key}", "crop": f"{name}.{key}"}, caveats=caveats)


def _as_measured(source: Any, name: str, stated: Carried) -> Carried:
    """Return what a processor states, corrected by what it does; what cannot be followed is a caveat."""
    probe = Probe(source)
    measured = probe.measure()
    if measured is None:
        return stated
    found = _corrections(measured, name, stated).over(stated)
    caveats = list(found.caveats)
    if measured.is_reversed:
        text = "The processor reverses the order of the colours, which is not done here; reverse them in a wrapper."
        caveats.append(Caveat(text, CaveatCode.PROCESSOR))
    elif not caveats and _is_whole(found):
        found, gap = _with_measured_crop(probe, name, found)
        if gap is None or gap > _CLEAR:
            by = "in shape" if gap is None else f"by {percent(gap)} of the range of colours on average"
            text = (
                f"The processor does something that is not reproduced here: on a test clip, its output differs {by} from that "
                "of this preprocessing."
            )
            caveats.append(Caveat(text, CaveatCode.PROCESSOR, ("size", "crop", "mean", "std")))
    return Carried(found.values, found.sources, found.hints, tuple(caveats))


def _is_whole(found: Carried) -> bool:
    """Return whether a network of three channels can be given an input."""
    return "size" in found.values and all(len(found.values.get(name, ())) == 3 for name in ("mean", "std"))


def _with_measured_crop(probe: Probe, name: str, found: Carried) -> tuple[Carried, float | None]:
    """Return values with the crop that explains a processor's output best, and how far that is from it."""
    values = found.only(lambda key, _: key in ("size", "mean", "std", "crop")).values
    gap = probe.difference(values) if "crop" in values else None
    if gap is not None and gap <= _CLEAR:
        return found, gap
    best: tuple[str, float] | None = None
    for crop in probe.crop_candidates(values["size"], values["mean"], values["std"]):
        other = probe.difference({**values, "crop": crop})
        if other is not None and (best is None or other < best[1]):
            best = crop, other
        if best is not None and best[1] <= _EXACT:
            break
    if best is None or best[1] > _CLEAR:
        return found, gap
    return Carried({"crop": best[0]}, {"crop": f"{name}, measured"}).over(found), best[1]


def _corrections(measured: Measured, name: str, stated: Carried) -> Carried:
    """Return the measured values that are not stated, or that differ from the stated ones."""
    values: dict[str, Any] = {}
    if measured.mean is not None and measured.std is not None:
        here = (*measured.mean, *measured.std)
        there = (*stated.values.get("mean", ()), *stated.values.get("std", ()))
        limits = [_TOLERANCE * std for std in (*measured.std, *measured.std)]
        if len(here) != len(there) or any(abs(a - b) > c for a, b, c in zip(here, there, limits, strict=True)):
            values |= {"mean": measured.mean, "std": measured.std}
    if measured.size is not None and measured.size != stated.values.get("size"):
        values["size"] = measured.size
    if measured.frames is not None and measured.frames != stated.values.get("frames"):
        values["frames"] = measured.frames
    if measured.layout is not None and "layout" not in stated.values:
        values["layout"] = measured.layout
    return Carried(values, dict.fromkeys(values, f"{name}, measured"))


def _numbers(source: Any, *keys: str) -> tuple[float, ...] | None:
    """Return the numbers of the first entry that has some, one per channel."""
    values = (entry_of(source, key) for key in keys)
    return next((to_numbers(value) for value in values if value is not None), None)


def _shorter_side(resize: Any, *, is_shorter: bool) -> int | None:
    """Return the length to which the shorter side is resized; None if both sides are."""
    edge = entry_of(resize, "shortest_edge")
    if isinstance(edge, int):
        return edge
    if isinstance(resize, (list, tuple)) and len(resize) == 1:
        resize = resize[0]
    return resize if is_shorter and isinstance(resize, int) and not isinstance(resize, bool) else None


def _words(size: Any) -> str:
    return "x".join(map(str, size))


def _has(source: Any, name: str) -> bool:
    return name in source if isinstance(source, Mapping) else hasattr(source, name)


def _flag(source: Any, name: str, default: bool) -> bool:
    return bool(entry_of(source, name)) if _has(source, name) else default
