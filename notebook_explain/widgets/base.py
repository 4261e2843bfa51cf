"""Base class of the viewers, their bundles, and the checks of their trait values."""

from __future__ import annotations

import base64
import gzip
import hashlib
import operator
import os
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets

from notebook_explain._deprecated import warn_renamed
from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import Explanation
from notebook_explain.widgets.kernel_messages import handle_during_cells

STATIC = Path(__file__).parent.parent / "static"
State = dict[str, Any]  # plain values of every trait of a viewer, by name


class TraitValueError(UsageError, traitlets.TraitError):
    """A viewer cannot show a value of a trait."""


class View(anywidget.AnyWidget):
    """Widget with a bundle in `STATIC`, which a cell shows as a page that stays when the notebook is opened again.

    Closing it also closes its layout, so that nothing stays in the kernel.

    Attributes
    ----------
    explanations : tuple of Explanation
        What the widget shows.
    """

    bundle: ClassVar[str]
    movable: ClassVar[Sequence[str]]  # names of the traits that follow the controls
    explanations: tuple[Explanation, ...] = ()
    page_width = 1100  # pixels, at most
    renamed_traits: ClassVar[Mapping[str, str]] = {}  # new name of each old one, which `observe` still accepts
    _page_id = traitlets.Unicode(help="id by which the page in a cell finds the model of this widget").tag(sync=True)

    @traitlets.default("_page_id")
    def _new_page_id(self) -> str:
        return uuid.uuid4().hex

    def sides(self) -> list[tuple[Explanation, State]]:
        """Return each explanation that the widget shows, with the layer, target and threshold shown, if it has them."""
        return [(explanation, {}) for explanation in self.explanations]

    def open(self) -> None:
        """Open the connection to the front end; messages are handled while a cell runs, where the kernel can."""
        super().open()
        handle_during_cells(self)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Return the output of a cell: a page, which works when the notebook is opened again."""
        if self._view_name is None or not self.explanations or shows_widgets_only():
            return super()._repr_mimebundle_(**options)
        from notebook_explain import display

        return display.widget_output(self)

    def observe(self, handler: Any, names: Any = traitlets.All, type: Any = "change") -> None:
        """Call a handler on changes of some traits, as traitlets does."""
        super().observe(handler, self._current_names(names), type)

    def unobserve(self, handler: Any, names: Any = traitlets.All, type: Any = "change") -> None:
        """Undo `observe`."""
        super().unobserve(handler, self._current_names(names), type)

    def _current_names(self, names: Any) -> Any:
        """Return names of traits, each old one replaced by the new one."""
        if names is traitlets.All or not self.renamed_traits:
            return names
        current = []
        for name in [names] if isinstance(names, str) else names:
            if name in self.renamed_traits:
                owner = self.__class__.__name__
                warn_renamed(f"{owner}.{name}", f"{owner}.{self.renamed_traits[name]}")
            current.append(self.renamed_traits.get(name, name))
        return current

    def close(self) -> None:
        """Close the widget and its layout."""
        layout = getattr(self, "layout", None)
        super().close()
        if layout is not None:
            layout.close()


def shows_widgets_only() -> bool:
    """Return whether the notebook's front end keeps pages and widgets apart, so that a page cannot find its widget's model."""
    return "google.colab" in sys.modules or "VSCODE_PID" in os.environ


@cache
def read_bundle(name: str) -> tuple[str, str]:
    """Return the JavaScript and the CSS of a bundle in `STATIC`."""
    script, style = ((STATIC / f"{name}.{suffix}").read_text(encoding="utf-8") for suffix in ("js", "css"))
    return script, style


@cache
def sent_bundle(name: str) -> tuple[str, str]:
    """Return the JavaScript and the CSS that every instance of a widget sends: a module that unpacks the bundle's."""
    script, style = read_bundle(name)
    return _self_unpacking(script), style


def _self_unpacking(script: str) -> str:
    """Return a module with the same default export as a module, which it contains compressed; a page unpacks it once."""
    content = script.encode()
    key = hashlib.sha256(content).hexdigest()[:16]
    data = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    return (
        f'const key=Symbol.for("notebook_explain module {key}");'
        "globalThis[key]??=(async()=>{"
        f'const bytes=Uint8Array.from(atob("{data}"),char=>char.charCodeAt(0));'
        'const stream=new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));'
        'const url=URL.createObjectURL(new Blob([await new Response(stream).text()],{type:"text/javascript"}));'
        "try{return(await import(url)).default}finally{URL.revokeObjectURL(url)}})();"
        "export default await globalThis[key];"
    )


def widget_state(widget: anywidget.AnyWidget) -> State:
    """Return the current values of the traits that a widget adds to those of every anywidget."""
    inherited = anywidget.AnyWidget.class_trait_names(sync=True)
    names = [name for name in widget.trait_names(sync=True) if name not in inherited and not name.startswith("_")]
    return {name: getattr(widget, name) for name in names}


def check_names(function: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise UsageTypeError unless every name is one that the function accepts."""
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        listed = f"{', '.join(allowed[:-1])} and {allowed[-1]}"
        raise UsageTypeError(f"{function} has no {unknown[0]!r}; it takes {listed}")


def check_index(name: str, value: Any, count: int) -> int:
    """Return an index of one of ``count`` items; with no items (not set yet) any index passes."""
    try:
        index = operator.index(value)
    except TypeError:
        raise TraitValueError(f"{name} must be a whole number, got {value!r}") from None
    if count and not 0 <= index < count:
        raise TraitValueError(f"{name} must lie in 0..{count - 1}, got {value!r}")
    return index


def check_indices(name: str, values: Any, count: int) -> list[int]:
    """Return indices of ``count`` items, in the given order and without duplicates."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TraitValueError(f"{name} must be a list of indices, got {values!r}")
    indices = list(values)
    for value in indices:
        if not isinstance(value, int) or (count and not 0 <= value < count):
            raise TraitValueError(f"{name} must hold indices in 0..{count - 1}, got {value!r}")
    return list(dict.fromkeys(indices))


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number as a float; raise TraitValueError if it lies outside low..high."""
    if not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise TraitValueError(f"{name} must lie in {low:g}..{high:g}, got {value!r}")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a value that is one of the choices."""
    if value not in choices:
        raise TraitValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return str(value)


def check_flag(name: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise TraitValueError(f"{name} must be True or False, got {value!r}")
    return value
