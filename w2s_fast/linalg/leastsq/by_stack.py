"""Least squares of stacks of small problems, by compiled loops over slices of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.leastsq import few
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, GRAM_RCOND, Cutoff
from w2s_fast.linalg.rows.products import serial_blas
from w2s_fast.linalg.rows.scale import scaled_back

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
StackPart = tuple[Flags | None, FloatArray, FloatArray, FloatArray, Flags]  # unsolved (None: all), A, B, coef, solved
LEAST_STACK = 4  # problems: for fewer, threads and code compiled for stacks alone cost more than they save
THREADED_WORK = 10**7  # multiplications of X'X over a stack: below, threads cost more than they save
SVD_CALL, SVD_WORK = 10_000, 20  # multiplications that a decomposition takes as long as, beside those of X'X


def solve(A: FloatArray, B: FloatArray, ridge: float, cut: Cutoff, coef: FloatArray, by_values: bool) -> list[int]:
    """Solve what compiled loops over slices of the stacks can; return the other problems.

    Gram matrices first; with ``by_values``, what is deficient or ill-conditioned by singular values, if that is more
    than a few.
    """
    if 0 in A.shape[1:]:
        return []
    solved, work = np.zeros(len(A), np.bool_), gram_work(A.shape[1], A.shape[2])
    by_gram = partial(few.min_norm_of_stack, cut) if _are_few(A, B, ridge) else partial(_by_gram_matrices, ridge, cut)
    _over_stack(by_gram, work, A, B, coef, solved)
    if by_values and np.count_nonzero(~solved) >= LEAST_STACK:
        _over_stack(partial(_by_singular_values, ridge, cut), SVD_CALL + SVD_WORK * work, A, B, coef, solved)
    return np.flatnonzero(~solved).tolist()


def _are_few(A: FloatArray, B: FloatArray, ridge: float) -> bool:
    """Whether a problem is one of a few rows and columns and a vector of labels, as alone."""
    return ridge == 0.0 and B.shape[2] == 1 and few.are_few(*A.shape[1:])


def _by_gram_matrices(ridge: float, cut: Cutoff, X: Matrix, Y: Matrix, solution: Matrix, done: Flags) -> None:
    from w2s_fast.kernels.leastsq import gram_stack

    Xt = X.transpose(0, 2, 1)
    # NumPy makes these by half the multiplications, which it takes for granted where a matrix meets its own transpose.
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not safe
        grams = np.matmul(Xt, X) if X.shape[1] >= X.shape[2] else np.matmul(X, Xt)
    gram_stack(X, grams, Y, cut.relative, ridge, GRAM_RCOND, CUTOFF_MARGIN, solution, done)


def _by_singular_values(ridge: float, cut: Cutoff, X: Matrix, Y: Matrix, solution: Matrix, done: Flags) -> None:
    from w2s_fast.kernels.leastsq import svd_stack

    svd_stack(X, Y, *cut.of_values(X.shape, ridge), ridge, solution, done)


def _over_stack(
    solve: Callable[[Matrix, Matrix, Matrix, Flags], None],
    work: int,
    A: FloatArray,
    B: FloatArray,
    coef: FloatArray,
    solved: Flags,
) -> None:
    """Let ``solve``, of so much ``work`` a problem, solve the others in float64, slice after slice of the stacks."""
    problems, left = len(A), len(A) - int(np.count_nonzero(solved))
    run = partial(_run_part, solve)

    def parts(step: int) -> Iterator[StackPart]:
        for start in range(0, problems, step):
            part = slice(start, start + step)
            yield None if left == problems else ~solved[part], A[part], B[part], coef[part], solved[part]

    if left >= LEAST_STACK and left * work >= THREADED_WORK:
        for _ in ordered_map(run, parts(max(1, problems // 32))):
            pass
    else:
        with serial_blas(work):
            for part in parts(max(1, problems)):
                run(part)


def _run_part(solve: Callable[[Matrix, Matrix, Matrix, Flags], None], stack: StackPart) -> None:
    """Solve the problems of a part of the stacks that are left, and fill in their weights and that they are solved."""
    left, A, B, coef, solved = stack
    todo = slice(None) if left is None else np.flatnonzero(left)
    X, Y = (np.ascontiguousarray(array[todo], np.float64) for array in (A, B))
    solution, done = np.zeros((len(X), *coef.shape[1:])), np.zeros(len(X), np.bool_)
    solve(X, Y, solution, done)
    coef[todo], solved[todo] = scaled_back(solution, 0, coef.dtype, "the weights"), done


def gram_work(m: int, n: int) -> int:
    """Multiplications of the smaller Gram matrix."""
    return max(m, n) * min(m, n) ** 2
