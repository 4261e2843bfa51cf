"""Results of the methods for comparison are saved, loaded, viewed, drawn and exported like all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from tests import zoo

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
EXPLAINERS: dict[str, Any] = {
    "random": ne.RandomMap(),
    "centre": ne.CentreMap(),
    "motion": ne.MotionMap(),
    "motion tubes": ne.MotionTubes(),
    "guided Grad-CAM": ne.GuidedGradCAM(),
    "signed guided Grad-CAM": ne.GuidedGradCAM(read_out=True, signed=True),
    "evidence of captum": ne.Captum("IntegratedGradients", n_steps=3),
    "relevance of captum": ne.Captum("InputXGradient"),
    "layer of captum": ne.Captum("LayerGradCam", layer="layer2.0"),
    "RISE": ne.RISE(masks=8),
    "occlusion": ne.Occlusion(box=(4, 16, 16), stride=(4, 16, 16), levels=1),
}


@pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
def test_a_result_is_saved_viewed_drawn_and_exported(explainer: Any, tmp_path: Path) -> None:
    tubes = explainer(ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED), zoo.random_clip(8, 32), [1, 0])
    loaded = ne.load(tubes.save(tmp_path / "tubes.npz"))
    assert [layer.kind for layer in loaded.layers] == [layer.kind for layer in tubes.layers]
    np.testing.assert_array_equal(loaded.layer().values, tubes.layer().values)
    assert loaded.provenance.knobs == tubes.provenance.knobs
    assert loaded.in_words() == tubes.in_words()
    view = loaded.view()
    assert view.layers[-1].get("quantity", "evidence") == tubes.layers[-1].quantity
    legend = tubes.figure().axes[-1].get_legend().get_texts()
    assert len(legend) == (2 if tubes.layer().is_signed else 1)
    assert tubes.to_html(tmp_path / "page.html").stat().st_size > 10_000


def test_signed_relevance_has_both_colours_in_a_figure() -> None:
    tubes = EXPLAINERS["RISE"](ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED), zoo.random_clip(8, 32), 1)
    assert tubes.layer().is_signed
    assert (
        not EXPLAINERS["motion"](ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED), zoo.random_clip(8, 32))
        .layer()
        .is_signed
    )
    names = [text.get_text() for text in tubes.figure().axes[-1].get_legend().get_texts()]
    assert names == ["for", "against"]
