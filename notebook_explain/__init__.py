"""See why a video model decides what it decides, inside the notebook cell.

Give it a PyTorch video classifier and a clip. You get the explanation as a plain value, shown in the cell::

    import notebook_explain as ne
    ne.demo()                                   # bundled model and clip, offline, in seconds
    ne.explain(net, "bowling.mp4")              # one call: adapt, read, tubes

Names are imported on first use: importing the package imports neither torch nor OpenCV.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from notebook_explain._moved_modules import install as _install_moved_modules

__version__ = "0.3.0.dev0"

_install_moved_modules()

if "ipykernel" in sys.modules:  # in a notebook
    from notebook_explain._progress.notebook import watch_cells as _watch_cells

    _watch_cells()

if TYPE_CHECKING:
    from notebook_explain import evaluation, layers, samples
    from notebook_explain.api import demo, explain
    from notebook_explain.clip import Clip
    from notebook_explain.display import compare, to_html
    from notebook_explain.evaluation import evaluate
    from notebook_explain.explanations import Concept, Concepts, ExplainError, Target, Visualization, load
    from notebook_explain.explorer import Explorer
    from notebook_explain.methods import (
        RISE,
        AttentionMaps,
        BlockSignals,
        Captum,
        CentreMap,
        ConceptDiscovery,
        FeaturePyramid,
        FeatureVisualization,
        Flow,
        GuidedGradCAM,
        MotionMap,
        MotionTubes,
        Occlusion,
        Pixels,
        RandomMap,
        SaliencyTubes,
        SharpTubes,
        Spectrum,
        animate,
    )
    from notebook_explain.methods.feature_visualization import objectives
    from notebook_explain.models import CLIP, VideoModel, adapt
    from notebook_explain.models.demo import demo_model
    from notebook_explain.what_if import edits, temporal_reliance, what_if
    from notebook_explain.widgets import CompareViewer, TubeViewer

_MODULE_OF_NAME = {
    "CLIP": "models",
    "AttentionMaps": "methods",
    "BlockSignals": "methods",
    "Captum": "methods",
    "CentreMap": "methods",
    "Clip": "clip",
    "CompareViewer": "widgets",
    "Concept": "explanations",
    "ConceptDiscovery": "methods",
    "Concepts": "explanations",
    "ExplainError": "explanations",
    "Explorer": "explorer",
    "FeaturePyramid": "methods",
    "FeatureVisualization": "methods",
    "Flow": "methods",
    "GuidedGradCAM": "methods",
    "MotionMap": "methods",
    "MotionTubes": "methods",
    "Occlusion": "methods",
    "Pixels": "methods",
    "RISE": "methods",
    "RandomMap": "methods",
    "SaliencyTubes": "methods",
    "SharpTubes": "methods",
    "Spectrum": "methods",
    "Target": "explanations",
    "TubeViewer": "widgets",
    "VideoModel": "models",
    "Visualization": "explanations",
    "adapt": "models",
    "animate": "methods",
    "compare": "display",
    "demo": "api",
    "demo_model": "models.demo",
    "edits": "what_if.edits",
    "evaluate": "evaluation",
    "evaluation": "evaluation",
    "explain": "api",
    "layers": "layers",
    "load": "explanations",
    "objectives": "methods.feature_visualization.objectives",
    "samples": "samples",
    "temporal_reliance": "what_if",
    "to_html": "display",
    "what_if": "what_if",
}

__all__ = [  # noqa: RUF022  in the order in which users meet them
    "demo",
    "demo_model",
    "explain",
    "Clip",
    "adapt",
    "VideoModel",
    "CLIP",
    "SharpTubes",
    "SaliencyTubes",
    "AttentionMaps",
    "FeaturePyramid",
    "BlockSignals",
    "ConceptDiscovery",
    "Concepts",
    "Concept",
    "FeatureVisualization",
    "Visualization",
    "animate",
    "Flow",
    "Spectrum",
    "Pixels",
    "objectives",
    "GuidedGradCAM",
    "Occlusion",
    "RISE",
    "Captum",
    "MotionTubes",
    "MotionMap",
    "CentreMap",
    "RandomMap",
    "Target",
    "what_if",
    "edits",
    "Explorer",
    "temporal_reliance",
    "TubeViewer",
    "CompareViewer",
    "evaluate",
    "load",
    "to_html",
    "compare",
    "samples",
    "layers",
    "evaluation",
    "ExplainError",
    "__version__",
]


class _Package(ModuleType):
    """Package whose function `what_if` keeps its name although a package of it has the same."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule binds it to its name in the package; bind the function of this name instead.
        if name == "what_if" and isinstance(value, ModuleType):
            value = value.what_if
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    path = _MODULE_OF_NAME[name]
    module = importlib.import_module(f"{__name__}.{path}")
    value = module if path.split(".")[-1] == name and not hasattr(module, name) else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__doc__", "__name__", "__file__", "__path__"})
