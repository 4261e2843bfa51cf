"""Find the state dict of a network among the tensors that a training script saved.

Scripts save weights by themselves, in dicts within dicts, next to averaged weights (EMA, SWA) and other networks, and with
prefixes that wrappers put before every name. What holds at least half of the network's entries is a candidate.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

HOLDERS = (  # names under which scripts keep weights, in the order in which they are preferred
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "module", "params"),
    *("teacher", "student"),  # DINO evaluates its teacher
)
WRAPPERS = ("module.", "model.", "net.")  # prefixes of DataParallel, of training loops
INSERTED = ("_orig_mod.", "_checkpoint_wrapped_module.", "_fsdp_wrapped_module.")  # by torch, anywhere in a name
MAX_NESTING = 4  # levels of dicts, the file itself included
MAX_DICTS = 500  # of an untrusted file
_AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|avg|shadow)(?=[._]|$)")
_OPTIONAL = "num_batches_tracked"  # old files lack it


@dataclass(frozen=True, eq=False)
class StateDict:
    """Weights in a file that may be those of a network.

    Attributes
    ----------
    key : str
        Where they are: dotted keys of the dicts around them, "" for the file itself.
    prefix : str
        Prefix of their names, which is removed.
    entries : dict of name to tensor
        Without the prefix.
    ignored : int
        Number of tensors beside them that do not have the prefix.
    share : float
        Fraction of the network's entries that are among them, in 0..1.
    is_complete : bool
        They are exactly the network's entries.
    inserted : tuple of str
        Parts that were removed from their names (`INSERTED`).
    """

    key: str
    prefix: str
    entries: dict[str, torch.Tensor]
    ignored: int
    share: float
    is_complete: bool
    inserted: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names that select these weights: their key, its last part, their prefix, or key and prefix."""
        prefix = self.prefix.rstrip(".")
        return tuple(filter(None, (self.key, self.key.rpartition(".")[2], prefix, f"{self.key}.{prefix}".strip("."))))


def find_state_dicts(read: Any, names: Collection[str]) -> list[StateDict]:
    """Return everything in a file that may hold a network's weights, the most likely first.

    Parameters
    ----------
    read : object
        What the file holds; untrusted, but without code.
    names : collection of str
        Names of the network's entries, without the parts that torch inserts.
    """
    required = {name for name in names if not name.endswith(_OPTIONAL)} or set(names)
    found = []
    for key, stored in _tensor_dicts(read):
        inserted = tuple(part for part in INSERTED if any(part in name for name in stored))
        tensors = {without_insertions(name): tensor for name, tensor in stored.items()}
        for prefix in _prefixes(tensors, required):
            found.append(_state_dict(key, prefix, tensors, required, set(names), inserted))
    # Of one dict, only the best prefixes: others hold no more than parts of the network.
    best = {key: max(entry.share for entry in found if entry.key == key) for key in {entry.key for entry in found}}
    return sorted((entry for entry in found if entry.share == best[entry.key]), key=_rank)


def likely(candidates: list[StateDict]) -> list[StateDict]:
    """Return the candidates with at least half of the network's entries; if there are none, all of them."""
    return [entry for entry in candidates if entry.share >= 0.5] or candidates


def without_insertions(name: str) -> str:
    """Return the name of an entry without the parts that torch.compile and other wrappers insert."""
    for part in INSERTED:
        name = name.replace(part, "")
    return name


def _tensor_dicts(read: Any) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Yield every dict of tensors with its dotted key, outer ones first."""
    level: list[tuple[str, Any]] = [("", read)]
    visited: set[int] = set()
    for _ in range(MAX_NESTING):
        inner: list[tuple[str, Any]] = []
        for key, value in level:
            if not isinstance(value, Mapping) or id(value) in visited or len(visited) >= MAX_DICTS:
                continue
            visited.add(id(value))
            texts = {name: entry for name, entry in value.items() if isinstance(name, str)}
            tensors = {name: entry for name, entry in texts.items() if isinstance(entry, torch.Tensor)}
            if tensors:
                yield key, tensors
            inner += [(f"{key}.{name}".lstrip("."), entry) for name, entry in texts.items()]
        level = inner


def _prefixes(tensors: Mapping[str, torch.Tensor], required: set[str]) -> list[str]:
    """Return prefixes of names: none, those of usual wrappers, and any other under which the whole network is found."""
    prefixes = {"": None}
    for name in tensors:
        prefix = ""
        while wrapper := next((entry for entry in WRAPPERS if name.startswith(prefix + entry)), ""):
            prefix += wrapper
            prefixes[prefix] = None
    longest = max(required, key=len, default="")
    for name in tensors:
        prefix = name.removesuffix(longest)
        if prefix.endswith(".") and all(prefix + entry in tensors for entry in required):
            prefixes[prefix] = None
    return list(prefixes)


def _state_dict(
    key: str,
    prefix: str,
    tensors: Mapping[str, torch.Tensor],
    required: set[str],
    names: set[str],
    inserted: tuple[str, ...],
) -> StateDict:
    entries = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    share = sum(name in entries for name in required) / max(len(required), 1)
    is_complete = required <= set(entries) <= names
    return StateDict(key, prefix, entries, len(tensors) - len(entries), share, is_complete, inserted)


def _rank(entry: StateDict) -> tuple[bool, bool, bool, int, int]:
    """Sort key: likely first, then complete, then trained weights before their averages, then by name."""
    is_averaged = bool(_AVERAGED.search(entry.key) or _AVERAGED.search(entry.prefix))
    order = min((HOLDERS.index(part) for part in entry.key.split(".") if part in HOLDERS), default=len(HOLDERS))
    return entry.share < 0.5, not entry.is_complete, is_averaged, order if entry.key else -1, len(entry.prefix)
