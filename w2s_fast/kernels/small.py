"""Triangles of a few rows and columns, in place and without a library call: LAPACK takes longer to begin.

Matrices are larger than what is in them: callers say how many rows and columns count.
"""

import math

from w2s_fast._jit import Matrix, Vector, small_kernel

SMALLEST_SQUARE = 1e-200  # of the length of a column: of shorter ones products lose digits to denormal numbers,
LARGEST_SQUARE = 1e200  # and of longer ones they overflow, with labels between the roots of both


@small_kernel
def triangle(M: Matrix, rows: int, columns: int) -> int:
    """Rotate the rows until M is upper triangular (Householder), and return the number of rows that are left."""
    height = min(rows, columns)
    for j in range(height):
        below = 0.0
        for i in range(j + 1, rows):
            below += M[i, j] * M[i, j]
        if below > 0.0:
            length = math.sqrt(below + M[j, j] * M[j, j])
            if M[j, j] > 0.0:
                length = -length  # away from cancellation
            lead = M[j, j] - length
            scale = 1.0 / (length * lead)
            for k in range(j + 1, columns):
                product = lead * M[j, k]
                for i in range(j + 1, rows):
                    product += M[i, j] * M[i, k]
                product *= scale
                M[j, k] += product * lead
                for i in range(j + 1, rows):
                    M[i, k] += product * M[i, j]
            M[j, j] = length
            for i in range(j + 1, rows):
                M[i, j] = 0.0
    return height


@small_kernel
def solve_upper(R: Matrix, order: int, B: Matrix, first: int, last: int) -> None:
    """Overwrite columns ``first`` to ``last - 1`` of B with those of R^-1 B."""
    for k in range(first, last):
        for i in range(order - 1, -1, -1):
            value = B[i, k]
            for j in range(i + 1, order):
                value -= R[i, j] * B[j, k]
            B[i, k] = value / R[i, i]


@small_kernel
def solve_lower(R: Matrix, order: int, B: Matrix, first: int, last: int) -> None:
    """The same with R'^-1 B."""
    for k in range(first, last):
        for i in range(order):
            value = B[i, k]
            for j in range(i):
                value -= R[j, i] * B[j, k]
            B[i, k] = value / R[i, i]


@small_kernel
def multiply_upper(R: Matrix, rows: int, order: int, B: Matrix, first: int, last: int, out: Matrix) -> None:
    """Write columns ``first`` to ``last - 1`` of R B to ``out``; R has ``rows`` rows and ``order`` columns."""
    for i in range(rows):
        for k in range(first, last):
            value = 0.0
            for j in range(i, order):
                value += R[i, j] * B[j, k]
            out[i, k] = value


@small_kernel
def divide_by_root(Z: Matrix, rows: int, order: int, x: Vector) -> None:
    """Overwrite the first ``order`` columns of Z with Z U^-1; Z and U are upper triangular, UU' = I + xx'.

    With s_j = 1 + x_j^2 + ... + x_last^2, U_jj = sqrt(s_j / s_j+1), and U_ij = x_i x_j / sqrt(s_j s_j+1) above it.
    """
    for j in range(order):
        rest = 1.0
        for k in range(j + 1, order):
            rest += x[k] * x[k]
        whole = rest + x[j] * x[j]
        pivot, share = math.sqrt(rest / whole), x[j] / math.sqrt(rest * whole)
        for i in range(min(rows, j + 1)):
            carried = 0.0  # by the columns before this one
            for k in range(i, j):
                carried += Z[i, k] * x[k]
            Z[i, j] = (Z[i, j] - carried * share) * pivot


@small_kernel
def multiply_by_root(x: Vector, order: int, y: Vector, out: Vector) -> None:
    """Write U y to ``out``, U as above."""
    for i in range(order):
        out[i] = 0.0
    rest = 1.0
    for j in range(order - 1, -1, -1):
        whole = rest + x[j] * x[j]
        out[j] += math.sqrt(whole / rest) * y[j]
        for i in range(j):
            out[i] += x[i] * x[j] / math.sqrt(rest * whole) * y[j]
        rest = whole


@small_kernel
def inner(a: Vector, b: Vector, size: int) -> float:
    total = 0.0
    for i in range(size):
        total += a[i] * b[i]
    return total
