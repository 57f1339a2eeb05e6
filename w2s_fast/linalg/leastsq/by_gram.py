"""Minimum-norm least squares by the Cholesky factor of the smaller Gram matrix, refined with the residual of X.

Rank-deficient features go the same way where some of their columns (of their rows, if there are fewer) are
well-conditioned and span the others to rounding: duplicates, constant and dead features, features of low rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.cholesky import cholesky_solve, factor_gram
from w2s_fast.linalg.leastsq.policy import (
    CUTOFF_MARGIN,
    GRAM_RCOND,
    GRAM_RCOND_FLOAT32,
    Cutoff,
    arithmetic,
    least_refined_rcond,
)
from w2s_fast.linalg.leastsq.reflections import Reflections
from w2s_fast.linalg.rows.products import Held, cross, gram, gram_times, misfit, residual_moment, times
from w2s_fast.linalg.rows.scale import exponents, scaled_back

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
MIXED_SIDE = 400  # smaller side of float64 features: above, float32 saves more than the refinements it asks for
SAMPLED_WORK = 5 * 10**8  # multiplications of X'X: from here a sample of its rows tells first what X'X is worth,
SAMPLED_ROWS = 16  # if there are that many rows a column, so that the sample costs an eighth of it,
SAMPLED_ROWS_LATER = 6  # or that many once float32 has failed, which makes failure likely in float64 too
SAMPLE_MARGIN = 100.0  # by which a sample may underrate the reciprocal condition
FIRST_ROWS = 2  # a column, which without a sample tell early what float32 is worth, if there are twice as many:
FIRST_MARGIN = 30.0  # these underrate it 12 times where columns are independent
FLOAT32_RESOLVES = 1e-6  # reciprocal condition: no smaller one is sure where products are in float32
MOST_REFINEMENTS = 15  # the limits of condition leave 3 to 5, and 13 where known solutions just tell
CONTRACTION = 0.1  # of an error by each correction, at most
STANDSTILL = 0.5  # of the correction before: those that shrink by less are rounding of the residual
KNOWN = 8  # solutions: of one with random signs any direction has a part below .1 in one case of 12
PIVOT_TOLERANCE = 1e-13  # of a unit diagonal, times its size: what rounding leaves of a dependent column's square
LARGEST_SPAN = 1e3  # weights that make one column of others: rounding of these is multiplied by them
SMALLEST_IN_FLOAT32 = 1e-28  # square of a column: of smaller ones float32 has not all digits of all products


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
            moment = residual_moment(self.Z, self._embed(solution), Y)  # in float64: what float32 leaves is amplified
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
        columns that is the condition squared times eps, which orthogonal factorisations leave as well.
        """
        size = last = np.abs(solution).max(axis=0, initial=0.0)  # squares of these may overflow or vanish
        for done in range(MOST_REFINEMENTS):
            correction = self._back(missing())
            add(correction)
            change = np.abs(correction).max(axis=0, initial=0.0)
            settled = change <= math.sqrt(np.finfo(dtype).eps) * np.sqrt(size) * np.sqrt(last)
            if np.all(settled | (change >= STANDSTILL * last) if done else settled):
                return True
            last = change
        return False

    def serves(self, rcond: float) -> bool:
        """Whether a correction takes nearly all of any error away: below ``GRAM_RCOND`` known solutions tell."""
        if rcond > GRAM_RCOND:
            return True
        known = self.scale[:, None] * np.random.default_rng(0).choice((-1.0, 1.0), (self.rank, KNOWN))
        moment = self._take(gram_times(self.Z, self._embed(known))) + self.ridge * known
        errors = (known - self._back(moment)) / self.scale[:, None]
        return bool(np.linalg.norm(errors, axis=0).max(initial=0.0) <= CONTRACTION)

    def _lift(self, dual: Matrix) -> Matrix:
        """Z times the dual, in float64 whatever came: what float32 leaves outside of Z no refinement takes away."""
        return np.asarray(times(self.Z, self._embed(dual)), np.float64)

    def _take(self, moment: FloatArray) -> FloatArray:
        return moment if self.columns is None else moment[self.columns]

    def _embed(self, solution: FloatArray) -> FloatArray:
        """Weights of all columns of Z, zero for those not taken."""
        if self.columns is None:
            return solution
        weights = np.zeros((self.Z.shape[1], solution.shape[1]), solution.dtype)
        weights[self.columns] = solution
        return weights

    def _back(self, moment: FloatArray) -> Matrix:
        return cholesky_solve(self.lower, self.scale, moment)


