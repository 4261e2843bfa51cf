"""Pages, viewers and cells of what-ifs: before and after side by side."""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError
from notebook_explain._progress import working
from notebook_explain.display.cells import LARGEST_CELL, Embedded
from notebook_explain.display.exports import viewer_state
from notebook_explain.display.viewers import compare
from notebook_explain.explanations import Explanation, TemporalReliance, Tubes, WhatIf
from notebook_explain.explanations.number_format import fixed, percent, short, shortened
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.what_if.text import capitalised, edits_words
from notebook_explain.preview.encoding import best_kind, data_url, encode
from notebook_explain.preview.images import resize_frames

if TYPE_CHECKING:
    from notebook_explain.widgets import CompareViewer

CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
TITLES = ("before", "after")
CLASSES, SIDE, USUAL_RATE = 10, 320, 8.0  # rows of the table; pixels of a clip; frames per second of an animation
_STYLE = """
:root { color-scheme: light dark; --before: light-dark(#8a9099, #8d949e); --after: light-dark(#b3400a, #ff9d6b);
  --line: light-dark(#d8dade, #3b3f46); }
body { margin: 0; padding: 16px; font: 14px/1.45 system-ui, sans-serif;
  background: light-dark(#fff, #16181c); color: light-dark(#1c1e21, #e6e8eb); }
main { max-width: 900px; margin: 0 auto; }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 8px; overflow-wrap: anywhere; }
p, li { overflow-wrap: anywhere; margin: 0 0 8px; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(260px, 100%), 1fr)); gap: 16px; margin: 12px 0; }
figure { margin: 0; }
figcaption { font-weight: 600; }
figure img { width: 100%; max-width: 480px; image-rendering: pixelated; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid var(--line); font-weight: 400;
  font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; }
thead th { font-weight: 600; }
td { white-space: nowrap; }
td.bars, th.bars { width: 34%; padding-right: 0; text-align: left; }
svg { display: block; width: 100%; height: 18px; }
.before { fill: var(--before); }
.after { fill: var(--after); }
footer { font-size: 12px; margin-top: 24px; }
@media (max-width: 560px) { td.bars, th.bars { display: none; } th, td { padding: 4px; } }
@media print { body { padding: 0; background: #fff; color: #000; } :root { color-scheme: light; } }
"""


def what_if_view(result: WhatIf, **state: Any) -> CompareViewer:
    """Return the widget that compares the explanations before and after.

    Raises
    ------
    ValueError
        There are no tubes.
    """
    before, after = result.before.explanation, result.after.explanation
    if not isinstance(before, Tubes) or not isinstance(after, Tubes):
        raise UsageError(
            "the viewer compares tubes, and this what-if has none; pass explainer=SharpTubes() to what_if(), or use figure()"
        )
    return compare(before, after, titles=TITLES, same_clip=False, **state)


def what_if_page(result: WhatIf, path: str | os.PathLike[str], title: str | None = None) -> Path:
    """Write the page of a what-if; an existing file is replaced as a whole."""
    path = Path(path)
    with working(f"writing {path.name}"), replacing(path) as temporary:
        temporary.write_text(page_text(result, title), encoding="utf-8")
    return path


def what_if_bundle(result: WhatIf) -> Any:
    """Return the output of a cell: the page, or the figure where that would be too large."""
    from notebook_explain.figures.what_if import what_if_png
    from notebook_explain.widgets.html import iframe

    png = base64.b64encode(what_if_png(result)).decode()
    page = page_text(result, None)
    if len(page) > LARGEST_CELL:
        return {"image/png": png, "text/plain": repr(result)}
    return Embedded(iframe(page, png, result.in_words()), png, repr(result))._repr_mimebundle_()


def figure_bundle(reliance: TemporalReliance) -> dict[str, str]:
    """Return the output of a cell for temporal reliance: its figure, and its sentence as text."""
    from notebook_explain.figures.temporal_reliance import temporal_reliance_png

    png = base64.b64encode(temporal_reliance_png(reliance)).decode()
    return {"image/png": png, "text/plain": f"{reliance!r}\n{reliance.in_words()}"}


