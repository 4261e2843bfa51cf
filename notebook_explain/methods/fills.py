"""Fills: what the hidden parts of a clip show (``models.fills``)."""

from __future__ import annotations

from notebook_explain.models.fills import FILLS as FILLS
from notebook_explain.models.fills import background as background
from notebook_explain.models.fills import blurred as blurred
