"""Factors of Gram matrices and their solutions, as the kernels write them into arrays made here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast.linalg.leastsq.lapack import call

Matrix = npt.NDArray[np.float64]
MANY = 4  # columns that LAPACK solves sooner at once than one by one


def factor_gram(gram: Matrix, ridge: float) -> tuple[Matrix, Matrix, float]:
    """Cholesky factor of D (gram + ridge I) D, the diagonal of D, and the reciprocal condition: 0 without a factor."""
    from w2s_fast.kernels.leastsq import factor_scaled

    matrix = np.require(gram, np.float64, ["C", "W"])  # of one type, whatever view it comes as: each is compiled anew
    lower, scale = np.empty(matrix.shape), np.empty(len(matrix))
    return lower, scale, factor_scaled(matrix, ridge, lower, scale)


def cholesky_solve(lower: Matrix, scale: Matrix, rhs: npt.NDArray[np.floating]) -> Matrix:
    """D (L L')^-1 D times the columns of ``rhs`` (d, k), D = diag(scale)."""
    if rhs.shape[1] >= MANY:
        many, rows = np.multiply(rhs, scale[:, None], order="F"), max(len(lower), 1)
        call("dpotrs", b"U", *many.shape, lower, rows, many, rows)  # the rows of L are columns to LAPACK
        many *= scale[:, None]
        return many
    from w2s_fast.kernels.leastsq import solve_columns

    solution = np.array(rhs, np.float64, order="C")
    solve_columns(lower, scale, solution)
    return solution
