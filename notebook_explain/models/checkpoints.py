"""A network by its name, ``package.module:callable``, and weights from a file that nobody has to trust.

Checkpoints are read with ``weights_only=True``: tensors, never code. How a training script wrapped them (in a dict, in
``DataParallel``, in ``torch.compile``) is taken off again; what then does not fit the network is listed, and refused.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sysconfig
import traceback
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.models.shadow import unwrapped

HOLDERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
WRAPPERS = ("module.", "model.", "net.")  # of DataParallel, of training loops
COMPILED = "_orig_mod."  # torch.compile's, which may stand anywhere in a name
MOST_NESTED = 3
MOST_LISTED = 3


def build(name: str) -> nn.Module:
    """Import ``package.module``, and call what it has under the name behind the colon.

    Parameters
    ----------
    name : str
        "package.module:callable", such as "torchvision.models.video:r3d_18". The callable takes no arguments and
        returns the network; a network that lies there ready is taken as it is.

    Raises
    ------
    ValueError
        Not of this form; no such module or name in it; importing or calling it raised (its own error is quoted, with
        the line that it came from).
    TypeError
        What is there, or what it returned, is no ``nn.Module``.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        file = re.fullmatch(r"(.*)\.py(:.*)?", name)
        hint = f"; for a file, go to its folder and write {Path(file[1]).name}:callable" if file else ""
        raise UsageError(
            f"the model {name!r} must be named package.module:callable, as in torchvision.models.video:r3d_18{hint}"
        )
    found = _attribute(_imported(module), module, attribute)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UsageTypeError(f"{name!r} is {_a(found)}; give a callable that returns an nn.Module, or an nn.Module")
    network = _quoting(found, f"calling {name!r} without arguments")
    if not isinstance(network, nn.Module):
        raise UsageTypeError(f"{name!r} returned {_a(network)}; it must return an nn.Module")
    return network


def where(error: BaseException) -> str:
    """Say which line of the user's own code raised an error: "nets.py, line 12"; "" where there is none."""
    libraries = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib"))
    others = (*libraries, str(Path(__file__).parents[1]), "<")
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if not frame.f_code.co_filename.startswith(others):
            return f"{Path(frame.f_code.co_filename).name}, line {line}"
    return ""


def raised_by_a_network(error: BaseException) -> bool:
    """Whether an error came out of the forward of a module."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(f.f_code.co_name == "forward" and isinstance(f.f_locals.get("self"), nn.Module) for f in frames)


def in_short(error: BaseException) -> str:
    """Kind, text and place of somebody else's error, on one line."""
    text, place = " ".join(str(error).split()), where(error)
    return f"{type(error).__name__}{f': {text[:400]}' if text else ''}{f' ({place})' if place else ''}"


def _imported(module: str) -> Any:
    try:
        return _quoting(lambda: importlib.import_module(module), f"importing {module!r}", ModuleNotFoundError)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UsageError(f"importing {module!r} raised {in_short(error)}") from error
        raise UsageError(
            f"there is no module {error.name!r}; it is looked for in the current folder and among the installed packages"
        ) from None


def _attribute(module: Any, name: str, attribute: str) -> Any:
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [entry for entry in dir(found) if not entry.startswith("_")]
            near = difflib.get_close_matches(part, public, 3, 0.5)
            raise UsageError(
                f"module {name!r} has no {attribute!r}" + (f"; near it are {', '.join(near)}" if near else "")
            )
        found = getattr(found, part)
    return found


def _quoting(run: Callable[[], Any], doing: str, but: type[Exception] | tuple[()] = ()) -> Any:
    """Run somebody else's code; what it raises (an exit too: scripts parse arguments on import) becomes a ValueError."""
    try:
        return run()
    except but:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{doing} raised {in_short(error)}") from error


