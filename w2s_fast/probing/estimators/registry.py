"""Kinds of fits by name."""

from __future__ import annotations

from collections.abc import Callable

from w2s_fast.probing.estimators.ridge import Ridge
from w2s_fast.probing.fits import Estimator

ESTIMATORS: dict[str, Callable[[float], Estimator]] = {"ridge": Ridge}  # each of its penalty
