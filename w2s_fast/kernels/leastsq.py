"""Minimum-norm least squares by Gram matrices and by singular values, where its caller's policy finds either safe."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas
import scipy.linalg.cython_lapack  # noqa: F401  Numba would import both within a kernel, where Ctrl-C ends the process
from numba.np.linalg import _LAPACK

from w2s_fast._jit import Matrix, Vector, calling_kernel, kernel
from w2s_fast.kernels.small import LARGEST_SQUARE, SMALLEST_SQUARE

Stack = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DOUBLE, UPPER_BY_COLUMNS = ord("d"), ord("U")  # as LAPACK is told; by rows that triangle is the lower one
GOLDEN_RATIO = (1 + 5**0.5) / 2


if numba.config.DISABLE_JIT:

    def potrf(_kind: int, _triangle: int, _n: int, factored: Any, _ld: int) -> int:
        """LAPACK's, as compiled code calls it: overwrite a matrix with its lower factor, or return where that ends."""
        matrix = factored._arr
        try:
            matrix[:] = np.linalg.cholesky(np.asarray(matrix))
        except np.linalg.LinAlgError:
            return 1
        return 0

else:
    potrf = _LAPACK().numba_xxpotrf(numba.float64)


@calling_kernel
def factor_in_place(matrix: Matrix) -> bool:
    """Overwrite a symmetric matrix with its lower factor; False, and numbers of no meaning, where it has none.

    By what ``np.linalg.cholesky`` calls in compiled code, which there makes a copy and zeros column by column.
    """
    n = matrix.shape[0]
    if n == 0:
        return True
    definite = potrf(DOUBLE, UPPER_BY_COLUMNS, n, matrix.ctypes, n) == 0
    for i in range(n):
        matrix[i, i + 1 :] = 0.0
    return bool(definite)


@calling_kernel
def cholesky(gram: Matrix) -> tuple[Matrix, bool]:
    """Lower factor L, gram = L L', and whether ``gram`` is positive definite to working precision."""
    lower = gram.copy()
    return lower, factor_in_place(lower)


@kernel
def copy_into(out: Matrix, source: Matrix) -> None:
    """What ``out[:] = source`` does: for its messages Numba compiles functions of strings, which takes a second."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            out[i, j] = source[i, j]


@kernel
def solve_lower(lower: Matrix, vector: Vector) -> None:
    """Overwrite ``vector`` with the inverse of ``lower`` times it."""
    for i in range(vector.size):
        vector[i] = (vector[i] - np.dot(lower[i, :i], vector[:i])) / lower[i, i]


@kernel
def solve_gram(lower: Matrix, vector: Vector) -> None:
    """Overwrite ``vector`` with the inverse of L L' times it."""
    solve_lower(lower, vector)
    for i in range(vector.size - 1, -1, -1):
        vector[i] /= lower[i, i]
        weight, row = vector[i], lower[i]
        for j in range(i):
            vector[j] -= weight * row[j]


@calling_kernel
def solve_scaled(lower: Matrix, scale: Vector, vector: Vector) -> None:
    """Overwrite ``vector`` with D (L L')^-1 D times it, D = diag(scale)."""
    vector *= scale
    solve_gram(lower, vector)
    vector *= scale


@calling_kernel
def solve_columns(lower: Matrix, scale: Vector, rhs: Matrix) -> None:
    """Overwrite the columns of ``rhs`` (d, k) with D (L L')^-1 D times them."""
    columns = rhs.T.copy()
    for k in range(columns.shape[0]):
        solve_scaled(lower, scale, columns[k])
    copy_into(rhs, columns.T)


@calling_kernel
def inverse_norm(lower: Matrix, scale: Vector) -> float:
    """Estimate the 1-norm of D (L L')^-1 D from below: Hager's method as LAPACK's xLACON (Higham 2002, alg. 15.1)."""
    d = lower.shape[0]
    vector = np.empty(d)
    for i in range(d):  # all different: twin columns balance out in even weights, which are the usual start
        vector[i] = ((i + 1) * GOLDEN_RATIO % 1.0 - 0.5) * 4.0 / d
    estimate, best = 0.0, -1
    for _ in range(5):
        solve_scaled(lower, scale, vector)
        size = np.abs(vector).sum()
        if size <= estimate:
            break
        estimate = size
        gradient = np.sign(vector)
        solve_scaled(lower, scale, gradient)
        steepest = int(np.argmax(np.abs(gradient)))
        if steepest == best:
            break
        best = steepest
        vector[:] = 0.0
        vector[best] = 1.0
    alternating = np.empty(d)  # Higham's guard against cancellation in the method above
    for i in range(d):
        alternating[i] = (1.0 if i % 2 == 0 else -1.0) * (1.0 + i / max(d - 1, 1))
    solve_scaled(lower, scale, alternating)
    return max(estimate, 2.0 * np.abs(alternating).sum() / (3.0 * d))


@kernel
def largest_column_sum(matrix: Matrix) -> float:
    """The 1-norm: sums of columns go along vector registers, those of rows would wait for each addition."""
    sums = np.zeros(matrix.shape[1])
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            sums[j] += abs(matrix[i, j])
    norm = 0.0
    for j in range(sums.size):
        norm = max(norm, sums[j])
    return norm


