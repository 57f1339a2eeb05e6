"""A few rows, which compiled loops take in one call: the checks of general routes would take longer than the work."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np

MOST_NUMBERS, MOST_COLUMNS = 1_024, 16  # beyond, library calls are as fast, or faster
DTYPES = np.dtype(np.float64), np.dtype(np.float32)

CALLS_WITHOUT = 500  # of general routes with a few rows, 15 ms or so: loading Numba takes 400
_calls = itertools.count()


def is_compiled_code_due() -> bool:
    """Whether Numba is loaded, or there are so many small calls that it should be: for results of the same bits."""
    return "numba" in sys.modules or next(_calls) >= CALLS_WITHOUT


def is_plain(X: Any) -> bool:
    """Whether something is a NumPy array, and no subclass, of float64 or float32 in order in memory."""
    return type(X) is np.ndarray and X.ndim > 0 and X.dtype in DTYPES and X.flags.carray


def are_few(X: Any) -> bool:
    """Whether something is a plain array (m, n) of a few rows, at least one, and columns, in order in memory."""
    return (
        type(X) is np.ndarray
        and X.size <= MOST_NUMBERS
        and X.ndim == 2
        and 0 < X.shape[1] <= MOST_COLUMNS
        and X.shape[0] > 0
        and X.dtype in DTYPES
        and X.flags.carray
    )


def is_few(X: Any, y: Any) -> bool:
    """Whether X (m, n) and y (m,) are plain arrays of one kind of numbers, a few, in order in memory."""
    return (
        type(y) is np.ndarray
        and are_few(X)
        and X.dtype is y.dtype
        and y.ndim == 1
        and y.size == X.shape[0]
        and y.flags.carray
    )
