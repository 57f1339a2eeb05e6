"""NumPy's ``lstsq`` in full, for stacks of problems too, long ones on threads."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import Home
from w2s_fast._threads import ordered_map
from w2s_fast._types import ArrayLike, Tensor
from w2s_fast._workers import Workers
from w2s_fast.linalg.leastsq import by_qr, by_squares, few
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.sources import elsewhere

Array = npt.NDArray[Any]  # real or complex
Solution = tuple[Array, Array, Any, Array]  # x, residuals, rank, singular values
CALL_WORK = 10**6  # multiplications of a'a: below, Python's part in a call is too large for threads to share


@overload
def lstsq(a: Array, b: ArrayLike, rcond: npt.ArrayLike | None = None) -> Solution: ...


@overload
def lstsq(a: Tensor, b: ArrayLike, rcond: npt.ArrayLike | None = None) -> tuple[Tensor, Tensor, Any, Tensor]: ...


@overload
def lstsq(a: ArrayLike, b: ArrayLike, rcond: npt.ArrayLike | None = None) -> tuple[Any, Any, Any, Any]: ...


def lstsq(a: Any, b: Any, rcond: Any = None, *, workers: Workers = None) -> Any:
    """Least-squares solution of minimal norm: :func:`numpy.linalg.lstsq`, for stacks too.

    As there, float32 is worked on in float64 and cut at the precision of that. Problems of 1.5 rows a column or more,
    or columns a row, and of a condition below 1,000 go by the smaller Gram matrix, all others by the SVD.

    Parameters
    ----------
    a : (..., m, n) array_like
        Real or complex. Rows that are read by blocks, Dask arrays, and files (a path or a list of paths) are read once
        and factored where they are.
    b : (m,), (..., m) or (..., m, k) array_like
        Labels. A vector (m,) goes with every problem; with one dimension fewer than ``a`` they are a vector a problem
        if their shape says so, else a matrix (m, k) for every problem.
    rcond : float or (...) array_like, optional
        Singular values up to ``rcond`` times the largest count as zero: eps * max(m, n) by default, with the eps of
        float64. Anything up to 0 or from 1 stands for eps / 2, LAPACK's machine precision.
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Returns
    -------
    x : (..., n) or (..., n, k) ndarray
        The leading dimensions of ``a``, ``b`` and ``rcond`` are broadcast against one another.
    residuals : (..., k) ndarray
        Sums of squared residuals. They have shape (0,) unless m > n, as NumPy's, and of a single problem unless its
        rank is n; in a stack problems of lower rank have NaN.
    rank : int, or (...) ndarray of int for a stack
    s : (..., min(m, n)) ndarray
        Singular values of ``a``, falling: to rounding of the largest, or, of a Gram matrix, to ten digits of each.

    Raises
    ------
    LinAlgError
        Shapes that do not fit, NaN or infinity in ``a``. It is a ValueError.
    ValueError
        NaN or infinity in ``b``, NaN in ``rcond``, masked values.
    TypeError
        Objects, text, numbers beyond double precision.

    Examples
    --------
    >>> from w2s_fast import lstsq
    >>> x, residuals, rank, s = lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> x.round(12), int(rank)
    (array([1., 2.]), 2)
    """
    if rcond is None and (found := few.lstsq(a, b)) is not None:
        return found
    if (rows := elsewhere(a, "a", workers)) is not None:
        return _of_rows(rows, b, rcond)
    A, labels = _array(a, "a"), _array(b, "b")
    B, vector = _columns(A, labels)
    _check_finite(A, labels)
    cut = _cutoff(rcond, max(A.shape[-2:]))
    single = A.ndim == B.ndim == 2 and cut.ndim == 0
    solved = few.lstsq(*few.in_order(A, labels)) if single and rcond is None else None
    if solved is None:
        x, residuals, rank, s = _solve((A, B, float(cut))) if single else _stack(A, B, cut)
        solved = x[..., 0] if vector else x, residuals, rank, s
    x, residuals, rank, s = solved
    if single and isinstance(b, np.ndarray) and type(b) is not np.ndarray:  # np.matrix in, np.matrix out
        x, residuals = b.__array_wrap__(x), b.__array_wrap__(residuals)
    return Home.of(a, b).give((x, residuals, rank, s))


def _of_rows(rows: Rows, b: Any, rcond: Any) -> Solution:
    labels = rows.labels(b, _check.floats)
    try:
        x, *others = by_qr.lstsq_of_rows(rows, labels, lambda shape: float(_cutoff(rcond, max(shape))))
    except ValueError as error:
        raise np.linalg.LinAlgError(str(error)) from None
    return x[:, 0] if np.ndim(labels) == 1 else x, *others


def _array(value: Any, name: str) -> Array:
    """View ``value`` as float32, float64, complex64 or complex128."""
    array = _check.numbers(value, name, kinds="fiubc")
    if array.dtype.type in (np.longdouble, np.clongdouble):
        raise TypeError(f"{name} must be of double precision at most, got dtype {array.dtype}: cast it with astype()")
    if array.dtype.kind != "c":
        return _check.floats(array, name, finite=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _columns(a: Array, b: Array) -> tuple[Array, bool]:
    """Labels (..., m, k), and whether they came as vectors."""
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"a must have at least 2 dimensions (..., m, n), got shape {a.shape}")
    m = a.shape[-2]
    fewer = b.ndim == a.ndim - 1
    vector = b.ndim == 1 or (fewer and (b.shape == a.shape[:-1] or b.shape[-2] != m))
    columns = b[..., None] if vector else b
    if columns.ndim < 2 or columns.shape[-2] != m:
        raise _misfit(a.shape, b.shape)
    return columns, vector


def _misfit(features: tuple[int, ...], labels: tuple[int, ...]) -> np.linalg.LinAlgError:
    return np.linalg.LinAlgError(
        f"Incompatible dimensions: b must have shape (m,), (..., m) or (..., m, k) to go with a of shape {features}, "
        f"got {labels}"
    )


def _check_finite(a: Array, b: Array) -> None:
    try:
        _check.all_finite(a, "a")
    except ValueError as error:  # NumPy's class, where its SVD does not converge
        raise np.linalg.LinAlgError(str(error)) from None
    _check.all_finite(b, "b")


def _cutoff(rcond: Any, largest_side: int) -> npt.NDArray[np.float64]:
    if rcond is None:
        return np.asarray(np.finfo(np.float64).eps * largest_side)
    plain = float(rcond) if isinstance(rcond, int) else rcond  # NumPy makes objects of integers beyond 64 bits
    cut = _check.numbers(plain, "rcond").astype(np.float64)
    if np.isnan(cut).any():
        raise ValueError(f"rcond must be a number or an array of them, got {rcond!r}")
    return cut


def _stack(a: Array, b: Array, cut: npt.NDArray[np.float64]) -> Solution:
    """Solve each problem of stacks (..., m, n) and (..., m, k), cut at (...)."""
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], cut.shape)
    except ValueError:
        raise _misfit(a.shape, b.shape) from None
    (m, n), k = a.shape[-2:], b.shape[-1]
    A, B, cuts = np.broadcast_to(a, (*lead, m, n)), np.broadcast_to(b, (*lead, m, k)), np.broadcast_to(cut, lead)

    dtype = np.result_type(a, b)
    real = np.finfo(dtype).dtype
    x, s = np.zeros((*lead, n, k), dtype), np.zeros((*lead, min(m, n)), real)
    residuals, rank = np.full((*lead, k), np.nan, real), np.zeros(lead, np.intc)
    solved = few.lstsq_of_stack(A, B, cuts, (x, residuals, s))
    rank[solved] = n
    places = list(zip(*np.nonzero(~solved), strict=True))
    problems = ((A[place], B[place], float(cuts[place])) for place in places)
    solve_all = ordered_map if len(places) > 1 and m * n * min(m, n) >= CALL_WORK else map
    for place, (weights, squares, rank[place], s[place]) in zip(places, solve_all(_solve, problems), strict=True):
        x[place] = weights
        if squares.shape == (k,):
            residuals[place] = squares
    return x, residuals if m > n else np.zeros(0, real), rank, s


def _solve(problem: tuple[Array, Array, float]) -> Solution:
    return by_squares.lstsq(*problem) or by_qr.lstsq(*problem)
