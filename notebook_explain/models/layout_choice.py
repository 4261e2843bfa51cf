"""Choose among the layouts with which a network runs, and test a layout that was stated.

Layouts are compared by what the network does with the axes of its input (``axis_checks``). Of those that run, the first
without a contradiction is taken. It counts as tested, and not as a guess, only if the first weights combine the
channels of each frame and no other layout fits as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain._progress import stage
from notebook_explain._warn import warn
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.axis_checks import (
    Channels,
    Exchanges,
    Judgement,
    changed_rows,
    describe_windows,
    exchange,
    judge,
    orders_channels,
)
from notebook_explain.models.axis_use import AxisUse, observe_axes
from notebook_explain.models.input_layouts import (
    COMMON_LAYOUTS,
    RARE_LAYOUTS,
    InputLayout,
    channel_axis,
    has_channels,
)
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.shadow import on_shadow


@dataclass(frozen=True)
class Candidate:
    """A layout with which a network runs.

    Attributes
    ----------
    preprocessing : Preprocessing
    use : AxisUse
    judgement : Judgement
    """

    preprocessing: Preprocessing
    use: AxisUse
    judgement: Judgement

    @property
    def layout(self) -> InputLayout:
        """The layout."""
        return self.preprocessing.layout

    def is_same_function(self, other: Candidate) -> bool:
        """Return whether both layouts are the same to the network, except for merged axes and those of length 1."""
        return _order(self.preprocessing) == _order(other.preprocessing) and self.use == other.use


def _order(preprocessing: Preprocessing) -> InputLayout:
    """Return the order of the axes that are longer than 1."""
    layout, letters = preprocessing.layout, "THW" if preprocessing.channels == 1 else "TCHW"
    return layout if isinstance(layout, tuple) else "".join(letter for letter in layout if letter in letters)


def candidates(
    network: nn.Module,
    like: Preprocessing,
    keep_hooks: bool,
    layouts: Iterable[InputLayout] | None = None,
) -> list[Candidate]:
    """Return the layouts with which a network runs on a clip of this size, the most plausible first."""
    found: list[Candidate] = []
    for layout in _layouts(like) if layouts is None else layouts:
        # With time last, what is alike in height and width now would not be.
        if str(layout).endswith("T") and any(not any(candidate.judgement.rank) for candidate in found):
            continue
        preprocessing = replace(like, layout=layout)
        stage(f"testing layout {layout}")
        try:
            use = on_shadow(network, partial(observe_axes, preprocessing=preprocessing), keep_hooks=keep_hooks)[0]
        except Exception:  # anything that a network raises on an input that it does not accept
            continue
        found.append(Candidate(preprocessing, use, judge(use, like.channels)))
    return sorted(found, key=lambda candidate: candidate.judgement.rank)


def _layouts(like: Preprocessing) -> list[InputLayout]:
    """Return all layouts; for one channel, only those that do not merge it, since merging changes nothing."""
    layouts: list[InputLayout] = [*COMMON_LAYOUTS, *RARE_LAYOUTS]
    if like.channels > 1:
        return layouts
    return [layout for layout in layouts if channel_axis(layout) is not None or not has_channels(layout)]


def is_tested(chosen: Candidate, running: Sequence[Candidate]) -> bool:
    """Return whether tests decide for a layout: it is confirmed, and no other one that runs is as plausible."""
    rivals = [other for other in running if other is not chosen and not chosen.is_same_function(other)]
    # A single channel cannot meet others; a layout with an axis for it is confirmed if all others fit worse.
    is_single = chosen.preprocessing.channels == 1 and has_channels(chosen.layout)
    channels_fit = chosen.judgement.channels is Channels.COMBINED or is_single
    confirmed = channels_fit and not chosen.judgement.is_contradicted
    return confirmed and all(rival.judgement.rank > chosen.judgement.rank for rival in rivals)


def has_confirmed_contradiction(candidate: Candidate, network: nn.Module, keep_hooks: bool) -> bool:
    """Return whether colours act as frames, as the order of windows or an exchange of colours shows."""
    if candidate.judgement.channels is not Channels.SEPARATE:
        return False
    return orders_channels(candidate.use) or _can_exchange(exchange(network, candidate.preprocessing, keep_hooks))


def _can_exchange(measured: Exchanges | None) -> bool:
    return measured is not None and measured.are_colours_like_frames


def check_stated_layout(network: nn.Module, stated: Preprocessing, keep_hooks: bool) -> tuple[Caveat, ...]:
    """Test a layout that the user states; return caveats, and issue contradictions as warnings.

    Raises
    ------
    UsageError
        The colours of a frame never meet in the network, but do so in another layout with which it runs.
    """
    running = candidates(network, stated, keep_hooks, [stated.layout])
    if not running:  # positions cannot be followed
        return ()
    found = running[0]
    caveats: list[Caveat] = []
    if found.judgement.is_contradicted:
        others = [other for other in candidates(network, stated, keep_hooks) if other.layout != stated.layout]
        fitting = [other for other in others if not other.judgement.is_contradicted]
        confirmed = [other for other in fitting if other.judgement.channels is Channels.COMBINED]
        if found.judgement.channels is Channels.SEPARATE:
            if confirmed:
                raise _contradiction_error(network, found, confirmed[0])
            measured = exchange(network, stated, keep_hooks)
            if orders_channels(found.use) or _can_exchange(measured):
                caveats.append(_colours_caveat(found, measured, fitting))
        else:
            caveats += [_space_caveat(found, other) for other in confirmed if other.judgement.odd_axis == "T"][:1]
    caveats += rows_caveat(network, found, keep_hooks)
    for caveat in caveats:
        if caveat.arguments:  # another layout would remove it
            warn(Caveat(f"{type(network).__name__}: {caveat}", caveat.code, caveat.arguments))
    return tuple(caveats)


def rows_caveat(network: nn.Module, chosen: Candidate, keep_hooks: bool) -> tuple[Caveat, ...]:
    """Return a caveat if the network returns several rows of scores for the frames of one clip, with what was measured."""
    rows, frames = chosen.judgement.rows, chosen.preprocessing.frames
    if rows < 2:
        return ()
    try:
        changed = changed_rows(network, chosen.preprocessing, keep_hooks)
    except Exception:  # a network that runs on positions only
        changed = None
    each = "each frame" if rows == frames else f"{frames / rows:g} frames each"
    text = (
        f"The network returns {rows} rows of scores for the {frames} frames, one for {each}; their mean is explained."
    )
    if changed is not None and changed * frames <= rows:
        text += f" Another first frame changes {changed} of the {rows} rows: frames never meet in the network."
    elif changed is not None:
        text += f" Another first frame changes {changed} of the {rows} rows."
    single = _layout_with_one_row(network, chosen, keep_hooks)
    if single is not None:
        text += f" With layout={single!r} it returns one row for all frames."
    return (Caveat(text, CaveatCode.INPUT_LAYOUT, () if single is None else ("layout",)),)


def _layout_with_one_row(network: nn.Module, chosen: Candidate, keep_hooks: bool) -> InputLayout | None:
    """Return the layout with time and batch exchanged, if the network combines the frames in it."""
    exchanged = {"BTCHW": "TBCHW", "TBCHW": "BTCHW"}.get(str(chosen.layout))
    found = [] if exchanged is None else candidates(network, chosen.preprocessing, keep_hooks, [exchanged])
    combines_frames = bool(found) and found[0].judgement.rows == 1 and not found[0].judgement.reads_one_frame
    return exchanged if combines_frames else None


def _contradiction_error(network: nn.Module, found: Candidate, other: Candidate) -> UsageError:
    return UsageError(
        f"layout {found.layout!r} contradicts {type(network).__name__}: with it, the first weights never combine the colours "
        f"of a frame, but read each colour as if it were a frame; with layout {other.layout!r} they combine the colours of "
        "each frame, and the network runs too",
        arguments=("layout",),
        call="adapt()",
    )


def _colours_caveat(found: Candidate, measured: Exchanges | None, fitting: Sequence[Candidate]) -> Caveat:
    text = (
        f"With layout {found.layout!r}, the network never combines the colours of a frame in its first weights and treats "
        "colours like frames"
    )
    if measured is not None:
        text += (
            f": on noise, exchanging the colours changes its scores by {100 * measured.of_channels:.2g} %, reversing the "
            f"frames by {100 * measured.of_frames:.2g} %"
        )
    text += ". If the layout is wrong, so is the explanation."
    if fitting:
        text += f" The network also runs with layout={fitting[0].layout!r}."
    return Caveat(text, CaveatCode.INPUT_LAYOUT, ("layout",))


def _space_caveat(found: Candidate, other: Candidate) -> Caveat:
    text = (
        f"With layout {found.layout!r}, the network treats rows and columns differently and frames like one of them (windows "
        f"of {describe_windows(found.use)}), as if an axis of space were time; with layout={other.layout!r} it treats rows "
        "and columns alike. If the layout is wrong, so is the explanation."
    )
    return Caveat(text, CaveatCode.INPUT_LAYOUT, ("layout",))
