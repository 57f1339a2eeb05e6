"""Least squares by orthogonal factorisations, for any condition and rank: Householder QR, then the SVD of its triangle.

Long thin problems are factored on threads: blocks of rows first, then their triangles (TSQR: Demmel, Grigori, Hoemmen
and Langou 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.linalg.leastsq import by_svd
from w2s_fast.linalg.leastsq.policy import Cutoff, lapack_cut
from w2s_fast.linalg.leastsq.reflections import MergedReflections, Reflections
from w2s_fast.linalg.leastsq.triangles import clears
from w2s_fast.linalg.rows.base import Rows, ScaleError
from w2s_fast.linalg.rows.cutting import ELONGATED, qr_cuts
from w2s_fast.linalg.rows.products import SERIAL_SIZE, Held, blas_threads

Array = npt.NDArray[Any]  # real or complex
Solution = tuple[Array, Array, Any, Array]  # as NumPy's: x, residuals, rank, singular values
NUMPY_LSTSQ = np.linalg.lstsq  # itself, also where w2s_fast.patched puts ours in its place
ROUNDING = 4.0  # times eps, the root of the columns and the largest: twice what LAPACK's singular values err by
LARGE = 2.0**500  # entries: beyond, squares overflow, and below its inverse they vanish
WORTH_REDUCING = 1.5  # rows a column: nearer to square, factoring first costs more than it saves


def lstsq(a: Array, b: Array, cut: float) -> Solution:
    """:func:`numpy.linalg.lstsq` of a (m, n) and b (m, k), each float32, float64, complex64 or complex128."""
    with blas_threads(a, b):
        return _by_triangle(a, b, cut) or NUMPY_LSTSQ(a, b, cut)


def _by_triangle(a: Array, b: Array, cut: float) -> Solution | None:
    """Solve long real problems; None where rounding decides on the rank, which LAPACK's driver is then to do."""
    if not _worth_reducing(a, ELONGATED) or np.iscomplexobj(a) or np.iscomplexobj(b):
        return None
    reduced = _reduce(a, b)
    if reduced is None:
        return None
    x, residuals, rank, s = NUMPY_LSTSQ(reduced.triangle, reduced.moment, cut)
    if _near_the_cut(s, cut):
        return None
    if a.shape[0] > rank == a.shape[1]:
        residuals = np.sum(reduced.outside**2, axis=0)
    dtype = np.result_type(a, b)
    return reduced.lift(x).astype(dtype), residuals.astype(dtype), rank, s.astype(dtype)


def _near_the_cut(s: FloatArray, cut: float) -> bool:
    """Whether two stable algorithms may count different numbers of singular values s above ``cut`` times the first."""
    eps = float(np.finfo(np.float64).eps)
    limit = lapack_cut(cut)
    return bool(np.any(np.abs(s - limit * s[0]) <= ROUNDING * eps * len(s) ** 0.5 * s[0]))


def solve(X: FloatArray, Y: FloatArray, cut: Cutoff) -> FloatArray:
    """Shortest least-squares weights (n, k) in float64 for labels Y (m, k).

    A triangle that keeps clear of the cut is solved as it is; only others pay for singular values.
    """
    with blas_threads(X, Y):
        reduced = _reduce(X, Y) if _worth_reducing(X, WORTH_REDUCING) else None
        if reduced is None:
            return _cut_off(X.astype(np.float64, copy=False), Y.astype(np.float64, copy=False), cut)
        if reduced.clears(cut):
            return reduced.lift(_solve_triangle(reduced))
        return reduced.lift(_cut_off(reduced.triangle, reduced.moment, cut, rows=reduced.lower))


def _cut_off(X: FloatArray, Y: FloatArray, cut: Cutoff, rows: bool | None = None) -> FloatArray:
    """LAPACK's driver takes half the time of a decomposition that is kept, and knows cut-offs of one kind."""
    if cut.stored:
        return by_svd.factor(X, 0.0, cut, rows).weights(Y)
    return np.asarray(NUMPY_LSTSQ(X, Y, cut.relative)[0])


def _worth_reducing(a: Array, elongation: float) -> bool:
    return a.size > SERIAL_SIZE and max(a.shape) >= elongation * min(a.shape)


