"""Small made-up clips whose answer is known: what moves, how it moves, and which pixels it covers.

``sample`` draws plain moving shapes; ``people`` clothed people who act, in several worlds. For the demo, the lessons and the
tests. Importing this imports numpy only.
"""

from notebook_explain.samples import people
from notebook_explain.samples.scene import CLASSES
from notebook_explain.samples.shapes import Sample, sample

__all__ = ["CLASSES", "Sample", "demo_clip", "people", "sample"]


def demo_clip() -> Sample:
    """Return the clip that the demo explains: always the same one."""
    return sample("moves right", seed=0)
