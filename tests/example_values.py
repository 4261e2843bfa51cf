"""Small explanations for tests that need no network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from notebook_explain.clip import Clip
from notebook_explain.explanations import (
    TCAV,
    AppliedEdit,
    Better,
    BlockReport,
    ClassChannelTable,
    Concept,
    Concepts,
    Effect,
    Evaluation,
    EvaluationRow,
    Facet,
    FrameSignal,
    Geometry,
    HeadPrediction,
    LabelledValues,
    LayerMap,
    MetricInfo,
    Neighbour,
    Provenance,
    Quantity,
    Refusal,
    Side,
    Synthesis,
    TargetResult,
    TemporalReliance,
    Tubes,
    Verdict,
    Visualization,
    WhatIf,
)
from notebook_explain.explanations.blocks.report import ADDED
from notebook_explain.explanations.pyramid.pyramid import Edge, Pyramid, Row, Unit


def small_tubes(*, targets: int = 2, time: int = 6, size: int = 12, seed: int = 0) -> Tubes:
    """Return tubes of two layers with random signed maps and a coloured clip."""
    rng = np.random.default_rng(seed)
    clip = Clip(rng.integers(0, 256, (time, size, size, 3), np.uint8), times=np.arange(time) / 10, source="by hand")
    fine = rng.normal(size=(targets, time, 4, 4)).astype(np.float32)
    coarse = rng.normal(size=(targets, 2, 3, 3)).astype(np.float32)
    layers = (
        LayerMap(
            "stem", "stem", fine, Geometry.even((time, 4, 4), clip.size), gap=np.arange(targets, dtype=np.float32)
        ),
        LayerMap("last", "pooling input", coarse, Geometry(np.array([0.0, 3.0]), (1.0, 0.5), (4.0, 4.5))),
    )
    results = tuple(
        TargetResult(f"class {k}", k, "", 1.5 - k, 0.6 / (k + 1), bias=0.1, top5=(("class 0", 0.6), ("class 1", 0.3)))
        for k in range(targets)
    )
    provenance = Provenance("by hand", {"pooled": False}, "none", {"size": size}, {"numpy": np.__version__}, 0.1, 1, 1)
    return Tubes(clip, results, layers, provenance)


def small_pyramid(*, time: int = 6, size: int = 12, seed: int = 0) -> Pyramid:
    """Return a class, three kernels, two channels of a sum, two kernels and a colour, with random signed maps."""
    rng = np.random.default_rng(seed)
    tubes = small_tubes(time=time, size=size, seed=seed)

    def maps(units: int, *grid: int) -> np.ndarray:
        return rng.normal(size=(units, *grid)).astype(np.float32)

    coarse, fine = (layer.geometry for layer in reversed(tubes.layers))
    rows = (
        Row("fc", "class", 4, (0,), 1.0, receptive_field=(99, 99, 99)),
        Row("late", "kernel", 8, (1, 2, 3), 0.8, maps(3, 2, 3, 3), coarse, (5, 9, 9)),
        Row("sum in late", "sum", 8, (4, 5), 0.7, maps(2, 2, 3, 3), coarse, (5, 7, 7)),
        Row("early", "kernel", 4, (6, 7), 0.6, maps(2, time, 4, 4), fine, (3, 3, 3)),
        Row("clip", "input", 3, (8,), 0.9, receptive_field=(1, 1, 1)),
    )
    channels = (0, 5, 2, 7, 1, 3, 0, 2, 1)
    scores = (1.0, 0.5, 0.2, 0.1, 0.3, 0.1, 0.25, 0.05, 0.2)
    row_of = [index for index, row in enumerate(rows) for _ in row.units]
    units = tuple(
        Unit(row, channel, score, -1 if channel == 2 else 1, remainder=None if row == 4 else 0.1 * channel)
        for row, channel, score in zip(row_of, channels, scores, strict=True)
    )
    ends = ((1, 0), (2, 0), (3, 0), (4, 1), (4, 2), (5, 1), (6, 4), (6, 5), (7, 5), (6, 3), (8, 6))
    kinds = ("conv",) * 5 + ("concat",) + ("identity",) * 3 + ("conv",) * 2
    edges = tuple(
        Edge(child, parent, 0.7 * (-1) ** (parent == 2), 0.1 + 0.08 * child + 0.01 * parent, kind)
        for (child, parent), kind in zip(ends, kinds, strict=True)
    )
    return Pyramid(tubes.clip, tubes.targets[0], rows, units, edges, tubes.provenance)


def small_frame_signals(*, time: int = 6, seed: int = 0) -> tuple[FrameSignal, ...]:
    """Return a frame signal with a value for every frame and a neutral, and one for every other frame without."""
    rng = np.random.default_rng(seed)
    every, other = np.arange(time, dtype=np.float64), np.arange(0.5, time, 2)
    multiplied, sure = "each frame is multiplied by", "how surely each frame finds back"
    return (
        FrameSignal("layer1.0", "SRTG", multiplied, 1 + rng.normal(size=len(every)).astype(np.float32) / 9, every, 1.0),
        FrameSignal("", "Net", sure, rng.random(len(other), np.float32), other),
    )


def small_report(*, time: int = 6, size: int = 12, seed: int = 0) -> BlockReport:
    """Return two frame signals, a guess of three classes by one block, the effects of two planes, and a table."""
    rng = np.random.default_rng(seed)
    tubes = small_tubes(time=time, size=size, seed=seed)
    classes, planes = ("class 0", "class 1", "class 2"), ("plane yx (space)", "plane tx (time and the horizontal)")
    labelled_values = (
        LabelledValues("layer2", "ClassRegularization", "early guess", classes, rng.normal(size=3), 0.0),
        LabelledValues("layer1.0", "FAST3d", ADDED, planes, np.array([0.75, -0.25]), 0.0, quantity=Quantity.ABLATION),
    )
    table = ClassChannelTable(
        "layer2", "ClassRegularization", "what each kernel says", classes, rng.normal(size=(3, 5))
    )
    frame_signals = small_frame_signals(time=time, seed=seed)
    return BlockReport(tubes.clip, tubes.targets[0], frame_signals, labelled_values, (table,), tubes.provenance)


def small_evaluation(*, clips: int = 12, methods: int = 3, seed: int = 0) -> Evaluation:
    """Return three metrics for random values of several methods, for one target of each clip, in three classes."""
    rng = np.random.default_rng(seed)
    names = tuple(f"method {k}" for k in range(methods))
    metrics = (
        MetricInfo("Insertion", Better.HIGHER, "Area under the score.", {"fill": "blur", "grid": (8, 8, 8)}),
        MetricInfo("Deletion(fill='freeze')", Better.LOWER, "Area under the score.", {"fill": "freeze"}),
        MetricInfo("Sparsity", Better.NEITHER, "Gini index."),
    )
    rows = tuple(
        EvaluationRow(clip, f"class {clip % 3}", name, metric.name, float(value), f"class {clip % 3}")
        for clip in range(clips)
        for k, name in enumerate(names)
        for metric, value in zip(metrics, rng.normal(0.2 * k, 0.3, len(metrics)), strict=True)
    )
    origin = Provenance("Evaluation", {"seed": 0}, "none", {}, {"numpy": np.__version__}, 0.1, 7, 0, ("A caveat.",))
    return Evaluation(rows, tuple(f"clip {clip}" for clip in range(clips)), names, metrics, origin)


def small_concepts(*, clips: int = 6, concepts: int = 3, time: int = 6, size: int = 12, seed: int = 0) -> Concepts:
    """Return concepts of random grids of 2 x 3 x 3 cells; the last concept is missing in the first clip."""
    rng = np.random.default_rng(seed)
    made = [small_tubes(targets=1, time=time, size=size, seed=seed + k) for k in range(clips)]
    grids = rng.integers(-1, concepts, (clips, 1, 2, 3, 3)).astype(np.int16)
    grids.reshape(clips, -1)[:, :concepts] = np.arange(concepts)
    grids[0][grids[0] == concepts - 1] = -1
    evidence = rng.normal(size=(clips, concepts)).astype(np.float32)
    drops = np.sort(rng.normal(0.3, 0.2, (2, clips, concepts)).astype(np.float32), axis=2)[:, :, ::-1].copy()
    found = []
    for k in range(concepts):
        shares = (grids == k).mean((1, 2, 3, 4))
        values = [float(drops[f, :, k].mean()) for f in range(2)]
        effects = tuple(
            Effect(fill, value, value - 0.1, value + 0.1, 0.01 * (k + 1), 0.03 * (k + 1), 0.2 + 0.1 * k)
            for fill, value in zip(("blur", "freeze"), values, strict=True)
        )
        reason = Refusal.CONSTANT_GRADIENT if k == 0 else None
        tcav = TCAV("blocks.2", None if reason else 0.5, 0.25, 0.04, 0.75, reason)
        present = tuple(int(clip) for clip in np.argsort(-drops[0, :, k]) if shares[clip] > 0)
        name = f"concept {k + 1}"
        mean, volume = float(evidence[:, k].mean()), float(shares.mean())
        found.append(Concept(k, name, effects, mean, volume, tuple(shares.tolist()), present, tcav))
    results = tuple(tubes.targets[0] for tubes in made)
    scores = np.array([result.logit - (result.bias or 0.0) for result in results], np.float32)
    return Concepts(
        concepts=tuple(found),
        clips=tuple(tubes.clip for tubes in made),
        results=results,
        units="positions",
        layer="last",
        grids=grids,
        geometry=Geometry.even((2, 3, 3), (time, size, size)),
        centres=rng.normal(size=(concepts + 1, 4)).astype(np.float32),
        drops=drops,
        evidence=evidence,
        remainder=scores - evidence.sum(1),
        stability=0.7,
        provenance=made[0].provenance,
    )


def small_visualization(*, clips: int = 4, time: int = 6, size: int = 12, seed: int = 0) -> Visualization:
    """Return two made clips: one with a flow from a still, and a facet that started from noise."""
    rng = np.random.default_rng(seed)

    def clip(frames: int, name: str) -> Clip:
        return Clip(rng.integers(0, 255, (frames, size, size, 3), np.uint8), np.arange(frames) / 8, name)

    real = tuple(clip(time, f"clip{index}.mp4") for index in range(clips))
    best = (("kick", 0.9), ("punch", 0.1))

    def synthesis(name: str, start: Clip, **others: Any) -> Synthesis:
        made = clip(time, "made")
        return Synthesis(
            **{
                "name": name,
                "objective": f"Logit({name!r})",
                "clip": made,
                "start": start,
                "flow": None,
                "curve": np.linspace(0, 3, 10, dtype=np.float32),
                "preview_steps": (0, 5, 10),
                "previews": np.stack([np.repeat(start.frames[:1], time, 0), made.frames // 2, made.frames]),
                "score": 3.0,
                "start_score": -1.0,
                "real_scores": np.linspace(-1, 2, clips, dtype=np.float32),
                "best": best,
                "start_best": best[::-1],
                "neighbours": (Neighbour(1, 1.5), Neighbour(0, 2.0)),
                "motion": 0.8,
                "restarts": (3.0, 2.0),
                "seconds": 1.5,
                **others,
            }
        )

    flow = rng.normal(size=(time, size, size, 2)).astype(np.float16)
    verdicts = (Verdict("Other, 10 parameters", best, best[::-1], True),)
    facet = Facet(0, 2, (2, 3), 0.97, 0.9, True)
    return Visualization(
        (
            synthesis("kick", clip(1, "photo.jpg"), flow=flow, verdicts=verdicts, control=best[::-1]),
            synthesis("facet 1 of 2", clip(time, "noise"), objective="Facet('blocks.3', 0, of=2)", facet=facet),
        ),
        real,
        ("kick", "kick", "punch", "punch")[:clips],
        "blocks.3",
        Provenance("FeatureVisualization", {"steps": 10}, "Net, 10 parameters", caveats=("A caveat.",)),
    )


def small_what_if(*, with_tubes: bool = False, seed: int = 0) -> WhatIf:
    """Return a what-if of three classes and of a head of values, whose clip ran backwards."""
    tubes, after_tubes = small_tubes(targets=1, seed=seed), small_tubes(targets=1, seed=seed + 1)
    labels = ("class 0", "class 1", "class 2")
    sides = []
    for index, explained in enumerate((tubes, after_tubes)):
        logits = np.array([1.5, 0.5, 0.0], np.float32) + index * np.array([-2, 0.5, 0], np.float32)
        probabilities = (np.exp(logits) / np.exp(logits).sum()).astype(np.float32)
        clip = tubes.clip if index == 0 else replace(tubes.clip, frames=tubes.clip.frames[::-1].copy())
        heads = (
            HeadPrediction("", labels, logits, probabilities),
            HeadPrediction("speed", ("value",), np.array([3.0 - index], np.float32), None, "regression", "m/s"),
        )
        target = TargetResult("class 0", 0, "", float(logits[0]), float(probabilities[0]), top5=heads[0].top(3))
        sides.append(Side(clip, heads, target, replace(explained, clip=clip) if with_tubes else None))
    edit = AppliedEdit({"edit": "Reverse"}, "the clip runs backwards", "edits.Reverse()", "clip")
    provenance = Provenance("What if", {"edits": [edit.words]}, "none", {"size": 12}, {"numpy": np.__version__}, 0.1, 2)
    return WhatIf((edit,), sides[0], sides[1], provenance)


def small_temporal_reliance(*, seed: int = 0) -> TemporalReliance:
    """Return temporal reliance on a clip of six frames."""
    rng, clip = np.random.default_rng(seed), small_tubes(seed=seed).clip
    target = TargetResult("class 0", 0, "", 1.5, 0.6, top5=(("class 0", 0.6), ("class 1", 0.3)))
    shuffled, frozen, held = (rng.uniform(0.2, 0.6, size) for size in (4, 6, 6))
    provenance = Provenance("Temporal reliance", {"seeds": 4}, "none", {}, {"numpy": np.__version__}, 0.1, 20)
    return TemporalReliance(clip, target, shuffled, frozen, held, 0.5, 0.4, provenance)