@dataclass(frozen=True, eq=False)
class _Reduced:
    """A square problem in float64 whose solution, lifted, is that of the whole."""

    triangle: FloatArray
    lower: bool
    moment: FloatArray
    outside: FloatArray  # a triangle with the norms of what labels have outside of the columns
    lift: Callable[[FloatArray], FloatArray]

    def clears(self, cut: Cutoff) -> bool:
        """Whether every singular value is surely above the cut."""
        with single_threaded_blas():  # whose threads would wait for each other at every few columns
            return clears(self.triangle if self.lower else self.triangle.T, cut)


def _reduce(a: FloatArray, b: FloatArray) -> _Reduced | None:
    """Reduce by QR in float64 of [a b] (tall) or of a' (wide).

    None where more labels than columns would make that long, or squares might overflow or vanish, before which LAPACK's
    driver scales.
    """
    n = a.shape[1]
    if a.shape[0] < n:
        reduced = _reduce_wide(a, b)
    elif b.shape[1] > n:
        return None
    else:
        R = triangle(a, b)
        reduced = _Reduced(R[:n, :n], False, R[:n, n:], R[n:, n:], lambda x: x)
    return reduced if _in_range(reduced.triangle) and _in_range(reduced.moment, reduced.outside) else None


def _reduce_wide(a: FloatArray, b: FloatArray) -> _Reduced:
    """Reduce by QR of a', of which Q lifts a solution."""
    Q = _factored(a.T)
    return _Reduced(Q.R.T, True, b.astype(np.float64, copy=False), np.zeros((0, b.shape[1])), Q.times)


def _in_range(*arrays: FloatArray) -> bool:
    largest = float(np.max([np.abs(array).max(initial=0.0) for array in arrays]))
    return largest == 0.0 or 1 / LARGE <= largest <= LARGE


def lstsq_of_rows(rows: Rows, Y: Any, cut: Callable[[tuple[int, int]], float]) -> Solution:
    """:func:`lstsq` of rows that are read by blocks, once."""
    reduced, dtypes, m = _reduce_rows(rows, Y)
    n = reduced.triangle.shape[1]
    x, residuals, rank, s = NUMPY_LSTSQ(reduced.triangle, reduced.moment, cut((m, n)))
    if m > rank == n:
        residuals = np.sum(reduced.outside**2, axis=0)
    dtype = np.result_type(*dtypes)
    return x.astype(dtype), residuals.astype(dtype), rank, s.astype(dtype)


def solve_rows(rows: Rows, Y: Any, rcond: float | None, ridge: float) -> FloatArray:
    """:func:`solve` of rows that are read by blocks, once, with a ridge too."""
    reduced, dtypes, m = _reduce_rows(rows, Y)
    n = reduced.triangle.shape[1]
    cut = Cutoff.of(dtypes[0], (m, n), rcond, ridge)
    if ridge:
        weights = by_svd.factor(reduced.triangle, ridge, cut, m < n).solve(reduced.moment)
    elif m >= n and reduced.clears(cut):
        weights = _solve_triangle(reduced)
    else:
        weights = _cut_off(reduced.triangle, reduced.moment, cut, m < n)
    return np.asarray(weights).astype(np.result_type(*dtypes), copy=False)


class _Triangle(NamedTuple):
    """[X Y] of some rows, or its R where they are more than columns; their dtypes, and their number."""

    stack: FloatArray
    dtypes: tuple[np.dtype[Any], np.dtype[Any]]
    rows: int


def _reduce_rows(rows: Rows, Y: Any) -> tuple[_Reduced, tuple[np.dtype[Any], np.dtype[Any]], int]:
    """Reduce by QR of blocks, and of their triangles in the tree of all sums; fewer rows than columns stay as they are.

    The problem, the dtypes of the rows and of the labels, and the number of rows.
    """
    columns, _, rows = rows.opened()
    found = rows.total(_triangle_of_block, _triangle_of_both, rows.labels(Y, _check.floats))
    rows.refuse_not_finite(found.stack[:, :columns])
    if not np.isfinite(found.stack).all():
        raise ValueError("Y holds NaN or infinite values: remove or impute them first")
    R = found.stack if found.rows < columns else _triangle_on_one_thread(found.stack)
    top, outside = R[:columns], R[columns:, columns:]
    reduced = _Reduced(top[:, :columns], False, top[:, columns:], outside, lambda x: x)
    if not (_in_range(reduced.triangle) and _in_range(reduced.moment, reduced.outside)):
        raise ScaleError(f"the squares of {rows.name} or Y overflow or vanish: scale them first")
    return reduced, found.dtypes, found.rows


