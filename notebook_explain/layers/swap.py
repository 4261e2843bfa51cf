"""What if this network had other modules? A copy of it with modules exchanged, and a list of what changed."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)
Key = type[nn.Module] | str
Value = type[nn.Module] | nn.Module | Callable[[Any], nn.Module | None] | None


@dataclass(frozen=True)
class Change:
    """One module that was exchanged.

    Attributes
    ----------
    name : str
        Dotted name, "" for the network itself.
    before, after : str
        Kinds of the modules.
    kept : tuple of str
        Weights and buffers of the new module that are the old one's.
    new : tuple of str
        Those that have first values of their own: train them before you judge.
    lost_hooks : int
        Hooks that went with the old module.
    """

    name: str
    before: str
    after: str
    kept: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    lost_hooks: int = 0

    def __str__(self) -> str:
        said = f"{self.name or '(the network)'}: {self.before} -> {self.after}"
        if self.kept or self.new:
            said += f", {_count(len(self.kept), 'weight')} kept, {len(self.new)} new"
        return said + (f", {_count(self.lost_hooks, 'hook')} lost" if self.lost_hooks else "")


@dataclass(frozen=True, eq=False)
class Swapped:
    """A copy of a network with modules exchanged.

    Attributes
    ----------
    model : module
    changes : tuple of Change
    left : tuple of str
        Names of modules that were asked for, but that the new kind cannot stand for.
    """

    model: Any
    changes: tuple[Change, ...]
    left: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        rows = [
            f"{type(self.model).__name__}, {_count(len(self.changes), 'module')} exchanged:",
            *map(str, self.changes),
        ]
        if self.left:
            rows.append(f"left as they were: {', '.join(self.left)}")
        return "\n  ".join(rows)


def swap(model: nn.Module, exchanges: Mapping[Key, Value]) -> Swapped:
    """Copy a network and exchange modules of the copy; the network itself is not touched.

    Parameters
    ----------
    model : module
    exchanges : mapping
        From what to exchange: a kind of module (those derived from it too, unless they have a forward of their own),
        or a dotted name or pattern of names ("layer*.relu"). The first that fits counts.
        To a kind of module, which is made with the settings of the one it replaces (its ``like(module)``, where it has
        one, or arguments of the same names); a module, which is copied; a function from the module to another one
        (which may hold the first), or to ``None`` to leave it; or ``None``, which lets activations through.

    Returns
    -------
    Swapped
        ``.model``, and ``.changes``: weights of the same name and shape are kept, all others are new. Hooks on what was
        exchanged are gone, others are copied as ``copy.deepcopy`` does. Modes, devices and precision stay.

    Raises
    ------
    ValueError
        Nothing fits one of the keys. Functions that a forward calls (``F.max_pool3d``) are no modules.
    TypeError
        Something that is no such mapping; a network that cannot be copied.

    Examples
    --------
    >>> ne.layers.swap(net, {nn.MaxPool3d: ne.layers.SoftPool3d}).model
    >>> ne.layers.swap(net, {"layer?": ne.layers.followed_by(ne.layers.SRTG)}).model
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    copied = copied_model(model)
    return exchanged(copied, exchanges)


def followed_by(
    kind: Callable[..., nn.Module], channels: int | None = None, **options: Any
) -> Callable[[nn.Module], nn.Module]:
    """Put a module behind another one: a value for `swap`.

    Parameters
    ----------
    kind : callable
        Called with the number of channels and `options`.
    channels : int, optional
        By default those of the last convolution or norm in the module before.
    """

    def put(module: nn.Module) -> nn.Module:
        return nn.Sequential(module, kind(out_channels(module) if channels is None else channels, **options))

    return put


def out_channels(module: nn.Module) -> int:
    """Channels that come out of a module, read off the last convolution, norm or linear layer in it."""
    for part in reversed(list(module.modules())):
        for attribute in ("out_channels", "num_features", "out_features"):
            if isinstance(getattr(part, attribute, None), int):
                return int(getattr(part, attribute))
    raise ValueError(f"how many channels come out of {type(module).__name__} cannot be read off it; state channels=")


