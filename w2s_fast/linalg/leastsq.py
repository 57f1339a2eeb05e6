"""Least squares: NumPy's ``lstsq`` for single problems and stacks, and the fastest safe minimum-norm solution."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map

Matrix = npt.NDArray[np.float64]
THREADED_WORK = 10**7  # rows x columns^2 in all: below, starting threads costs more than it saves


def _problem(a: Any, b: Any, names: tuple[str, str]) -> tuple[FloatArray, FloatArray, bool]:
    """Check (..., m, n) and (..., m[, k]); return both with a column axis, and whether the labels were vectors."""
    X, Y = _check.floats(a, names[0]), _check.floats(b, names[1])
    if X.ndim < 2:
        raise ValueError(f"{names[0]} must have at least 2 dimensions (..., m, n), got shape {X.shape}")
    vector = Y.ndim == X.ndim - 1
    if vector:
        Y = Y[..., None]
    if Y.shape[:-1] != X.shape[:-1]:
        raise ValueError(
            f"{names[1]} must have shape (..., m) or (..., m, k) to go with {names[0]} of shape {X.shape}, "
            f"got {np.shape(b)}"
        )
    return X, Y, vector


def _stacked(array: FloatArray) -> Matrix:
    """C-contiguous float64 (problems, rows, columns)."""
    problems = int(np.prod(array.shape[:-2]))
    return np.ascontiguousarray(array, dtype=np.float64).reshape(problems, *array.shape[-2:])


def _svd_solve(X: Matrix, Y: Matrix, rcond: float, ridge: float) -> Matrix:
    """Minimum-norm solutions (b, n, k) of the stacks X (b, m, n) and Y (b, m, k), cut at ``rcond``."""
    if X.shape[1] > X.shape[2]:  # the SVD of a triangle costs less than that of a tall matrix
        Q, X = np.linalg.qr(X)
        Y = Q.mT @ Y
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    keep = s > rcond * s[:, :1]
    kept = np.where(keep, s, 1.0)
    filters = np.where(keep, 1.0 / (kept + ridge / kept), 0.0)  # s / (s^2 + ridge) without overflow
    return vt.mT @ (filters[..., None] * (u.mT @ Y))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[FloatArray, FloatArray, Any, FloatArray]:
    """Least-squares solution of minimal norm by the SVD: :func:`numpy.linalg.lstsq`, for stacks too.

    Parameters
    ----------
    a : (..., m, n) array_like
    b : (..., m) or (..., m, k) array_like
        Labels; a vector a problem where it has one dimension fewer than ``a``.
    rcond : float, optional
        Singular values below ``rcond`` times the largest count as zero: eps * max(m, n) by default, eps for -1.

    Returns
    -------
    x : (..., n) or (..., n, k) ndarray
    residuals : (..., k) ndarray
        Sums of squared residuals; empty, as NumPy's, unless m > n and every problem has rank n.
    rank : int, or (...) ndarray of int for a stack
    s : (..., min(m, n)) ndarray
        Singular values of ``a``, falling.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, NaN or infinity, complex numbers or objects.

    Examples
    --------
    >>> from w2s_fast import lstsq
    >>> x, residuals, rank, s = lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> x.round(12), int(rank)
    (array([1., 2.]), 2)
    """
    X, Y, vector = _problem(a, b, ("a", "b"))
    m, n = X.shape[-2:]
    dtype = np.result_type(X, Y)
    eps = float(np.finfo(dtype).eps)
    cut = eps * max(m, n) if rcond is None else eps if rcond == -1 else _check.cutoff(rcond)
    if X.ndim == 2:
        return np.linalg.lstsq(X, Y[:, 0] if vector else Y, cut)  # one problem is what NumPy's driver is made for
    lead, k = X.shape[:-2], Y.shape[-1]
    problems = int(np.prod(lead))
    A, B = X.reshape(problems, m, n), Y.reshape(problems, m, k)

    def solve(problem: int) -> tuple[FloatArray, FloatArray, Any, FloatArray]:
        return np.linalg.lstsq(A[problem], B[problem], cut)

    solve_all = ordered_map if _worth_threads(problems, m, n) else map
    coef, residuals = np.zeros((problems, n, k), dtype), np.zeros((problems, k), dtype)
    ranks, singular_values = np.zeros(problems, np.int64), np.zeros((problems, min(m, n)), dtype)
    for problem, (x, squares, rank, s) in enumerate(solve_all(solve, range(problems))):
        coef[problem], ranks[problem], singular_values[problem] = x, rank, s
        residuals[problem] = squares if squares.size else np.nan
    full = m > n and bool(np.all(ranks == n))
    residuals = residuals.reshape(*lead, k) if full else np.zeros((0,), dtype)
    solution = coef.reshape(*lead, n) if vector else coef.reshape(*lead, n, k)
    return solution, residuals, ranks.reshape(lead), singular_values.reshape(*lead, min(m, n))


def min_norm(X: Any, Y: Any, *, rcond: float | None = None, ridge: float = 0.0) -> FloatArray:
    """Minimum-norm least-squares weights, ridgeless or ridge, by the fastest route that is safe.

    Minimises ``|X w - Y|^2 + ridge |w|^2``; of all minimisers, the shortest. Well-conditioned problems go by the
    smaller Gram matrix with one step of refinement, all others by the SVD (:mod:`w2s_fast.kernels.leastsq` states
    the rule).

    Parameters
    ----------
    X : (..., m, n) array_like
        Features, any m and n, any rank. Computed in float64; float32 in gives float32 out.
    Y : (..., m) or (..., m, k) array_like
    rcond : float, optional
        Singular values below ``rcond`` times the largest count as zero: eps * max(m, n) by default, eps that of the
        input's precision; 0 with ridge.
    ridge : float
        Absolute, as scikit-learn's ``Ridge(alpha)``.

    Returns
    -------
    (..., n) or (..., n, k) ndarray

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, NaN or infinity, a negative ridge, rcond outside [0, 1).

    Examples
    --------
    >>> from w2s_fast import min_norm
    >>> min_norm([[1.0, 1.0]], [2.0])  # one row, two unknowns: the shortest solution
    array([1., 1.])
    """
    from w2s_fast.kernels.leastsq import gram_stack

    features, labels, vector = _problem(X, Y, ("X", "Y"))
    m, n = features.shape[-2:]
    dtype = np.result_type(features, labels)
    ridge = _check.real(ridge, "ridge")
    default = 0.0 if ridge else float(np.finfo(dtype).eps) * max(m, n)
    cut = default if rcond is None else _check.cutoff(rcond)
    A, B = _stacked(features), _stacked(labels)
    coef, safe = np.zeros((len(A), n, B.shape[2])), np.zeros(len(A), np.bool_)
    if min(m, n):
        _map_problems(gram_stack, A, B, cut, ridge, coef, safe)
        if not safe.all():
            coef[~safe] = _svd_solve(A[~safe], B[~safe], cut, ridge)
    right = () if vector else (B.shape[2],)
    return coef.reshape(*features.shape[:-2], n, *right).astype(dtype, copy=False)


def _map_problems(kernel: Any, X: Matrix, *arguments: Any) -> None:
    """Run a stack kernel over slices of its stacks: on threads where there is work for them, else at once."""
    problems, m, n = X.shape

    def run(part: slice) -> None:
        kernel(X[part], *(a[part] if isinstance(a, np.ndarray) else a for a in arguments))

    if not _worth_threads(problems, m, n):
        run(slice(None))
        return
    step = max(1, problems // 32)
    for _ in ordered_map(run, (slice(start, start + step) for start in range(0, problems, step))):
        pass


def _worth_threads(problems: int, m: int, n: int) -> bool:
    return problems >= 4 and problems * max(m, n) * min(m, n) ** 2 >= THREADED_WORK
