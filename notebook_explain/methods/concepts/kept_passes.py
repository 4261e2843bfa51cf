"""Passes that a cache keeps: embedded clips, their division into units, and their ablations."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.io.fields import pack_target, read_target
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.methods.concepts.ablation import Ablation, ClipAblation
from notebook_explain.methods.concepts.cache import ArrayCache
from notebook_explain.methods.concepts.embedding import Embedded, Embedder
from notebook_explain.methods.concepts.units import LayerCells, Segmentation
from notebook_explain.models import VideoModel
from notebook_explain.models.content_key import clip_key, content_key, model_key

_ABLATION = ("drops", "controls", "changes", "voxels")


class KeptPasses:
    """Runs a pass, or reads its result from a cache where the same pass was run before.

    Parameters
    ----------
    folder : path or None
    model : VideoModel
    """

    def __init__(self, folder: str | os.PathLike[str] | None, model: VideoModel) -> None:
        self.cache = ArrayCache(folder)
        self._model = model

    @cached_property
    def _model_key(self) -> str:
        return content_key(_version(), model_key(self._model))

    def embedded(self, embedder: Embedder, clip: Clip) -> Embedded:
        """Return an embedded clip; the first one is always run, because it resolves the target and chooses the layers."""
        if not self.cache.is_kept:
            return embedder(clip)
        embedded = embedder(clip) if embedder.target is None else None
        names = [layer.name for layer in embedder.recorded]
        described = [layer.name for layer in embedder.layers]
        key = content_key("embedded", self._model_key, described, embedder.target, names, clip_key(clip))
        if embedded is None and (found := self.cache.get(key)) is not None:
            kept = _read_embedded(embedder, clip, *found)
            if kept is not None:
                return kept
        embedded = embedded or embedder(clip)
        arrays = {f"gradient{names.index(name)}": values for name, values in embedded.gradients.items()}
        for index, cells in enumerate(embedded.cells):
            arrays |= {f"features{index}": cells.features, f"evidence{index}": cells.evidence}
        self.cache.add(key, {"target": pack_target(embedded.result)}, arrays)
        return embedded

    def segmented(self, clip: Clip, segment: Callable[[Clip], Segmentation]) -> Segmentation:
        """Return the division of a clip into units."""
        if not self.cache.is_kept:
            return segment(clip)
        key = content_key("segmented", _version(), segment, clip_key(clip))
        found = self.cache.get(key)
        if found is not None and set(found[1]) == {"labels", "copies"}:
            labels, copies = found[1]["labels"], found[1]["copies"]
            return Segmentation.at_voxels(labels, copies)
        made = segment(clip)
        self.cache.add(key, {}, {"labels": made.labels.astype(np.int64), "copies": made.copies})
        return made

    def ablated(
        self, ablation: Ablation, clip: Clip, masks: NDArray[np.bool_], controls: NDArray[np.bool_]
    ) -> ClipAblation:
        """Return the ablations of a clip."""
        if not self.cache.is_kept:
            return ablation(clip, masks, controls)
        parts = np.packbits(masks), np.packbits(controls)
        key = content_key("ablated", self._model_key, ablation.target, ablation.fills, clip_key(clip), parts)
        found = self.cache.get(key)
        if found is not None and set(found[1]) == set(_ABLATION):
            return ClipAblation(**found[1])
        made = ablation(clip, masks, controls)
        self.cache.add(key, {}, asdict(made))
        return made


def _version() -> str:
    import notebook_explain

    return notebook_explain.__version__


def _read_embedded(
    embedder: Embedder, clip: Clip, text: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> Embedded | None:
    """Return a kept pass; None if it does not fit."""
    try:
        cells = tuple(
            LayerCells(layer.geometry, layer.grid, arrays[f"features{index}"], arrays[f"evidence{index}"])
            for index, layer in enumerate(embedder.layers)
        )
        names = [layer.name for layer in embedder.recorded]
        gradients = {
            name: arrays[f"gradient{index}"] for index, name in enumerate(names) if f"gradient{index}" in arrays
        }
        return Embedded(clip, read_target(text["target"]), cells, gradients)
    except (RefusedError, KeyError, TypeError, ValueError):
        return None
