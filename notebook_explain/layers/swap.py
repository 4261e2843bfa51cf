"""Exchange modules in a copy of a network, and list the changes."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.layers.swap_report import Change, Swapped

Module = TypeVar("Module", bound=nn.Module)
Key = type[nn.Module] | str
Value = type[nn.Module] | nn.Module | Callable[[Any], nn.Module | None] | None


def swap(model: Any, exchanges: Mapping[Key, Value]) -> Swapped:
    """Copy a network and exchange modules of the copy; the network itself is not modified.

    Parameters
    ----------
    model : module or VideoModel
        With a VideoModel, ``.model`` of the result is one too, with the same preprocessing, labels and options.
    exchanges : mapping
        A key selects modules. It is a module class (subclasses match too, unless they override ``forward``), or a dotted
        name or pattern of names ("layer*.relu"). The first key that matches a module is used.
        A value says what replaces them:

        * a module class: an instance is made by its ``like(module)`` if it has one, else with the arguments that the
          old module has as attributes of the same names;
        * a module: a copy of it;
        * a function that takes the old module and returns a new one, which may contain the old one, or ``None`` to leave
      the old module unchanged;
        * ``None``: ``nn.Identity``.

    Returns
    -------
    Swapped
        ``.model`` and ``.changes``. Weights of the same name and shape are kept, all others are new. Hooks on exchanged
        modules are lost, others are copied as by ``copy.deepcopy``. Modes, devices and precision stay the same.

    Raises
    ------
    ValueError
        No module matches one of the keys. A function that a forward calls (``F.max_pool3d``) is not a module.
    TypeError
        ``exchanges`` is not such a mapping, or the network cannot be copied.

    Examples
    --------
    >>> ne.layers.swap(net, {nn.MaxPool3d: ne.layers.SoftPool3d}).model
    >>> ne.layers.swap(net, {"layer?": ne.layers.followed_by(ne.layers.SRTG)}).model
    """
    if isinstance(model, nn.Module):
        return exchange(copied_model(model), exchanges)
    module, with_module = getattr(model, "module", None), getattr(model, "with_module", None)
    if not isinstance(module, nn.Module) or with_module is None:
        raise UsageTypeError(f"model must be a torch.nn.Module or a VideoModel, got {type(model).__name__}")
    swapped = exchange(copied_model(module), exchanges)
    return replace(swapped, model=with_module(swapped.model))


def followed_by(
    kind: Callable[..., nn.Module], channels: int | None = None, **options: Any
) -> Callable[[nn.Module], nn.Module]:
    """Make a value for `swap` that puts a new module after each selected one.

    Parameters
    ----------
    kind : callable
        Makes the new module from a number of channels and `options`.
    channels : int, optional
        By default the number of output channels of the selected module; see `out_channels`.
    options
        Keyword arguments for ``kind``.
    """

    def append(module: nn.Module) -> nn.Module:
        return nn.Sequential(module, kind(out_channels(module) if channels is None else channels, **options))

    return append


def out_channels(module: nn.Module) -> int:
    """Return the number of output channels of the last convolution, norm or linear layer in a module.

    Raises
    ------
    ValueError
        The module has none of these.
    """
    for part in reversed(list(module.modules())):
        for attribute in ("out_channels", "num_features", "out_features"):
            if isinstance(getattr(part, attribute, None), int):
                return int(getattr(part, attribute))
    raise UsageError(
        f"cannot infer the number of output channels of {type(module).__name__}, which has no convolution, norm or "
        "linear layer",
        arguments=("channels",),
        call="followed_by()",
    )


def copied_model(model: Module) -> Module:
    """Return a deep copy of a network.

    Raises
    ------
    TypeError
        The network cannot be copied; the message says why.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageTypeError(
            f"{type(model).__name__} cannot be copied ({error}); remove the attribute that cannot be copied, such as a "
            "lock, a generator or activations with a graph"
        ) from error


def exchange(model: nn.Module, exchanges: Mapping[Key, Value]) -> Swapped:
    """Exchange modules of a network in place; see `swap`."""
    _check(exchanges)
    walk = _Exchange(model, exchanges)
    root = nn.ModuleDict()
    root._modules["model"] = model  # so that the network itself can be exchanged
    walk.visit(root, "")
    unused = [key for key in exchanges if key not in walk.used]
    if unused:
        raise UsageError(_no_match(unused[0], model))
    return Swapped(root._modules["model"], tuple(walk.changes), tuple(walk.left))


