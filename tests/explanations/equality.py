"""Equality of two explanations: every field of every value in them, numbers to the last bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


def assert_same(one: Any, two: Any, what: str = "it") -> None:
    """Fail where two values differ in type, in a field, in an array's shape, kind or numbers."""
    assert type(one) is type(two), what
    if isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, what
        np.testing.assert_array_equal(one, two, err_msg=what)
    elif dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(two, field.name), f"{what}.{field.name}")
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(two), what
        for at, (mine, theirs) in enumerate(zip(one, two, strict=True)):
            assert_same(mine, theirs, f"{what}[{at}]")
    else:
        assert one == two, what