def _triangle_of_block(block: FloatArray, labels: Any) -> _Triangle:
    Y = _check.floats(labels, "Y", finite=False)
    if Y.ndim not in (1, 2):
        raise ValueError(f"Y must have shape (m,) or (m, k), got {Y.ndim} dimensions")
    stack = np.concatenate((block, Y.reshape(len(Y), -1)), axis=1, dtype=np.float64)
    return _Triangle(reduced(stack), (block.dtype, Y.dtype), len(block))


def _triangle_of_both(a: _Triangle, b: _Triangle) -> _Triangle:
    return _Triangle(reduced_both(a.stack, b.stack), tuple(map(np.promote_types, a.dtypes, b.dtypes)), a.rows + b.rows)  # type: ignore[arg-type]


def reduced(stack: FloatArray) -> FloatArray:
    """R of rows that are as many as columns or more, with the same bits anywhere; as they are where they are fewer."""
    return stack if len(stack) < stack.shape[1] else _triangle_on_one_thread(stack)


def reduced_both(a: FloatArray, b: FloatArray) -> FloatArray:
    """The same of two of these, one below the other."""
    if not len(a) == len(b) == a.shape[1]:
        return reduced(np.concatenate((a, b)))
    with single_threaded_blas():
        return MergedReflections(a, b).R


def _triangle_on_one_thread(stack: FloatArray) -> FloatArray:
    with single_threaded_blas():
        return Reflections(stack).R


def triangle(a: Held, b: FloatArray) -> FloatArray:
    """R of [a b], in float64 whatever they are."""
    cuts = qr_cuts(*a.shape)
    if len(cuts) == 1:
        return _factor_block((a, b)).R
    with single_threaded_blas():  # whose threads take longer to merge triangles than one of them
        return _in_pairs(reduced_both, list(ordered_map(_triangle_of_rows, ((a[cut], b[cut]) for cut in cuts))))


def _triangle_of_rows(parts: Sequence[Held]) -> FloatArray:
    return _factor_block(parts).R


def _factor_block(parts: Sequence[Held]) -> Reflections:
    return Reflections(*(part if isinstance(part, np.ndarray) else part.astype(np.float64) for part in parts))


class _Pair:
    """Q and R of rows above others, where both are factored."""

    def __init__(self, above: _Factored, below: _Factored) -> None:
        self._above, self._below, self._merged = above, below, MergedReflections(above.R, below.R)
        self.R: FloatArray = self._merged.R

    def times(self, x: FloatArray) -> FloatArray:
        """Q x."""
        with single_threaded_blas():
            top, bottom = self._merged.times(x)
            return np.concatenate((self._above.times(top), self._below.times(bottom)))


_Factored = Reflections | _Pair


def _factored(a: Held) -> _Factored:
    """Q and R of long thin rows, blocks of them on threads."""
    cuts = qr_cuts(*a.shape)
    if len(cuts) == 1:
        return _factor_block((a,))
    with single_threaded_blas():
        return _in_pairs(_Pair, list(ordered_map(_factor_block, ((a[cut],) for cut in cuts))))


def _in_pairs(merge: Callable[[Any, Any], Any], parts: list[Any]) -> Any:
    """Merge neighbours until there is one."""
    while len(parts) > 1:
        last = parts[len(parts) // 2 * 2 :]
        parts = [merge(*pair) for pair in zip(parts[::2], parts[1::2], strict=False)] + last
    return parts[0]


def _solve_triangle(reduced: _Reduced) -> FloatArray:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(reduced.triangle, reduced.moment, lower=reduced.lower, check_finite=False))
