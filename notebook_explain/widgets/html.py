"""One HTML page from widgets: their own bundles, their state, a small host. No kernel, no network, one file.

The page forbids itself the network by its Content-Security-Policy. Labels and texts travel as JSON that cannot end the
script element it stands in.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget

HOST = Path(__file__).parent.parent / "static" / "host.js"
CSP = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 16px; font: 14px/1.45 system-ui, sans-serif;
  background: light-dark(#fff, #16181c); color: light-dark(#1c1e21, #e6e8eb); }
main { margin: 0 auto; }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 12px; }
section { margin-bottom: 28px; }
footer { font-size: 12px; opacity: .75; margin-top: 16px; overflow-wrap: anywhere; }
"""
# In the output of a cell the page is as high as what it shows, and light or dark as the notebook around it.
_IN_A_CELL = """
const frame = window.frameElement;
if (frame) {
  const around = frame.ownerDocument.body;
  const theme = () => {
    const jupyter = { true: "light", false: "dark" }[around.dataset.jpThemeLight];
    if (jupyter) document.body.dataset.jpThemeLight = around.dataset.jpThemeLight;
    const scheme = jupyter ?? getComputedStyle(frame).colorScheme;
    if (scheme === "light" || scheme === "dark") document.documentElement.style.colorScheme = scheme;
  };
  theme();
  new MutationObserver(theme).observe(around, { attributeFilter: ["data-jp-theme-light", "class"] });
  const fit = () => { frame.style.height = `${Math.ceil(document.body.getBoundingClientRect().height)}px`; };
  new ResizeObserver(fit).observe(document.body);
}
"""


@cache
def offline(kind: type[AnyWidget]) -> type[AnyWidget]:
    """A kind of widget made for a page: no front end hears of it, and there is nothing to close."""
    return type(kind.__name__, (kind,), {"open": lambda self: None, "layout": traitlets.Any(None)})


def page(widgets: Sequence[Any], title: str = "notebook_explain", notes: Sequence[str] = (), width: int = 1100) -> str:
    """Return the text of an HTML page that shows widgets.

    Parameters
    ----------
    widgets : sequence of anywidget.AnyWidget
    title : str
    notes : sequence of str
        Lines at the foot of the page (plain text).
    width : int
        Pixels that the page may use at most.
    """
    modules: dict[str, dict[str, str]] = {}
    shown = []
    for widget in widgets:
        key = type(widget).__name__
        modules.setdefault(key, {"esm": str(widget._esm), "css": str(widget._css)})
        names = [name for name in widget.traits(sync=True) if not name.startswith("_") and name not in _OWN]
        shown.append({"module": key, "state": {name: _encode(getattr(widget, name)) for name in names}})
    data = _inline({"modules": modules, "widgets": shown})
    foot = "".join(f"<div>{html.escape(note)}</div>" for note in notes)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main style='max-width:{width:d}px'><h1>{html.escape(title)}</h1><div id='app'></div>"
        f"<footer>{foot}</footer></main>\n"
        f"<script type='application/json' id='ne-data'>{data}</script>\n"
        f"<script type='module'>{_IN_A_CELL}</script>\n"
        f"<script type='module'>{HOST.read_text(encoding='utf-8')}</script></body></html>\n"
    )


def frame(text: str, picture: str, words: str, height: int = 640) -> str:
    """An HTML element that holds a page in itself, for the output of a cell.

    Below the page lies a picture, which is seen where a page is cut out: on GitHub, in a notebook that is not trusted.

    Parameters
    ----------
    text : str
        The page.
    picture : str
        A PNG in base64.
    words : str
        What is to be seen, for those who do not see.
    height : int
        Pixels, until the page is there and knows better.
    """
    said = html.escape(words, quote=True)
    return (
        "<div style='display:grid'>"
        f'<img alt="{said}" src="data:image/png;base64,{picture}" style="grid-area:1/1;max-width:100%">'
        f'<div style="grid-area:1/1"><iframe title="{said}" srcdoc="{html.escape(text, quote=True)}" '
        f'style="display:block;width:100%;height:{height}px;border:0"></iframe></div></div>'
    )


_OWN = frozenset({"layout", "comm", "tooltip", "tabbable", "keys"})


def _encode(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$b64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, (list, tuple)):
        return [_encode(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _encode(entry) for key, entry in value.items()}
    return value


def _inline(value: Any) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
