"""What callers choose for the fits of a study: one value for all, or the teacher's and the student's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from w2s_fast import _check
from w2s_fast.probing.estimators.chosen import Grid
from w2s_fast.probing.estimators.registry import kind_of

T = TypeVar("T")
PseudoLabels: TypeAlias = Literal["soft", "hard", "sign"]
Ridge: TypeAlias = float | Grid


def one_or_two(given: Any, name: str, checked: Callable[[Any, str], T]) -> T | tuple[T, T]:
    """One value for every fit, or a pair: the teacher's and the student's, which may be the same."""
    if not isinstance(given, tuple):
        return checked(given, name)
    if len(given) != 2:
        raise ValueError(f"{name} must be one for every fit or a pair, the teacher's and the student's, got {given!r}")
    teacher, student = checked(given[0], f"{name} of the teacher"), checked(given[1], f"{name} of the student")
    return teacher if teacher == student else (teacher, student)


def fit_name(given: Any, name: str) -> str:
    """The name of a kind of fit."""
    kind_of(given, name)
    return str(given)


def ridge_of(given: Any, name: str, choose: str) -> Ridge:
    """A ridge, or several of a list or an array, from which each fit chooses."""
    if not isinstance(given, list) and np.ndim(given) == 0:
        return _check.real(given, name)
    values = [float(value) for value in _check.floats(given, name, ndim=1)]
    if len(set(values)) < max(2, len(values)) or min(values) <= 0.0:
        raise ValueError(f"{name} must be a number, or a list of distinct ones above 0 to choose from, got {given!r}")
    return Grid(tuple(sorted(values)), choose)


def in_words(ridge: Ridge) -> str:
    """Write a ridge, or those to choose from."""
    return f"of {ridge}" if isinstance(ridge, Grid) else f"{ridge:g}"
