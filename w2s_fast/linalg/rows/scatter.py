"""Means, and products of deviations from them, of sets of rows, that merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.few import are_few, is_compiled_code_due
from w2s_fast.linalg.rows.products import Matrix, over_rows
from w2s_fast.linalg.rows.scale import SMALLEST_SUM
from w2s_fast.linalg.rows.thin import inner_products

EVERY = 16  # rows of which one is read first, for a mean to deviate from


def scatter(*arrays: FloatArray, precision: npt.DTypeLike = np.float64) -> tuple[Matrix, Matrix]:
    """Mean, as a sum (2, n) of two numbers, of the rows of arrays (m, n_i) joined, and Z'Z of their deviations Z.

    Products of a single array are taken in a ``precision`` of their own, means and sums in float64. Rows of several
    blocks deviate from a pivot at first, the mean of every 16th row. Correcting the sums for what lies between pivot
    and mean costs less than 16 units in their last place, however the rows are sorted: the variance is at least a 16th
    of the square of that difference.
    """
    (m, n), factors = arrays[0].shape, _factors(arrays)
    with np.errstate(over="ignore", invalid="ignore"):
        if len(cutting.cuts(m, n, factors, cutting.GRAM_ROWS)) == 1:
            return next(over_rows(partial(_scatter_of_rows, precision), *arrays, factors=factors))
        pivots = [part[::EVERY].mean(axis=0, dtype=np.float64) for part in arrays]
        if arrays[0].dtype == precision == np.float32:  # two numbers of one precision take a third of the time
            pivots = [pivots[0].astype(np.float32)]
        deviations = partial(_deviations, pivots, precision)
        with closing(over_rows(deviations, *arrays, factors=factors, longest=cutting.GRAM_ROWS)) as blocks:
            sums, product = next(blocks)
            squares = product.astype(np.float64, copy=False)
            for more, product in blocks:
                sums += more
                squares += product
        drift = sums / m
        return np.stack(two_sum(np.concatenate(pivots, dtype=np.float64), drift)), _less_drift(squares, m, drift)


def _deviations(pivots: Sequence[FloatArray], precision: npt.DTypeLike, *parts: FloatArray) -> tuple[Matrix, Matrix]:
    """Sums of deviations of a block from the pivots, and of their products."""
    found = np.empty((len(parts[0]), sum(map(len, pivots))), precision)
    left = 0
    for part, pivot in zip(parts, pivots, strict=True):
        np.subtract(part, pivot, out=found[:, left : left + len(pivot)], casting="same_kind")
        left += len(pivot)
    return found.sum(axis=0, dtype=np.float64), inner_products(found, found)


def _scatter_of_rows(precision: npt.DTypeLike, *parts: FloatArray) -> tuple[Matrix, Matrix]:
    """Mean and scatter of one block."""
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1, dtype=np.float64)
    mean = rows.mean(axis=0, dtype=np.float64)
    deviations = np.subtract(rows, mean, out=np.empty(rows.shape, precision), casting="same_kind")
    drift = deviations.mean(axis=0, dtype=np.float64)  # what rounding left of the mean
    squares = np.asarray(inner_products(deviations, deviations), np.float64)
    return np.stack(two_sum(mean, drift)), _less_drift(squares, len(rows), drift)


def merged_scatter(of_block: Callable[..., tuple[int, Matrix, Matrix]], *arrays: FloatArray) -> tuple[Matrix, Matrix]:
    """Mean and scatter of the rows of arrays (m, n_i) joined, of those of blocks: numbers of rows, means, scatters."""
    count, mean, product = 0, np.zeros(()), np.zeros(())
    for more, *part in over_rows(of_block, *arrays, factors=_factors(arrays), longest=cutting.GRAM_ROWS):
        mean, product = merge_scatter(count, mean, product, more, *part)
        count += more
    return mean, product


def _factors(arrays: Sequence[FloatArray]) -> int:
    """Columns of factors for each of the first array, in a product of all columns with all."""
    return -(-(sum(array.shape[1] for array in arrays) ** 2) // max(1, arrays[0].shape[1]))


def scatter_of_block(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Mean of ``rows`` (m, n), m >= 1, of any library, and Z'Z of their deviations Z, which take their place."""
    mean = rows.mean(axis=0)
    rows -= mean
    drift = rows.mean(axis=0)  # what rounding left of the mean
    return np.stack(two_sum(mean, drift)), _less_drift(rows.T @ rows, len(rows), drift)


def _less_drift(squares: Matrix, rows: int, drift: Matrix) -> Matrix:
    """Correct Z'Z in place, of deviations from where the mean is ``drift`` away, to those from the mean."""
    correction = np.outer(drift, drift)
    correction *= rows
    squares -= correction
    return squares


def merge_scatter(
    count: float, mean: Matrix, product: Matrix, more: float, its_mean: Matrix, its_product: Matrix
) -> tuple[Matrix, Matrix]:
    """Mean and scatter of two sets of rows together, or, with ``more`` < 0, of the first without the second.

    ``count`` and ``more`` are their numbers, or sums of their weights. Chan, Golub and LeVeque (1983). Means are sums
    (2, n) of two numbers, as in :mod:`w2s_fast.kernels.moments`.
    """
    if count == 0:
        return its_mean, its_product
    share = more / (count + more)
    apart, rest = two_sum(its_mean[0], -mean[0])
    delta = apart + (rest + (its_mean[1] - mean[1]))
    moved, left = two_sum(mean[0], delta * share)
    merged = product + its_product if more > 0 else product - its_product
    merged += np.outer(delta, delta * (count * share))
    return np.stack(two_sum(moved, left + mean[1])), merged


def two_sum(a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    """A + b as a float64 and what rounding took from it (Knuth 1969)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def merge_few(count: float, mean: Matrix, product: Matrix, rows: Any) -> tuple[Matrix, Matrix] | None:
    """What :func:`merge_scatter` makes of a few plain rows, to the bit; None where they are none, or not safe so.

    They are safe where all squares are finite, and large enough unless all numbers of a column are equal.
    """
    if not (are_few(rows) and rows.shape[1] > 1 and is_compiled_code_due()):  # NumPy sums one column in another order
        return None
    centre, merge = _kernels()
    deviations, middle = np.empty(rows.shape), np.empty((2, rows.shape[1]))
    if not centre(rows, deviations, middle):
        return None
    its_product = deviations.T @ deviations
    if count == 0.0:
        mean, product = middle, its_product
    if not merge(rows, deviations, middle, its_product, count, mean, product, SMALLEST_SUM):
        return None
    return middle, its_product


@cache
def _kernels() -> tuple[Any, Any]:
    from w2s_fast.kernels.few import centre_few, merge_scatter_few

    return centre_few, merge_scatter_few
