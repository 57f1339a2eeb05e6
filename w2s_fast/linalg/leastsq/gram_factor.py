"""Solutions by the Cholesky factor of the smaller Gram matrix, refined with the residual of X."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.cholesky import cholesky_solve, factor_gram
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, GRAM_RCOND, Cutoff
from w2s_fast.linalg.rows.products import Held, cross, gram_times, residual_moment, times
from w2s_fast.linalg.rows.scale import exponents, scaled_back

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
MOST_REFINEMENTS = 15  # the limits of condition leave 3 to 5, and 13 where known solutions just tell
CONTRACTION = 0.1  # of an error by each correction, at most
STANDSTILL = 0.5  # of the correction before: those that shrink by less are rounding of the residual
KNOWN = 8  # solutions: of one with random signs any direction has a part below .1 in one case of 12


@dataclass(frozen=True, eq=False)
class GramFactor:
    """Cholesky factor of D (Z'Z + ridge) D, D = diag(scale), for Z = X (tall) or X' (wide), or for columns of Z."""

    X: Held
    ridge: float
    product: Matrix
    lower: Matrix
    scale: Matrix
    columns: Indices | None = None

    route = "gram"

    @property
    def rank(self) -> int:
        return len(self.product)

    @property
    def condition(self) -> float:
        """Of X (or of the columns taken) extended by the ridge: a 1-norm estimate, seldom off by more than 3."""
        from w2s_fast.kernels.leastsq import inverse_norm, largest_column_sum

        largest = largest_column_sum(self.product) + self.ridge
        return math.sqrt(largest * inverse_norm(self.lower, self.scale))

    def solve(self, Y: FloatArray) -> FloatArray | None:
        """Weights (n, k) for labels Y (m, k), or for those of the rows taken; None where refinement stalls.

        None too where labels are so large or small that products with them may overflow or vanish.
        """
        if exponents(Y, axis=0).any():
            return None
        with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):  # what overflows never settles
            return self._shortest(Y) if self.wide else self.coordinates(Y)

    @property
    def wide(self) -> bool:
        return self.X.shape[0] < self.X.shape[1]

    @property
    def Z(self) -> Held:  # noqa: N802
        return self.X.T if self.wide else self.X

    def coordinates(self, Y: FloatArray, moment: Matrix | None = None) -> FloatArray | None:
        """Least-squares weights of the columns of a tall Z, whose ``moment`` Z'Y may be known."""
        solution = self._back(self._take(cross(self.Z, Y, Y.dtype)) if moment is None else moment)

        def missing() -> FloatArray:
            moment = residual_moment(self.Z, self.embed(solution), Y)  # in float64: what float32 leaves is amplified
            return self._take(moment) - self.ridge * solution

        def add(correction: Matrix) -> None:
            np.add(solution, correction, out=solution)

        return (
            scaled_back(solution, 0, Y.dtype, "the weights") if self._refine(solution, missing, add, Y.dtype) else None
        )

    def _shortest(self, Y: FloatArray) -> FloatArray | None:
        """Weights Z (Z'Z + ridge)^-1 Y, refined as such: the dual solution alone would lose digits on the way."""
        dual = self._back(Y)
        weights = self._lift(dual)

        def missing() -> FloatArray:
            return Y - self._take(cross(self.Z, weights)) - self.ridge * dual

        def add(correction: Matrix) -> None:
            np.add(dual, correction, out=dual)
            np.add(weights, self._lift(correction), out=weights)

        return scaled_back(weights, 0, Y.dtype, "the weights") if self._refine(dual, missing, add, Y.dtype) else None

    def _refine(
        self,
        solution: Matrix,
        missing: Callable[[], FloatArray],
        add: Callable[[Matrix], None],
        dtype: npt.DTypeLike,
    ) -> bool:
        """Correct until the next correction would be below rounding, or is rounding; False if that does not come.

        Each correction multiplies the error by about the same factor, so the size of the next is known beforehand. Once
        they gain nothing more, corrections are what rounding of the residual makes of them: for labels far from the
        columns that is the condition squared times eps, which orthogonal factorisations leave as well. Sizes are those
        of weights times the lengths of columns, of which no unit is large.
        """
        size = last = self._size(solution)
        done = np.zeros(size.shape, np.bool_)
        for step in range(MOST_REFINEMENTS):
            correction = self._back(missing())
            add(correction)
            change = self._size(correction)
            done |= change <= math.sqrt(np.finfo(dtype).eps) * np.sqrt(size) * np.sqrt(last)
            if step:
                done |= np.isfinite(change) & (change >= STANDSTILL * last)
            if done.all():
                return True
            last = change
        return False

    def _size(self, solution: Matrix) -> Matrix:
        """Largest numbers of columns (k,), not their norms, of which squares may overflow or vanish."""
        return np.asarray(np.abs(solution / self.scale[:, None]).max(axis=0, initial=0.0))

    def serves(self, rcond: float) -> bool:
        """Whether a correction takes nearly all of any error away: below ``GRAM_RCOND`` known solutions tell."""
        if rcond > GRAM_RCOND:
            return True
        known = self.scale[:, None] * np.random.default_rng(0).choice((-1.0, 1.0), (self.rank, KNOWN))
        moment = self._take(gram_times(self.Z, self.embed(known))) + self.ridge * known
        errors = (known - self._back(moment)) / self.scale[:, None]
        return bool(np.linalg.norm(errors, axis=0).max(initial=0.0) <= CONTRACTION)

    def _lift(self, dual: Matrix) -> Matrix:
        """Z times the dual, in float64 whatever came: what float32 leaves outside of Z no refinement takes away."""
        return np.asarray(times(self.Z, self.embed(dual)), np.float64)

    def _take(self, moment: FloatArray) -> FloatArray:
        return moment if self.columns is None else moment[self.columns]

    def embed(self, solution: FloatArray) -> FloatArray:
        """Weights of all columns of Z, zero for those not taken."""
        if self.columns is None:
            return solution
        weights = np.zeros((self.Z.shape[1], solution.shape[1]), solution.dtype)
        weights[self.columns] = solution
        return weights

    def _back(self, moment: FloatArray) -> Matrix:
        return cholesky_solve(self.lower, self.scale, moment)


def factor_safe(
    X: FloatArray, product: Matrix, limit: float, ridge: float, cut: Cutoff, columns: Indices | None = None
) -> GramFactor | None:
    """Factor X by the ``product`` Z'Z, or some ``columns`` of Z; None if its condition, or the cut, is too near.

    The reciprocal condition is to be above the ``limit``.
    """
    from w2s_fast.kernels.leastsq import clears_cutoff

    lower, scale, rcond = factor_gram(product, ridge)
    if rcond > limit and clears_cutoff(product, lower, scale, rcond, ridge, cut.relative, CUTOFF_MARGIN):
        found = GramFactor(X, ridge, product, lower, scale, columns)
        return found if found.serves(rcond) else None
    return None
