"""Output of a cell: an animation as HTML with a caption, and a picture for places that do not show HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from notebook_explain.preview.encoding import data_url

# Also against the styles of notebooks, which make terms bold and let them float.
_TERM = "flex:none;float:none;width:auto;min-width:4em;font-weight:inherit;opacity:.75"


def mimebundle(
    text: str,
    animation: tuple[bytes, str],
    still: tuple[bytes, str],
    png: bytes,
    alt: str,
    caption: str,
    *,
    beside: bool = False,
) -> dict[str, str]:
    """Return what a cell shows.

    Parameters
    ----------
    text : str
        Repr, for places that show neither HTML nor pictures.
    animation, still : (bytes, kind)
        Encoded as "WEBP" or "GIF". The still picture is shown to readers who prefer reduced motion.
    png : bytes
        Picture for places that do not show HTML.
    alt : str
        Alternative text of the animation, plain text.
    caption : str
        Markup below the animation: escaped text, or what `definitions` returns.
    beside : bool
        Put the caption beside the animation where there is room.
    """
    style = "margin:0;display:flex;flex-wrap:wrap;gap:.5em 1.5em;align-items:flex-start" if beside else "margin:0"
    caption_style = ' style="flex:1 1 14em;min-width:0"' if beside else ""
    markup = (
        f'<figure style="{style}"><picture>'
        f'<source media="(prefers-reduced-motion: reduce)" srcset="{data_url(*still)}">'
        f'<img src="{data_url(*animation)}" style="max-width:100%" alt="{html.escape(alt)}">'
        f"</picture><figcaption{caption_style}>{caption}</figcaption></figure>"
    )
    return {"text/plain": text, "text/html": markup, "image/png": base64.b64encode(png).decode()}


def definitions(pairs: Sequence[tuple[str, str]], caveats: Sequence[str] = ()) -> str:
    """Return markup of terms with their texts and of caveats below, all of it escaped."""
    rows = "".join(
        f'<div style="display:flex;gap:.8em"><dt style="{_TERM}">{html.escape(term)}</dt>'
        f'<dd style="margin:0;overflow-wrap:anywhere">{html.escape(text)}</dd></div>'
        for term, text in pairs
    )
    items = "".join(f"<li>{html.escape(text)}</li>" for text in caveats)
    notes = f'<ul style="margin:.4em 0 0;padding-left:1.2em">{items}</ul>' if items else ""
    return f'<dl style="margin:.4em 0 0">{rows}</dl>{notes}'
