"""Methods that the explorer offers, and what each of them makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.explanations import Concepts
from notebook_explain.explanations.progress import Progress
from notebook_explain.explorer.knobs import Knob, knobs_of
from notebook_explain.layers.signal_types import reporting_modules
from notebook_explain.methods import (
    RISE,
    AttentionMaps,
    BlockSignals,
    FeaturePyramid,
    FeatureVisualization,
    Flow,
    GuidedGradCAM,
    Occlusion,
    SaliencyTubes,
    SharpTubes,
)
from notebook_explain.models import VideoModel
from notebook_explain.models.fills import FILLS

TUBES, PYRAMID, ANIMATION, FIGURE = MAKES = ("tubes", "pyramid", "animation", "figure")
CONCEPTS = "concepts"
_NORMS = ("constant", "differentiated")


@dataclasses.dataclass(frozen=True)
class Method:
    """A method in the explorer's menu.

    Attributes
    ----------
    key : str
    name, help : str
        For readers.
    makes : str
        One of `MAKES`.
    explainer : type or None
    knobs : tuple of Knob
    is_slow : bool
        It takes many passes, so that it runs only when it is asked for.
    """

    key: str
    name: str
    help: str
    makes: str
    explainer: Any
    knobs: tuple[Knob, ...] = ()
    is_slow: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the method as plain values."""
        values = {name: getattr(self, name) for name in ("key", "name", "help", "makes")}
        return {**values, "slow": self.is_slow, "knobs": [knob.to_json() for knob in self.knobs]}

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the checked values of knobs that differ from the default.

        Raises
        ------
        ValueError, TypeError
            There is no such knob, or it does not take this value.
        """
        knobs = {knob.name: knob for knob in self.knobs}
        unknown = [name for name in given if name not in knobs]
        if unknown:
            raise UsageError(f"{self.name} has no knob {unknown[0]!r}; it has {', '.join(knobs) or 'none'}")
        checked = {name: knobs[name].check(value) for name, value in given.items()}
        return {name: value for name, value in checked.items() if value != knobs[name].value}

    def all_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of every knob."""
        return {knob.name: values.get(knob.name, knob.value) for knob in self.knobs}

    def steps(self, values: Mapping[str, Any], model: VideoModel, clip: Clip, target: Any) -> Iterator[Progress]:
        """Yield the steps of an explanation; the last one has the result."""
        if self.key == CONCEPTS:
            yield Progress("concept", 1, 1, 0.0, self.explainer.tube(clip, values.get("concept", 0), model))
            return
        if self.makes == ANIMATION:
            explainer = FeatureVisualization(canvas=Flow(still=clip), **self.all_values(values))
            yield from explainer.stream(model, None, target)
            return
        explainer = self.explainer(**values)
        if hasattr(explainer, "stream"):
            yield from explainer.stream(model, clip, target)
        else:
            yield Progress(self.name, 1, 1, 0.0, explainer(model, clip, target))

    def code(self, values: Mapping[str, Any]) -> str:
        """Return the code that makes the explainer."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"ne.{self.explainer.__name__}({arguments})"


def methods_for(model: VideoModel, concepts: Concepts | None = None) -> tuple[Method, ...]:
    """Return the methods that a model can be explained with, the default first."""
    has_attention = any("attention" in type(part).__name__.lower() for part in model.module.modules())
    found = [_SHARP, _SALIENCY, _OCCLUSION, _PYRAMID]
    if has_attention:
        found.append(_ATTENTION)
    if concepts is not None:
        found.append(_concept_method(concepts))
    if reporting_modules(model.module):
        found.append(_BLOCKS)
    found += [_GUIDED, _RISE]
    if model.preprocessing.frames > 1:
        found.append(_VISUALIZATION)
    return tuple(found)


def method_of(methods: tuple[Method, ...], key: str) -> Method:
    """Return a method by its key; ValueError lists them."""
    check_choice("method", key, [method.key for method in methods])
    return next(method for method in methods if method.key == key)


def _concept_method(concepts: Concepts) -> Method:
    knob = Knob("concept", 0, 0, len(concepts) - 1, (), "Index of the concept, the strongest first.")
    return Method(CONCEPTS, "Concepts", "Where a concept is, and what it gives the class.", TUBES, concepts, (knob,))


_SHARP = Method(
    "sharp_tubes",
    "Sharp tubes",
    "Signed evidence at the resolution of the clip, which adds up to the score without its bias.",
    TUBES,
    SharpTubes,
    knobs_of(SharpTubes, {"conserve": (), "norms": _NORMS, "guided": ()}),
)
_SALIENCY = Method(
    "saliency_tubes",
    "Saliency tubes",
    "Exact evidence of every layer's cells.",
    TUBES,
    SaliencyTubes,
    knobs_of(SaliencyTubes, {"pooled": (), "norms": _NORMS}),
)
_OCCLUSION = Method(
    "occlusion",
    "Occlusion",
    "How far the score falls when a sliding box hides a part of the clip. It sharpens while you watch.",
    TUBES,
    Occlusion,
    knobs_of(Occlusion, {"fill": FILLS, "levels": (1, 5)}),
    is_slow=True,
)
_PYRAMID = Method(
    "pyramid",
    "Class feature pyramid",
    "The kernels that inform the class, layer by layer.",
    PYRAMID,
    FeaturePyramid,
    knobs_of(
        FeaturePyramid,
        {
            "contribution": ("gradient_x_activation", "gradient", "preactivation", "preactivation_approximate"),
            "selection": ("mass", "topk", "minmax"),
            "mass": (0.05, 1.0),
            "k": (1, 64),
            "theta": (0.05, 1.0),
            "most": (1, 256),
        },
    ),
)
_ATTENTION = Method(
    "attention_maps", "Attention maps", "Where the attention of the network goes.", TUBES, AttentionMaps
)
_BLOCKS = Method(
    "block_signals",
    "Block signals",
    "What gates, streams and poolings of the network report.",
    FIGURE,
    BlockSignals,
)
_GUIDED = Method(
    "guided_grad_cam",
    "Guided Grad-CAM",
    "The published combination of guided backpropagation and Grad-CAM.",
    TUBES,
    GuidedGradCAM,
    knobs_of(GuidedGradCAM, {"read_out": (), "signed": ()}),
)
_RISE = Method(
    "rise",
    "RISE",
    "How much higher the score is where random masks show the clip.",
    TUBES,
    RISE,
    knobs_of(RISE, {"masks": (8, 5000), "probability": (0.05, 0.95), "fill": FILLS, "seed": (0, 9999)}),
    is_slow=True,
)
_VISUALIZATION = Method(
    "visualization",
    "What does it look for?",
    "The most extended frame of the clip, moved as the network expects of the class.",
    ANIMATION,
    FeatureVisualization,
    # Fewer steps than in a study: somebody watches.
    knobs_of(FeatureVisualization, {"steps": (10, 500), "restarts": (1, 5), "seed": (0, 9999)}, steps=60, restarts=1),
    is_slow=True,
)
