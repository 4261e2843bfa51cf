"""Labels and preprocessing that a module carries: Hugging Face configurations, timm's, Lightning's hyperparameters.

Values are taken only if they have a valid form; all others are ignored without an error, since nobody stated them for
this purpose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain.explanations.caveats import Caveat
from notebook_explain.models.metadata import read_labels

_SIZES = ("size", "image_size", "img_size", "input_size", "crop_size", "resolution")
_FRAMES = ("frames", "num_frames", "n_frames", "frames_per_clip", "clip_len", "clip_length")
_LABELS = ("labels", "id2label", "label_names", "class_names", "classes", "categories")
_MEANS, _STDS = ("mean", "image_mean", "norm_mean"), ("std", "image_std", "norm_std")
_PLACEHOLDER = re.compile(r"LABEL_[0-9]+")  # Hugging Face names classes without a name
MAX_SIDE = 2**14  # pixels
MAX_FRAMES = 2**14
MAX_GROUPS = 64


@dataclass(frozen=True)
class Carried:
    """Values that a module or a processor carries.

    Attributes
    ----------
    values : dict
        By name of the argument of `adapt`.
    sources : dict of name to str
        Where each value was found, such as "module.config.num_frames".
    hints : frozenset of str
        Names of values that are no more than a good guess, because they belong to a part of the network.
    caveats : tuple of Caveat
        What cannot be followed.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    hints: frozenset[str] = frozenset()
    caveats: tuple[Caveat, ...] = ()

    def over(self, other: Carried) -> Carried:
        """Return these values, and those of the other that these lack or only guess."""
        taken = [
            name for name in other.values if name not in self.values or (name in self.hints and name not in other.hints)
        ]
        is_other_size = "size" not in taken and self.values.get("size") != other.values.get("size")
        if "crop" in taken and is_other_size and ":" in other.values["crop"]:
            taken.remove("crop")  # "center:256" belongs to a size
        values = {**self.values, **{name: other.values[name] for name in taken}}
        sources = {**self.sources, **{name: other.sources[name] for name in taken}}
        hints = (self.hints - set(taken)) | (other.hints & set(taken))
        return Carried(values, sources, hints, (*self.caveats, *other.caveats))

    def only(self, keep: Callable[[str, str], bool]) -> Carried:
        """Return the values that a function of their name and source keeps."""
        names = [name for name in self.values if keep(name, self.sources[name])]
        values, sources = ({name: entry[name] for name in names} for entry in (self.values, self.sources))
        return Carried(values, sources, self.hints & set(names), self.caveats)


def carried_by(module: nn.Module) -> Carried:
    """Return what a module or its parts carry: hyperparameters win over the configuration, and that over timm's."""
    found = _of_part(module, "module")
    for name, part in module.named_modules():
        if name and name.count(".") <= 1:
            inner = _of_part(part, f"module.{name}")
            # Whoever wrapped this part may feed it in another way, and its classes need not be the classes.
            values = inner.only(lambda key, _: key in ("size", "frames", "mean", "std"))
            found = found.over(Carried(values.values, values.sources, frozenset(values.values)))
    return found


def _of_part(module: nn.Module, name: str) -> Carried:
    hparams = _read_hparams(module, f"{name}.hparams")
    config = read_values(entry_of(module, "config"), f"{name}.config")
    # Configurations of Hugging Face hold no preprocessing but the size and the frames.
    found = hparams.over(config.only(lambda key, _: key in ("size", "frames", "labels")))
    for attribute in ("pretrained_cfg", "default_cfg"):
        found = found.over(read_timm(entry_of(module, attribute), f"{name}.{attribute}"))
    return found


def _read_hparams(module: nn.Module, name: str) -> Carried:
    """Return what the hyperparameters of a Lightning module say, or groups of them."""
    attributes = vars(module)  # not getattr, since Lightning's property adds an attribute to the module
    hparams = attributes.get("_hparams", attributes.get("hparams"))
    found = read_values(hparams, name)
    groups = list(hparams.items())[:MAX_GROUPS] if isinstance(hparams, Mapping) else []
    for key, group in groups:
        if isinstance(group, Mapping):
            found = found.over(read_values(group, f"{name}.{key}"))
    return found


