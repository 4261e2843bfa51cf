"""A view without a browser: it sends requests to an explorer, and keeps the messages that come back."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explorer import Explorer

LABELS = ("still", "left", "right")
FRAMES, SIZE = 8, 16


class SmallNet(nn.Module):
    """Two blocks, a pooling and a linear classifier; it can wait in its forward, and fail."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv3d(3, 6, 3, padding=1), nn.Conv3d(6, 8, 3, padding=1, stride=2)
        self.head = nn.Linear(8, len(LABELS))

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        hook: Callable[[], None] | None = getattr(SmallNet, "hook", None)
        if hook is not None:
            hook()
        return self.head(torch.relu(self.second(torch.relu(self.first(video)))).mean((2, 3, 4)))


def small_model() -> ne.VideoModel:
    """Return the small network, adapted; numpy's and torch's random numbers stay as they are."""
    state = torch.get_rng_state()
    try:
        net = SmallNet().eval()
    finally:
        torch.set_rng_state(state)
    return ne.adapt(net, size=SIZE, frames=FRAMES, mean=0.5, std=0.25, layout="BCTHW", labels=LABELS)


def small_clip(seed: int = 0) -> ne.Clip:
    """Return a clip of random pixels."""
    frames = np.random.default_rng(seed).integers(0, 255, (FRAMES, SIZE, SIZE, 3), np.uint8)
    return ne.Clip(frames)


class FakeView:
    """A view of an explorer."""

    def __init__(self, explorer: Explorer, session: str = "view") -> None:
        self.explorer, self.session = explorer, session
        self.messages: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        self._ids, self._changed = itertools.count(1), threading.Condition()
        send = explorer.send_message

        def listen(content: Any, buffers: list[bytes]) -> None:
            with self._changed:
                if content.get("session") == session:
                    self.messages.append(content)
                    self.buffers.append(buffers)
                    self._changed.notify_all()
            send(content, buffers)

        explorer.send_message = listen  # type: ignore[method-assign]

    def send(self, kind: str, **content: Any) -> int:
        """Send a message and return its id."""
        number = content.pop("id", None) or next(self._ids)
        self.explorer._receive(None, {"type": kind, "session": self.session, "id": number, **content}, [])
        return number

    def request(self, edits: Any = (), **content: Any) -> int:
        """Send a request, settled unless said otherwise."""
        entries = [{"edit": edit.to_json(), "enabled": True} for edit in edits]
        values = {"settled": True, "target": 0, "against": None, "method": "saliency_tubes", "knobs": {}}
        values |= {"wants": ["tubes"], "frame": 0}
        return self.send("request", **{**values, "edits": entries, **content})

    def end(self, number: int, timeout: float = 60) -> dict[str, Any]:
        """Wait for the end of a request, and return it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.ends(number), timeout), f"request {number} did not end"
        return self.ends(number)[0]

    def ends(self, number: int) -> list[dict[str, Any]]:
        """Return the ends of a request."""
        return [message for message in self.messages if message["id"] == number and "end" in message]

    def parts(self, number: int, part: str) -> list[dict[str, Any]]:
        """Return the parts of a request."""
        return [message for message in self.messages if message["id"] == number and message.get("part") == part]
