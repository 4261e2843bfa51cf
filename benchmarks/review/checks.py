"""Run every check on one architecture."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmarks.review import explained
from benchmarks.review.architectures import Architecture
from benchmarks.review.arrangement import Reading, readings
from benchmarks.review.directions import DirectionCheck, check_directions
from benchmarks.review.edges import EdgeCheck, check_edges
from benchmarks.review.geometry import CellPositions, GeometryCheck, check_geometry
from benchmarks.review.products import LayerCheck, TrueMap, check_combined, check_layer, constant_of_head, true_maps
from benchmarks.review.reference import Pass, Reference, example_clip, module_of

UNITS, KERNELS = 8, 5  # sampled per architecture
CONTRIBUTIONS = ("gradient_x_activation", "gradient", "preactivation")
CHECKS = ("products", "geometry", "directions", "edges")
BUDGET = 75.0  # seconds of an architecture after which the remaining checks are left out


@dataclass
class Findings:
    """Everything that was measured on one architecture.

    Attributes
    ----------
    name : str
    layers : list of LayerCheck
    default : (str, str)
        Name of the layer shown first, and its state.
    untrusted : list of str
        Layers of which the explanation says that nothing is above rounding.
    first_share : float or None
        Where several tensors are pooled: the part of the absolute sum of their means that the layer shown first holds.
    completeness : float or None
        |sum of the ends' means + constant - score|, relative to what is summed; None where it is not claimed.
    geometry : list of GeometryCheck
    directions : dict of contribution to DirectionCheck
    edges : EdgeCheck or None
    errors : dict of check to str
        Errors raised, by check.
    refused : dict of check to str
        Checks that do not apply, because the package says that it cannot do this, or that time ran out for.
    caveats : list of (code, text)
    words : str
    seconds : dict of check to float
    """

    name: str
    layers: list[LayerCheck] = field(default_factory=list)
    default: tuple[str, str] = ("", "")
    untrusted: list[str] = field(default_factory=list)
    completeness: float | None = None
    first_share: float | None = None
    geometry: list[GeometryCheck] = field(default_factory=list)
    directions: dict[str, DirectionCheck] = field(default_factory=dict)
    edges: EdgeCheck | None = None
    errors: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    caveats: list[tuple[str, str]] = field(default_factory=list)
    words: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


def review(architecture: Architecture, quick: bool = False, checks: Collection[str] = CHECKS) -> Findings:
    """Check one architecture.

    Raises
    ------
    ImportError
        Its package is not installed.
    """
    checks = {*checks, *(("products",) if "geometry" in checks else ())}  # which tells how cells are arranged
    net = architecture.build()
    findings = Findings(architecture.name)
    clip = example_clip(architecture.frames, architecture.size, channels=architecture.channels)
    reference = Reference(net, architecture, clip)
    fast = Reference(net, architecture, clip, torch.float32)
    start = time.process_time()

    def attempt(check: str, work: Callable[[], Any]) -> Any:
        if check != "tubes" and check.split(",")[0] not in checks:
            return None
        if time.process_time() - start > BUDGET:
            findings.refused[check] = "out of time"
            return None
        begin = time.process_time()
        try:
            return work()
        except Exception as error:  # whatever is raised is a finding
            is_refusal = isinstance(error, explained.REFUSALS) and check != "tubes"
            (findings.refused if is_refusal else findings.errors)[check] = f"{type(error).__name__}: {str(error)[:300]}"
            return None
        finally:
            findings.seconds[check] = round(time.process_time() - begin, 2)

    pair = attempt("tubes", lambda: explained.explain(net, architecture, clip, architecture.target))
    if pair is None:
        return findings
    model, shown = pair
    findings.caveats, findings.words = list(shown.caveats), shown.words
    places = attempt("products", lambda: _check_products(findings, reference, fast, shown))
    if places:
        symmetric = Reference(net, architecture, clip, torch.float32)
        findings.geometry = attempt("geometry", lambda: check_geometry(symmetric, places)) or []
    for contribution in CONTRIBUTIONS:
        found = attempt(f"directions, {contribution}", lambda c=contribution: _check_directions(model, fast, c, quick))
        if found is not None:
            findings.directions[contribution] = found
    findings.edges = attempt("edges", lambda: check_edges(fast, *explained.graph_claims(model), KERNELS))
    return findings


def _check_products(
    findings: Findings, reference: Reference, fast: Reference, shown: explained.Shown
) -> dict[str, tuple[Reading, CellPositions]]:
    """Compare every map, and the sum of the ends; return how the cells of each map are arranged and where they lie."""
    values = {layer.name: layer.values for layer in shown.layers}
    single_layers = {layer.name: layer.values for layer in shown.layers if not layer.is_combined}
    ends = shown.ends
    modules = {module_of(name) for name in values}
    run = reference.run(constant_norms=shown.constant_norms, modules=modules)
    # Float32 has the same rounding as the maps that are shown, and so tells how their cells are arranged.
    fast_run = fast.run(constant_norms=shown.constant_norms, modules=modules)
    target = reference.architecture.target
    single = true_maps(fast_run, target, single_layers, ends)
    true = true_maps(run, target, single_layers, ends, single)
    largest = float(run.logits.detach().abs().max())
    for layer in shown.layers:
        if layer.is_combined:
            findings.layers.append(check_combined(layer.name, layer.values, [true[name] for name in ends]))
        else:
            scale = None if layer.is_trusted else largest
            findings.layers.append(check_layer(layer.name, layer.values, true[layer.name], single[layer.name], scale))
    findings.untrusted = [layer.name for layer in shown.layers if not layer.is_trusted]
    state = next(check.state for check in findings.layers if check.name == shown.default)
    findings.default = (shown.default, state)
    _check_sum(findings, reference, run, shown, true)
    return _places(shown, findings, true)


def _check_sum(
    findings: Findings, reference: Reference, run: Pass, shown: explained.Shown, true: Mapping[str, TrueMap | None]
) -> None:
    """Compare the score, and the sum of the ends and the head's constant if that is said to be the score."""
    logits = run.logits.detach()
    score = float(logits[reference.architecture.target])
    if abs(score - shown.score) > 1e-3 * max(1.0, float(logits.abs().max())):
        findings.errors["score"] = f"{shown.score:.6g} is explained, float64 gives {score:.6g}"
    means = {
        layer.name: float(layer.values.mean(dtype=np.float64)) for layer in shown.layers if layer.name in shown.ends
    }
    if len(means) > 1 and shown.default in means:
        findings.first_share = abs(means[shown.default]) / max(sum(map(abs, means.values())), 1e-300)
    if shown.is_complete:
        constant = constant_of_head(reference, run, reference.architecture.target, shown.ends, true)
        summed = sum(map(abs, means.values())) + abs(constant)
        findings.completeness = abs(sum(means.values()) + constant - score) / max(summed, 1e-12)


