"""Evidence inside concepts: gradient times activation of the layer that the score is read from, which adds up to the score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.concepts.cells import nearest_cells
from notebook_explain.methods.concepts.embedding import Embedded
from notebook_explain.methods.concepts.units import Segmentation, unit_evidence


def concept_evidence(
    embedded: Embedded, segmentation: Segmentation, labels: NDArray[np.integer], count: int
) -> tuple[NDArray[np.float64], float]:
    """Return the evidence inside every concept, float64 (concept,), and outside of all.

    Several resolutions divide the same evidence; that of the finest one counts.
    """
    total, outside = np.zeros(count), 0.0
    inside = labels >= 0
    for cells in embedded.cells:
        finest = unit_evidence(segmentation, cells, embedded.clip.size)[-1].astype(np.float64)
        total += np.bincount(labels[inside], finest[inside], minlength=count)
        outside += float(cells.evidence.sum(dtype=np.float64) - finest[inside].sum())
    return total, outside


def evidence_map(embedded: Embedded, segmentation: Segmentation, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the evidence inside a part of a clip, whose mean is the part's contribution to the score.

    Parameters
    ----------
    embedded : Embedded
    segmentation : Segmentation
    inside : bool array (time, height, width)
        Cells of the finest level.

    Returns
    -------
    float32 array (time, height, width)
        0 outside.
    """
    size = embedded.clip.size
    if inside.shape != size:
        total = sum(unit_evidence(segmentation, cells, size)[-1] for cells in embedded.cells)
        values = np.append(total, 0)[segmentation.labels[-1]]
    else:
        values = np.zeros(size)
        for cells in embedded.cells:
            nearest = nearest_cells(cells.geometry, cells.grid, size)
            voxels = np.bincount(nearest.ravel(), minlength=len(cells.evidence))
            values += (cells.evidence / np.maximum(voxels, 1))[nearest]
    return np.asarray(np.where(inside, values, 0) * inside.size, np.float32)
