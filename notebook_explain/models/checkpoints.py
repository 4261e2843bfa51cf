"""Build a network from its name, ``package.module:callable``, and load weights from an untrusted file.

Checkpoints are read with ``weights_only=True``: tensors, never code. Wrappers of training scripts (dicts,
``DataParallel``, ``torch.compile``) are removed, as ``state_dicts`` finds them. If the rest does not fit the network, the
error lists the differences.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.models.shadow import unwrapped
from notebook_explain.models.state_dicts import HOLDERS, StateDict, find_state_dicts, likely, without_insertions

MAX_LISTED = 3
MAX_OTHERS = 8


def build(name: str) -> nn.Module:
    """Import ``package.module`` and call its attribute ``callable``.

    Parameters
    ----------
    name : str
        "package.module:callable", such as "torchvision.models.video:r3d_18". The callable takes no arguments and
        returns the network; an ``nn.Module`` under this name is used as it is.

    Raises
    ------
    ValueError
        The name does not have this form; the module or the attribute does not exist; importing or calling it raised (the
        error is quoted, with its line).
    TypeError
        The attribute is neither callable nor an ``nn.Module``, or returned something else.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        file = re.fullmatch(r"(.*)\.py(:.*)?", name)
        hint = f"; for a file, change to its folder and write {Path(file[1]).name}:callable" if file else ""
        raise UsageError(
            f"the model {name!r} must be named package.module:callable, as in torchvision.models.video:r3d_18{hint}"
        )
    target = _get_attribute(_import_module(module), module, attribute)
    if isinstance(target, nn.Module):
        return target
    if not callable(target):
        raise UsageTypeError(
            f"{name!r} is {_type_with_article(target)}; give a callable that returns an nn.Module, or an nn.Module"
        )
    network = _run_user_code(target, f"calling {name!r} without arguments")
    if not isinstance(network, nn.Module):
        raise UsageTypeError(f"{name!r} returned {_type_with_article(network)}; it must return an nn.Module")
    return network


def error_location(error: BaseException) -> str:
    """Return the line of the user's code that raised an error, such as "nets.py, line 12"; "" if there is none."""
    libraries = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib"))
    others = (*libraries, str(Path(__file__).parents[1]), "<")
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if not frame.f_code.co_filename.startswith(others):
            return f"{Path(frame.f_code.co_filename).name}, line {line}"
    return ""


def raised_in_forward(error: BaseException) -> bool:
    """Return whether an error was raised in the forward of a module."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(f.f_code.co_name == "forward" and isinstance(f.f_locals.get("self"), nn.Module) for f in frames)


def describe_error(error: BaseException) -> str:
    """Return type, text and line of an error of the user's code, on one line."""
    text, line = " ".join(str(error).split()), error_location(error)
    return f"{type(error).__name__}{f': {text[:400]}' if text else ''}{f' ({line})' if line else ''}"


def _import_module(module: str) -> Any:
    try:
        return _run_user_code(lambda: importlib.import_module(module), f"importing {module!r}", ModuleNotFoundError)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"importing {module!r} raised {describe_error(error)}") from error
        raise UsageError(
            f"there is no module {error.name!r} in the current folder or among the installed packages"
        ) from None


def _get_attribute(module: Any, name: str, attribute: str) -> Any:
    """Return a dotted attribute of a module, whose name is for the error."""
    value = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            public = [entry for entry in dir(value) if not entry.startswith("_")]
            similar = difflib.get_close_matches(part, public, 3, 0.5)
            raise UsageError(
                f"module {name!r} has no {attribute!r}" + (f"; similar names: {', '.join(similar)}" if similar else "")
            )
        value = getattr(value, part)
    return value


def _run_user_code(run: Callable[[], Any], action: str, passed_on: type[Exception] | tuple[()] = ()) -> Any:
    """Run the user's code; errors become a UsageError, and so do exits (scripts parse arguments on import)."""
    try:
        return run()
    except passed_on:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{action} raised {describe_error(error)}") from error


def _type_with_article(value: Any) -> str:
    """Return the type of a value with its article, such as "an OrderedDict"."""
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def load_weights(module: nn.Module, path: str | os.PathLike[str], *, key: str | None = None) -> str:
    """Load a checkpoint into a network; it must have exactly the network's entries.

    Parameters
    ----------
    module : nn.Module
    path : path to a file
        Written by ``torch.save``: a state dict, or dicts that hold one (`HOLDERS` are preferred), such as the checkpoints
        of Lightning, timm and DINO; or a .safetensors file, if the package safetensors is installed. A prefix of all
        names is removed.
    key : str, optional
        Which weights to take, if the file holds several: the key of their dict (with dots between the keys of nested
        dicts), or the prefix of their names. By default those that were trained directly, before averages of them (EMA).

    Returns
    -------
    str
        Description of the file: its name, which weights were taken and of which, the removed wrapping and prefix, the
        number of ignored entries.

    Raises
    ------
    FileNotFoundError, ValueError
        The file does not exist, is damaged, holds more than tensors or no state dict, nothing under this key, or does not
        fit the network, which may then be partly filled.
    """
    path = Path(path).expanduser()
    network = unwrapped(module)
    names = {without_insertions(name): name for name in network.state_dict()}
    read = _read_file(path)
    found = find_state_dicts(read, names)
    if not found:
        raise UsageError(_no_state_dict(read, path.name))
    rivals = likely(found)
    chosen = rivals[0] if key is None else _with_key(found, key, path.name)
    entries = {names.get(name, name): value for name, value in chosen.entries.items()}
    others = [label for entry, label in zip(found, _labels(found), strict=True) if label and entry is not chosen]
    _fill(network, entries, path.name, others)
    return ", ".join([path.name, *_removed(chosen, rivals)])


