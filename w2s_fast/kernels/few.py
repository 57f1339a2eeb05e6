"""A few rows and columns in one call each, without a library's: what BLAS and LAPACK take to begin is longer.

All arithmetic is float64, whatever numbers come.
"""

import math

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast._jit import Matrix, Vector, inlined, kernel, small_kernel
from w2s_fast.kernels.moments import two_sum
from w2s_fast.kernels.small import LARGEST_SQUARE, SMALLEST_SQUARE, solve_upper, triangle

Stack = npt.NDArray[np.float64]
MOST_SWEEPS = 40  # of Jacobi's method, which takes 4 to 8
EPS = 2.0**-52
NEAR = 10.0  # times EPS, the root of the columns and the largest: more than singular values err by


@inlined
def in_range(square: float) -> bool:
    """Whether a sum of squares has lost no digit to denormal numbers and none to overflow; NaN has."""
    return SMALLEST_SQUARE < square < LARGEST_SQUARE


@kernel
def min_norm_few(X: FloatArray, y: FloatArray, coef: FloatArray, limit: float, cut: float, margin: float) -> bool:
    """Write least-squares weights of X (m, n), n <= m, to ``coef`` (n,), by X'X, refined once.

    Where :mod:`w2s_fast.linalg.leastsq.policy` does not find that safe (its ``limit`` of the reciprocal condition, here
    computed, not estimated, and the relative ``cut``, cleared by the ``margin``), return False.
    """
    rows, columns = X.shape
    gram, moment, labels, are_zero = np.zeros((columns, columns)), np.zeros(columns), 0.0, True
    for i in range(rows):
        label = np.float64(y[i])
        labels += label * label
        are_zero &= label == 0.0
        for j in range(columns):
            x = np.float64(X[i, j])
            moment[j] += x * label
            for k in range(j + 1):
                gram[j, k] += x * X[i, k]
    if not (are_zero or in_range(labels)):
        return False
    scale, trace, largest = np.empty(columns), 0.0, 0.0
    for j in range(columns):
        if not in_range(gram[j, j]):
            return False
        scale[j] = 1.0 / math.sqrt(gram[j, j])
        trace += gram[j, j]
        largest = max(largest, scale[j])
    for j in range(columns):
        for k in range(j):
            gram[j, k] *= scale[j] * scale[k]
        gram[j, j] = 1.0
    norm = norm_of_lower(gram)
    inverse = np.empty((columns, columns))
    if not invert_definite(gram, inverse):
        return False
    rcond = 1.0 / (norm * norm_of_lower(inverse))
    if not (rcond > limit and rcond > margin * largest * largest * cut * cut * trace):
        return False
    solved = np.zeros(columns)
    add_solution(inverse, scale, moment, solved)
    moment[:] = 0.0
    for i in range(rows):
        left = np.float64(y[i])
        for j in range(columns):
            left -= X[i, j] * solved[j]
        for j in range(columns):
            moment[j] += X[i, j] * left
    add_solution(inverse, scale, moment, solved)
    for j in range(columns):
        coef[j] = solved[j]
    return True


@kernel
def min_norm_of_few(
    X: Stack, Y: Stack, coef: Stack, limit: float, cut: float, margin: float, solved: npt.NDArray[np.bool_]
) -> None:
    """Do the same for each problem of the stacks X (b, m, n) and Y (b, m, 1), into ``coef`` (b, n, 1)."""
    for b in range(X.shape[0]):
        solved[b] = min_norm_few(X[b], Y[b, :, 0], coef[b, :, 0], limit, cut, margin)


@inlined
def norm_of_lower(lower: Matrix) -> float:
    """Largest column sum of magnitudes of a symmetric matrix, of which the lower half is there."""
    norm = 0.0
    for j in range(lower.shape[0]):
        total = 0.0
        for k in range(j + 1):
            total += abs(lower[j, k])
        for i in range(j + 1, lower.shape[0]):
            total += abs(lower[i, j])
        norm = max(norm, total)
    return norm


