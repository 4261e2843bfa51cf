"""Times of the frames of a track, in seconds from the first frame that is shown.

- Containers with presentation times (mp4, mkv, webm, ts, gif) stamp each frame; packets that an edit list hides do not count.
- AVI stores one packet for each step of time, in decoding order. If the codec reorders frames, the stamps that FFmpeg makes
  up for them are wrong, but sorted they are the times of the frames in order.
- Raw streams, and videos whose times start again (concatenated files), have no usable times, only a frame rate, if any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from notebook_explain.clip.sampling import TIME_TOLERANCE, Sampling, Times

_REORDERING = (64, 2.0)  # frames and seconds by which packets, which are in decoding order, may be late
_RESTART = 1.0  # seconds: larger steps back in time are a new beginning
_MAY_REORDER = ("h264", "hevc")  # codecs whose first frames need not show that later ones are reordered
_TWO_FIELDS = 1.8  # times as many packets as frames: each field has its packet
_EMPTY_MPEG4 = 12  # bytes of the largest packet of MPEG-4 that only repeats the frame before and gives none
_VP8_SHOWN = 0x10  # bit of the first byte of a VP8 packet; frames without it are only referred to by others


@dataclass
class Timeline:
    """Times of the frames of one track, from its packets.

    Attributes
    ----------
    time_base : Fraction
        Seconds of one tick.
    rate : Fraction or None
        Frames per second, for frames without stamps.
    are_frames_stamped : bool
        False if the stamps of packets are right, but those of decoded frames are not.
    stamps : list of int
        Ticks of each packet whose frame is shown, in decoding order.
    start : int
        Smallest of these stamps: that of the first frame.
    has_gaps : bool
        True if a packet has no stamp, or if stamps start again.
    end : int
        Ticks at which the last packet of the track ends, shown or not.
    total : int
        Packets of the track, shown or not.
    repeats : int
        Packets that may only repeat the frame before.
    last_end : float
        Seconds at which the last packet of any track ends, on the container's clock.
    is_complete : bool
        True if all packets were read.
    """

    time_base: Fraction
    rate: Fraction | None
    are_frames_stamped: bool
    stamps: list[int] = field(default_factory=list)
    start: int = 0
    end: int = 0
    total: int = 0
    repeats: int = 0
    has_gaps: bool = False
    last_end: float = 0.0
    is_complete: bool = False

    @classmethod
    def read(cls, packets: Iterable[Any], stream: Any, sampling: Sampling, *, is_avi: bool) -> Timeline:
        """Read packets up to the last one that the sampling may need.

        Parameters
        ----------
        packets : iterable of av.Packet
            Of all tracks.
        stream : av.VideoStream
            The track that is decoded.
        sampling : Sampling
        is_avi : bool
            Whether the container stores decoding times only.
        """
        context = stream.codec_context
        codec = "" if context is None else context.name
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        timeline = cls(
            stream.time_base or Fraction(1, 1000),
            rate if rate and 0 < rate < 1000 else None,
            not (is_avi and (codec in _MAY_REORDER or (context is not None and context.has_b_frames))),
        )
        for packet in packets:
            if packet.size == 0:
                continue
            is_chosen = packet.stream.index == stream.index
            timeline._note_end(packet, is_chosen=is_chosen)
            if not is_chosen or packet.is_discard or (codec == "vp8" and not bytes(packet)[0] & _VP8_SHOWN):
                continue
            timeline._add(packet)
            timeline.repeats += codec == "mpeg4" and packet.size <= _EMPTY_MPEG4
            seconds = timeline._seconds(timeline.stamps[-1])
            if sampling.is_past_end(len(timeline.stamps), None if timeline.has_gaps else seconds, _REORDERING):
                return timeline
        timeline.is_complete = True
        return timeline

    @property
    def packet_count(self) -> int:
        """Number of packets whose frame is shown."""
        return len(self.stamps)

    @cached_property
    def times(self) -> Times:
        """Times of the packets in order of presentation; None if they have none."""
        if not self._is_stamped:
            return self._even(self.packet_count)
        return self.plausible([self._seconds(stamp) for stamp in sorted(self.stamps)])

    def seconds_of(self, frame: Any, number: int) -> float | None:
        """Return the time of a decoded frame; None if unknown."""
        if not self._is_stamped:
            return None if self.rate is None else float(number / self.rate)
        if self.are_frames_stamped:
            return None if frame.pts is None else self._seconds(frame.pts)
        return None if self.times is None or number >= len(self.times) else float(self.times[number])

    def expected(self, decoded: Times, count: int) -> tuple[int, Times]:
        """Return how many of the packets should have given a frame, and their times, where ``count`` frames were decoded.

        Packets before the first decoded frame need not: recordings start between key frames. Nor do second fields with
        packets of their own, packets that repeat a frame, or any if there are no stamps to tell them apart by.
        """
        times = self.times
        if not self._is_stamped or times is None or decoded is None:
            return count, decoded
        times = times[times > decoded[0] - TIME_TOLERANCE]
        if np.sum(times < decoded[-1] + TIME_TOLERANCE) >= _TWO_FIELDS * count:
            return count, decoded
        return (count, decoded) if len(times) - count <= self.repeats else (len(times), times)

    def plausible(self, seconds: Sequence[float | None]) -> Times:
        """Return the times that frames reported if they are plausible, otherwise even times at the frame rate.

        Times are plausible if all are known, more than 90 % lie after all that came before, and none goes back by a second.
        """
        if any(second is None for second in seconds):
            return self._even(len(seconds))
        times = np.asarray(seconds, np.float64)
        latest = np.maximum.accumulate(times)
        if len(times) < 2 or (np.mean(times[1:] > latest[:-1]) > 0.9 and np.diff(times).min() > -_RESTART):
            return np.maximum(latest, 0.0)
        return self._even(len(times))

    @cached_property
    def _is_stamped(self) -> bool:
        return not self.has_gaps and (len(self.stamps) == 1 or len(set(self.stamps)) > 1)

    def _add(self, packet: Any) -> None:
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            self.has_gaps, stamp = True, 0
        elif self.stamps and (stamp - self.stamps[-1]) * self.time_base < -(_RESTART + _REORDERING[1]):
            self.has_gaps = True
        self.start = min(self.start, stamp) if self.stamps else stamp
        self.stamps.append(stamp)

    def _note_end(self, packet: Any, *, is_chosen: bool) -> None:
        stamp = packet.dts if packet.pts is None else packet.pts
        self.total += is_chosen
        if stamp is not None and packet.time_base:
            end = stamp + (packet.duration or 0)
            self.end = max(self.end, end) if is_chosen else self.end
            self.last_end = max(self.last_end, float(end * packet.time_base))

    def _seconds(self, stamp: int) -> float:
        return (stamp - self.start) * self.time_base.numerator / self.time_base.denominator

    def _even(self, count: int) -> Times:
        """Return evenly spaced times at the frame rate; None without one."""
        return None if self.rate is None else np.arange(count) / float(self.rate)
