"""What the parts of a block report's figure share: blocks that say the same kind of thing stand together under a heading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from notebook_explain.explanations import ClassTable, Course, Numbers, Quantity
from notebook_explain.explanations.text import counted
from notebook_explain.figures.blocks.page import LINE, MARGIN, Part, Scale, Sheet, fitted, width_of
from notebook_explain.figures.captions import plain

One = TypeVar("One", Course, Numbers, ClassTable)
LETTERS = 6.5  # points
MOST_GROUPS = 12  # of courses, of numbers and of tables
TITLE, ABOUT = 8.0, 7.0
LEAST_ABOUT = 1.0  # inches: a name cut shorter tells nothing


def grouped(said: Iterable[One]) -> list[list[One]]:
    """Blocks of one kind that say one thing, of the same classes or parts, in the order in which they come."""
    found: dict[object, list[One]] = {}
    for one in said:
        names = one.labels if isinstance(one, Numbers) else one.classes if isinstance(one, ClassTable) else ()
        neutral = None if isinstance(one, ClassTable) else one.neutral
        bounds = one.bounds if isinstance(one, Numbers) else None
        found.setdefault((one.kind, one.what, neutral, bounds, names), []).append(one)
    return list(found.values())


def first_groups(said: Iterable[One]) -> tuple[list[list[One]], list[Part]]:
    """As many groups as a page has room for, and a line on the others, where there are any."""
    groups = grouped(said)
    rest = len(groups) - MOST_GROUPS
    words = f"… and {counted(rest, 'more kind', 'more kinds')} of values, by other blocks"
    return groups[:MOST_GROUPS], [remark(words, MARGIN)] if rest > 0 else []


def is_evidence(one: Course | Numbers) -> bool:
    """Return whether positive values count for the class and negative values against it, as in the maps of tubes."""
    return one.quantity is not Quantity.OTHER and one.neutral == 0


def block_name(one: Course | Numbers | ClassTable) -> str:
    """The dotted name of the block; of the network itself its class."""
    return one.name or one.kind or "the network"


def heading(group: Sequence[One], right: float, scale: Scale | None = None) -> Part:
    """What these blocks say, which blocks they are, and the colours of their numbers."""
    first = group[0]
    blocks = f"{len(group)} blocks" if len(group) > 1 else ""
    abouts = (", ".join(text for text in (first.kind, blocks) if text), first.kind or blocks)

    def draw(sheet: Sheet, top: float) -> None:
        end = right if scale is None else scale.draw(sheet, right, top + 0.03)
        room = end - MARGIN - 0.1
        what = fitted(first.what, room, TITLE, bold=True)
        sheet.say(MARGIN, top, what, TITLE, weight="bold")
        used = width_of(what, TITLE, bold=True) + 0.1
        fits = [about for about in abouts if width_of(plain(about), ABOUT) <= room - used]
        about = fits[0] if fits else fitted(abouts[0], room - used, ABOUT) if room - used > LEAST_ABOUT else ""
        sheet.say(MARGIN + used, top + 0.015, plain(about), ABOUT, color="0.35")

    return Part(LINE * TITLE / 72 + 0.1, draw)


def remark(words: str, left: float) -> Part:
    """A line beneath a group: what was left out, how it is ordered."""
    return Part(0.15, lambda sheet, top: sheet.say(left, top + 0.02, words, LETTERS, color="0.3"))


def less_said(count: int, values: str) -> str:
    """That blocks were left out, and what they say."""
    return f"… and {counted(count, 'more block that says', 'more blocks that say')} less: {values}"
