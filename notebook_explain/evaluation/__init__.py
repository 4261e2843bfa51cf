"""Is an explanation faithful? Interventions on a network, what they do to its answer, and intervals around it."""

from notebook_explain.evaluation.bootstrap import Interval, paired_bootstrap
from notebook_explain.evaluation.kernels import Kernels

__all__ = ["Interval", "Kernels", "paired_bootstrap"]
