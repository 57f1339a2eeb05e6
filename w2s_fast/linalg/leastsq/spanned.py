"""Features of which some well-conditioned ones span the others to rounding: duplicates, constants, low rank."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.leastsq.gram_factor import GramFactor, Indices, Matrix, factor_safe
from w2s_fast.linalg.leastsq.policy import GRAM_RCOND, Cutoff, arithmetic
from w2s_fast.linalg.leastsq.reflections import Reflections
from w2s_fast.linalg.rows.products import misfit
from w2s_fast.linalg.rows.scale import exponents, scaled_back

PIVOT_TOLERANCE = 1e-13  # of a unit diagonal, times its size: what rounding leaves of a dependent column's square
LARGEST_SPAN = 1e3  # weights that make one column of others: rounding of these is multiplied by them
MODERATE_SPAN = 10.0  # up to which the null space of few may be subtracted: what cancels is multiplied by them, too


class _Span:
    """C = [I W] (r, r + k), the weights by which r columns make themselves and k others, by QR = C'."""

    def __init__(self, W: FloatArray) -> None:
        self.W = W
        self.Q, self.R = _qr(np.vstack((np.eye(len(W)), W.T)))

    def shortest(self, v: FloatArray) -> FloatArray:
        """Shortest weights u of all columns for those v of the r alone, C u = v."""
        return self.Q @ _solved(self.R, v, trans="T")

    def fitting(self, Y: FloatArray) -> FloatArray:
        """Labels v of the r for which C'v is closest to those of all."""
        return _solved(self.R, self.Q.T @ Y)


class _SpanOfFew(_Span):
    """The same where the others are fewer, by QR = N = [-W' I]', whose columns are all that C maps to 0."""

    def __init__(self, W: FloatArray) -> None:
        self.W = W
        self.Q, self.R = _qr(np.vstack((-W, np.eye(W.shape[1]))))

    def shortest(self, v: FloatArray) -> FloatArray:
        t = _solved(self.R, self.Q[: len(v)].T @ v)
        return np.vstack((v + self.W @ t, -t))

    def fitting(self, Y: FloatArray) -> FloatArray:
        return Y[: len(self.W)] + self.W @ _solved(self.R, self.Q.T @ Y)


def _qr(tall: FloatArray) -> tuple[Matrix, Matrix]:
    reflections = Reflections(tall)
    return reflections.times(np.eye(tall.shape[1])), reflections.R


def _solved(triangle: Matrix, Y: FloatArray, trans: str = "N") -> Matrix:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(triangle, Y, trans=trans, check_finite=False))


@dataclass(frozen=True, eq=False)
class SpannedFactor:
    """Z[:, order] = Z1 C: Z1 well-conditioned columns of Z, which span all."""

    base: GramFactor
    order: Indices
    span: _Span

    route = "gram"

    @classmethod
    def of(cls, base: GramFactor, columns: Indices, others: Indices, W: FloatArray) -> Self:
        """By a QR decomposition, as products of C would square its condition."""
        few = len(others) <= len(columns) and np.abs(W).max() <= MODERATE_SPAN
        return cls(base, np.concatenate((columns, others)), (_SpanOfFew if few else _Span)(W))

    @property
    def rank(self) -> int:
        return self.base.rank

    @property
    def condition(self) -> float:
        """Of the columns that span the others."""
        return self.base.condition

    def solve(self, Y: FloatArray) -> FloatArray | None:
        """Weights (n, k) for labels Y (m, k); None as :meth:`GramFactor.solve`."""
        if exponents(Y, axis=0).any():
            return None
        with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):  # what overflows never settles
            if self.base.wide:  # the rows taken have the labels that fit those of all best
                weights = self.base.solve(self.span.fitting(Y[self.order]))
                return None if weights is None else scaled_back(weights, 0, Y.dtype, "the weights")
            solution = self.base.coordinates(Y)
            if solution is None:
                return None
            weights = np.empty((self.base.X.shape[1], Y.shape[1]), Y.dtype)
            weights[self.order] = self.span.shortest(solution)
            return weights


def factor_spanned(X: FloatArray, product: Matrix, cut: Cutoff) -> SpannedFactor | None:
    """Factor independent columns of Z and express the others by them, if they miss no more of them than rounding."""
    squares = np.diagonal(product)
    if not 0.0 < squares.max(initial=0.0) < math.inf:
        return None
    columns = independent(product)
    others = np.setdiff1d(np.arange(len(product)), columns)
    if not len(others):
        return None
    beside = math.sqrt(squares.sum() / squares[columns].sum())  # the largest singular value is that of all columns
    cut_there = cut._replace(relative=cut.relative * beside)
    base = factor_safe(X, product[np.ix_(columns, columns)], GRAM_RCOND, 0.0, cut_there, columns)
    if base is None:
        return None
    Z = base.Z
    rest = Z[:, others].astype(np.float64, copy=False)
    W = replace(base, X=Z).coordinates(rest, product[np.ix_(columns, others)])
    if W is None or not np.abs(W).max() < LARGEST_SPAN:
        return None
    rounding = min(cut.relative, arithmetic(X.shape)) * math.sqrt(squares.max())
    limits = rounding * np.sqrt(1.0 + np.einsum("ij,ij->j", W, W))
    missed = misfit(Z, base.embed(W), rest)  # copies of the columns taken would cost more than zeros for the others
    return SpannedFactor.of(base, columns, others, W) if np.all(missed <= limits) else None


def independent(product: Matrix) -> Indices:
    """Columns that span the others to rounding, by Cholesky with complete pivoting of their correlations."""
    from scipy.linalg.lapack import dpstrf

    sizes = np.sqrt(np.diagonal(product))
    units = np.where(sizes > 0.0, sizes, 1.0)
    tolerance = PIVOT_TOLERANCE * len(product)
    _, pivots, rank, _ = dpstrf(product / np.outer(units, units), tol=tolerance, lower=1)
    return np.sort(pivots[:rank] - 1)
