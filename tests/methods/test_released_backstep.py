"""The published rule returns the sets of the authors' released code on the same weights and activations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from notebook_explain.methods.feature_pyramid import published_backstep, published_first

ORACLES = Path(__file__).parents[1] / "oracles"
CASES = json.loads((ORACLES / "cfp_published.json").read_text())
STEPS = [case for case in CASES if "children" in case]
(TREE,) = (case for case in CASES if "tree" in case)


@pytest.fixture(scope="module")
def arrays():
    with np.load(ORACLES / "cfp_published.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("case", STEPS, ids=[case["name"] for case in STEPS])
def test_one_step_back_returns_the_sets_of_the_released_code(case, arrays):
    weights = [arrays[f"{case['name']}.weight{k}"] for k in range(case["weights"])]
    children = published_backstep(
        weights if len(weights) > 1 else weights[0],
        arrays[f"{case['name']}.activation"],
        case["selected"],
        case["theta"],
    )
    assert {str(kernel): selected for kernel, selected in children.items()} == case["children"]


def test_three_layers_return_the_tree_of_the_released_code(arrays):
    theta = TREE["theta"]
    first = published_first(arrays["backstep.classifier"], TREE["target"], theta)
    assert first == TREE["first"]
    seconds = published_backstep(arrays["backstep.weight2"], arrays["backstep.activation1"], first, theta)
    tree = {
        str(kernel): {
            str(child): published_backstep(arrays["backstep.weight1"], arrays["backstep.activation0"], [child], theta)[
                child
            ]
            for child in seconds[kernel]
        }
        for kernel in first
    }
    assert {str(TREE["target"]): tree} == TREE["tree"]


def test_the_published_rule_selects_the_most_negative_score_where_the_sum_is_negative():
    row = np.array([-2.0, -1.0, 0.5, -3.0]).reshape(1, 4, 1, 1, 1)
    assert published_backstep(row, np.ones((4, 1, 1, 1)), [0], 0.99) == {0: [3]}


def test_equal_scores_have_no_children():
    assert published_backstep(np.ones((1, 3, 1, 1, 1)), np.ones((3, 2, 2, 2)), [0], 0.0) == {0: []}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"theta": 1.5}, "theta must lie in 0..1, got 1.5"),
        ({"selected": [7]}, "no kernel 7; this layer has kernels 0 to 1"),
        ({"activation": np.ones((5, 1, 1, 1))}, "5 channels does not divide into groups of 2"),
    ],
)
def test_invalid_arguments_raise_errors(changed, words):
    arguments = {
        "weights": np.ones((2, 2, 1, 1, 1)),
        "activation": np.ones((4, 1, 1, 1)),
        "selected": [0],
        "theta": 0.5,
    }
    with pytest.raises(ValueError, match=words):
        published_backstep(**{**arguments, **changed})
