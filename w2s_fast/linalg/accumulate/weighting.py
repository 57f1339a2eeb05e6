"""Rows that count as several or as a part of one, and rows and numbers that are missing.

A row of weight w counts as w equal rows (a frequency weight, which may be a fraction): sums, means, variances and
their divisors are those of so many rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.linalg.rows.scatter import merge_scatter, two_sum

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
NEARLY = 1e-6  # how far rounding may take squares of equal deviations from those of their mean, by far


def checked(weights: Any, rows: int) -> Matrix:
    """Weights (rows,) in float64, none negative; ones where there are none."""
    if weights is None:
        return np.ones(rows)
    found = _check.floats(weights, "weights", ndim=1).astype(np.float64, copy=False)
    if len(found) != rows:
        raise ValueError(f"weights must have one number a row, got {len(found):,} for {rows:,} rows")
    if found.size and found.min() < 0.0:
        raise ValueError(f"weights must not be negative, got {found.min():g} at index {int(found.argmin())}")
    return found


def summed(rows: Rows, new: Callable[[], Any], labels: tuple[Any, ...], weights: Any, **how: bool) -> Any:
    """A new accumulator of rows that are read by blocks, and of the labels and weights beside them."""
    own = () if weights is None else (rows.labels(weights, lambda given, _: _check.floats(given, "weights")),)
    part: Callable[..., Any] = partial(partial(of_block, new, bool(labels)), **how)
    try:
        return rows.total(part, merged, *labels, *own)
    except ValueError:
        if not rows.once and how.get("finite", True) and not how["skip_nan"]:  # a block knows no rows but its own
            rows.total(_check.NotFinite.of, _check.NotFinite.merged).refuse(rows.name)
        raise


def merged(a: Any, b: Any) -> Any:
    return a.merge(b)


def of_block(new: Callable[[], Any], labelled: bool, block: FloatArray, *others: Any, **how: bool) -> Any:
    """A new accumulator of a block, and of the labels and weights beside it, of which there may be either."""
    weights = others[labelled:]
    return new().update(block, *others[:labelled], weights=weights[0] if weights else None, **how)


def settle_equal(mean: Matrix, deviations: Matrix, columns: Indices, counts: Flags | None = None) -> Indices:
    """Tell which of some columns have equal numbers; their mean (d,) becomes the number, and deviations (k, d) 0.

    A weighted mean of equal numbers is one of them to rounding alone, of which sums of squares would be made.
    """
    some = deviations[:, columns]
    among: Any = True if counts is None else counts[:, columns]
    low, high = some.min(axis=0, where=among, initial=np.inf), some.max(axis=0, where=among, initial=-np.inf)
    is_equal = low == high
    equal = columns[is_equal]
    mean[equal] += low[is_equal]  # exact, of numbers so close
    deviations[:, equal] = 0.0
    return equal


class Counted(NamedTuple):
    """The rows that count: those with a weight, and without NaN where rows with NaN are skipped."""

    parts: tuple[FloatArray, ...]
    weights: Matrix

    @classmethod
    def of(cls, parts: tuple[FloatArray, ...], weights: Any, skip_nan: bool) -> Counted:
        """Rows of arrays (m, n_i) beside one another."""
        given = checked(weights, len(parts[0]))
        keep = given > 0.0
        for part in parts if skip_nan else ():
            keep &= ~np.isnan(part).any(axis=1)
        return cls(parts, given) if keep.all() else cls(tuple(part[keep] for part in parts), given[keep])

    @property
    def weight(self) -> float:
        return float(self.weights.sum())

    def scaled(self) -> tuple[FloatArray, ...]:
        """Arrays whose products are the weighted ones of the rows."""
        roots = np.sqrt(self.weights)[:, None]
        return tuple(part * roots for part in self.parts)

    def scatter(self) -> tuple[Matrix, Matrix]:
        """Weighted mean (2, n) and scatter (n, n), as :func:`w2s_fast.linalg.rows.scatter.scatter` has them."""
        width = sum(part.shape[1] for part in self.parts)
        weight, mean, product = 0.0, np.zeros((2, width)), np.zeros((width, width))
        for cut in gathered(len(self.weights), width):
            rows = np.concatenate([part[cut].astype(np.float64, copy=False) for part in self.parts], axis=1)
            own = self.weights[cut]
            more = float(own.sum())
            middle = own @ rows / more
            rows -= middle
            settle_equal(middle, rows, np.flatnonzero(rows[0] == rows[-1]))
            drift = own @ rows / more  # what rounding left of the mean
            rows *= np.sqrt(own)[:, None]
            its_product = rows.T @ rows - more * np.outer(drift, drift)
            np.fill_diagonal(its_product, np.maximum(its_product.diagonal(), 0.0))  # below 0 is rounding
            mean, product = merge_scatter(weight, mean, product, more, np.stack(two_sum(middle, drift)), its_product)
            weight += more
        return mean, product


class NumberMoments(NamedTuple):
    """Moments of numbers of which each has a weight of its own: ``state`` (4, d) as Moments has it."""

    weights: Matrix
    state: Matrix

    @classmethod
    def of(cls, rows: FloatArray, weights: Matrix, skip_nan: bool) -> NumberMoments:
        """Moments of rows (k, d), of numbers that are not NaN if these are skipped."""
        found = cls(np.zeros(rows.shape[1]), np.zeros((4, rows.shape[1])))
        for cut in gathered(*rows.shape):
            found = found.merged(cls._of_block(rows[cut].astype(np.float64), weights[cut], skip_nan))
        return found

    @classmethod
    def _of_block(cls, rows: Matrix, weights: Matrix, skip_nan: bool) -> NumberMoments:
        missing = np.isnan(rows) if skip_nan else np.zeros(rows.shape, np.bool_)
        counted = np.where(missing, 0.0, weights[:, None])
        rows[missing] = 0.0
        total = counted.sum(axis=0)
        divisor = np.where(total > 0.0, total, 1.0)
        mean = np.sum(counted * rows, axis=0) / divisor
        rows -= mean
        drift = np.sum(counted * rows, axis=0) / divisor  # what rounding left of the mean
        alike = total * drift**2  # what the squares of equal numbers are, to rounding
        squares = np.sum(counted * rows**2, axis=0)
        equal = settle_equal(mean, rows, np.flatnonzero(np.abs(squares - alike) <= NEARLY * alike), counted > 0.0)
        drift[equal] = 0.0
        squares = np.maximum(squares - alike, 0.0)  # below 0 is rounding
        squares[equal] = 0.0
        return cls(total, np.stack((*two_sum(mean, drift), squares, np.zeros_like(squares))))

    def merged(self, other: NumberMoments) -> NumberMoments:
        """Chan, Golub and LeVeque's formula, for each number by its own weights."""
        total = self.weights + other.weights
        share = other.weights / np.where(total > 0.0, total, 1.0)
        mean, rest, m2, m2_rest = self.state
        its_mean, its_rest, its_m2, its_m2_rest = other.state
        apart, apart_rest = two_sum(its_mean, -mean)
        delta = apart + (apart_rest + (its_rest - rest))
        mean, left = two_sum(mean, delta * share)
        moved = two_sum(mean, left + rest)
        m2, left = two_sum(m2, its_m2)
        m2, left_too = two_sum(m2, delta * delta * (self.weights * share))
        squares = two_sum(m2, (left + left_too) + (m2_rest + its_m2_rest))
        # Where nothing was before, a step from 0 to a mean far from it would round off what the mean leaves.
        return NumberMoments(total, np.where(self.weights == 0.0, other.state, np.stack((*moved, *squares))))