@calling_kernel
def factor_scaled(gram: Matrix, ridge: float, lower: Matrix, scale: Vector) -> float:
    """Reciprocal condition of D (gram + ridge I) D, 0 where it has no Cholesky factor.

    Its factor goes to ``lower``, the diagonal of D to ``scale``.
    """
    d = gram.shape[0]
    scale[:] = 1.0
    if d == 0:
        return 1.0
    for i in range(d):
        square = gram[i, i] + ridge
        if not (SMALLEST_SQUARE < square < LARGEST_SQUARE):
            return 0.0
        scale[i] = 1.0 / np.sqrt(square)
    for i in range(d):
        for j in range(d):
            lower[i, j] = gram[i, j] * (scale[i] * scale[j])
        lower[i, i] = (gram[i, i] + ridge) * (scale[i] * scale[i])
    size = largest_column_sum(lower)
    if not factor_in_place(lower):
        return 0.0
    condition = size * inverse_norm(lower, np.ones(d))
    return 1.0 / condition if condition < np.inf else 0.0


@calling_kernel
def gram_fit(X: Matrix, Y: Matrix, lower: Matrix, scale: Vector, ridge: float) -> Matrix:
    """Solve by the factor of X'X + ridge (tall) or XX' + ridge (wide), refined once."""
    Xt = X.T
    if X.shape[0] >= X.shape[1]:
        coef = np.dot(Xt, Y)
        solve_columns(lower, scale, coef)
        correction = np.dot(Xt, Y - np.dot(X, coef)) - ridge * coef
        solve_columns(lower, scale, correction)
        return coef + correction
    dual = Y.copy()
    solve_columns(lower, scale, dual)
    coef = np.dot(Xt, dual)
    correction = Y - np.dot(X, coef) - ridge * dual
    solve_columns(lower, scale, correction)
    return coef + np.dot(Xt, correction)


@calling_kernel
def clears_cutoff(
    gram: Matrix, lower: Matrix, scale: Vector, gram_rcond: float, ridge: float, rcond: float, margin: float
) -> bool:
    """Whether every singular value of X is above ``rcond`` times the largest, by a margin: ridge hides small ones."""
    if rcond == 0.0 or len(scale) == 0:
        return True
    cut = rcond * rcond * np.trace(gram)
    if gram_rcond / (margin * scale.max() ** 2) - ridge > cut:  # mostly settles it, without a further estimate
        return True
    return bool(1.0 / (margin * inverse_norm(lower, scale)) - ridge > cut)


@kernel
def moderate(columns: Matrix) -> bool:
    """Whether the largest number of every column is 0, or can be squared without overflow or loss of digits."""
    for k in range(columns.shape[1]):
        largest = 0.0
        for i in range(columns.shape[0]):
            size = abs(columns[i, k])
            if size != size:
                return False
            largest = max(largest, size)
        if largest != 0.0 and not (SMALLEST_SQUARE < largest * largest < LARGEST_SQUARE):
            return False
    return True


@calling_kernel
def gram_stack(
    X: Stack, grams: Stack, Y: Stack, rcond: float, ridge: float, limit: float, margin: float, coef: Stack, safe: Flags
) -> None:
    """Solve every problem of the stacks X (b, m, n) and Y (b, m, k) for which that is safe, into ``coef`` (b, n, k).

    ``grams`` are the smaller of X'X and XX'. It is safe where the reciprocal condition of that is above the ``limit``,
    and no singular value near the cut.
    """
    d = min(X.shape[1], X.shape[2])
    lower, scale = np.empty((d, d)), np.empty(d)
    for b in range(X.shape[0]):
        gram = grams[b]
        gram_rcond = factor_scaled(gram, ridge, lower, scale)
        safe[b] = gram_rcond > limit and clears_cutoff(gram, lower, scale, gram_rcond, ridge, rcond, margin)
        safe[b] = safe[b] and moderate(Y[b])
        if safe[b]:
            copy_into(coef[b], gram_fit(X[b], Y[b], lower, scale, ridge))


@calling_kernel
def svd_stack(X: Stack, Y: Stack, relative: float, stored: float, ridge: float, coef: Stack, solved: Flags) -> None:
    """Solve every problem of a moderate scale by singular values, cut as :mod:`w2s_fast.linalg.leastsq.policy` says."""
    for b in range(X.shape[0]):
        wide = X.shape[1] < X.shape[2]
        Z = X[b].T.copy() if wide else X[b]
        solved[b] = moderate(Z.copy().reshape(-1, 1)) and moderate(Y[b])
        if not solved[b]:
            continue
        left, s, right = np.linalg.svd(Z, False)
        squares = (Z * Z).sum(axis=0)
        filters = np.zeros(s.size)
        for i in range(s.size):
            blur = stored * np.sqrt((squares * right[i] * right[i]).sum())
            if s[i] > max(relative * s[0], blur):
                filters[i] = 1.0 / (s[i] + ridge / s[i])
        if wide:
            copy_into(coef[b], np.dot(left, filters.reshape(-1, 1) * np.dot(right, Y[b])))
        else:
            copy_into(coef[b], np.dot(right.T.copy(), filters.reshape(-1, 1) * np.dot(left.T.copy(), Y[b])))
