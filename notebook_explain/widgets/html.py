"""HTML pages that show viewers without a kernel or a network: bundles, plain states and a small host in one file.

The Content-Security-Policy of the page forbids all network access. States are embedded as JSON in which no text can
end the script element.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from anywidget import AnyWidget

from notebook_explain.widgets.base import STATIC, View, read_bundle, widget_state

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
# In a cell output, the page takes the height of its content and the colour scheme of the notebook.
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


def page(
    widgets: Sequence[AnyWidget | tuple[str, Mapping[str, Any]]],
    title: str = "notebook_explain",
    notes: Sequence[str] = (),
    width: int = 1100,
) -> str:
    """Return the text of an HTML page that shows viewers, one below the other.

    Parameters
    ----------
    widgets : sequence of anywidget.AnyWidget or (str, mapping)
        Widgets, shown in their current state, or pairs of a bundle's name (such as "tube_viewer") and the complete
        state of its viewer as plain values.
    title : str
        Heading, plain text.
    notes : sequence of str
        Lines at the foot of the page, plain text.
    width : int
        Maximum width in pixels.
    """
    modules: dict[str, dict[str, str]] = {}
    shown = []
    for widget in widgets:
        name, (esm, css), state = _resolve(widget)
        modules.setdefault(name, {"esm": esm, "css": css})
        shown.append({"module": name, "state": _encode(state)})
    host = (STATIC / "host.js").read_text(encoding="utf-8")
    data = _script_json({"modules": modules, "widgets": shown})
    footer = "".join(f"<div>{html.escape(note)}</div>" for note in notes)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main style='max-width:{width:d}px'><h1>{html.escape(title)}</h1><div id='app'></div>"
        f"<footer>{footer}</footer></main>\n"
        f"<script type='application/json' id='ne-data'>{data}</script>\n"
        f"<script type='module'>{_IN_A_CELL}</script>\n"
        f"<script type='module'>{host}</script></body></html>\n"
    )


def _resolve(widget: AnyWidget | tuple[str, Mapping[str, Any]]) -> tuple[str, tuple[str, str], Mapping[str, Any]]:
    """Return the name of a widget's code, its JavaScript and CSS, and its state."""
    if isinstance(widget, tuple):
        bundle, state = widget
        return bundle, read_bundle(bundle), state
    esm, css = str(widget._esm), str(getattr(widget, "_css", ""))
    # A subclass of a viewer may have code of its own.
    is_bundle = isinstance(widget, View) and (esm, css) == read_bundle(widget.bundle)
    return widget.bundle if is_bundle else type(widget).__name__, (esm, css), widget_state(widget)


def iframe(page: str, picture: str, description: str, height: int = 640) -> str:
    """Return an HTML element that holds a whole page, for the output of a cell.

    A picture lies below the page; readers see it where the page is removed: on GitHub and in untrusted notebooks.

    Parameters
    ----------
    page : str
        Text of the page.
    picture : str
        PNG in base64.
    description : str
        Alternative text.
    height : int
        Pixels, until the page sets its own height.
    """
    text = html.escape(description, quote=True)
    return (
        "<div style='display:grid'>"
        f'<img alt="{text}" src="data:image/png;base64,{picture}" style="grid-area:1/1;max-width:100%">'
        f'<div style="grid-area:1/1"><iframe title="{text}" srcdoc="{html.escape(page, quote=True)}" '
        f'style="display:block;width:100%;height:{height}px;border:0"></iframe></div></div>'
    )


def _encode(value: Any) -> Any:
    """Return a value with all bytes replaced by base64 in the form that the host decodes."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$b64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, (list, tuple)):
        return [_encode(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: _encode(entry) for key, entry in value.items()}
    return value


def _script_json(value: Any) -> str:
    """Return JSON that is safe inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
