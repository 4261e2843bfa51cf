"""Keys of cached values and arrays: a hash of everything that they depend on."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target
from notebook_explain.explanations.targets import Mask
from notebook_explain.models.video_model import VideoModel

_PLAIN = (bool, int, float, str, bytes, type(None))


def content_key(*values: Any) -> str:
    """Return a hash of values: equal content gives equal keys, in every process.

    Parameters
    ----------
    *values
        Plain values, arrays, tensors, containers of these, dataclasses such as explainers and metrics with their code,
        classes and functions of modules.

    Raises
    ------
    ValueError
        A value whose content is unknown, such as a lambda or an object that is not a dataclass.
    """
    digest = hashlib.sha256()
    for value in values:
        _add(digest, value)
    return digest.hexdigest()


def clip_key(clip: Clip) -> str:
    """Return the key of what the network sees of a clip."""
    return content_key(clip.frames, clip.values)


def model_key(model: VideoModel) -> str:
    """Return the key of a model: its class, weights, buffers, preprocessing and bound inputs."""
    module = model.module
    state = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    given = None if model.inputs is None else model.inputs.given
    return content_key(_qualified(type(module)), repr(module), state, model.preprocessing, dict(model.outputs), given)


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, Enum):
        value = (_qualified(type(value)), value.value)
    if isinstance(value, _PLAIN):
        _write(digest, type(value).__name__, repr(value).encode())
    elif isinstance(value, Mask):
        _add(digest, (value.shape, value.bits))
    elif isinstance(value, torch.Tensor):
        tensor = value.detach().cpu().contiguous()
        _write(
            digest, f"tensor {tensor.dtype} {tuple(tensor.shape)}", tensor.view(-1).view(torch.uint8).numpy().tobytes()
        )
    elif isinstance(value, np.ndarray):
        _write(digest, f"array {value.dtype} {value.shape}", np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        _write(digest, "dict", str(len(value)).encode())
        for key in sorted(value, key=str):
            _add(digest, str(key))
            _add(digest, value[key])
    elif isinstance(value, (list, tuple)):
        _write(digest, "list", str(len(value)).encode())
        for part in value:
            _add(digest, part)
    elif isinstance(value, Target) or (is_dataclass(value) and not isinstance(value, type)):
        _write(digest, "object", _qualified(type(value)).encode())
        _add_code(digest, type(value))
        for field in fields(value):
            _add(digest, field.name)
            _add(digest, getattr(value, field.name))
    elif isinstance(value, type):
        _write(digest, "class", _qualified(value).encode())
        _add_code(digest, value)
    elif isinstance(value, types.FunctionType) and value.__closure__ is None and "<" not in value.__qualname__:
        _write(digest, "function", _qualified(value).encode())
        _add(digest, (value.__defaults__, value.__kwdefaults__))
        _add_function(digest, value.__code__)
    else:
        raise UsageError(
            f"the results of {value!r} cannot be kept in a cache, because it cannot be compared with that of another run; "
            "make it a frozen dataclass or a function of a module, or leave cache out"
        )


def _add_code(digest: Any, kind: type) -> None:
    """Add the code of a class that may change while it is written: outside of this package and of installed ones."""
    for name, function in sorted(vars(kind).items()):
        if isinstance(function, types.FunctionType):
            _write(digest, "method", name.encode())
            _add_function(digest, function.__code__)


def _add_function(digest: Any, code: types.CodeType) -> None:
    _write(digest, "code", code.co_code + repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _add_function(digest, constant)
        elif isinstance(constant, frozenset):  # whose order differs between processes
            _write(digest, "constant", repr(sorted(map(repr, constant))).encode())
        else:
            _write(digest, "constant", repr(constant).encode())


def _write(digest: Any, kind: str, data: bytes) -> None:
    digest.update(f"{kind} {len(data)}:".encode())
    digest.update(data)


def _qualified(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"
