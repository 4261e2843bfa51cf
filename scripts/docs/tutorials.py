"""Execute the tutorial notebooks and write them, with their output, as Markdown pages."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
# A comparison is a widget, which needs a kernel; on the site its page is shown instead.
SHOW_PAGES = """
import pathlib, tempfile
import notebook_explain as ne
from notebook_explain.widgets import CompareViewer

def _page(viewer, include=None, exclude=None):
    path = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    return {"text/html": viewer.to_html(path).read_text(encoding="utf-8")}, {}

get_ipython().display_formatter.mimebundle_formatter.for_type(CompareViewer, _page)
"""
_LESSON = re.compile(r"\]\((\w+)\.ipynb\)")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def frame(source: str, title: str) -> str:
    """Return the HTML element that shows a live page within a page of the site."""
    return f'<iframe class="ne-live" src="{source}" title="{html.escape(title)}" loading="lazy"></iframe>'


def write_tutorials(out: Path) -> None:
    """Execute every notebook and write one Markdown page each, with pictures and live pages beside it."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(SHOW_PAGES))
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(out)}}
        ).execute()
        text = "\n\n".join(
            cell_markdown(cell, out, f"{path.stem}-{number}") for number, cell in enumerate(notebook.cells[1:])
        )
        download = f"[Download this notebook]({path.name})" + "{ .md-button download }"
        (out / f"{path.stem}.md").write_text(f"{text}\n\n{download}\n", encoding="utf-8")
        (out / path.name).write_bytes(path.read_bytes())


def cell_markdown(cell: Any, out: Path, name: str) -> str:
    """Return a cell with its output as Markdown; links lead to pages of the site, hidden code is folded."""
    if cell.cell_type == "markdown":
        return _LESSON.sub(r"](\1.md)", str(cell.source).replace("](../docs/", "](../../"))
    code = f"```python\n{cell.source}\n```"
    if cell.metadata.get("jupyter", {}).get("source_hidden"):
        code = f'<details markdown="1">\n<summary>Code of this cell</summary>\n\n{code}\n\n</details>'
    shown = [_output(output, out, f"{name}-{number}") for number, output in enumerate(cell.outputs)]
    return "\n\n".join([code, *filter(None, shown)])


def _output(output: Any, out: Path, name: str) -> str:
    """One output of a cell as Markdown: a live page, a picture, or text."""
    if output.output_type == "stream":
        text = _ANSI.sub("", output.text)
        return "" if output.name == "stderr" else f"```text\n{text.rstrip()}\n```"
    data = output.get("data", {})
    if "text/html" in data:
        markup = data["text/html"]
        cell_page = re.search(r'srcdoc="([^"]*)"', markup)
        if cell_page is None and not markup.startswith("<!doctype"):
            return markup.replace("\n", " ")
        (out / f"{name}.html").write_text(html.unescape(cell_page[1]) if cell_page else markup, encoding="utf-8")
        return frame(f"{name}.html", data.get("text/plain", "Interactive explanation"))
    for kind in ("png", "gif", "webp"):
        if f"image/{kind}" in data:
            (out / f"{name}.{kind}").write_bytes(base64.b64decode(data[f"image/{kind}"]))
            return f"![{html.escape(data.get('text/plain', 'Output'))}]({name}.{kind})"
    return f"```text\n{data.get('text/plain', '')}\n```"
