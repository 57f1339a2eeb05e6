"""The errors of all fits on the shared block."""

from w2s_fast._jit import Matrix, Vector, part
from w2s_fast.kernels.draws import Draws, fill_normals, staircase
from w2s_fast.kernels.invariants.labelled import haar_split
from w2s_fast.kernels.invariants.pseudo import TRUTH, UNIT_ACROSS, UNIT_ALONG
from w2s_fast.kernels.invariants.setting import ACROSS, ALONG, BASE, CEIL, FITS, TEACHER, Setting
from w2s_fast.kernels.small import multiply_upper, solve_lower, triangle


@part
def fill_residuals(
    outside: int, rest: float, setting: Setting, weights: Matrix, said: Matrix, residuals: Matrix
) -> int:
    """What the other fits leave of their labels, beside the teachers' columns; returns the number of axes.

    The last axis is the one that the ceiling alone knows of.
    """
    axes = setting.inside
    for i in range(axes):
        residuals[i, BASE] = -setting.spread * weights[BASE, i]
        for k in range(ALONG, FITS):
            residuals[i, k] = -weights[k, i]
    for i in range(outside):
        residuals[axes + i, BASE] = residuals[axes + i, CEIL] = said[TRUTH, i]
        residuals[axes + i, ALONG], residuals[axes + i, ACROSS] = said[UNIT_ALONG, i], said[UNIT_ACROSS, i]
    for k in range(CEIL):
        residuals[axes + outside, k] = 0.0
    residuals[axes + outside, CEIL] = -rest
    return axes + outside + 1


@part
def draw_contrasts(
    draws: Draws,
    n: float,
    N: float,
    shared: float,
    count: int,
    last: int,
    d: Matrix,
    A: Matrix,
    B: Matrix,
    T: Matrix,
    Y: Matrix,
) -> int:
    """Overwrite contrasts d with F d of the fits on labelled rows and F^-1 d of those after them, up to ``last`` (L6).

    Returns the number of coordinates that these take.
    """
    staircase(draws, n, count, T)
    staircase(draws, N - shared + count, count, Y)
    for k in range(ALONG, last):
        for i in range(count):
            value = 0.0
            for j in range(i, count):
                value += T[i, j] * d[j, k]
            d[i, k] = value
    solve_lower(Y, count, d, ALONG, last)
    solve_lower(T, count, d, TEACHER, ALONG)
    other = int(min(shared - count, float(count)))
    below = d[count:]
    if other > 0:
        staircase(draws, shared - count, count, A)
        multiply_upper(A, other, count, d, TEACHER, ALONG, below)
        haar_split(draws, n - shared + other, N, other, A, B, T)  # N may leave no digits for n
        # By the inverse transpose of A T^-1.
        for k in range(ALONG):
            for i in range(other - 1, -1, -1):
                value = 0.0
                for j in range(i + 1):
                    value += T[j, i] * below[j, k]
                below[i, k] = value
        solve_lower(A, other, below, TEACHER, ALONG)
    for i in range(other):
        for k in range(ALONG, last):
            below[i, k] = 0.0
    multiply_upper(Y, count, count, d, TEACHER, ALONG, d)
    return count + other


@part
def shared_errors(
    draws: Draws,
    n: float,
    N: float,
    shared: float,
    axes: int,
    known: int,
    last: int,
    contrast: Matrix,
    residuals: Matrix,
    normals: Vector,
    gram: Matrix,
    A: Matrix,
    B: Matrix,
    T: Matrix,
    X: Matrix,
    Y: Matrix,
) -> None:
    """Inner products of the errors of all fits on the shared block.

    With Sigma = W_n + W_N the errors are Sigma^-1/2 (q + F d) on the labelled rows, Sigma^-1/2 (q - F^-1 d) on the
    others, up to the fit ``last``, and Sigma^-1/2 q on both; q and d are normals of the covariance of the fits'
    residuals (L5). Contrasts are needed, and ``known``, on all axes but one that only fits on both single out.
    """
    for k in range(FITS):
        for m in range(FITS):
            gram[k, m] = 0.0
    if shared == 0.0:
        return
    contrasts = int(min(shared, float(known)))
    multiply_upper(contrast, contrasts, known, residuals, TEACHER, last, X)
    count = triangle(X, contrasts, last)
    seen = draw_contrasts(draws, n, N, shared, count, last, X, A, B, T, Y)
    order = triangle(residuals, axes, FITS)
    for i in range(seen):
        fill_normals(draws, order, normals)
        for k in range(FITS):
            q = 0.0
            for j in range(min(k + 1, order)):
                q += normals[j] * residuals[j, k]
            Y[i, k] = q + (X[i, k] if k < ALONG else -X[i, k] if k < last else 0.0)
    left = staircase(draws, shared - seen, order, A)
    multiply_upper(A, left, order, residuals, TEACHER, FITS, Y[seen:])
    height = triangle(Y, seen + left, FITS)
    staircase(draws, n + N - shared + height, height, A)
    solve_lower(A, height, Y, TEACHER, FITS)
    for k in range(FITS):
        for m in range(k + 1):
            value = 0.0
            for i in range(height):
                value += Y[i, k] * Y[i, m]
            gram[k, m] = gram[m, k] = value
