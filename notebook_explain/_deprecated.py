"""Old public names, kept for one release: each still works and gives a DeprecationWarning that names the new one."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from notebook_explain._warn import warn

Owner = TypeVar("Owner", bound=type)


def warn_renamed(old: str, new: str) -> None:
    """Issue the warning for an old name."""
    warn(f"{old} is deprecated; use {new}", DeprecationWarning)


def renamed_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` that looks up old names under their new ones.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    names : mapping
        New name of each old one, both in the module.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", f"{module}.{names[name]}")
        return getattr(importlib.import_module(module), names[name])

    return look_up


def renamed_arguments(function: str, values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return keyword arguments under their new names; the value of an old name replaces that of the new one.

    Parameters
    ----------
    function : str
        Name of the function, for the warning.
    values : mapping
        Arguments by name, old or new.
    names : mapping
        New name of each old one.
    """
    old_names = [name for name in values if name in names]
    for name in old_names:
        warn_renamed(f"the argument {name!r} of {function}()", repr(names[name]))
    kept = {name: value for name, value in values.items() if name not in names}
    return {**kept, **{names[name]: values[name] for name in old_names}}


def renamed_attributes(**names: str) -> Callable[[Owner], Owner]:
    """Return a class decorator that adds a property for each old name of an attribute."""

    def decorate(cls: Owner) -> Owner:
        for old, new in names.items():
            setattr(cls, old, _property(f"{cls.__name__}.{old}", f"{cls.__name__}.{new}", new))
        return cls

    return decorate


def renamed_fields(**names: str) -> Callable[[Owner], Owner]:
    """Return a decorator for dataclasses: old names of fields are accepted as attributes and by the constructor.

    ``dataclasses.replace`` passes the current values of all fields besides the old name, whose value counts.
    """

    def decorate(cls: Owner) -> Owner:
        construct: Any = cls.__init__  # type: ignore[misc]

        @functools.wraps(construct)
        def initialise(self: Any, *args: Any, **values: Any) -> None:
            construct(self, *args, **renamed_arguments(cls.__name__, values, names))

        cls.__init__ = initialise  # type: ignore[misc]
        return renamed_attributes(**names)(cls)

    return decorate


def _property(old: str, new: str, attribute: str) -> property:
    def read(self: Any) -> Any:
        warn_renamed(old, new)
        return getattr(self, attribute)

    def write(self: Any, value: Any) -> None:
        warn_renamed(old, new)
        setattr(self, attribute, value)

    return property(read, write, doc=f"Deprecated name of `{attribute}`.")
