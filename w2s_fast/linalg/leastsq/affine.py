"""Least squares with an intercept: rows and labels less their means, of which long rows are never copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.cholesky import factor_gram
from w2s_fast.linalg.leastsq.gram_factor import GramFactor
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, EPS64, Cutoff, column_norms, least_refined_rcond
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.products import joint_gram
from w2s_fast.linalg.rows.scale import exponents
from w2s_fast.linalg.rows.scatter import scatter

Matrix = npt.NDArray[np.float64]
CONSTANT = 8.0  # units in the last place: a column whose deviations are smaller than that is constant


@dataclass(frozen=True, eq=False)
class AffineFit:
    """Weights (n, k) of rows (m, n), with means (n,) and (k,) of rows and labels: zeros without an intercept.

    ``squares`` is X'X (n, n) of what was fitted: of deviations from the mean with an intercept.
    """

    weights: FloatArray
    x_mean: Matrix
    y_mean: Matrix
    squares: Matrix

    @property
    def intercept(self) -> FloatArray:
        return intercept(self.weights, self.x_mean, self.y_mean)


def intercept(weights: FloatArray, x_mean: Matrix, y_mean: Matrix) -> FloatArray:
    """What predictions add to X w, (k,) in the dtype of the weights; a sum of large numbers, hence in float64."""
    return np.asarray(y_mean - x_mean @ weights.astype(np.float64, copy=False), weights.dtype)


def by_gram(X: FloatArray, Y: FloatArray, ridge: float, cut: Cutoff, *, centre: bool = True) -> AffineFit | None:
    """Fit rows X (m, n) to labels Y (m, k) of one dtype by their scatter matrix, refined with X; None if not safe."""
    m, n = X.shape
    if m < n or n == 0:
        return None
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):  # rows that overflow are not for us
        means, joint = scatter(X, Y) if centre else (np.zeros((2, n + Y.shape[1])), joint_gram(X, Y))
        mean, squares = means[0], np.ascontiguousarray(joint[:n, :n])
        sizes = np.sqrt(np.maximum(np.diagonal(squares), 0.0))
        came = np.hypot(sizes, m**0.5 * mean[:n])
        if not np.isfinite(came).all() or _hangs_on_rounding(sizes, came, m):
            return None
        lower, scale, rcond = factor_gram(squares, ridge)
        if not _clear(squares, lower, scale, rcond, came, ridge, cut):
            return None
        rows, labels = (Centred.columns(X, mean[:n]), Centred.columns(Y, mean[n:])) if centre else (X, Y)
        Y = labels.astype(Y.dtype, copy=False)
        factor, weights = GramFactor(rows, ridge, squares, lower, scale), None
        if factor.serves(rcond) and not exponents(Y, axis=0).any():  # labels of a moderate scale
            weights = factor.coordinates(Y, joint[:n, n:])
    return None if weights is None else AffineFit(weights, mean[:n], mean[n:], squares)


def _hangs_on_rounding(sizes: Matrix, came: Matrix, rows: int) -> bool:
    """Whether a column is constant, or nearly so: what its deviations are is then rounding of the numbers themselves.

    Rounding of a mean adds up over rows of equal sign, by their root at most beside the norm.
    """
    return bool(np.any(sizes <= CONSTANT * EPS64 * rows**0.5 * came))


def _clear(
    squares: Matrix, lower: Matrix, scale: Matrix, rcond: float, came: Matrix, ridge: float, cut: Cutoff
) -> bool:
    """Whether all singular values are clear of what would be cut, also of columns of norms ``came`` before centring."""
    from w2s_fast.kernels.leastsq import clears_cutoff

    if not rcond > least_refined_rcond(cut, ridge):
        return False
    if not clears_cutoff(squares, lower, scale, rcond, ridge, cut.relative, CUTOFF_MARGIN):
        return False
    blurred = cut.stored * float(np.max(came * scale))  # of columns of unit length
    return rcond > CUTOFF_MARGIN * blurred**2


class Deviations(NamedTuple):
    """Rows and labels in float64 less their means, constant columns zero."""

    rows: Matrix
    labels: Matrix
    x_mean: Matrix
    y_mean: Matrix


def deviations(X: FloatArray, Y: FloatArray) -> Deviations:
    """Centre copies of X (m, n) and Y (m, k), m at least 1."""
    (rows, x_mean), (labels, y_mean) = _centred(X), _centred(Y)
    rows[:, column_norms(rows) <= CONSTANT * EPS64 * column_norms(X)] = 0.0
    return Deviations(rows, labels, x_mean, y_mean)


def _centred(A: FloatArray) -> tuple[Matrix, Matrix]:
    rows = A.astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    drift = rows.mean(axis=0)  # what rounding left of the mean
    rows -= drift
    return rows, mean + drift
