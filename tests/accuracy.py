"""What rounding may do, and how good a least-squares solution is: backward error, sensitivity, correct digits."""

import math
from fractions import Fraction

import numpy as np

Extended = np.longdouble  # 11 bits more than float64, and exponents to 4,932
EXTENDED_WORK = 10**6  # multiplications of A'A: above, an extended factorisation takes seconds
SMALL_RESIDUAL = 1e-6  # of |A| |x|
STEPS = 10.0  # that a decomposition may lose beyond one product


def rounding(dtype, size):
    """What decompositions and products of matrices (m, n), ``size`` the larger of the two, lose relative to norms.

    A sum of m products is off by sqrt(m) * eps of the product of the vectors' lengths, but for a probability that
    nothing meets (Higham and Mary 2019), and stable algorithms make few of them one after the other.
    """
    return STEPS * math.sqrt(size) * float(np.finfo(dtype).eps)


def backward_error(A, b, x, svd=None):
    """Size of the smallest change of A, relative to |A|, that makes x (n,) a least-squares solution for b (m,).

    The estimate of Karlson and Waldén (1997), never off by more than a small factor (Gratton, Jiránek and
    Titley-Peloquin 2012): the part of the residual r in the range of K = [A; |r|/|x| I], divided by |x|.
    """
    A, b, x = (array.astype(Extended) for array in (A, b, x))
    norm, length = np.linalg.norm(A), np.linalg.norm(x)
    residual = b - A @ x
    misfit = np.linalg.norm(residual)
    if misfit == 0:
        return 0.0
    if length == 0:
        return math.inf if np.linalg.norm(A.T @ residual) > 0 else 0.0
    damping = misfit / length
    part = _part_in_range if A.size * min(A.shape) <= EXTENDED_WORK else _part_by_singular_values
    return float(part(A, residual, damping, svd) / (length * norm))


def _part_in_range(A, residual, damping, _svd):
    """Norm of what [residual; 0] has in the range of [A; damping I], by Householder QR in extended precision."""
    m, n = A.shape
    K = np.zeros((m + n, n + 1), Extended)
    K[:m, :n], K[m:, :n], K[:m, n] = A, damping * np.eye(n), residual
    for j in range(n):
        mirror = K[j:, j].copy()
        mirror[0] += np.copysign(np.linalg.norm(mirror), mirror[0])
        mirror /= np.linalg.norm(mirror)
        K[j:, j:] -= np.multiply.outer(2 * mirror, mirror @ K[j:, j:])
    return np.linalg.norm(K[:n, n])


def _part_by_singular_values(A, residual, damping, svd):
    """The same by the singular value decomposition of A in float64, whose rounding must not pass for the solution's.

    U'r is as good as r is small, V'(A'r) as good as A'r is small, which in all else but a small r it is.
    """
    u, s, vt = np.linalg.svd(A.astype(np.float64), full_matrices=False) if svd is None else svd
    if damping < SMALL_RESIDUAL * s[0]:
        components = s * (u.T @ residual.astype(np.float64))
    else:
        components = vt @ (A.T @ residual).astype(np.float64)
    return np.linalg.norm(components / np.hypot(s, float(damping)))


def residual_size(A, b, x):
    """|b - A x| relative to |A| |x| + |b|."""
    A, b, x = (array.astype(Extended) for array in (A, b, x))
    size = np.linalg.norm(A) * np.linalg.norm(x) + np.linalg.norm(b)
    return float(np.linalg.norm(b - A @ x) / size) if size else 0.0


def sensitivity(s, rank, misfit, length):
    """Relative change of the solution for a small relative change of A (Higham 2002, theorem 20.1), within its rank."""
    condition = s[0] / s[rank - 1]
    return condition * (2 + (condition + 1) * misfit / (s[0] * length)) if length else math.inf


def correct_digits(x, truth):
    """Digits that the worst weight has right: NIST's log relative error."""
    errors = np.abs(x - truth) / np.abs(truth)
    return float(-np.log10(np.clip(errors.max(), 1e-16, 1.0)))


def exact_least_squares(A, b):
    """Solve the normal equations of A (m, n), rank n, and b (m,) in rational arithmetic."""
    A = [[Fraction(value) for value in row] for row in A]
    b = [Fraction(value) for value in b]
    columns = [*zip(*A, strict=True), b]
    rows = [[sum(p * q for p, q in zip(left, right, strict=True)) for right in columns] for left in columns[:-1]]
    for pivot in range(len(rows)):
        rows[pivot] = [value / rows[pivot][pivot] for value in rows[pivot]]
        for other in range(len(rows)):
            if other != pivot:
                factor = rows[other][pivot]
                rows[other] = [p - factor * q for p, q in zip(rows[other], rows[pivot], strict=True)]
    return np.array([float(row[-1]) for row in rows])