def page_text(result: WhatIf, title: str | None) -> str:
    """Return the text of the page: viewers of the explanations if there are some, else both clips and a table."""
    heading = title or f"What if? {shortened(capitalised(edits_words([edit.words for edit in result.edits])), 160)}"
    viewers = _viewers(result)
    return _static_page(result, heading) if viewers is None else _viewer_page(result, heading, viewers)


def _viewers(result: WhatIf) -> list[Any] | None:
    """Return what shows the explanations: one viewer that compares tubes, or one for each of another kind."""
    before, after = result.before.explanation, result.after.explanation
    if isinstance(before, Tubes) and isinstance(after, Tubes):
        from notebook_explain.widgets.compare_viewer import CompareViewer

        return [CompareViewer(before, after, titles=TITLES, same_clip=False)]
    if isinstance(before, Explanation) and isinstance(after, Explanation):
        sides = zip(TITLES, (before, after), strict=True)
        return [viewer_state(explanation, capitalised(name), {}) for name, explanation in sides]
    return None


def _viewer_page(result: WhatIf, heading: str, viewers: list[Any]) -> str:
    from notebook_explain.widgets.html import page

    notes = [result.in_words(), *result.caveats, *provenance_lines(result)]
    text = page(viewers, heading, notes)
    for viewer in viewers:
        if hasattr(viewer, "close"):
            viewer.close()
    return text


def _static_page(result: WhatIf, heading: str) -> str:
    notes = "".join(f"<p>{_text(note)}</p>" for note in (*result.caveats, *provenance_lines(result)))
    sides = "".join(_side(result, name) for name in TITLES)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_text(heading)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{_text(heading)}</h1><p>{_text(result.in_words())}</p><div class='sides'>{sides}</div>"
        f"{_table(result)}<footer>{notes}</footer></main></body></html>\n"
    )


def _side(result: WhatIf, name: str) -> str:
    """Return a clip as an animation; a still strip takes its place for readers who prefer reduced motion."""
    clip = getattr(result, name).clip
    duration = 0.0 if clip.times is None else float(clip.times[-1] - clip.times[0])
    rate = min(max((len(clip) - 1) / duration, 2.0), 25.0) if duration > 0 else USUAL_RATE
    kind = best_kind()
    frames = clip.frames if clip.size[1] <= SIDE else resize_frames(clip.frames, SIDE)
    middle = frames[len(frames) // 2 : len(frames) // 2 + 1]
    return (
        f"<figure><figcaption>{name}</figcaption><picture>"
        f'<source media="(prefers-reduced-motion: reduce)" srcset="{data_url(encode(middle, 1, kind), kind)}">'
        f'<img src="{data_url(encode(frames, rate, kind), kind)}" alt="The clip {name} the edits, {len(clip)} frames">'
        "</picture></figure>"
    )


def _table(result: WhatIf) -> str:
    """Return a table of the classes that moved most."""
    before = result.before.head()
    is_value = before.probabilities is None
    number = short if is_value else percent
    rows = []
    for one in result.moved(CLASSES):
        bars = "" if is_value else f"<td class='bars'>{_bars(one.before, one.after)}</td>"
        change = one.change if is_value else 100 * one.change
        sign = "+" if change >= 0.05 or (is_value and change > 0) else ""
        rows.append(
            f"<tr><th scope='row'>{_text(one.label)}</th><td>{number(one.before)}</td><td>{number(one.after)}</td>"
            f"<td>{sign}{short(change) if is_value else fixed(change, 1)}</td>{bars}</tr>"
        )
    bars = "" if is_value else "<th scope='col' class='bars'>before and after</th>"
    unit = "change" if is_value else "change, points"
    return (
        "<table aria-label='Classes that moved most'><thead><tr><th scope='col'>class</th><th scope='col'>before</th>"
        f"<th scope='col'>after</th><th scope='col'>{unit}</th>{bars}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _bars(before: float, after: float) -> str:
    """Return both probabilities as bars; the numbers stand beside them, so they are hidden from screen readers."""
    return (
        f"<svg aria-hidden='true'><rect class='before' x='0' y='1' height='7' width='{100 * before:.2f}%'/>"
        f"<rect class='after' x='0' y='10' height='7' width='{100 * after:.2f}%'/></svg>"
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)
