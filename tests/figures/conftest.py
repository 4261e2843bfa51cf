"""What the tests of pictures share."""

from tests.figures.clips import drawn

__all__ = ["drawn"]
