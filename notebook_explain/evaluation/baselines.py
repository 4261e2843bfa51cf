"""Baselines: maps that need no model, or an untrained one, beside which every method should be seen."""

from __future__ import annotations

from notebook_explain.evaluation.names import Explainer


def default_baselines() -> tuple[Explainer, ...]:
    """Return the explainers that `evaluate` adds to every table with ``baselines=True``."""
    return ()
