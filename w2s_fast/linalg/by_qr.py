"""Least squares by orthogonal factorisations, for any condition and rank: Householder QR, then the SVD of its triangle.

Long thin problems are factored on threads: blocks of rows first, then their triangles (TSQR: Demmel, Grigori, Hoemmen
and Langou 2012).
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.linalg.products import SERIAL_SIZE

Solution = tuple[FloatArray, FloatArray, Any, FloatArray]  # as NumPy's: x, residuals, rank, singular values
ELONGATED = 4  # rows a column: from here two blocks on threads beat LAPACK's QR with BLAS threads
BLOCK_ROWS = 10  # a column, where there are more than two blocks: with fewer, their triangles cost what threads save
MOST_BLOCKS = 16
LARGEST_SERIAL = 500  # smaller side: LAPACK's SVD gains nothing from BLAS threads up to here
WORTH_REDUCING = 1.5  # rows a column: nearer to square, factoring first costs more than it saves


def lstsq(a: FloatArray, b: FloatArray, cut: float) -> Solution:
    """:func:`numpy.linalg.lstsq` of a (m, n) and b (m, k)."""
    long, short = max(a.shape), min(a.shape)
    if a.size <= SERIAL_SIZE or long < ELONGATED * short:
        with blas_threads(a):
            return np.linalg.lstsq(a, b, cut)
    return _reduced_lstsq(a, b, cut)


def solve(X: FloatArray, Y: FloatArray, cut: float) -> FloatArray:
    """Shortest least-squares weights (n, k) for labels Y (m, k).

    A triangle that keeps clear of the cut is solved as it is; only others pay for singular values.
    """
    if X.size <= SERIAL_SIZE or max(X.shape) < WORTH_REDUCING * min(X.shape):
        return lstsq(X, Y, cut)[0]
    return _reduced_lstsq(X, Y, cut, values=False)[0]


def blas_threads(a: FloatArray) -> AbstractContextManager[None]:
    """One BLAS thread, for equal bits in all circumstances, unless BLAS keeps to one anyway or that costs too much."""
    alone = a.size <= SERIAL_SIZE or min(a.shape) > LARGEST_SERIAL
    return nullcontext() if alone else single_threaded_blas()


def _reduced_lstsq(a: FloatArray, b: FloatArray, cut: float, values: bool = True) -> Solution:
    """Solve by way of a triangle; without ``values`` skip its singular values where rank is certain."""
    tall = a.shape[0] >= a.shape[1]
    with blas_threads(a):
        if tall:
            R, moment, rest = _triangle(a, b)
        else:
            Q, moment = _Reflections(a.T), b
            R = Q.R
        if not np.isfinite(R).all():  # the sums overflowed: LAPACK's driver scales first
            return np.linalg.lstsq(a, b, cut)
        if not values and _clears(R, cut):
            x, residuals, rank, s = _solve_triangle(R, moment, transposed=not tall), np.zeros(0), len(R), np.zeros(0)
        else:
            x, residuals, rank, s = np.linalg.lstsq(R if tall else R.T, moment, cut)
        if tall and rank == a.shape[1]:
            residuals = np.sum(rest**2, axis=0)
        return x if tall else Q.times(x), residuals, rank, s


def _blocks(m: int, n: int) -> list[slice]:
    count = max(1 + (m >= ELONGATED * n), min(MOST_BLOCKS, m // (BLOCK_ROWS * n)))
    step = -(-m // count)
    return [slice(start, start + step) for start in range(0, m, step)]


def _triangle(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """R of a, Q'b, and a triangle with the norms of what b has outside of the columns of a."""

    def of_rows(block: slice) -> FloatArray:
        return np.linalg.qr(np.column_stack((a[block], b[block])), mode="r")

    m, n = a.shape
    triangles = list(ordered_map(of_rows, _blocks(m, n)))
    R = triangles[0] if len(triangles) == 1 else np.linalg.qr(np.concatenate(triangles), mode="r")
    return R[:n, :n], R[:n, n:], R[n:, n:]


class _Reflections:
    """Q and R of a long thin matrix, Q as Householder reflections: of blocks of rows, then of their triangles."""

    def __init__(self, a: FloatArray) -> None:
        m, n = a.shape
        self._factors = list(ordered_map(lambda block: np.linalg.qr(a[block], mode="raw"), _blocks(m, n)))
        self._merge = np.linalg.qr(np.concatenate([_upper(factor) for factor in self._factors]), mode="raw")
        self.R = _upper(self._merge)

    def times(self, x: FloatArray) -> FloatArray:
        """Q x."""
        parts = np.split(_reflect(self._merge, x), len(self._factors))
        return np.concatenate([_reflect(factor, part) for factor, part in zip(self._factors, parts, strict=True)])


def _upper(factor: tuple[FloatArray, FloatArray]) -> FloatArray:
    """R of NumPy's raw factor, which is LAPACK's transposed."""
    reflections, tau = factor
    return np.triu(reflections.T[: len(tau)])


def _reflect(factor: tuple[FloatArray, FloatArray], x: FloatArray) -> FloatArray:
    """Q x of NumPy's raw factor."""
    from scipy.linalg.lapack import get_lapack_funcs

    reflections, tau = factor
    (multiply,) = get_lapack_funcs(("ormqr",), (reflections, x))
    padded = np.zeros((reflections.shape[1], x.shape[1]), x.dtype, order="F")
    padded[: len(x)] = x
    return np.asarray(multiply("L", "N", reflections.T, tau, padded, max(64 * x.shape[1], 1), overwrite_c=1)[0])


def _clears(R: FloatArray, cut: float) -> bool:
    """Whether every singular value of the triangle is certainly above ``cut`` times the largest."""
    from w2s_fast.kernels.leastsq import CUTOFF_MARGIN, inverse_norm

    if not np.diagonal(R).all():
        return False
    lower = np.ascontiguousarray(R.T / np.abs(R).max(), np.float64)
    inverse = CUTOFF_MARGIN * inverse_norm(lower, np.ones(len(R)))
    return math.isfinite(inverse) and 1.0 / math.sqrt(inverse) > cut * float(np.linalg.norm(lower))


def _solve_triangle(R: FloatArray, b: FloatArray, transposed: bool) -> FloatArray:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(R, b, trans=int(transposed), check_finite=False))
