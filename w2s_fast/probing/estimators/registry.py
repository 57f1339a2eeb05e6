"""Kinds of fits by name."""

from __future__ import annotations

from collections.abc import Callable

from w2s_fast import _check
from w2s_fast.probing.coding import Coding
from w2s_fast.probing.estimators.chosen import Chosen, Grid
from w2s_fast.probing.estimators.flow import Flow
from w2s_fast.probing.estimators.ridge import Ridge
from w2s_fast.probing.estimators.softmax import Softmax
from w2s_fast.probing.estimators.truncated import Truncated
from w2s_fast.probing.fits import Estimator

ESTIMATORS: dict[str, Callable[[float, Coding], Estimator]] = {  # each of its penalty and the labels'
    "ridge": Ridge,
    "softmax": Softmax,
    "flow": Flow,
    "truncated": Truncated,
}


def estimator_of(name: str, ridge: float | Grid, coding: Coding) -> Estimator:
    """Make a kind of fit by its name, of one ridge or to choose among several; refuse labels that it cannot take."""
    _check.choice(name, "fit", *ESTIMATORS)
    if isinstance(ridge, Grid):
        if ridge.by != "held-out" and name != "ridge":
            raise ValueError(f"leave-one-out errors are those of fit='ridge', got {name!r}: pass choose='held-out'")
        return Chosen(ridge, tuple(estimator_of(name, value, coding) for value in ridge.values), coding)
    estimator = ESTIMATORS[name](ridge, coding)
    if estimator.classifies:
        coding.require_classes(f"fit={name!r}", "fit='ridge'")
    return estimator
