"""Division of every clip into units, with what the layers say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.embedding import Embedded
from notebook_explain.methods.concepts.kept_passes import KeptPasses
from notebook_explain.methods.concepts.units import ClipUnits, Segmentation, descriptors, positions_of
from notebook_explain.models import Layer, VideoModel

if TYPE_CHECKING:
    from notebook_explain.methods.concepts.explainer import ConceptDiscovery


class Segmenter:
    """Divides clips into positions of a layer or supervoxels, and describes these.

    Parameters
    ----------
    explainer : ConceptDiscovery
    model : VideoModel
    layers : sequence of Layer
        Layers that describe units.
    kept : KeptPasses

    Attributes
    ----------
    forwards : int
        Number of clips that were run, for crops only.
    """

    def __init__(
        self, explainer: ConceptDiscovery, model: VideoModel, layers: Sequence[Layer], kept: KeptPasses
    ) -> None:
        self.explainer, self.model, self.layers, self.kept = explainer, model, layers, kept
        self.forwards = 0
        self._positions = positions_of(layers[0])

    def __call__(self, embedded: Embedded) -> ClipUnits:
        """Return the units of one clip."""
        segmentation = self.segmentation(embedded.clip)
        if self.explainer.units != "crops":
            return ClipUnits(segmentation, descriptors(segmentation, embedded.cells, embedded.clip.size))
        from notebook_explain.methods.concepts.crops import crop_descriptors

        found, passes = crop_descriptors(self.model, self.layers, embedded.clip, segmentation)
        self.forwards += passes
        return ClipUnits(segmentation, found)

    def segmentation(self, clip: Clip) -> Segmentation:
        """Return the division of one clip."""
        if self.explainer.units == "positions":
            return self._positions
        from notebook_explain.methods.concepts.supervoxels import supervoxels

        return self.kept.segmented(clip, supervoxels)
