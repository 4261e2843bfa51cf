"""Letters that DejaVu Sans lacks (Chinese, Japanese, Korean): the system's font that has them, or a warning in words.

Fonts are those that matplotlib knows; it is imported only where such letters are.
"""

from __future__ import annotations

import functools
import importlib.util
import string
from pathlib import Path
from typing import Any

from PIL import ImageFont

from notebook_explain._warn import warn

_IN_NO_FONT = "\U0010fffd"  # what stands for it is the box that stands for every letter that a font lacks
_BOXES = "Last Resort"  # matplotlib's font of boxes, one for each script
_LATIN = string.ascii_letters + string.digits
_REGULAR = (400, "normal", "regular")
_told: list[str] = []  # one warning is enough


@functools.cache
def dejavu(bold: bool = False) -> Path | None:
    """The font that matplotlib brings along, found without importing it."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return path if path.is_file() else None


def font_for(text: str) -> Any:
    """The entry (``name``, ``fname``) of a font for a text some of whose letters DejaVu Sans lacks; else None."""
    path = dejavu()
    lacking = frozenset[str]() if path is None or text.isascii() else _lacking(text, str(path))
    if not lacking:
        return None
    from matplotlib.font_manager import fontManager

    return _search("".join(sorted(lacking)), len(fontManager.ttflist))


@functools.lru_cache(maxsize=64)
def _search(letters: str, known: int) -> Any:
    """Among the fonts ``known`` (their number: another one may have come), the one that lacks the fewest letters."""
    from matplotlib.font_manager import fontManager

    readable = (entry for entry in fontManager.ttflist if _BOXES not in entry.name)
    fonts = [entry for entry in readable if not _lacking(_LATIN, entry.fname)]  # it sets the rest of the sentence too
    fonts.sort(key=lambda entry: (entry.style != "normal", entry.weight not in _REGULAR))
    best = min(fonts, key=lambda entry: len(_lacking(letters, entry.fname)), default=None)  # the first of equals
    lacking = frozenset(letters) if best is None else _lacking(letters, best.fname)
    if lacking and not _told:
        _told.append(letters)
        warn(
            f"no font of this system has the letters {' '.join(sorted(lacking)[:10])}: figures and films show boxes for "
            "them (pages and widgets do not); install one that has, such as Noto Sans CJK, and tell matplotlib with "
            "matplotlib.font_manager.fontManager.addfont(path)"
        )
    return best if len(lacking) < len(letters) else None


@functools.lru_cache(maxsize=4096)
def _lacking(text: str, path: str) -> frozenset[str]:
    """The letters of a text that a font file has no glyph for; all of them where it cannot be read."""
    try:
        letters = ImageFont.truetype(path, 16)
        box = bytes(letters.getmask(_IN_NO_FONT))
        return frozenset(letter for letter in text if bytes(letters.getmask(letter)) == box)
    except OSError:
        return frozenset(text)