@inlined
def invert_definite(A: Matrix, inverse: Matrix) -> bool:
    """Write the lower half of A^-1, by A = LL', whose L^-1 replaces that of A; False where A is not definite."""
    order = A.shape[0]
    for j in range(order):
        pivot = A[j, j]
        for k in range(j):
            pivot -= A[j, k] * A[j, k]
        if not pivot > 0.0:
            return False
        A[j, j] = 1.0 / math.sqrt(pivot)
        for i in range(j + 1, order):
            value = A[i, j]
            for k in range(j):
                value -= A[i, k] * A[j, k]
            A[i, j] = value * A[j, j]
    for j in range(order):  # L^-1, column by column: its diagonal is there
        for i in range(j + 1, order):
            value = 0.0
            for k in range(j, i):
                value += A[i, k] * A[k, j]
            A[i, j] = -value * A[i, i]
    for j in range(order):
        for k in range(j + 1):
            value = 0.0
            for i in range(j, order):
                value += A[i, j] * A[i, k]
            inverse[j, k] = value
    return True


@inlined
def add_solution(inverse: Matrix, scale: Vector, moment: Vector, solution: Vector) -> None:
    """Add D A^-1 D times the moment, of A^-1 whose lower half is there."""
    for j in range(scale.size):
        total = 0.0
        for k in range(j + 1):
            total += inverse[j, k] * (scale[k] * moment[k])
        for k in range(j + 1, scale.size):
            total += inverse[k, j] * (scale[k] * moment[k])
        solution[j] += scale[j] * total


@kernel
def lstsq_few(a: FloatArray, b: FloatArray, cut: float, x: FloatArray, s: FloatArray, residuals: FloatArray) -> bool:
    """Solve as LAPACK does, for a (m, n), n <= m, with each singular value surely above ``cut`` times the first.

    Elsewhere, and at scales whose squares overflow or vanish, return False. ``residuals`` has room for one, or none.
    """
    rows, columns = a.shape
    M, squares, labels, are_zero = np.empty((rows, columns + 1)), 0.0, 0.0, True
    for i in range(rows):
        for j in range(columns):
            M[i, j] = a[i, j]
            squares += M[i, j] * M[i, j]
        M[i, columns] = b[i]
        labels += M[i, columns] * M[i, columns]
        are_zero &= M[i, columns] == 0.0
    if not (in_range(squares) and (are_zero or in_range(labels))):
        return False
    triangle(M, rows, columns + 1)
    for j in range(columns):
        if M[j, j] == 0.0:
            return False
    if residuals.size:
        residuals[0] = M[columns, columns] * M[columns, columns] if rows > columns else 0.0
    solve_upper(M, columns, M, columns, columns + 1)
    for j in range(columns):
        x[j] = M[j, columns]
    if not singular_values(M, columns):
        return False
    first, last = M[0, columns], M[columns - 1, columns]
    for j in range(columns):
        s[j] = M[j, columns]
    return last > (cut + NEAR * EPS * math.sqrt(columns)) * first


@kernel
def lstsq_of_few(
    A: Stack, B: Stack, cuts: Vector, x: Stack, residuals: Matrix, s: Matrix, solved: npt.NDArray[np.bool_]
) -> None:
    """Do the same for each problem of the stacks A (b, m, n) and B (b, m, 1), into x (b, n, 1) and the others' rows."""
    for b in range(A.shape[0]):
        solved[b] = lstsq_few(A[b], B[b, :, 0], cuts[b], x[b, :, 0], s[b], residuals[b])


@inlined
def singular_values(M: Matrix, order: int) -> bool:
    """Write those of the first rows and columns, falling, to the column behind them; False where they do not settle.

    One-sided Jacobi (Demmel and Veselic 1992) of the rows, which those of a triangle from QR leave the least to do.
    """
    for _ in range(MOST_SWEEPS):
        turned = False
        for p in range(order - 1):
            for q in range(p + 1, order):
                above, below, across = 0.0, 0.0, 0.0
                for k in range(order):
                    above += M[p, k] * M[p, k]
                    below += M[q, k] * M[q, k]
                    across += M[p, k] * M[q, k]
                if abs(across) > EPS * math.sqrt(above) * math.sqrt(below):
                    turned = True
                    slope = (below - above) / (2.0 * across)
                    tangent = math.copysign(1.0, slope) / (abs(slope) + math.sqrt(1.0 + slope * slope))
                    cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
                    sine = cosine * tangent
                    for k in range(order):
                        u, v = M[p, k], M[q, k]
                        M[p, k] = cosine * u - sine * v
                        M[q, k] = sine * u + cosine * v
        if not turned:
            break
    else:
        return False
    for p in range(order):
        square = 0.0
        for k in range(order):
            square += M[p, k] * M[p, k]
        value, place = math.sqrt(square), p
        while place > 0 and M[place - 1, order] < value:
            M[place, order] = M[place - 1, order]
            place -= 1
        M[place, order] = value
    return True


