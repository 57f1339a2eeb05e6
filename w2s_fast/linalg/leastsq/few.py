"""Least squares of a few rows and columns, in one compiled call: what plain arrays of one problem take to be checked.

Everything else is for the callers' general routes: None says so. So are arguments that are wrong, for their messages.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, EPS64, GRAM_RCOND, arithmetic

Array = npt.NDArray[Any]
MOST_NUMBERS, MOST_COLUMNS = 1_024, 16  # of the features: beyond, LAPACK is as fast, or faster
DTYPES = np.dtype(np.float64), np.dtype(np.float32)


def min_norm(X: Any, y: Any) -> Array | None:
    """Least-squares weights (n,) of one vector of labels, without a ridge and with the default cut-off."""
    if not _is_few(X, y):
        return None
    coef = np.empty(X.shape[1], X.dtype)
    return coef if _kernels()[0](X, y, coef, GRAM_RCOND, arithmetic(X.shape), CUTOFF_MARGIN) else None


def lstsq(a: Any, b: Any) -> tuple[Array, Array, Any, Array] | None:
    """What :func:`numpy.linalg.lstsq` gives for one vector of labels, with the default cut-off."""
    if not _is_few(a, b):
        return None
    rows, columns = a.shape
    x, s = np.empty(columns, a.dtype), np.empty(columns, a.dtype)
    residuals = np.empty(1 if rows > columns else 0, a.dtype)
    return (x, residuals, np.intc(columns), s) if _kernels()[1](a, b, EPS64 * rows, x, s, residuals) else None


def _is_few(X: Any, y: Any) -> bool:
    """Whether these are plain arrays of one kind, in order in memory, of few numbers: long rather than wide."""
    return (
        type(X) is type(y) is np.ndarray
        and X.dtype is y.dtype
        and X.size <= MOST_NUMBERS
        and X.ndim == 2
        and y.ndim == 1
        and 0 < X.shape[1] <= MOST_COLUMNS
        and y.size == X.shape[0] >= X.shape[1]
        and X.dtype in DTYPES
        and X.flags.carray
        and y.flags.carray
    )


@cache
def _kernels() -> tuple[Any, Any]:
    from w2s_fast.kernels import few

    return few.min_norm_few, few.lstsq_few
