"""ConceptDiscovery: find the concepts of a class in its clips, and measure which of them the network uses.

Six stages (arXiv:2206.05275, with the changes that measurements asked for):

1. embed: one pass forward and one back for each clip.
2. segment: divide each clip into units: positions of a layer, or supervoxels.
3. cluster: k-means of the units of all clips.
4. exemplars: keep clusters that occur in a quarter of the clips.
5. ablate: hide everything that a concept covers in a clip, and measure the fall of the margin m, the logit minus the mean of
   the other logits. Per share of the clip that is hidden, this is the effect that ranks::

       effect_k = sum_c [m(x_c) - m(x_c without k)] / sum_c |k in c|

6. test: sign-flip over clips against as many voxels elsewhere; directions (CAV), and their significance.

References: Ji, Wang, Kwong, Wu: Spatial-temporal Concept based Explanation of 3D ConvNets, CVPR 2023 Workshops,
arXiv:2206.05275; Ghorbani et al.: Towards Automatic Concept-based Explanations, NeurIPS 2019, arXiv:1902.03129.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_int, check_range
from notebook_explain.explanations import Concepts
from notebook_explain.explanations.progress import Progress
from notebook_explain.methods.concepts.clips import iterate_clips
from notebook_explain.methods.concepts.discovery import Discovery
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import VideoModel
from notebook_explain.models.fills import FILLS

UNITS, MODES = ("positions", "supervoxels", "crops"), ("ablation", "paper")
_COUNT = {"positions": 10, "supervoxels": 25, "crops": 25}
MOST_CONCEPTS = 200


@dataclass(frozen=True)
class ConceptDiscovery:
    """Find the concepts of a class, and rank them by what the network loses without them.

    Attributes
    ----------
    units : "positions", "supervoxels" or "crops"
        Parts that are grouped: the positions of a layer; supervoxels of the clip (SLIC on colours and optical flow at three
        resolutions; needs scikit-image); or crops of these supervoxels on grey, each resized and run through the network, as
        published. Crops took 25 times as long and told regions apart no better than chance.
    layer : str, optional
        Layer whose features describe units; by default the input of global pooling, where evidence adds up to the score.
    count : int, optional
        Number of clusters; by default 10 for positions and 25 for supervoxels.
    fills : tuple of "blur", "freeze", "mean", "grey"
        What takes the place of a concept: "blur" asks what if it were not there, "freeze" what if it stood still. The first
        one orders the concepts.
    mode : "ablation" or "paper"
        "paper" keeps the published protocol, for comparison: logistic directions against random clips, the share of clips
        with a positive derivative, and a paired t-test. In the bundled network, whose concepts are known, it put the acting
        one first in 8 of 10 classes, but above every concept of room, ball and idle person in none, because they share the
        value 1 (AUC 0.838). "ablation" put it first, and above these, in all 10 (AUC 1.000): ``python -m benchmarks.concepts``.
    cav_layer : str, optional
        Layer of the directions; by default the last one whose gradient differs between clips.
    presence : float in 0..1
        Share of the clips in which a concept must occur.
    batch : int, optional
        Clips in a pass of ablations; by default 8 on a CPU and 32 on other devices.
    seed : int
        Of everything that is drawn.
    """

    units: str = "positions"
    layer: str | None = None
    count: int | None = None
    fills: tuple[str, ...] = ("blur", "freeze")
    mode: str = "ablation"
    cav_layer: str | None = None
    presence: float = 0.25
    batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("units", self.units, UNITS)
        check_choice("mode", self.mode, MODES)
        for name in ("layer", "cav_layer"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise UsageTypeError(
                    f"{name} must be the name of a layer (str), got {value!r}; model.layers lists them"
                )
        if self.count is not None:
            object.__setattr__(self, "count", check_int("count", self.count, least=2))
            if self.count > MOST_CONCEPTS:
                raise UsageError(f"count must be at most {MOST_CONCEPTS}, got {self.count}; 10 to 25 are usual")
        if not isinstance(self.fills, (list, tuple)) or not self.fills:
            raise UsageTypeError(f"fills must be a list such as ('blur', 'freeze'), got {self.fills!r}")
        fills = tuple(dict.fromkeys(check_choice("fill", fill, FILLS) for fill in self.fills))
        object.__setattr__(self, "fills", fills)
        object.__setattr__(self, "presence", check_range("presence", self.presence, 0, 1))
        if self.batch is not None:
            object.__setattr__(self, "batch", check_int("batch", self.batch))
        object.__setattr__(self, "seed", check_int("seed", self.seed, least=0))

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return _COUNT[self.units] if self.count is None else self.count

    def __call__(
        self,
        model: VideoModel,
        clips: Any,
        target: Any = None,
        random_clips: Any = None,
        *,
        cache: str | os.PathLike[str] | None = None,
    ) -> Concepts:
        """Find the concepts of one class, under a line of progress.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clips : list or iterator of clips, paths, arrays or samples, or path to a folder
            Clips of the class, 5 or more, better 20 to 60. A folder may hold a folder for each class.
        target : None, label, index, or Target
            ``None`` is the top class of the first clip.
        random_clips : like clips, optional
            Clips of anything, for mode "paper" only. All folders in a folder are read.
        cache : path to a folder, optional
            Keep the passes there. A run that was stopped goes on where it was, if model, clips, knobs and version are the
            same.

        Returns
        -------
        Concepts

        Raises
        ------
        TypeError, ValueError
            Too few clips, an unknown layer or target, or an argument that is not a model or a clip.
        ExplainError
            No gradient reaches a layer, or no cluster occurs in enough clips.
        """
        steps = self.stream(model, clips, target, random_clips, cache=cache)
        result: Concepts = run_with_progress(steps, "concepts")
        return result

    def stream(
        self,
        model: VideoModel,
        clips: Any,
        target: Any = None,
        random_clips: Any = None,
        *,
        cache: str | os.PathLike[str] | None = None,
    ) -> Iterator[Progress]:
        """Find concepts clip by clip, and yield them as they are measured; close the iterator to cancel the rest.

        Arguments and errors are those of the call; a wrong model raises at once. The result describes the parameters at the
        start.

        Yields
        ------
        Progress
            Stages "embed", "segment", "cluster", "exemplars", "ablate" and "test"; ``partial`` is a Concepts after
            "exemplars", about twenty times during "ablate", and at the end.
        """
        if not isinstance(model, VideoModel):
            raise UsageTypeError(
                f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
            )
        if (self.mode == "paper") != (random_clips is not None):
            raise UsageError(
                "random_clips is needed in mode 'paper', and only there: clips of anything, with which the clips of the class "
                "are compared"
            )
        given = iterate_clips(clips, target)
        others = None if random_clips is None else iterate_clips(random_clips, is_mixed=True)
        return Discovery(self, model, given, target, others, cache).steps()
