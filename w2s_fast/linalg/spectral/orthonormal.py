"""Orthonormal bases of a few columns, by products where that is safe and by Householder reflections elsewhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.policy import GRAM_RESOLVES
from w2s_fast.linalg.rows.products import SERIAL_SIZE, Matrix, cross, gram, times

LEFT_OUTSIDE = 0.25  # of a unit vector's square by a second projection, or the first one left mere rounding of it
ROUNDS = 2  # of Cholesky QR
NEARLY_ORTHOGONAL = 0.1  # least eigenvalue of unit columns' Gram matrix from which one round is as good as Householder
SAFE_RCOND = 1e-3  # likewise, from which a second round finds it so; float32 products resolve 1e-7
RESOLVED = 100  # units in the last place of the largest eigenvalue: vectors of smaller ones add 0.4 % to errors


def householder(columns: FloatArray) -> FloatArray:
    """Q of the QR decomposition: orthonormal whatever the columns are."""
    return np.linalg.qr(columns)[0]


def span_basis(columns: FloatArray, precision: npt.DTypeLike, against: FloatArray | None = None) -> FloatArray:
    """Orthonormal basis (D, r) of the span of ``columns``, by their Gram matrix twice (Stathopoulos and Wu 2002).

    Directions that are rounding in ``precision`` beside the columns are left out, so that r may be less than their
    number; what lies in the span of ``against``, of the same dtype as the columns, is left out too.
    """

    def orthogonal(block: FloatArray) -> FloatArray:
        if against is None:
            return block
        return block - times(against, cross(against, block, block.dtype).astype(block.dtype))

    def principal(block: FloatArray, least: float) -> FloatArray:
        values, vectors = np.linalg.eigh(gram(block))
        keep = values > least
        return times(block, (vectors[:, keep] / np.sqrt(values[keep])).astype(block.dtype))

    size = max(float(np.einsum("ij,ij->j", columns, columns, dtype=np.float64).max(initial=0.0)), np.finfo(float).tiny)
    noise = max(10 * float(np.finfo(precision).eps), GRAM_RESOLVES)
    return principal(orthogonal(principal(orthogonal(columns), noise**2 * size)), LEFT_OUTSIDE)


def thin_svd(columns: FloatArray, driver: str = "gesdd") -> tuple[FloatArray, Matrix, Matrix]:
    """SVD of tall ``columns`` (N, k), which are overwritten: U (N, k), s, Vt.

    Cholesky QR on columns of unit length: images of singular vectors, which are nearly orthogonal however much their
    lengths differ, come out with small singular values as accurate as large ones, after one round. Other columns take
    a second round, and those beyond it go by Householder.
    """
    from scipy.linalg import cholesky, solve_triangular, svd

    if columns.size <= SERIAL_SIZE:  # less time than the products take to be called
        return svd(columns, full_matrices=False, lapack_driver=driver)
    k, dtype = columns.shape[1], columns.dtype
    Q, R = columns, np.eye(k)  # their product is what came
    for _ in range(ROUNDS):
        squares = gram(Q, dtype)
        lengths = np.sqrt(np.diagonal(squares))
        if not lengths.all():
            break
        correlations = squares / lengths / lengths[:, None]
        least = np.linalg.eigvalsh(correlations)[0]
        if least < SAFE_RCOND:
            break
        factor = cholesky(correlations) * lengths
        inverse, R = solve_triangular(factor, np.eye(k)), factor @ R
        if least > NEARLY_ORTHOGONAL:
            u, s, vt = svd(R.astype(dtype), lapack_driver=driver)
            return times(Q, (inverse @ u).astype(dtype), out=Q), s, vt
        times(Q, inverse.astype(dtype), out=Q)
    Q, last = np.linalg.qr(Q)
    u, s, vt = svd(last @ R, full_matrices=False, lapack_driver=driver)
    return times(Q, u.astype(dtype)), s, vt


def leading_eigenvectors(symmetric: Matrix, k: int, dtype: npt.DTypeLike = np.float64) -> tuple[FloatArray, FloatArray]:
    """The k largest eigenvalues of a symmetric matrix, falling, with their vectors, in ``dtype`` where that serves."""
    few = 4 * k <= len(symmetric)  # else divide and conquer finds all of them sooner than bisection finds k
    found = _by_bisection(symmetric.astype(dtype, copy=False), k) if few else None
    values, vectors = found or np.linalg.eigh(symmetric)  # in float64
    return values[::-1][:k], vectors[:, ::-1][:, :k].astype(dtype, copy=False)


def _by_bisection(symmetric: FloatArray, k: int) -> tuple[FloatArray, FloatArray] | None:
    """The k largest eigenvalues, rising, and vectors, or None where this fails.

    LAPACK finds too few of a cluster, in any precision (https://github.com/scipy/scipy/issues/13913), and vectors of
    small eigenvalues only roughly in float32.
    """
    from scipy.linalg import eigh

    d = len(symmetric)
    values, vectors = eigh(symmetric, subset_by_index=(d - k, d - 1))
    if len(values) < k or (values.dtype == np.float32 and not resolves(values.dtype, values[0], values[-1])):
        return None
    return values, vectors


def resolves(precision: npt.DTypeLike, eigenvalue: float, largest: float) -> bool:
    """Whether a matrix in this precision has the vector of such an eigenvalue."""
    return bool(eigenvalue > RESOLVED * np.finfo(precision).eps * largest)