def copied_model(model: Module) -> Module:
    """Copy a network, or say why not."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise TypeError(
            f"{type(model).__name__} cannot be copied ({error}); take what cannot be copied (a lock, a generator, "
            "activations with a graph) off it"
        ) from error


def exchanged(model: nn.Module, exchanges: Mapping[Key, Value]) -> Swapped:
    """Exchange modules of this very network."""
    _check(exchanges)
    worker = _Exchange(model, exchanges)
    whole = nn.ModuleDict()
    whole._modules["model"] = model
    worker.within(whole, "")
    unused = [key for key in exchanges if key not in worker.used]
    if unused:
        raise ValueError(_nothing(unused[0], model))
    return Swapped(whole._modules["model"], tuple(worker.changes), tuple(worker.left))


class _Exchange:
    """One walk through a network."""

    def __init__(self, model: nn.Module, exchanges: Mapping[Key, Value]) -> None:
        self.model, self.exchanges = model, exchanges
        self.used: set[Key] = set()
        self.changes: list[Change] = []
        self.left: list[str] = []
        self.done: dict[int, tuple[nn.Module, nn.Module]] = {}  # old, so that it lives and its id is its own; new
        self.walked: set[int] = set()

    def within(self, parent: nn.Module, path: str) -> None:
        for own, child in list(parent._modules.items()):
            if child is None:
                continue
            name = "" if child is self.model else f"{path}.{own}" if path else own
            if id(child) in self.done:  # one module in several places stays one
                parent._modules[own] = self.done[id(child)][1]
                continue
            new = self._instead(name, child)
            if new is not None:
                parent._modules[own] = new
                self.done[id(child)] = child, new
            elif id(child) not in self.walked:
                self.walked.add(id(child))
                self.within(child, name)

    def _instead(self, name: str, module: nn.Module) -> nn.Module | None:
        key = next((key for key in self.exchanges if _fits(key, name, module)), None)
        if key is None:
            return None
        self.used.add(key)
        made = _made(self.exchanges[key], module)
        if made is None or made is module:
            self.left.append(name)
            return None
        kept, new = _settle(made, module, self.model)
        hooks = 0 if any(part is module for part in made.modules()) else _hooks(module)
        self.changes.append(Change(name, type(module).__name__, _kind(made, module), kept, new, hooks))
        return made


def _fits(key: Key, name: str, module: nn.Module) -> bool:
    if isinstance(key, str):
        return fnmatchcase(name, key)
    return isinstance(module, key) and type(module).forward is key.forward


def _made(value: Value, module: nn.Module) -> nn.Module | None:
    if value is None:
        return nn.Identity()
    if isinstance(value, nn.Module):
        return copy.deepcopy(value)
    if not isinstance(value, type):
        made = value(module)
        if made is not None and not isinstance(made, nn.Module):
            raise TypeError(f"a function in exchanges must return a module or None, got {type(made).__name__}")
        return made
    like = getattr(value, "like", None)
    if like is not None:
        stand_in: nn.Module | None = like(module)
        return stand_in
    return _alike(value, module)


def _alike(kind: type[nn.Module], module: nn.Module) -> nn.Module:
    """Make a module of a kind, with the settings that another one has by the same names."""
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(module, name):
            continue
        value = getattr(module, name)
        given[name] = value is not None if name == "bias" else value
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{kind.__name__} cannot be made with the settings of a {type(module).__name__}: {error}; give a function from the "
            f"one to the other, or ne.layers.followed_by({kind.__name__}) to put it behind"
        ) from error


def _settle(made: nn.Module, module: nn.Module, model: nn.Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give a new module what the old one had: device, precision, mode, and weights of the same name and shape."""
    own = {id(value) for value in (*module.parameters(), *module.buffers())}
    like = next((p for p in (*module.parameters(), *model.parameters()) if p.is_floating_point()), None)
    before = set(module.modules())
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    if like is not None and any(id(value) not in own for value in (*made.parameters(), *made.buffers())):
        for part in made.modules():
            if part not in before and not any(inner in before for inner in part.modules()):
                part.to(like.device, like.dtype)
    for part in made.modules():
        if part not in before:
            part.training = module.training
    kept, new = [], []
    shared = {id(value) for value in model.parameters()} - own
    for name, value in (*made.named_parameters(), *made.named_buffers()):
        old = state.get(name)
        if id(value) in own or id(value) in shared:
            kept.append(name)
        elif old is not None and old.shape == value.shape:
            with torch.no_grad():
                value.copy_(old)
            value.requires_grad_(old.requires_grad)
            kept.append(name)
        else:
            new.append(name)
    return tuple(kept), tuple(new)


def _kind(made: nn.Module, module: nn.Module) -> str:
    if isinstance(made, nn.Sequential) and len(made) == 2 and made[0] is module:
        return f"{type(module).__name__} and {type(made[1]).__name__}"
    return type(made).__name__


def _hooks(module: nn.Module) -> int:
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, table)) for table in tables)


def _check(exchanges: Any) -> None:
    if not isinstance(exchanges, Mapping) or not exchanges:
        raise TypeError(f"exchanges must map kinds or names of modules to what takes their place, got {exchanges!r}")
    for key, value in exchanges.items():
        if not isinstance(key, str) and not (isinstance(key, type) and issubclass(key, nn.Module)):
            raise TypeError(f"a key of exchanges must be a kind of module or a name, got {key!r}")
        if isinstance(value, type) and not issubclass(value, nn.Module):
            raise TypeError(f"{value.__name__} is no kind of module")
        if value is not None and not callable(value):
            raise TypeError(
                f"the value for {key!r} must be a kind of module, a module, a function or None; got {value!r}"
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _nothing(key: Key, model: nn.Module) -> str:
    """Say what there is instead of what was asked for."""
    if isinstance(key, str):
        names = [name for name, _ in model.named_modules() if name]
        near = difflib.get_close_matches(key, names, 5, 0.4) or names[:8]
        return f"no module of {type(model).__name__} is called {key!r}; near it are {', '.join(near)}"
    kinds = sorted({type(part).__name__ for part in model.modules() if not list(part.children())})
    return (
        f"{type(model).__name__} has no {key.__name__}; its modules are {', '.join(kinds)} "
        "(a function that its forward calls, such as F.max_pool3d, is no module)"
    )
