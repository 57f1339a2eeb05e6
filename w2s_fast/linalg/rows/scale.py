"""Powers of two that bring numbers to where their squares and products neither overflow nor vanish.

Multiplying by them is exact, so that what comes out is what would have come out, at any scale that the result has.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray

Exponents = npt.NDArray[np.intc]
MODERATE = 330  # bits: numbers within 2**-330 (1e-99) and 2**330, or 0, multiply three times within float64
PRODUCTS = {  # sums of squares of rows of which products, and squares of these, neither overflow nor lose digits
    np.dtype(np.float32): (1e-15, 1e16),
    np.dtype(np.float64): (1e-130, 1e130),
}
SMALLEST_SUM = 1e-290  # of squares: of a smaller one not all squares have all their digits
ROUNDING = 1e-15  # of a mean, in numbers that all equal it


def refuse_vanishing(rows: FloatArray, sums: FloatArray, mean: FloatArray, name: str) -> None:
    """Refuse rows (m, d) that differ from ``mean``, though float64 holds next to nothing of the ``sums`` of squares."""
    few = sums < SMALLEST_SUM
    if few.any() and (np.abs(rows[:, few] - mean[few]) > ROUNDING * np.abs(mean[few])).any():
        raise ValueError(f"the squares of {name} vanish in float64: scale it up first")


def exponents(A: npt.NDArray[Any], axis: int | None = None) -> Exponents:
    """Exponents of two of the largest magnitudes in A, or along an axis; 0 where these are moderate, or 0."""
    if A.size == 0:
        return np.zeros(() if axis is None else np.delete(A.shape, axis), np.intc)
    largest = np.maximum(A.max(axis=axis), -A.min(axis=axis))
    found = np.frexp(largest)[1]
    return np.where((np.abs(found) <= MODERATE) | (largest == 0.0), 0, found)


def exponent_of(number: float) -> int:
    """Exponent of two of a positive number; that of the smallest one for 0."""
    return math.frexp(number)[1] if number else -1_075


def scaled(A: npt.NDArray[Any], exponent: int | Exponents) -> npt.NDArray[Any]:
    """A times 2**exponent, in float64 where that changes anything."""
    if not np.any(exponent):
        return A
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(A.astype(np.float64, copy=False), exponent)


def scaled_back(A: npt.NDArray[Any], exponent: int | Exponents, dtype: npt.DTypeLike, what: str) -> npt.NDArray[Any]:
    """A times 2**exponent in ``dtype``; refuse what does not fit."""
    if type(exponent) is int and exponent == 0 and A.dtype == dtype:  # asking arrays would cost small problems 5 us
        return A
    with np.errstate(over="ignore", under="ignore"):
        found = scaled(A, exponent).astype(dtype, copy=False)
    if not np.isfinite(found).all() and np.isfinite(A).all():
        raise ValueError(f"{what} overflow {np.dtype(dtype)}: scale the input first")
    return found
