"""A system font for characters that DejaVu Sans lacks (Chinese, Japanese, Korean), or a warning if there is none.

The fonts are those that matplotlib finds; matplotlib is imported only for text with such characters.
"""

from __future__ import annotations

import functools
import importlib.util
import string
from pathlib import Path
from typing import Any

from PIL import ImageFont

from notebook_explain._warn import warn

_UNASSIGNED = "\U0010fffd"  # drawn as the box that stands for every character that a font lacks
_LAST_RESORT = "Last Resort"  # matplotlib's font of boxes, one for each script
_LATIN = string.ascii_letters + string.digits
_REGULAR = (400, "normal", "regular")
_warned: list[str] = []  # one warning per process is enough


@functools.cache
def dejavu_path(bold: bool = False) -> Path | None:
    """Return the file of the font that matplotlib ships, without importing matplotlib; None if it is not there."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return path if path.is_file() else None


def font_for(text: str) -> Any:
    """Return the font (``name``, ``fname``) for characters that DejaVu Sans lacks; None if it has them all."""
    path = dejavu_path()
    missing = frozenset[str]() if path is None or text.isascii() else _missing_characters(text, str(path))
    if not missing:
        return None
    from matplotlib.font_manager import fontManager

    return _find_font("".join(sorted(missing)), len(fontManager.ttflist))


@functools.lru_cache(maxsize=64)
def _find_font(characters: str, font_count: int) -> Any:
    """Return the font that lacks the fewest characters; ``font_count`` renews the cache when a font was added."""
    from matplotlib.font_manager import fontManager

    readable = (entry for entry in fontManager.ttflist if _LAST_RESORT not in entry.name)
    fonts = [entry for entry in readable if not _missing_characters(_LATIN, entry.fname)]  # for the rest of the text
    fonts.sort(key=lambda entry: (entry.style != "normal", entry.weight not in _REGULAR))
    best = min(
        fonts, key=lambda entry: len(_missing_characters(characters, entry.fname)), default=None
    )  # first of equals
    missing = frozenset(characters) if best is None else _missing_characters(characters, best.fname)
    if missing and not _warned:
        _warned.append(characters)
        warn(
            f"No installed font has the characters {' '.join(sorted(missing)[:10])}, so figures and videos show boxes for "
            "them (pages and widgets do not). Install a font that has them, such as Noto Sans CJK, and register it with "
            "matplotlib.font_manager.fontManager.addfont(path)."
        )
    return best if len(missing) < len(characters) else None


@functools.lru_cache(maxsize=4096)
def _missing_characters(text: str, path: str) -> frozenset[str]:
    """Return the characters for which a font file has no glyph; all of them if it cannot be read."""
    try:
        letters = ImageFont.truetype(path, 16)
        box = bytes(letters.getmask(_UNASSIGNED))
        return frozenset(character for character in text if bytes(letters.getmask(character)) == box)
    except OSError:
        return frozenset(text)
