"""Sentences on what could not be seen through; of a deep network's many alike, one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

MANY = 3  # operations of a kind, from which on they are told together


def lost(unknown: Mapping[str, int]) -> Iterator[str]:
    """What is said of operations that mix channels.

    Parameters
    ----------
    unknown : dict of text to int
        How many channels are read behind each operation, as "lstm in layer1.0".
    """
    for names in _alike(unknown):
        count = sum(unknown[name] for name in names)
        yield f"{count} channels come out of {_listed(names)}, which mixes channels: what feeds them is not known."


def mixed(products: Iterable[str]) -> Iterator[str]:
    """What is said of products whose gates are mixed of many channels."""
    for names in _alike(products):
        if len(names) == 1:
            yield f"The gate of {names[0]} is mixed of many channels: what it comes from is not shown."
        else:
            yield f"The gates of {_listed(names)} are mixed of many channels: what they come from is not shown."


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Operations of a kind together, where they are many; else each by itself."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(name.split(" in ")[0], []).append(name)
    return [group for kind in kinds.values() for group in ([kind] if len(kind) >= MANY else [[name] for name in kind])]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} modules more"
