"""Errors and shared checks: how arguments are named, what survives pickle, which values pass."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_int, check_range, check_size
from notebook_explain._warn import warn


@pytest.mark.parametrize("kind", [UsageError, UsageTypeError, ExplainError])
def test_errors_name_the_arguments_that_solve_the_problem(kind: type[UsageError | ExplainError]) -> None:
    assert str(kind("too large")) == "too large"
    assert str(kind("too large", arguments=("size",))) == "too large; pass size="
    assert str(kind("too large", arguments=("size", "frames"), call="adapt()")) == (
        "too large; pass size= or frames= to adapt()"
    )
    assert str(kind("too large", arguments=["a", "b", "c"])) == "too large; pass a=, b= or c="


@pytest.mark.parametrize("kind", [UsageError, UsageTypeError, ExplainError])
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_keep_their_fields_through_copy_and_pickle(kind: type[UsageError | ExplainError], again: Any) -> None:
    error = again(kind("no labels", arguments=("labels",), call="adapt()"))
    assert type(error) is kind
    assert (error.message, error.arguments, error.call) == ("no labels", ("labels",), "adapt()")
    assert str(error) == "no labels; pass labels= to adapt()"


def test_errors_are_the_builtin_ones_that_callers_expect() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(UsageTypeError, (ValueError, TypeError))
    assert issubclass(UsageTypeError, UsageError)
    assert issubclass(ExplainError, RuntimeError)
    assert not issubclass(ExplainError, ValueError)


def test_whole_numbers_pass_whatever_their_type() -> None:
    assert check_int("frames", np.int64(3)) == 3
    assert check_int("seed", 0, least=0) == 0
    for value in (112.0, np.float32(112), np.float64(112)):
        assert type(check_int("size", value)) is int
        assert check_size((value, 7)) == (112, 7)
    with pytest.raises(ValueError, match=r"^size must be at least 1 pixel, got 0$"):
        check_int("size", 0, unit=" pixel")
    for value in (2.5, "2", True, None, float("inf"), float("nan")):
        with pytest.raises(TypeError, match=f"^frames must be a whole number, got {value!r}$"):
            check_int("frames", value)


def test_a_number_must_lie_in_its_range() -> None:
    assert [check_range("threshold", value, 0, 1) for value in (0, 1, np.float32(0.5))] == [0, 1, 0.5]
    for value in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=rf"^threshold must lie in 0\.\.1, got {value!r}$"):
            check_range("threshold", value, 0, 1)
    with pytest.raises(ValueError, match=r"^fps must lie in 0\.1\.\.60 frames per second, got 61$"):
        check_range("fps", 61, 0.1, 60, unit=" frames per second")
    for wrong in ("0.5", True, None):
        with pytest.raises(TypeError, match=f"^threshold must be a number, got {wrong!r}$"):
            check_range("threshold", wrong, 0, 1)


def test_a_wrong_choice_is_answered_with_the_nearest_one() -> None:
    assert check_choice("crop", "center", ("center", "stretch")) == "center"
    with pytest.raises(ValueError, match="must be one of 'center', 'stretch'; got 'centre'; did you mean 'center'"):
        check_choice("crop", "centre", ("center", "stretch"))
    with pytest.raises(ValueError, match=r"must be one of 'center', 'stretch'; got 5$"):
        check_choice("crop", 5, ("center", "stretch"))


@pytest.mark.parametrize("size", [112, np.int32(112), (112, 112), [112, 112], np.array([112, 112]), np.array(112)])
def test_a_size_is_one_number_or_two(size: Any) -> None:
    assert check_size(size) == (112, 112)


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        ((1, 2, 3), ValueError, r"size must be one number \(a square\) or \(height, width\), got \(1, 2, 3\)"),
        ((), ValueError, "size must be one number"),
        ((4, 0), ValueError, "size must be at least 1 pixel, got 0"),
        ("112", TypeError, "size must be a whole number, got '112'"),
        (None, TypeError, "size must be a whole number, got None"),
        ((1.5, 2), TypeError, "size must be a whole number, got 1.5"),
    ],
)
def test_wrong_sizes_are_refused(size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_size(size)


def test_a_warning_points_at_the_first_line_outside_the_package() -> None:
    lines = {"__name__": "notebook_explain.anything", "warn": warn}
    exec(compile("def inner():\n    warn('careful')\n\ndef outer():\n    inner()", "package.py", "exec"), lines)
    neighbour = {"__name__": "notebook_explain_more", "outer": lines["outer"]}
    exec(compile("def call():\n    outer()", "neighbour.py", "exec"), neighbour)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lines["outer"]()
        neighbour["call"]()
    assert [warning.filename for warning in caught] == [__file__, "neighbour.py"]
