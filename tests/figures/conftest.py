"""What the tests of pictures share."""

import pytest

from notebook_explain.figures import fonts
from tests.figures.example_tubes import drawn

__all__ = ["drawn"]


@pytest.fixture(autouse=True)
def _told_of_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one warning of letters that no font has was heard before; the tests of it forget that."""
    monkeypatch.setattr(fonts, "_warned", ["said"])