@dataclass(frozen=True, eq=False)
class SpannedFactor:
    """Z[:, order] = Z1 [I W]: Z1 well-conditioned columns of Z, which span the others, and QR = [I W]'."""

    base: GramFactor
    order: Indices
    Q: Matrix
    R: Matrix

    route = "gram"

    @classmethod
    def of(cls, base: GramFactor, columns: Indices, others: Indices, W: FloatArray) -> Self:
        """Factor [I W]', whose condition a product with itself would square."""
        reflections = Reflections(np.vstack((np.eye(len(W)), W.T)))
        return cls(base, np.concatenate((columns, others)), reflections.times(np.eye(len(W))), reflections.R)

    @property
    def rank(self) -> int:
        return self.base.rank

    @property
    def condition(self) -> float:
        """Of the columns that span the others."""
        return self.base.condition

    def solve(self, Y: FloatArray) -> FloatArray | None:
        """Weights (n, k) for labels Y (m, k); None as :meth:`GramFactor.solve`."""
        from scipy.linalg import solve_triangular

        if exponents(Y, axis=0).any():
            return None
        with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):  # what overflows never settles
            if self.base.wide:  # the rows taken have the labels that fit those of all best
                labels = solve_triangular(self.R, self.Q.T @ Y[self.order], check_finite=False)
                weights = self.base.solve(labels)
                return None if weights is None else scaled_back(weights, 0, Y.dtype, "the weights")
            solution = self.base.coordinates(Y)
            if solution is None:
                return None
            weights = np.empty((self.base.X.shape[1], Y.shape[1]), Y.dtype)
            weights[self.order] = self.Q @ solve_triangular(self.R, solution, trans="T", check_finite=False)
            return weights


def factor(X: FloatArray, ridge: float, cut: Cutoff) -> GramFactor | SpannedFactor | None:
    """Factor X in the lowest precision that its condition allows.

    None where none does, or where singular values come near the cut.
    """
    Z = X if X.shape[0] >= X.shape[1] else X.T
    with single_threaded_blas():
        sample = _sampled(Z, ridge) if _is_long(Z, SAMPLED_ROWS) else None
        if gains_by_float32(X) and (sample is None or sample.allows(GRAM_RCOND_FLOAT32)):
            product, rcond = _gram_in_float32(Z, ridge, sample is not None)
            if product is not None and (found := _factor_safe(X, product, GRAM_RCOND_FLOAT32, ridge, cut)):
                return found
            if sample is None and rcond < FLOAT32_RESOLVES and _is_long(Z, SAMPLED_ROWS_LATER):
                sample = _sampled(Z, ridge)
        limit, spans = least_refined_rcond(cut, ridge), not ridge and (sample is None or sample.spans)
        if not spans and not (sample is None or sample.allows(limit)):
            return None
        product = gram(Z)
        found = _factor_safe(X, product, limit, ridge, cut)
        return _factor_spanned(X, product, cut) if found is None and spans else found


def gains_by_float32(X: FloatArray) -> bool:
    """Whether products in float32 save more than the refinements they ask for."""
    return X.dtype == np.float32 or min(X.shape) >= MIXED_SIDE


def _is_long(Z: FloatArray, least: int) -> bool:
    """Whether a sample of rows, of which there are so many a column, costs little beside X'X."""
    rows, columns = Z.shape
    return rows >= least * columns and rows * columns**2 >= SAMPLED_WORK


