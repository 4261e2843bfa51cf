"""Random requests to an explorer, some cancelled and some failing, and what they leave behind."""

from __future__ import annotations

import gc
import random
import resource
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from notebook_explain import edits
from notebook_explain.explorer import Explorer
from tests.explorer.views import FRAMES, SIZE, FakeView, small_clip, small_model

METHODS = ("saliency_tubes", "sharp_tubes", "pyramid", "occlusion", "guided_grad_cam", "rise")
_FAILING = 0.1  # of the requests


@dataclass
class Remains:
    """Traces of many requests.

    Attributes
    ----------
    ends : Counter
        How the requests ended.
    without_end, with_several : int
        Requests that did not end, or ended more than once.
    is_module_same : bool
        Weights, gradients, flags and hooks of the module are bitwise as before.
    is_random_state_same : bool
        torch's random numbers are.
    threads : int
        Threads of the explorer after it was closed.
    growth : float
        MB of resident memory between a fifth of the requests and the last.
    error : str
        Unexpected words of an error.
    """

    ends: Counter[str] = field(default_factory=Counter)
    without_end: int = 0
    with_several: int = 0
    is_module_same: bool = True
    is_random_state_same: bool = True
    threads: int = 0
    growth: float = 0.0
    error: str = ""

    @property
    def is_clean(self) -> bool:
        """Return whether nothing is left behind."""
        lost = self.without_end + self.with_several + self.threads
        return not lost and self.is_module_same and self.is_random_state_same and not self.error


def random_edits(generator: random.Random) -> list[edits.Edit]:
    """Return up to three edits; some do not fit the clip or the network."""

    def box() -> tuple[int, int, int, int]:
        left, top = generator.randrange(SIZE - 2), generator.randrange(SIZE - 2)
        return left, top, generator.randrange(left + 1, SIZE + 1), generator.randrange(top + 1, SIZE + 1)

    def span() -> tuple[int, int]:
        first = generator.randrange(FRAMES - 1)
        return first, generator.randrange(first + 1, FRAMES + 1)

    kinds: list[Any] = [
        lambda: edits.Occlude(box=box(), frames=span(), fill=generator.choice(("blur", "mean", "noise", "grey"))),
        lambda: edits.Reverse(),
        lambda: edits.Shuffle(seed=generator.randrange(99)),
        lambda: edits.Flip(),
        lambda: edits.Slow(),
        lambda: edits.Ablate(generator.choice(("first", "second")), channels=(generator.randrange(6),)),
        lambda: edits.Scale("second", factor=generator.random()),
    ]
    found = [generator.choice(kinds)() for _ in range(generator.randrange(4))]
    if generator.random() < _FAILING:
        found.append(generator.choice((edits.Drop(frames=(0, FRAMES)), edits.Ablate("nowhere"))))
    return found


def soak(requests: int, seed: int = 0) -> Remains:
    """Send random requests to an explorer of a small network, and return what they leave behind."""
    generator, remains = random.Random(seed), Remains()
    model = small_model()
    module = model.module
    module(torch.rand(1, 3, FRAMES, SIZE, SIZE)).sum().backward()
    before, state = _snapshot(module), torch.get_rng_state()
    explorer = Explorer(model, small_clip())
    view = FakeView(explorer)
    first_memory = 0.0
    numbers: list[int] = []
    for index in range(requests):
        numbers.append(_send(view, generator))
        if generator.random() < 0.15:
            view.send("cancel", id=numbers[-1])
        if generator.random() < 0.5:
            time.sleep(generator.random() * 0.05)
        if index == requests // 5:
            explorer.wait()
            first_memory = _memory()
        if index % 20 == 0:
            del view.buffers[:]  # what a browser would have drawn and dropped
            view.buffers.extend([] for _ in view.messages)
    explorer.wait(120)
    remains.growth = _memory() - first_memory
    remains.is_random_state_same = torch.equal(state, torch.get_rng_state())
    for number in numbers:
        ends = view.ends(number)
        remains.without_end += not ends
        remains.with_several += len(ends) > 1
        remains.ends.update(end["end"] for end in ends)
        remains.error = remains.error or next((end["words"] for end in ends if _is_unexpected(end)), "")
    explorer.close()
    remains.threads = sum(thread.name == "notebook_explain explorer" for thread in threading.enumerate())
    remains.is_module_same = _is_same(before, _snapshot(module))
    return remains


def _send(view: FakeView, generator: random.Random) -> int:
    """Send a random message, and return its id."""
    kind = generator.random()
    if kind < 0.1:
        return view.send("step", index=generator.randrange(5))
    return view.request(
        random_edits(generator),
        settled=kind < 0.6,
        target=generator.randrange(3),
        against=generator.choice((None, 0, 1)),
        method=generator.choice(METHODS),
        knobs={"rise": {"masks": 16}},
        wants=generator.choice((["tubes"], ["pyramid"], ["tubes", "pyramid"])),
        frame=generator.randrange(FRAMES),
    )


def _is_unexpected(end: dict[str, Any]) -> bool:
    """Return whether an error is a bug: expected ones are about edits that do not fit, and steps that do not exist."""
    expected = ("leaves no frames", "nowhere", "there is no step", "target and against", "are the same", "itself")
    return end["end"] == "error" and not any(words in end["words"] for words in expected)


def _snapshot(module: Any) -> dict[str, Any]:
    return {
        "state": {name: value.clone() for name, value in module.state_dict().items()},
        "gradients": {name: p.grad.clone() for name, p in module.named_parameters()},
        "flags": [(p.requires_grad, p._version) for p in module.parameters()],
        "hooks": [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()],
        "training": [part.training for part in module.modules()],
        "attributes": [sorted(vars(part)) for part in module.modules()],
    }


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, torch.Tensor):
        return torch.equal(before, after)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_is_same(value, after[key]) for key, value in before.items())
    return bool(before == after)


def _memory() -> float:
    """Return the resident memory of this process in MB; the largest so far where the system does not tell."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
