"""Least squares of a few rows and columns, in one compiled call.

None leaves a problem to the general routes, and so every argument that is wrong, whose message these have.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, EPS64, GRAM_RCOND, arithmetic
from w2s_fast.linalg.rows.few import MOST_NUMBERS, is_few

Array = npt.NDArray[Any]


def min_norm(X: Any, y: Any) -> Array | None:
    """Least-squares weights (n,) of one vector of labels, without a ridge and with the default cut-off."""
    if not (is_few(X, y) and X.shape[0] >= X.shape[1]):
        return None
    coef = np.empty(X.shape[1], X.dtype)
    return coef if _kernels()[0](X, y, coef, GRAM_RCOND, arithmetic(X.shape), CUTOFF_MARGIN) else None


def lstsq(a: Any, b: Any) -> tuple[Array, Array, Any, Array] | None:
    """What :func:`numpy.linalg.lstsq` gives for one vector of labels, with the default cut-off."""
    if not (is_few(a, b) and a.shape[0] >= a.shape[1]):
        return None
    rows, columns = a.shape
    x, s = np.empty(columns, a.dtype), np.empty(columns, a.dtype)
    residuals = np.empty(1 if rows > columns else 0, a.dtype)
    return (x, residuals, np.intc(columns), s) if _kernels()[1](a, b, EPS64 * rows, x, s, residuals) else None


def in_order(X: Array, y: Array) -> tuple[Array, Array]:
    """A few numbers in order in memory, whatever their order was: the same ones have one solution, to the bit."""
    return (X.copy("C"), y.copy()) if X.size <= MOST_NUMBERS else (X, y)


@cache
def _kernels() -> tuple[Any, Any]:
    from w2s_fast.kernels import few

    return few.min_norm_few, few.lstsq_few