def _a(value: Any) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> str:
    """Load a checkpoint into a network: every entry of both has its like in the other, or it is an error.

    Parameters
    ----------
    module : nn.Module
    path : path to a file
        What ``torch.save`` wrote of a state dict, by itself or under one of `HOLDERS`; or a .safetensors file, where
        the package safetensors is installed. Prefixes in `WRAPPERS` before all names are taken off.

    Returns
    -------
    str
        What was done, for people: the file, what was taken off, what was left out.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; damaged; more than tensors in it; no state dict in it; it does not fit the network, which may
        then be filled in part.
    """
    path = Path(path).expanduser()
    network = unwrapped(module)
    names = {_plain(name): name for name in network.state_dict()}
    stored = {_plain(name): value for name, value in _state(_read(path), path).items()}
    prefix = _prefix(set(stored), set(names))
    inside = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
    state = {names.get(name, name): value for name, value in inside.items()}
    _fill(network, state, path.name)
    beside = len(stored) - len(state)
    return (
        path.name
        + (f", prefix {prefix!r} taken off" if prefix else "")
        + (f", {beside} entries without it left out" if beside else "")
    )


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no file of weights at {str(path)!r}; give the path of a checkpoint")
    path.open("rb").close()  # what may not be read at all is told as it is
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
                f"{path.name} holds more than tensors ({refused[1] if refused else 'a TorchScript program'}), and to load "
                "that would run code from the file; where you trust it, save the weights alone: "
                "torch.save(network.state_dict(), 'weights.pt')"
            ) from None
        raise UsageError(f"{path.name} is damaged, or no file that torch.save wrote ({type(error).__name__})") from None


def _state(read: Any, path: Path, depth: int = MOST_NESTED) -> dict[str, torch.Tensor]:
    """The tensors by name, out of whatever a training script put around them."""
    if isinstance(read, Mapping):
        state = {name: value for name, value in read.items() if isinstance(value, torch.Tensor)}
        if state and all(isinstance(name, str) for name in state):
            return state
        for holder in HOLDERS:
            if depth and isinstance(read.get(holder), Mapping):
                return _state(read[holder], path, depth - 1)
    has = ", ".join(repr(key) for key in list(read)[:8]) if isinstance(read, Mapping) else _a(read)
    raise UsageError(
        f"{path.name} holds no state dict, by itself or under {', '.join(map(repr, HOLDERS[:4]))} or the like; "
        f"it holds {has or 'an empty dict'}"
    )


def _plain(name: str) -> str:
    """A name without what torch.compile writes into the names of submodules."""
    return name.replace(COMPILED, "")


def _prefix(stored: Set[str], names: Set[str]) -> str:
    """What stands before the network's names in the file: the prefix behind which most of them are found."""
    prefixes = {""}
    for name in stored:
        prefix = ""
        while wrapper := next((entry for entry in WRAPPERS if name.startswith(prefix + entry)), ""):
            prefix += wrapper
            prefixes.add(prefix)
    return max(sorted(prefixes, key=len), key=lambda prefix: sum(prefix + name in stored for name in names))


def _fill(network: nn.Module, state: Mapping[str, torch.Tensor], file: str) -> None:
    own = network.state_dict(keep_vars=True)
    shapes = [
        f"{name} {_shape(value)}, here {_shape(own[name])}"
        for name, value in state.items()
        if isinstance(own.get(name), torch.Tensor) and not is_lazy(own[name]) and own[name].shape != value.shape
    ]
    faults = [_listed("of another shape", shapes)]
    if not shapes:
        # Networks may know older names of their entries: whether one is missing is theirs to say.
        on_meta = any(parameter.is_meta for parameter in network.parameters())
        try:
            said = network.load_state_dict(dict(state), strict=False, assign=on_meta)
        except RuntimeError as error:
            raise UsageError(f"{file} does not fit the network {type(network).__name__}: {in_short(error)}") from None
        missing, unexpected = said.missing_keys, said.unexpected_keys
    else:
        missing, unexpected = [n for n in own if n not in state], [n for n in state if n not in own]
    faults += [_listed("missing", missing), _listed("unexpected", unexpected)]
    if any(faults):
        raise UsageError(f"{file} does not fit the network {type(network).__name__}: {'; '.join(filter(None, faults))}")


def _listed(what: str, entries: list[str]) -> str:
    more = f", ... {len(entries) - MOST_LISTED} more" if len(entries) > MOST_LISTED else ""
    return f"{len(entries)} {what} ({', '.join(entries[:MOST_LISTED])}{more})" if entries else ""


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
