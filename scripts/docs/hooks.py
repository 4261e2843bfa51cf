"""MkDocs hooks: links into the repository, and names of the API in code spans linked to the reference."""

from __future__ import annotations

import re
from typing import Any

REPOSITORY = "https://github.com/notebook-explain/notebook_explain/blob/main/"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to repository files outside docs/ at the repository."""
    depth = page.file.src_uri.count("/")
    outside = "../" * (depth + 1)
    return re.sub(rf"\]\({re.escape(outside)}(?!\.\./)([^)#]+)", rf"]({REPOSITORY}\1", markdown)
