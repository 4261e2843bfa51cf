"""Short notes of the table: what a caveat or an error means, without the names and numbers of one run."""

from __future__ import annotations

import re

from notebook_explain.explanations.caveats import CaveatCode

HIDDEN_LINKS = "links by gates of many channels, or by norms across channels, are not shown"
# Caveats of which the text depends on the clip or on layers; None are facts of every clip, and no note of the network.
_NOTES: dict[CaveatCode, str | None] = {
    CaveatCode.LOW_PROBABILITY: None,  # random weights
    CaveatCode.COARSE_MAP: None,
    CaveatCode.LOCAL_SHARES: None,
    CaveatCode.EARLY_END: None,
    CaveatCode.PICTURE: None,
    CaveatCode.INCOMPLETE_MAP: "the maps do not add up to the score: what follows them is not linear",
    CaveatCode.EMPTY_MAP: "the layer shown first is empty",
    CaveatCode.ASSUMED_POSITIONS: "some positions in the clip are assumed, not measured",
    CaveatCode.ASSUMED_PREPROCESSING: "part of the preprocessing is guessed",
    CaveatCode.FRAME_SELECTION: "the network keeps only some of the frames",
    CaveatCode.NO_GRADIENT: "no gradient reaches some layers",
    CaveatCode.ATTENTION: "attention does not add up to the score",
    CaveatCode.CHANNEL_GRAPH: "the origin of some channels is unknown, and drawn as unknown",
    CaveatCode.HIDDEN_LINKS: HIDDEN_LINKS,
    CaveatCode.FORWARD_HOOKS: "forward hooks are left out",
}
MAX_REASON = 130


def note_of(caveat: str) -> str | None:
    """Return the note of a caveat; None if it says nothing about the network."""
    code = getattr(caveat, "code", CaveatCode.OTHER)
    return _NOTES[code] if code in _NOTES else _sentence(str(caveat))


def reason_of(error: Exception, network: str) -> str:
    """Return the reason of a refusal: its first clause, without the name of the network's class."""
    text = re.sub(r"^this model cannot be explained: ", "", getattr(error, "message", str(error)))
    return _sentence(re.split(r"[;:] | \(", text)[0].replace(network, "the network"))


def _sentence(text: str) -> str:
    first = re.split(r"(?<=[a-z)])\. ", text)[0].rstrip(".")
    short = first if len(first) <= MAX_REASON else first[: MAX_REASON - 1].rsplit(" ", 1)[0] + " …"
    is_word = re.match(r"[A-Z][a-z]*\b", short) is not None  # not the name of a class
    return short[0].lower() + short[1:] if is_word else short