class _Exchange:
    """Walk through a network that exchanges modules and lists the changes."""

    def __init__(self, model: nn.Module, exchanges: Mapping[Key, Value]) -> None:
        self.model, self.exchanges = model, exchanges
        self.used: set[Key] = set()
        self.changes: list[Change] = []
        self.left: list[str] = []
        self.replaced: dict[int, tuple[nn.Module, nn.Module]] = {}  # id to (old, which keeps the id in use; new)
        self.visited: set[int] = set()

    def visit(self, parent: nn.Module, path: str) -> None:
        """Exchange the children of a module, and theirs."""
        for key, child in list(parent._modules.items()):
            if child is None:
                continue
            name = "" if child is self.model else f"{path}.{key}" if path else key
            if id(child) in self.replaced:  # a shared module stays shared
                parent._modules[key] = self.replaced[id(child)][1]
                continue
            new = self._replacement(name, child)
            if new is not None:
                parent._modules[key] = new
                self.replaced[id(child)] = child, new
            elif id(child) not in self.visited:
                self.visited.add(id(child))
                self.visit(child, name)

    def _replacement(self, name: str, old: nn.Module) -> nn.Module | None:
        key = next((key for key in self.exchanges if _matches(key, name, old)), None)
        if key is None:
            return None
        self.used.add(key)
        new = _new_module(self.exchanges[key], old)
        if new is None or new is old:
            self.left.append(name)
            return None
        kept, initial = _transfer_state(new, old, self.model)
        hooks = 0 if any(part is old for part in new.modules()) else _count_hooks(old)
        self.changes.append(Change(name, type(old).__name__, _kind(new, old), kept, initial, hooks))
        return new


def _matches(key: Key, name: str, module: nn.Module) -> bool:
    if isinstance(key, str):
        return fnmatchcase(name, key)
    return isinstance(module, key) and type(module).forward is key.forward


def _new_module(value: Value, old: nn.Module) -> nn.Module | None:
    if value is None:
        return nn.Identity()
    if isinstance(value, nn.Module):
        return copy.deepcopy(value)
    if not isinstance(value, type):
        new = value(old)
        if new is not None and not isinstance(new, nn.Module):
            raise UsageTypeError(f"a function in exchanges must return a module or None, got {type(new).__name__}")
        return new
    like = getattr(value, "like", None)
    if like is not None:
        replacement: nn.Module | None = like(old)
        return replacement
    return _with_same_settings(value, old)


def _with_same_settings(kind: type[nn.Module], old: nn.Module) -> nn.Module:
    """Make a module with the arguments that the old module has as attributes of the same names."""
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(old, name):
            continue
        value = getattr(old, name)
        arguments[name] = value is not None if name == "bias" else value
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"cannot make a {kind.__name__} with the settings of a {type(old).__name__}: {error}; use a function from the "
            f"old module to the new one, or ne.layers.followed_by({kind.__name__}) to add one after it"
        ) from error


def _transfer_state(new: nn.Module, old: nn.Module, model: nn.Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give a new module the old one's device, precision, mode, and weights of the same name and shape.

    Returns
    -------
    names of the kept and of the other weights and buffers of the new module
    """
    old_ids = {id(value) for value in (*old.parameters(), *old.buffers())}
    reference = next((p for p in (*old.parameters(), *model.parameters()) if p.is_floating_point()), None)
    old_parts = set(old.modules())
    state = dict(old.named_parameters()) | dict(old.named_buffers())
    if reference is not None and any(id(value) not in old_ids for value in (*new.parameters(), *new.buffers())):
        for part in new.modules():
            if part not in old_parts and not any(inner in old_parts for inner in part.modules()):
                part.to(reference.device, reference.dtype)
    for part in new.modules():
        if part not in old_parts:
            part.training = old.training
    kept, initial = [], []
    shared = {id(value) for value in model.parameters()} - old_ids
    for name, value in (*new.named_parameters(), *new.named_buffers()):
        source = state.get(name)
        if id(value) in old_ids or id(value) in shared:
            kept.append(name)
        elif source is not None and source.shape == value.shape:
            with torch.no_grad():
                value.copy_(source)
            value.requires_grad_(source.requires_grad)
            kept.append(name)
        else:
            initial.append(name)
    return tuple(kept), tuple(initial)


def _kind(new: nn.Module, old: nn.Module) -> str:
    if isinstance(new, nn.Sequential) and len(new) == 2 and new[0] is old:
        return f"{type(old).__name__} and {type(new[1]).__name__}"
    return type(new).__name__


def _count_hooks(module: nn.Module) -> int:
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, table)) for table in tables)


def _check(exchanges: Any) -> None:
    if not isinstance(exchanges, Mapping) or not exchanges:
        raise UsageTypeError(f"exchanges must map module classes or names to their replacements, got {exchanges!r}")
    for key, value in exchanges.items():
        if not isinstance(key, str) and not (isinstance(key, type) and issubclass(key, nn.Module)):
            raise UsageTypeError(f"a key of exchanges must be a module class or a name, got {key!r}")
        if isinstance(value, type) and not issubclass(value, nn.Module):
            raise UsageTypeError(f"the value for {key!r} must be a class of nn.Module, got {value.__name__}")
        if value is not None and not callable(value):
            raise UsageTypeError(
                f"the value for {key!r} must be a module class, a module, a function or None; got {value!r}"
            )


def _no_match(key: Key, model: nn.Module) -> str:
    """Error text for a key that matches no module, with the nearest names or all classes."""
    if isinstance(key, str):
        names = [name for name, _ in model.named_modules() if name]
        near = difflib.get_close_matches(key, names, 5, 0.4) or names[:8]
        return f"{type(model).__name__} has no module named {key!r}; similar names are {', '.join(near)}"
    kinds = sorted({type(part).__name__ for part in model.modules() if not list(part.children())})
    return (
        f"{type(model).__name__} has no {key.__name__}; its modules are {', '.join(kinds)} "
        "(functions that its forward calls, such as F.max_pool3d, cannot be exchanged)"
    )
