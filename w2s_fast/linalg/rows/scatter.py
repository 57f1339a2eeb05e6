"""Means, and products of deviations from them, of sets of rows, that merge."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.few import are_few, is_compiled_code_due
from w2s_fast.linalg.rows.products import Matrix, over_rows
from w2s_fast.linalg.rows.scale import SMALLEST_SUM
from w2s_fast.linalg.rows.thin import inner_products


def scatter(*arrays: FloatArray, precision: npt.DTypeLike = np.float64) -> tuple[Matrix, Matrix]:
    """Mean, as a sum (2, n) of two numbers, of the rows of arrays (m, n_i) joined, and Z'Z of their deviations Z.

    Products of blocks of a single array are taken in a ``precision`` of their own, means and sums in float64.
    """

    def moments(*parts: FloatArray) -> tuple[int, Matrix, Matrix]:
        if len(parts) == 1:
            return len(parts[0]), *_scatter_of_rows(parts[0], precision)
        rows = np.concatenate([part.astype(np.float64, copy=False) for part in parts], axis=1)
        return len(rows), *scatter_of_block(rows)

    return merged_scatter(moments, *arrays)


def merged_scatter(of_block: Callable[..., tuple[int, Matrix, Matrix]], *arrays: FloatArray) -> tuple[Matrix, Matrix]:
    """Mean and scatter of the rows of arrays (m, n_i) joined, of those of blocks: numbers of rows, means, scatters."""
    width = sum(array.shape[1] for array in arrays)
    factors = -(-(width**2) // max(1, arrays[0].shape[1]))  # of the first of them, in a product of all with all
    count, mean, product = 0, np.zeros(()), np.zeros(())
    for more, *part in over_rows(of_block, *arrays, factors=factors, longest=cutting.GRAM_ROWS):
        mean, product = merge_scatter(count, mean, product, more, *part)
        count += more
    return mean, product


def scatter_of_block(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Mean of ``rows`` (m, n), m >= 1, of any library, and Z'Z of their deviations Z, which take their place."""
    mean = rows.mean(axis=0)
    rows -= mean
    drift = rows.mean(axis=0)  # what rounding left of the mean
    return np.stack(two_sum(mean, drift)), rows.T @ rows - len(rows) * np.outer(drift, drift)


def _scatter_of_rows(rows: FloatArray, precision: npt.DTypeLike) -> tuple[Matrix, Matrix]:
    """The same, of rows that stay as they are, and of deviations in a precision of their own."""
    mean = rows.mean(axis=0, dtype=np.float64)
    deviations = np.subtract(rows, mean, out=np.empty(rows.shape, precision), casting="same_kind")
    drift = deviations.mean(axis=0, dtype=np.float64)
    squares = np.asarray(inner_products(deviations, deviations), np.float64)
    return np.stack(two_sum(mean, drift)), squares - len(rows) * np.outer(drift, drift)


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
    added = its_product if more > 0 else -its_product
    moved, left = two_sum(mean[0], delta * share)
    together = np.stack(two_sum(moved, left + mean[1]))
    return together, product + added + np.outer(delta, delta * (count * share))


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