@kernel
def add_gram_few(X: FloatArray, y: FloatArray, before: Matrix, peak: Vector, after: Matrix, its_peak: Vector) -> bool:
    """Write [X y]'[X y] plus what was ``before`` to ``after``, and the larger diagonals to ``its_peak``.

    Return False where squares may overflow or vanish, as those of columns of zeros may.
    """
    columns = X.shape[1]
    width = columns + 1
    sums = np.zeros((width, width))
    for i in range(X.shape[0]):
        label = np.float64(y[i])
        for j in range(columns):
            x = np.float64(X[i, j])
            for k in range(j + 1):
                sums[j, k] += x * X[i, k]
            sums[columns, j] += x * label
        sums[columns, columns] += label * label
    for j in range(width):
        total = before[j, j] + sums[j, j]
        if not (in_range(sums[j, j]) and in_range(total)):
            return False
        its_peak[j] = max(peak[j], total)
        after[j, j] = total
        for k in range(j):
            after[j, k] = before[j, k] + sums[j, k]
            after[k, j] = after[j, k]
    return True


@small_kernel
def centre_few(X: FloatArray, deviations: Matrix, middle: Matrix) -> bool:
    """Write the mean of each of several columns, and the mean of the deviations from it, to ``middle`` (2, n).

    Sums run down the rows, as NumPy's do. Return False where squares of deviations overflow; NaN's do.
    """
    rows, columns = X.shape
    squares = 0.0
    for j in range(columns):
        total = np.float64(X[0, j])
        for i in range(1, rows):
            total += X[i, j]
        center = total / rows
        drift = X[0, j] - center
        deviations[0, j] = drift
        squares += drift * drift
        for i in range(1, rows):
            deviation = X[i, j] - center
            deviations[i, j] = deviation
            squares += deviation * deviation
            drift += deviation
        middle[0, j], middle[1, j] = center, drift / rows
    return squares < LARGEST_SQUARE


@small_kernel
def merge_scatter_few(
    X: FloatArray,
    deviations: Matrix,
    middle: Matrix,
    product: Matrix,
    count: float,
    mean: Matrix,
    scatter: Matrix,
    least: float,
) -> bool:
    """Make a scatter of the product of deviations, as :func:`centre_few` has them, and merge it.

    The mean (2, n), a sum of two numbers, and the scatter (n, n) of rows of weight ``count`` go to ``middle`` and
    ``product`` with the new rows; what they hold where there are none is not looked at. Deviations give way. Return
    False where a square is below the ``least`` though its column is not all of one number, or not finite.
    """
    rows, columns = X.shape
    share = rows / (count + rows)
    for j in range(columns):
        for k in range(columns):
            product[j, k] -= rows * (middle[1, j] * middle[1, k])
    for j in range(columns):
        its_mean, its_rest = two_sum(middle[0, j], middle[1, j])
        if not product[j, j] >= least:
            for i in range(rows):
                if X[i, j] != its_mean:
                    return False
        if count > 0.0:
            apart, rest = two_sum(its_mean, -mean[0, j])
            delta = apart + (rest + (its_rest - mean[1, j]))
            moved, left = two_sum(mean[0, j], delta * share)
            its_mean, its_rest = two_sum(moved, left + mean[1, j])
            deviations[0, j] = delta
        middle[0, j], middle[1, j] = its_mean, its_rest
    are_finite = True
    for j in range(columns):
        for k in range(columns):
            if count > 0.0:
                moved = deviations[0, j] * (deviations[0, k] * (count * share))
                product[j, k] = (scatter[j, k] + product[j, k]) + moved
        are_finite &= product[j, j] < np.inf
    return are_finite
