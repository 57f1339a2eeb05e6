"""The singular value decomposition, kept: least squares at any rank, with or without ridge, for many labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.by_qr import blas_threads


@dataclass(frozen=True, eq=False)
class SvdFactor:
    """Singular value decomposition of X (m, n), without the values that are cut."""

    u: FloatArray
    s: FloatArray
    vt: FloatArray
    ridge: float

    route = "svd"

    @property
    def rank(self) -> int:
        return len(self.s)

    @property
    def condition(self) -> float:
        """Of X within its rank, extended by the ridge; infinity at rank 0."""
        if not self.rank:
            return math.inf
        largest, smallest = (math.hypot(s, math.sqrt(self.ridge)) for s in (self.s[0], self.s[-1]))
        return largest / smallest

    def solve(self, Y: FloatArray) -> FloatArray:
        """Weights (n, k) for labels Y (m, k), in their dtype."""
        filters = 1.0 / (self.s + self.ridge / self.s)  # s / (s^2 + ridge) without overflow
        with single_threaded_blas():
            weights: FloatArray = self.vt.T @ (filters[:, None] * (self.u.T @ Y))
        return weights.astype(Y.dtype, copy=False)


def factor(X: FloatArray, ridge: float, cut: float) -> SvdFactor:
    if ridge:  # lets small singular values through, and rounding with them where they are none: float64's is below all
        X = X.astype(np.float64, copy=False)
        cut = max(cut, float(np.finfo(np.float64).eps) * max(X.shape))
    with blas_threads(X):
        u, s, vt = np.linalg.svd(X, full_matrices=False)
    rank = int(np.count_nonzero(s > cut * s.max(initial=0.0)))
    return SvdFactor(u[:, :rank], s[:rank], vt[:rank], ridge)
