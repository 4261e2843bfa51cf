"""MkDocs hook: links to files of the repository outside docs/."""

from __future__ import annotations

import re
from typing import Any

REPOSITORY = "https://github.com/notebook-explain/notebook_explain/blob/main/"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to repository files outside docs/ at the repository."""
    depth = page.file.src_uri.count("/")
    outside = "../" * (depth + 1)
    return re.sub(rf"\]\({re.escape(outside)}(?!\.\./)([^)#]+)", rf"]({REPOSITORY}\1", markdown)
