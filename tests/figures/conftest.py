"""Fixtures of the tests of figures."""

import pytest

from notebook_explain.figures import fonts
from tests.figures.example_tubes import drawn

__all__ = ["drawn"]


@pytest.fixture(autouse=True)
def _no_font_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suppress the warning about missing characters; its own tests enable it again."""
    monkeypatch.setattr(fonts, "_warned", ["said"])
