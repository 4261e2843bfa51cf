"""Export the numbers of concepts as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notebook_explain.explanations.concepts.concepts import Concepts

FORMAT, VERSION = "notebook_explain.concepts", 1


def concepts_json(concepts: Concepts) -> str:
    """Return every number of concepts as JSON, without frames and masks; paths are stripped to file names."""
    clips = [
        {
            "name": clip.name,
            "logit": result.logit,
            "probability": result.probability,
            "bias": result.bias,
            "evidence": concepts.evidence[index].tolist(),
            "remainder": float(concepts.remainder[index]),
        }
        for index, (clip, result) in enumerate(zip(concepts.clips, concepts.results, strict=True))
    ]
    body: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "target": concepts.target_name,
        "units": concepts.units,
        "layer": concepts.layer,
        "stability": concepts.stability,
        "clips": clips,
        "concepts": [{**asdict(concept), "density": concept.density} for concept in concepts],
        "provenance": json.loads(concepts.provenance.to_json()),
    }
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
