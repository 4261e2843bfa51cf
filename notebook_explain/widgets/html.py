"""HTML pages that show viewers without a kernel or a network: bundles, plain states and a small host in one file.

The Content-Security-Policy of the page forbids all network access. States are embedded in packed form (see `page_data`), in
which no text can end the script element.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from anywidget import AnyWidget

from notebook_explain.widgets import page_data
from notebook_explain.widgets.base import STATIC, View, read_bundle, sent_bundle, widget_state

CSP = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
DATA_ELEMENT = "<script type='application/gzip' id='ne-data'>"
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 16px; font: 14px/1.45 system-ui, sans-serif;
  background: light-dark(#fff, #16181c); color: light-dark(#1c1e21, #e6e8eb); }
main { margin: 0 auto; }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 12px; }
section { margin-bottom: 28px; }
#app > img { max-width: 100%; }
footer { font-size: 12px; opacity: .75; margin-top: 16px; overflow-wrap: anywhere; }
@media print { body { padding: 0; background: #fff; color: #000; } }
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
        shown.append({"module": name, "state": state})
    return _document({"modules": modules, "widgets": shown}, title, notes, width)


def live_page(widget: View, title: str, notes: Sequence[str] = ()) -> str:
    """Return the text of a page in the output of a cell that is connected to its widget while the notebook runs.

    Without the widget, as in a notebook that was opened again, the page works with the widget's state of now.
    """
    name, (esm, css), state = _resolve(widget)
    data = {
        "modules": {name: {"esm": esm, "css": css}},
        "widgets": [{"module": name, "state": state, "link": _link(widget)}],
    }
    return _document(data, title, notes, widget.page_width)


def live_page_without_state(widget: View, title: str, notes: Sequence[str], picture: str, sentence: str) -> str:
    """Return the text of a small page that shows a widget while the notebook runs, and a picture and a sentence without it.

    Parameters
    ----------
    widget : View
    title, notes
        Heading of the page and lines at its foot, plain text.
    picture : str
        PNG in base64.
    sentence : str
        What to do when the widget is gone, plain text.
    """
    text = html.escape(sentence)
    content = f'<img alt="" src="data:image/png;base64,{picture}"><p>{text}</p>'
    return _document({"modules": {}, "widgets": [{"link": _link(widget)}]}, title, notes, widget.page_width, content)


def _link(widget: View) -> dict[str, Any]:
    """Return what a page needs to find a widget's live model and to share its traits."""
    movable = list(widget.movable)
    content = [name for name in widget_state(widget) if name not in movable]
    return {"id": widget._page_id, "content": content, "movable": movable}


def _document(data: Mapping[str, Any], title: str, notes: Sequence[str], width: int, content: str = "") -> str:
    """Return the text of a page; ``content`` is HTML that stands where the widgets will be."""
    host = (STATIC / "host.js").read_text(encoding="utf-8")
    footer = "".join(f"<div>{html.escape(note)}</div>" for note in notes)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main style='max-width:{width:d}px'><h1>{html.escape(title)}</h1><div id='app'>{content}</div>"
        f"<footer>{footer}</footer></main>\n"
        f"{DATA_ELEMENT}{page_data.pack(data)}</script>\n"
        f"<script type='module'>{_IN_A_CELL}</script>\n"
        f"<script type='module'>{host}</script></body></html>\n"
    )


def read_data(text: str) -> Any:
    """Return the data of a page: its modules and its widgets with their states."""
    start = text.index(DATA_ELEMENT) + len(DATA_ELEMENT)
    return page_data.unpack(text[start : text.index("</script>", start)])


def _resolve(widget: AnyWidget | tuple[str, Mapping[str, Any]]) -> tuple[str, tuple[str, str], Mapping[str, Any]]:
    """Return the name of a widget's code, its JavaScript and CSS, and its state."""
    if isinstance(widget, tuple):
        bundle, state = widget
        return bundle, read_bundle(bundle), state
    esm, css = str(widget._esm), str(getattr(widget, "_css", ""))
    # A subclass of a viewer may have code of its own.
    if isinstance(widget, View) and (esm, css) == sent_bundle(widget.bundle):
        return widget.bundle, read_bundle(widget.bundle), widget_state(widget)
    return type(widget).__name__, (esm, css), widget_state(widget)


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
