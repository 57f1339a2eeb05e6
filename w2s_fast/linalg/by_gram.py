"""Minimum-norm least squares by the Cholesky factor of the smaller Gram matrix, refined with the residual of X."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.products import cross, gram, gram_times

Matrix = npt.NDArray[np.float64]
MIXED_WORK = 5 * 10**7  # multiplications of X'X: above, float32 saves more than the refinements it asks for
MOST_REFINEMENTS = 10  # the limits of condition leave 3 or 4; they are estimates


@dataclass(frozen=True, eq=False)
class GramFactor:
    """Cholesky factor of D (Z'Z + ridge) D for Z = X (tall) or X' (wide), D = diag(scale)."""

    X: FloatArray
    ridge: float
    product: Matrix
    lower: Matrix
    scale: Matrix

    route = "gram"

    @property
    def rank(self) -> int:
        return min(self.X.shape)

    @property
    def condition(self) -> float:
        """Of X, extended by the ridge: estimated in the 1-norm of the Gram matrix, seldom off by more than 3."""
        from w2s_fast.kernels.leastsq import inverse_norm, largest_column_sum

        largest = largest_column_sum(self.product) + self.ridge
        return math.sqrt(largest * inverse_norm(self.lower, self.scale))

    def solve(self, Y: FloatArray) -> FloatArray | None:
        """Weights (n, k) for labels Y (m, k); None where refinement stalls.

        Each refinement multiplies the error by about the same factor, so the size of the next correction is known
        before it is made.
        """
        with single_threaded_blas():
            moment = Y if self._wide else cross(self._Z, Y, Y.dtype)
            solution = self._back(moment)
            size = last = np.linalg.norm(solution, axis=0)
            for _ in range(MOST_REFINEMENTS):
                correction = self._back(self._residual(solution, moment, Y))
                solution += correction
                change = np.linalg.norm(correction, axis=0)
                if np.all(change * change <= np.finfo(Y.dtype).eps * size * last):
                    return self.X.T @ solution.astype(Y.dtype) if self._wide else solution.astype(Y.dtype, copy=False)
                last = change
        return None

    @property
    def _wide(self) -> bool:
        return self.X.shape[0] < self.X.shape[1]

    @property
    def _Z(self) -> FloatArray:
        return self.X.T if self._wide else self.X

    def _residual(self, solution: Matrix, moment: FloatArray, Y: FloatArray) -> FloatArray:
        """What (Z'Z + ridge) times the solution lacks of the moment, by way of Y - Z times it where X is tall."""
        estimate = solution.astype(Y.dtype, copy=False)
        if self._wide:
            return moment - gram_times(self._Z, estimate) - self.ridge * solution
        return -gram_times(self._Z, estimate, Y) - self.ridge * solution

    def _back(self, moment: FloatArray) -> Matrix:
        from w2s_fast.kernels.leastsq import cholesky_solve

        return cholesky_solve(self.lower, self.scale, np.ascontiguousarray(moment, np.float64))


def factor(X: FloatArray, ridge: float, cut: float) -> GramFactor | None:
    """Factor X in the lowest precision that its condition allows; None where none does, or where ``cut`` cuts."""
    from w2s_fast.kernels.leastsq import GRAM_RCOND, GRAM_RCOND_FLOAT32, clears_cutoff, factor_gram

    Z = X if X.shape[0] >= X.shape[1] else X.T
    with single_threaded_blas():
        if Z.size * Z.shape[1] >= MIXED_WORK:
            product = gram(Z, np.float32).astype(np.float64)
            lower, scale, rcond = factor_gram(product, ridge)
            if rcond > GRAM_RCOND_FLOAT32 and clears_cutoff(product, lower, scale, ridge, cut):
                return GramFactor(X, ridge, product, lower, scale)
        product = gram(Z)
        lower, scale, rcond = factor_gram(product, ridge)
        if rcond > GRAM_RCOND and clears_cutoff(product, lower, scale, ridge, cut):
            return GramFactor(X, ridge, product, lower, scale)
    return None