def _gram_in_float32(Z: FloatArray, ridge: float, sampled: bool) -> tuple[Matrix | None, float]:
    """Z'Z by products in float32, and a reciprocal condition that its first rows have, 0 where not asked for.

    None where that, or the scale of a column, is too little for float32.
    """
    first, rcond = FIRST_ROWS * Z.shape[1], 0.0
    if sampled or not _is_long(Z, 2 * FIRST_ROWS):
        product = gram(Z, np.float32)
    else:
        product = gram(Z[:first], np.float32)
        rcond = factor_gram(product, ridge)[2]
        if FIRST_MARGIN * rcond <= GRAM_RCOND_FLOAT32:
            return None, rcond
        product += gram(Z[first:], np.float32)
    return (product if np.diagonal(product).min(initial=1.0) > SMALLEST_IN_FLOAT32 else None), rcond


class _Sample(NamedTuple):
    """What the Gram matrix of a sample of rows hints at, which costs speed where it errs."""

    rcond: float  # reciprocal condition
    spans: bool  # whether that of independent columns, which span the others, may serve

    def allows(self, limit: float) -> bool:
        return SAMPLE_MARGIN * self.rcond > limit


def _sampled(Z: FloatArray, ridge: float) -> _Sample:
    rows, columns = Z.shape
    product = gram(Z[:: rows // (2 * columns)])
    rcond = factor_gram(product, ridge)[2]
    if SAMPLE_MARGIN * rcond > GRAM_RCOND or not np.isfinite(np.diagonal(product)).all():
        return _Sample(rcond, False)
    independent = _independent(product)
    among = factor_gram(product[np.ix_(independent, independent)], ridge)[2]
    return _Sample(rcond, len(independent) < columns and SAMPLE_MARGIN * among > GRAM_RCOND)


def _independent(product: Matrix) -> Indices:
    """Columns that span the others to rounding, by Cholesky with complete pivoting of their correlations."""
    from scipy.linalg.lapack import dpstrf

    sizes = np.sqrt(np.diagonal(product))
    units = np.where(sizes > 0.0, sizes, 1.0)
    tolerance = PIVOT_TOLERANCE * len(product)
    _, pivots, rank, _ = dpstrf(product / np.outer(units, units), tol=tolerance, lower=1)
    return np.sort(pivots[:rank] - 1)


def _factor_safe(
    X: FloatArray, product: Matrix, limit: float, ridge: float, cut: Cutoff, columns: Indices | None = None
) -> GramFactor | None:
    from w2s_fast.kernels.leastsq import clears_cutoff

    lower, scale, rcond = factor_gram(product, ridge)
    if rcond > limit and clears_cutoff(product, lower, scale, rcond, ridge, cut.relative, CUTOFF_MARGIN):
        found = GramFactor(X, ridge, product, lower, scale, columns)
        return found if found.serves(rcond) else None
    return None


def _factor_spanned(X: FloatArray, product: Matrix, cut: Cutoff) -> SpannedFactor | None:
    """Factor independent columns of Z and express the others by them, if they miss no more of them than rounding."""
    squares = np.diagonal(product)
    if not 0.0 < squares.max(initial=0.0) < math.inf:
        return None
    columns = _independent(product)
    others = np.setdiff1d(np.arange(len(product)), columns)
    if not len(others):
        return None
    beside = math.sqrt(squares.sum() / squares[columns].sum())  # the largest singular value is that of all columns
    cut_there = cut._replace(relative=cut.relative * beside)
    base = _factor_safe(X, product[np.ix_(columns, columns)], GRAM_RCOND, 0.0, cut_there, columns)
    if base is None:
        return None
    Z = base.Z
    rest = Z[:, others].astype(np.float64, copy=False)
    W = replace(base, X=Z).coordinates(rest)
    if W is None or not np.abs(W).max() < LARGEST_SPAN:
        return None
    rounding = min(cut.relative, arithmetic(X.shape)) * math.sqrt(squares.max())
    limits = rounding * np.sqrt(1.0 + np.einsum("ij,ij->j", W, W))
    return SpannedFactor.of(base, columns, others, W) if np.all(misfit(Z[:, columns], W, rest) <= limits) else None
