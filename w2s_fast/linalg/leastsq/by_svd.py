"""The singular value decomposition, kept: least squares at any rank, with or without ridge, for many labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.policy import Cutoff, column_norms
from w2s_fast.linalg.rows.products import blas_threads
from w2s_fast.linalg.rows.scale import exponent_of, exponents, scaled, scaled_back


@dataclass(frozen=True, eq=False)
class SvdFactor:
    """Singular value decomposition of X (m, n) in float64, without the values that are cut.

    X and the root of the ridge are those that came, times 2**-exponent.
    """

    u: FloatArray
    s: FloatArray
    vt: FloatArray
    ridge: float
    exponent: int = 0

    route = "svd"

    @property
    def rank(self) -> int:
        return len(self.s)

    @property
    def condition(self) -> float:
        """Of X within its rank, extended by the ridge; infinity at rank 0."""
        if not self.rank:
            return math.inf
        sizes = np.hypot(self.s, math.sqrt(self.ridge))
        return float(sizes.max() / sizes.min())

    def solve(self, Y: FloatArray) -> FloatArray:
        """Weights (n, k) for labels Y (m, k), in their dtype."""
        shift = exponents(Y, axis=0)
        return scaled_back(self.weights(scaled(Y, -shift)), shift - self.exponent, Y.dtype, "the weights")

    def weights(self, Y: FloatArray) -> FloatArray:
        """Weights in float64 for labels of a moderate scale, short of the factor 2**-exponent."""
        with np.errstate(over="ignore"):
            filters = 1.0 / (self.s + self.ridge / self.s)  # s / (s^2 + ridge) without overflow of s^2
        with single_threaded_blas():
            return np.asarray(self.vt.T @ (filters[:, None] * (self.u.T @ Y)))


def factor(
    X: FloatArray, ridge: float, cut: Cutoff, rows: bool | None = None, norms: FloatArray | None = None
) -> SvdFactor:
    """Decompose X; ``rows`` says that its rows are what rounding blurs, by default where they are fewer.

    ``norms`` are those that rows, or columns, had when they were rounded, by default what they have.
    """
    X = X.astype(np.float64, copy=False)
    shift = int(exponents(X))
    if ridge and shift:
        shift = max(shift, exponent_of(ridge) // 2)
    cut = cut.of_values(X.shape, ridge)
    X, ridge = scaled(X, -shift), math.ldexp(ridge, -2 * shift)
    with blas_threads(X):
        u, s, vt = np.linalg.svd(X, full_matrices=False)
    rows = X.shape[0] < X.shape[1] if rows is None else rows
    norms = column_norms(X.T if rows else X) if norms is None else scaled(norms, -shift)
    keep = cut.keeps(s, u if rows else vt.T, norms)
    return SvdFactor(u[:, keep], s[keep], vt[keep], ridge, shift)
