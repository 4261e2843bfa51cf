"""Sentences for the reader on what a channel graph does not show: operations that cannot be traced, gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from notebook_explain.explanations.caveats import Caveat, CaveatCode

SUMMARIZE_FROM = 3  # this many operations of one kind share a note


def unknown_notes(unknown: Mapping[str, int]) -> Iterator[Caveat]:
    """Yield a sentence for each operation, or kind of operation, that cannot be traced.

    Parameters
    ----------
    unknown : dict of str to int
        Number of channels read after each operation; operations are named as in "lstm in layer1.0".
    """
    for names in _by_kind(unknown):
        count = sum(unknown[name] for name in names)
        source = f"{_enumerate(names)}, which cannot be traced channel by channel"
        yield Caveat(f"{count} channels come from {source}; their sources are unknown.", CaveatCode.CHANNEL_GRAPH)


def gate_notes(products: Iterable[str]) -> Iterator[Caveat]:
    """Yield a sentence for each product, or kind of product, whose gate depends on many channels at once."""
    for names in _by_kind(products):
        if len(names) == 1:
            text = f"The gate of {names[0]} depends on many channels at once; its sources are not shown."
        else:
            text = f"The gates of {_enumerate(names)} depend on many channels at once; their sources are not shown."
        yield Caveat(text, CaveatCode.HIDDEN_LINKS)


def _by_kind(names: Iterable[str]) -> list[list[str]]:
    """Group operations of one kind where there are many of them; leave the others single."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(name.split(" in ")[0], []).append(name)
    groups: list[list[str]] = []
    for members in kinds.values():
        groups += [members] if len(members) >= SUMMARIZE_FROM else [[name] for name in members]
    return groups


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more modules"
