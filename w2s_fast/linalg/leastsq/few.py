"""Least squares of a few rows and columns, in one compiled call.

None leaves a problem to the general routes, and so every argument that is wrong, whose message these have.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._threads import ordered_map
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, EPS64, GRAM_RCOND, Cutoff, arithmetic
from w2s_fast.linalg.rows.few import MOST_COLUMNS, MOST_NUMBERS, is_few

Array = npt.NDArray[Any]
THREADED_WORK = 10**6  # multiplications of X'X over a stack: below, threads cost more than they save


def are_few(rows: int, columns: int) -> bool:
    """Whether compiled loops take problems of this shape."""
    return 0 < columns <= rows and columns <= MOST_COLUMNS and rows * columns <= MOST_NUMBERS


def min_norm(X: Any, y: Any) -> Array | None:
    """Least-squares weights (n,) of one vector of labels, without a ridge and with the default cut-off."""
    if not (is_few(X, y) and are_few(*X.shape)):
        return None
    coef = np.empty(X.shape[1], X.dtype)
    return coef if _kernels()[0](X, y, coef, GRAM_RCOND, arithmetic(X.shape), CUTOFF_MARGIN) else None


def min_norm_of_stack(cut: Cutoff, X: Array, Y: Array, coef: Array, solved: Array) -> None:
    """Do the same for each problem of stacks X (b, m, n) and Y (b, m, 1) of float64, n <= m; tell which it solved."""
    from w2s_fast.kernels.few import min_norm_of_few

    min_norm_of_few(X, Y, coef, GRAM_RCOND, cut.relative, CUTOFF_MARGIN, solved)


def lstsq(a: Any, b: Any) -> tuple[Array, Array, Any, Array] | None:
    """What :func:`numpy.linalg.lstsq` gives for one vector of labels, with the default cut-off."""
    if not (is_few(a, b) and are_few(*a.shape)):
        return None
    rows, columns = a.shape
    x, s = np.empty(columns, a.dtype), np.empty(columns, a.dtype)
    residuals = np.empty(1 if rows > columns else 0, a.dtype)
    return (x, residuals, np.intc(columns), s) if _kernels()[1](a, b, EPS64 * rows, x, s, residuals) else None


def lstsq_of_stack(A: Array, B: Array, cuts: Array, out: tuple[Array, Array, Array]) -> Array:
    """Do the same for each problem of stacks (..., m, n), (..., m, k) and (...) of cut-offs.

    Weights, residuals and singular values go to ``out``, for those problems of which (...) then says True: none, where
    they are not of few rows and columns and a vector of labels.
    """
    (m, n), k, solved = A.shape[-2:], B.shape[-1], np.zeros(cuts.shape, np.bool_)
    if k == 1 and are_few(m, n) and np.result_type(A, B).kind == "f":
        step = max(1, len(solved) // 32)
        parts = [slice(start, start + step) for start in range(0, len(solved), step)]
        solve_all = ordered_map if solved.size * m * n**2 >= THREADED_WORK else map
        found = solve_all(_lstsq_of_part, ((A[part], B[part], cuts[part]) for part in parts))
        for part, (flags, *values) in zip(parts, found, strict=True):
            solved[part] = done = flags.reshape(solved[part].shape)
            for whole, some in zip(out, values, strict=True):
                if some.size:
                    whole[part][done] = some.reshape(whole[part].shape)[done]
    return solved


def _lstsq_of_part(stacks: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Whether problems are solved, weights, residuals and singular values, one problem after the other."""
    from w2s_fast.kernels.few import lstsq_of_few

    A, B, cuts = stacks
    m, n = A.shape[-2:]
    a, b = (np.ascontiguousarray(array, np.float64).reshape(-1, m, array.shape[-1]) for array in (A, B))
    limits = np.where((cuts > 0.0) & (cuts < 1.0), cuts, EPS64 / 2).reshape(-1)  # as LAPACK takes them
    x, residuals, s = np.empty((len(a), n, 1)), np.empty((len(a), int(m > n))), np.empty((len(a), n))
    flags = np.zeros(len(a), np.bool_)
    lstsq_of_few(a, b, limits, x, residuals, s, flags)
    return flags, x, residuals, s


def in_order(X: Array, y: Array) -> tuple[Array, Array]:
    """A few numbers in order in memory, whatever their order was: the same ones have one solution, to the bit."""
    return (X.copy("C"), y.copy()) if X.size <= MOST_NUMBERS else (X, y)


@cache
def _kernels() -> tuple[Any, Any]:
    from w2s_fast.kernels import few

    return few.min_norm_few, few.lstsq_few