def _places(
    shown: explained.Shown, findings: Findings, true: Mapping[str, TrueMap | None]
) -> dict[str, tuple[Reading, CellPositions]]:
    """Return how the cells of each map are arranged and where they are said to lie.

    Values that are noise or 0 do not tell the arrangement; then that of another tensor of the same shape is taken.
    """
    known: dict[Any, Reading] = {}
    for check in findings.layers:
        found = true.get(check.name)
        if found is not None and check.state in ("right", "rounded"):
            known.setdefault((tuple(x.shape for x in found.source), found.reading.grid), found.reading)
    places: dict[str, tuple[Reading, CellPositions]] = {}
    for layer, check in zip(shown.layers, findings.layers, strict=True):
        found = true.get(layer.name)
        if found is None:
            continue
        reading, shapes = found.reading, [x.shape for x in found.source]
        if check.state not in ("right", "rounded"):
            reading = known.get((tuple(shapes), reading.grid), next(readings(shapes, layer.values.shape)))
        places[layer.name] = (reading, layer.positions)
    return places


def _check_directions(model: Any, reference: Reference, contribution: str, quick: bool) -> DirectionCheck:
    target = reference.architecture.target
    units = explained.pyramid_units(model, reference.clip, target, contribution)
    chosen = random.Random(0)
    negative = [unit for unit in units if unit[2] < 0]
    positive = [unit for unit in units if unit[2] > 0]
    count = UNITS // 2 if quick else UNITS
    sample = chosen.sample(negative, min(count // 2, len(negative)))
    sample += chosen.sample(positive, min(count - len(sample), len(positive)))
    return check_directions(reference, target, sample)
