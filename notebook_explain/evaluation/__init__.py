"""Is an explanation faithful? Metrics of maps, baselines, and tables with intervals.

>>> result = ne.evaluate(model, [ne.SaliencyTubes()], clips)
>>> result.table()

A metric is a frozen dataclass that is called with a `Case`, the map of one method for one clip and target, and returns one
number. ``docs/evaluation.md`` gives the formula of each, its direction, and what it does not show.
"""

from notebook_explain.evaluation.baselines import default_baselines
from notebook_explain.evaluation.block_correlation import BlockCorrelation
from notebook_explain.evaluation.captum_metrics import Infidelity, MaxSensitivity
from notebook_explain.evaluation.check import check
from notebook_explain.evaluation.confidence import AverageDrop, IncreaseInConfidence
from notebook_explain.evaluation.defaults import default_metrics
from notebook_explain.evaluation.insertion_deletion import Deletion, Insertion
from notebook_explain.evaluation.localisation import (
    AveragePrecision,
    Energy,
    OwnMinusOther,
    Pointing,
    PrecisionAtMask,
    TemporalIoU,
)
from notebook_explain.evaluation.map_statistics import Agreement, Sparsity
from notebook_explain.evaluation.metric import Case, Metric
from notebook_explain.evaluation.random_weights import WithRandomWeights, with_random_weights
from notebook_explain.evaluation.run import evaluate, stream
from notebook_explain.evaluation.sanity import TemporalShuffle, WeightRandomisation

__all__ = [
    "Agreement",
    "AverageDrop",
    "AveragePrecision",
    "BlockCorrelation",
    "Case",
    "Deletion",
    "Energy",
    "IncreaseInConfidence",
    "Infidelity",
    "Insertion",
    "MaxSensitivity",
    "Metric",
    "OwnMinusOther",
    "Pointing",
    "PrecisionAtMask",
    "Sparsity",
    "TemporalIoU",
    "TemporalShuffle",
    "WeightRandomisation",
    "WithRandomWeights",
    "check",
    "default_baselines",
    "default_metrics",
    "evaluate",
    "stream",
    "with_random_weights",
]
