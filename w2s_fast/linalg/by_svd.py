"""Least squares by the singular value decomposition, for any condition and rank.

Long thin problems are reduced first, on threads: blocks of rows by Householder QR, then their triangles by another
(TSQR: Demmel, Grigori, Hoemmen and Langou 2012).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.linalg.products import SERIAL_SIZE

Solution = tuple[FloatArray, FloatArray, Any, FloatArray]  # as NumPy's: x, residuals, rank, singular values
ELONGATED = 10  # rows a column in each block of a reduction: flatter ones spend too much on each other's triangles
MOST_BLOCKS = 16
REDUCIBLE_WORK = 10**7  # multiplications of X'X: below, threads cost more than they save
LARGEST_SERIAL = 1_000  # smaller side: LAPACK's decomposition gains little from BLAS threads up to here


def lstsq(a: FloatArray, b: FloatArray, cut: float) -> Solution:
    """:func:`numpy.linalg.lstsq` of a (m, n) and b (m, k)."""
    if a.size <= SERIAL_SIZE:
        return np.linalg.lstsq(a, b, cut)
    with _blas_threads(a):
        if (blocks := _reduction(a, b.shape[1])) is not None:
            return _tall(a, b, cut, blocks)
        if (blocks := _reduction(a.T, 0)) is not None:
            return _wide(a, b, cut, blocks)
        return np.linalg.lstsq(a, b, cut)


def _blas_threads(a: FloatArray) -> AbstractContextManager[None]:
    """One BLAS thread, for equal bits in all circumstances, except where that would cost too much."""
    return single_threaded_blas() if min(a.shape) <= LARGEST_SERIAL else nullcontext()


def _reduction(a: FloatArray, labels: int) -> list[slice] | None:
    """Blocks of rows worth reducing on threads, or None."""
    m, n = a.shape
    count = min(MOST_BLOCKS, m // (ELONGATED * max(n, 1)))
    if count < 2 or m * n * n < REDUCIBLE_WORK or 4 * labels > n:
        return None
    step = -(-m // count)
    return [slice(start, start + step) for start in range(0, m, step)]


def _tall(a: FloatArray, b: FloatArray, cut: float, blocks: list[slice]) -> Solution:
    """R of [a | b] holds the R of a, Q'b, and what b has outside of the columns of a."""

    def triangle(block: slice) -> FloatArray:
        return np.linalg.qr(np.column_stack((a[block], b[block])), mode="r")

    R = np.linalg.qr(np.concatenate(list(ordered_map(triangle, blocks))), mode="r")
    if not np.isfinite(R).all():  # LAPACK scales what would overflow
        return np.linalg.lstsq(a, b, cut)
    n = a.shape[1]
    x, _, rank, s = np.linalg.lstsq(R[:n, :n], R[:n, n:], cut)
    residuals = np.sum(R[n:, n:] ** 2, axis=0) if rank == n else np.zeros((0,), R.dtype)
    return x, residuals, rank, s


def _wide(a: FloatArray, b: FloatArray, cut: float, blocks: list[slice]) -> Solution:
    """With a' = Q R the shortest solution is Q times that of R'."""
    bases, triangles = zip(*ordered_map(lambda block: np.linalg.qr(a[:, block].T), blocks), strict=True)
    basis, R = np.linalg.qr(np.concatenate(triangles))
    if not np.isfinite(R).all():
        return np.linalg.lstsq(a, b, cut)
    x, residuals, rank, s = np.linalg.lstsq(R.T, b, cut)
    parts = np.split(basis @ x, len(blocks))
    return np.concatenate([Q @ part for Q, part in zip(bases, parts, strict=True)]), residuals, rank, s


@dataclass(frozen=True, eq=False)
class SvdFactor:
    """Singular value decomposition of X, without the values that are cut."""

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
            return np.inf
        largest, smallest = (float(np.hypot(s, np.sqrt(self.ridge))) for s in (self.s[0], self.s[-1]))
        return largest / smallest

    def solve(self, Y: FloatArray) -> FloatArray:
        """Weights (n, k) for labels Y (m, k)."""
        filters = 1.0 / (self.s + self.ridge / self.s)  # s / (s^2 + ridge) without overflow
        return self.vt.T @ (filters[:, None].astype(self.s.dtype) * (self.u.T @ Y))


def factor(X: FloatArray, ridge: float, cut: float) -> SvdFactor:
    with _blas_threads(X):
        u, s, vt = np.linalg.svd(X, full_matrices=False)
    rank = int(np.count_nonzero(s > cut * s.max(initial=0.0)))
    return SvdFactor(u[:, :rank], s[:rank], vt[:rank], ridge)
