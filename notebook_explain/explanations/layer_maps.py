"""Maps of layers over a clip, one volume for each layer and target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.layer_map import LayerMap
from notebook_explain.explanations.shared_volumes import shared, stretched
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.threshold import Kept, chosen_threshold, kept


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """Maps of layers and targets over a clip, with the volumes and thresholds that follow from them.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    targets : tuple of TargetResult
    layers : tuple of LayerMap
        From input to output.
    """

    clip: Clip
    targets: tuple[TargetResult, ...]
    layers: tuple[LayerMap, ...]

    @property
    def default_layer(self) -> int:
        """Index of the layer that is shown first: the last one with evidence for the first target."""
        with_evidence = [index for index, layer in enumerate(self.layers) if layer.peak(0) > 0]
        return with_evidence[-1] if with_evidence else len(self.layers) - 1

    def layer(self, which: str | int | None = None) -> LayerMap:
        """Return one layer's map by name or index; `default_layer` by default (ValueError lists the names)."""
        if which is None:
            return self.layers[self.default_layer]
        names = [layer.name for layer in self.layers]
        if isinstance(which, int) and -len(names) <= which < len(names):
            return self.layers[which]
        if which in names:
            return self.layers[names.index(which)]
        raise UsageError(f"layer {which!r} is not in these tubes; they have {', '.join(names)}")

    def volume(self, layer: str | int | None = None, target: int | str = 0) -> NDArray[np.float32]:
        """Return the map stretched over the clip: float32 (time, height, width), signed."""
        return stretched(self.layer(layer), self.target_index(target), self.clip.size)

    def threshold(
        self,
        threshold: float | None = None,
        layer: str | int | None = None,
        target: int | str = 0,
        *,
        share: float | None = None,
    ) -> float:
        """Return the threshold that a share of the evidence stands for, or the default one.

        Parameters
        ----------
        threshold : float in 0..1, optional
            Fraction of the layer's largest absolute value; returned as it is.
        layer, target
            Name or index of the layer and of the target; by default `default_layer` and the first target.
        share : float in 0..1, optional
            Share of the evidence for the target to keep: 0.5 for the strongest half.

        Returns
        -------
        float in 0..1
            Fraction of the layer's largest absolute value. With neither argument 0.4, or less where that would keep less
            than a quarter of the evidence, or less than half of that of a sharp map.

        Raises
        ------
        ValueError
            Both a threshold and a share; a share outside 0..1.
        """
        map_, index = self.layer(layer), self.target_index(target)

        def choose() -> float:
            return chosen_threshold(
                lambda: self.volume(layer, target), map_.peak(index), threshold, share, map_.least_share
            )

        return shared(("threshold", map_, index, self.clip.size, threshold, share), choose)

    def kept(
        self,
        threshold: float | None = None,
        layer: str | int | None = None,
        target: int | str = 0,
        *,
        share: float | None = None,
    ) -> Kept:
        """Count what lies at or above a threshold, which is chosen as by `threshold`."""
        least = self.threshold(threshold, layer, target, share=share)
        map_, index = self.layer(layer), self.target_index(target)

        def count() -> Kept:
            return kept(self.volume(layer, target), map_.peak(index), least)

        return shared(("kept", map_, index, self.clip.size, least), count)

    def target_index(self, target: int | str) -> int:
        """Return the index of a target, by index or name (ValueError lists them)."""
        names = [result.name for result in self.targets]
        if isinstance(target, str) and target in names:
            return names.index(target)
        if isinstance(target, int) and 0 <= target < len(names):
            return target
        listed = ", ".join(f"{index}: {name!r}" for index, name in enumerate(names))
        raise UsageError(f"target {target!r} is not among those computed, {listed}")
