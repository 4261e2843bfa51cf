"""One HTML page from widgets: their own bundles, their state, a small host. No kernel, no network, one file.

The page forbids itself the network by its Content-Security-Policy. Labels and texts travel as JSON that cannot end the
script element it stands in.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HOST = Path(__file__).parent.parent / "static" / "host.js"
CSP = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 16px; font: 14px/1.45 system-ui, sans-serif; background: #fff; color: #1c1e21; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e8eb; } }
main { max-width: 1100px; margin: 0 auto; }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 12px; }
section { margin-bottom: 28px; }
footer { font-size: 12px; opacity: .75; margin-top: 16px; }
"""


def page(widgets: Sequence[Any], title: str = "notebook_explain", notes: Sequence[str] = ()) -> str:
    """Return the text of an HTML page that shows widgets.

    Parameters
    ----------
    widgets : sequence of anywidget.AnyWidget
    title : str
    notes : sequence of str
        Lines at the foot of the page (plain text).
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
        f"<body><main><h1>{html.escape(title)}</h1><div id='app'></div><footer>{foot}</footer></main>\n"
        f"<script type='application/json' id='ne-data'>{data}</script>\n"
        f"<script type='module'>{HOST.read_text(encoding='utf-8')}</script></body></html>\n"
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