def _with_key(found: list[StateDict], key: str, file: str) -> StateDict:
    """Return the state dict of this key, or the best one inside it."""
    matching = [entry for entry in found if key == entry.key]
    matching = matching or [entry for entry in found if key in entry.names]
    matching = matching or [entry for entry in found if entry.key.startswith(f"{key}.")]
    if not matching:
        listed = ", ".join(map(repr, filter(None, _labels(found)))) or "one state dict, without a key"
        raise UsageError(f"{file} holds no weights under {key!r}; it holds {listed}")
    return matching[0]


def _labels(found: list[StateDict]) -> list[str]:
    """Return a name for each state dict: its key, with its prefix where one dict holds several."""
    keys = [entry.key for entry in found]
    return [entry.key if keys.count(entry.key) == 1 else f"{entry.key}.{entry.prefix}".strip(".") for entry in found]


def _removed(chosen: StateDict, rivals: list[StateDict]) -> list[str]:
    """Return which weights were taken, and what was removed around them and from their names, in words."""
    listed = rivals if chosen in rivals else [*rivals, chosen]
    labels = _labels(listed)
    label = labels[listed.index(chosen)]
    parts = []
    if len(listed) > 1:
        quoted = [repr(name) if name else "the file's own entries" for name in labels]
        parts.append(f"{quoted[listed.index(chosen)]} of {', '.join(quoted)}")
    elif label:
        parts.append(f"from {label!r}")
    parts += [f"{part!r} removed from names" for part in chosen.inserted]
    parts += [f"prefix {chosen.prefix!r} removed"] if chosen.prefix else []
    return parts + ([f"{chosen.ignored} entries without it ignored"] if chosen.ignored else [])


def _read_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {str(path)!r}; give the path of a checkpoint")
    path.open("rb").close()  # errors of permission are raised as they are
    try:
        if path.suffix.lower() == ".safetensors":
            return importlib.import_module("safetensors.torch").load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (ModuleNotFoundError, MemoryError):
        if path.suffix.lower() != ".safetensors":
            raise
        raise UsageError(
            f"{path.name} needs a package that is not installed: pip install safetensors (or save it with torch.save)"
        ) from None
    except Exception as error:  # damaged files make torch raise nearly anything
        text = str(error)
        refused = re.search(r"GLOBAL ([\w.]+)", text)
        if refused or "TorchScript" in text:
            raise UsageError(
                f"{path.name} holds more than tensors ({refused[1] if refused else 'a TorchScript program'}), and loading "
                "that would run code from the file; if you trust it, save only the weights: "
                "torch.save(network.state_dict(), 'weights.pt')"
            ) from None
        raise UsageError(f"{path.name} is damaged, or was not written by torch.save ({type(error).__name__})") from None


def _no_state_dict(read: Any, file: str) -> str:
    content = ", ".join(repr(key) for key in list(read)[:8]) if isinstance(read, Mapping) else _type_with_article(read)
    return (
        f"{file} holds no state dict, neither by itself nor under keys such as {', '.join(map(repr, HOLDERS[:4]))}; "
        f"it holds {content or 'an empty dict'}"
    )


def _fill(network: nn.Module, state: Mapping[str, torch.Tensor], file: str, others: list[str]) -> None:
    """Load entries into a network; the error for those that do not fit names other state dicts of the file."""
    entries = network.state_dict(keep_vars=True)
    shapes = [
        f"{name} {_shape(value)}, here {_shape(entries[name])}"
        for name, value in state.items()
        if isinstance(entries.get(name), torch.Tensor)
        and not is_lazy(entries[name])
        and entries[name].shape != value.shape
    ]
    differences = [_list_entries("of another shape", shapes)]
    if not shapes:
        # Networks may accept older names of their entries, so they decide which ones are missing.
        on_meta = any(parameter.is_meta for parameter in network.parameters())
        try:
            result = network.load_state_dict(dict(state), strict=False, assign=on_meta)
        except RuntimeError as error:
            raise UsageError(
                f"{file} does not fit the network {type(network).__name__}: {describe_error(error)}"
            ) from None
        missing, unexpected = result.missing_keys, result.unexpected_keys
    else:
        missing, unexpected = [n for n in entries if n not in state], [n for n in state if n not in entries]
    differences += [_list_entries("missing", missing), _list_entries("unexpected", unexpected)]
    if any(differences):
        listed = "; ".join(filter(None, differences))
        also = f"; the file also holds {', '.join(map(repr, others[:MAX_OTHERS]))}" if others else ""
        raise UsageError(
            f"{file} does not fit the network {type(network).__name__}: {listed}{also}",
            arguments=("key",) if others else (),
            call="load_weights()",
        )


def _list_entries(kind: str, entries: list[str]) -> str:
    more = f", ... {len(entries) - MAX_LISTED} more" if len(entries) > MAX_LISTED else ""
    return f"{len(entries)} {kind} ({', '.join(entries[:MAX_LISTED])}{more})" if entries else ""


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