def read_values(source: Any, name: str) -> Carried:
    """Return the values of an object or a mapping that have a usual name and a valid form.

    Parameters
    ----------
    source : object
        Untrusted; ``None`` has no values.
    name : str
        For the sources.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def take(argument: str, names: Iterable[str], convert: Callable[[Any], Any]) -> None:
        for key in names:
            value = convert(entry_of(source, key))
            if value is not None:
                values[argument], sources[argument] = value, f"{name}.{key}"
                return

    if source is not None:
        take("size", _SIZES, to_size)
        take("frames", _FRAMES, lambda value: value if _is_count(value, MAX_FRAMES) else None)
        take("labels", _LABELS, to_labels)
        take("mean", _MEANS, to_numbers)
        take("std", _STDS, to_numbers)
        if not {"mean", "std"} <= set(values):
            for key in ("mean", "std"):
                values.pop(key, None)
                sources.pop(key, None)
        else:
            values["mean"], values["std"] = in_unit_range(values["mean"], values["std"])
            if min(values["std"]) <= 0:
                del values["mean"], values["std"]
    return Carried(values, {key: sources[key] for key in values})


def read_timm(config: Any, name: str) -> Carried:
    """Return what a configuration of timm says: mean, std, size, and the crop if it has a fraction for it."""
    found = read_values(config, name) if isinstance(config, Mapping) or hasattr(config, "input_size") else Carried()
    shape = entry_of(config, "input_size")
    size = to_size(shape[1:]) if isinstance(shape, (list, tuple)) and len(shape) == 3 else None
    values = found.only(lambda key, _: key in ("mean", "std")).values
    if size is not None:
        values["size"] = size
        fraction, mode = entry_of(config, "crop_pct"), entry_of(config, "crop_mode")
        if isinstance(fraction, float) and 0.1 <= fraction < 1 and mode in (None, "center", "squash"):
            height, width = (math.floor(side / fraction) for side in size)
            values["crop"] = f"center:{height}x{width}" if mode == "squash" else f"center:{min(height, width)}"
    keys = {"crop": "crop_pct", "size": "input_size"}
    return Carried(values, {key: f"{name}.{keys.get(key, key)}" for key in values})


def to_size(value: Any) -> tuple[int, int] | None:
    """Return (height, width), given one number, two, or a dict or object with height and width; None for anything else."""
    height, width = entry_of(value, "height"), entry_of(value, "width")
    sides = (height, width) if height is not None else value
    sides = tuple(sides) if isinstance(sides, (list, tuple)) else (sides,)
    sides = sides * 2 if len(sides) == 1 else sides
    return (int(sides[0]), int(sides[1])) if len(sides) == 2 and all(_is_count(s, MAX_SIDE) for s in sides) else None


def to_numbers(value: Any) -> tuple[float, ...] | None:
    """Return finite numbers, one per channel, given one or a sequence; None for anything else."""
    parts = value.tolist() if hasattr(value, "tolist") else value
    parts = list(parts) if isinstance(parts, (list, tuple)) else [parts] * 3
    try:
        numbers = tuple(float(part) for part in parts if not isinstance(part, (bool, str)))
    except (TypeError, ValueError):
        return None
    return numbers if numbers and len(numbers) == len(parts) and all(map(math.isfinite, numbers)) else None


def to_labels(value: Any) -> dict[str, tuple[str, ...]] | None:
    """Return labels by head; None if they have another form, or if all are placeholders such as "LABEL_0"."""
    if isinstance(value, Mapping):
        names = list(value.values())
    elif isinstance(value, (list, tuple)):
        names = list(value)
    else:
        return None
    if not names or not all(isinstance(name, str) for name in names):
        return None
    if all(_PLACEHOLDER.fullmatch(name) for name in names):
        return None
    try:
        return read_labels(value)
    except (UsageError, ValueError, TypeError):
        return None


def in_unit_range(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation in units of 0..1, given in these units or for values in 0..255."""
    if max(mean) <= 1.5 and max(std) <= 1.5:
        return mean, std
    return tuple(value / 255 for value in mean), tuple(value / 255 for value in std)


def _is_count(value: Any, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= largest


def entry_of(source: Any, name: str) -> Any:
    """Return an entry of a mapping or an attribute of an object; None if it has none, or if it cannot be read."""
    try:
        return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
    except Exception:  # a property of someone else's class may raise anything
        return None
