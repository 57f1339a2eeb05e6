"""Kinds of fits by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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


def kind_of(fit: str, name: str = "fit") -> Callable[[float, Coding], Estimator]:
    """Find a kind of fit by its name, as ``"softmax"``, or ``"truncated:100"`` for another rank than the usual one."""
    kind, colon, rank = fit.partition(":") if isinstance(fit, str) else (fit, "", "")
    _check.choice(kind, name, *ESTIMATORS)
    if not colon:
        return ESTIMATORS[kind]
    if kind != "truncated" or not rank.isdecimal() or int(rank) == 0:
        raise ValueError(f"{name} may have a rank behind it as in 'truncated:100', got {fit!r}")
    return partial(Truncated, rank=int(rank))


def estimator_of(name: str, ridge: float | Grid, coding: Coding) -> Estimator:
    """Make a kind of fit by its name, of one ridge or to choose among several; refuse labels that it cannot take."""
    kind = kind_of(name)
    if isinstance(ridge, Grid):
        if ridge.by != "held-out" and name != "ridge":
            raise ValueError(f"leave-one-out errors are those of fit='ridge', got {name!r}: pass choose='held-out'")
        return Chosen(ridge, tuple(estimator_of(name, value, coding) for value in ridge.values), coding)
    estimator = kind(ridge, coding)
    if estimator.classifies:
        coding.require_classes(f"fit={name!r}", "fit='ridge'")
    return estimator
