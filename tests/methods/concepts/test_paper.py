"""The published protocol: its parts beside scikit-learn and SciPy, and what it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.linear_model import LogisticRegression

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.methods.concepts.paper import logistic_regression, paired_t_test
from tests.methods.concepts.networks import random_clips, small_model


@pytest.mark.parametrize("seed", range(4))
def test_logistic_regression_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(80, 6)) * 2
    labels = (points @ rng.normal(size=6) + rng.normal(0, 2, 80) > 0.5).astype(float)
    weights, bias = logistic_regression(points, labels)
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(points, labels)
    np.testing.assert_allclose(weights, theirs.coef_[0], atol=1e-4)
    assert bias == pytest.approx(float(theirs.intercept_[0]), abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_t_test_is_that_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.1 * seed, 1, 20), rng.normal(0, 1, 20)
    assert paired_t_test(first, second) == pytest.approx(float(ttest_rel(first, second).pvalue), rel=1e-4)
    assert paired_t_test(first, first) == 1
    assert paired_t_test(first + 1, first) < 1e-6


def test_concepts_are_ordered_by_the_share_of_clips_and_have_no_effects() -> None:
    concepts = ne.ConceptDiscovery(mode="paper", count=4)(small_model(), random_clips(6), 1, random_clips(12, 100))
    assert concepts.fills == ()
    fractions = [concept.tcav.fraction for concept in concepts]
    assert fractions == sorted(fractions, reverse=True)
    assert all(0 <= concept.tcav.accuracy <= 1 and concept.effects == () for concept in concepts)
    assert any(getattr(caveat, "code", None) is CaveatCode.PUBLISHED_RULE for caveat in concepts.caveats)
    assert "3D ACE as published" in concepts.provenance.method
    assert "were not measured" in concepts.in_words()


def test_a_constant_gradient_is_said() -> None:
    model = small_model()
    explainer = ne.ConceptDiscovery(mode="paper", count=4, cav_layer="last")
    concepts = explainer(model, random_clips(6), 1, random_clips(12, 100))
    assert any("is the same for every clip" in caveat for caveat in concepts.caveats)
    for concept in concepts:
        assert round(20 * concept.tcav.fraction, 6) == round(20 * concept.tcav.fraction), "0 or 1 for each of 20 sets"


def test_random_clips_are_needed_there_and_only_there() -> None:
    model = small_model()
    with pytest.raises(ValueError, match="random_clips is needed in mode 'paper', and only there"):
        ne.ConceptDiscovery(mode="paper")(model, random_clips(6), 1)
    with pytest.raises(ValueError, match="random_clips is needed in mode 'paper', and only there"):
        ne.ConceptDiscovery()(model, random_clips(6), 1, random_clips(12))
    with pytest.raises(ValueError, match="random_clips holds 9 clips, but mode 'paper' needs at least 10"):
        ne.ConceptDiscovery(mode="paper", count=4)(model, random_clips(6), 1, random_clips(9))
