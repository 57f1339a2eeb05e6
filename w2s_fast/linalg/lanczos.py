"""Leading singular vectors of an array in memory by block Lanczos, grown until little is left to gain.

The basis V0, V1, ..., V_{j+1} = orth(X'(X V_j)), is kept orthonormal by projecting each block twice. X'X in it comes
from products of D rows rather than N, for X (N, D), and from the Gram matrix of each X V_j.
"""

from __future__ import annotations

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import ordered_map
from w2s_fast.linalg.krylov import expansion
from w2s_fast.linalg.orthonormal import graded, leading_eigenvectors
from w2s_fast.linalg.products import Matrix, cross, cuts, gram, gram_times, joined_times, times

NEGLIGIBLE = 0.05  # of what may be left to gain: a block that adds less is the last, however the gains fall
PANEL = 64  # columns: of a multiple of it BLAS makes products at nine tenths of its best speed, of others less
MOST_BLOCKS = 24  # of a space; noise at k = 200 takes 17


def block_columns(width: int) -> int:
    """Columns of a block where ``width`` are wanted: a quarter of them, in panels that BLAS likes."""
    return min(width, PANEL * max(1, -(-width // (4 * PANEL))))


def leading_directions(
    X: FloatArray, start: FloatArray, k: int, left_to_gain: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray] | None:
    """Leading Ritz vectors V (D, k) in the space that ``start`` (D, b) makes, and X V (N, k); None if squares fail.

    A Krylov space holds no more directions of a multiple eigenvalue than a block has columns. What multiplicity, or
    low rank, takes from a block is replaced by Gaussian directions, which count from the next block on.
    """
    dtype, block, total = X.dtype, start.shape[1], _energy(X)
    basis = newest = graded(start, dtype).astype(dtype)
    squares: Matrix = np.zeros((0, 0))
    applied = np.zeros((len(basis), 0), dtype)  # X'X times all of the basis but the newest block
    images: list[FloatArray] = []
    held: list[float] = []  # energy of the first k Ritz pairs, after each block
    whole = True
    while newest.shape[1] and len(images) < MOST_BLOCKS:
        image, may_be_last = np.empty((len(X), newest.shape[1]), dtype), len(held) > 1
        if may_be_last:  # it will have no need of X'(X V)
            times(X, newest, out=image)
        else:
            grown = gram_times(X, newest, keep=image)
        images.append(image)
        squares = _bordered(squares, cross(newest, applied, dtype), gram(image, dtype))
        if not squares_serve(squares, X):
            return None
        if len(squares) >= k and whole:
            held.append(float(np.linalg.eigvalsh(squares.astype(dtype))[-k:].sum(dtype=np.float64)))
            if _converged(held, total, left_to_gain):
                break
        if may_be_last:
            grown = cross(X, image, dtype)
        newest = expansion(basis, grown, dtype)
        whole = newest.shape[1] == block
        if not whole:
            fresh = rng.standard_normal((len(basis), block - newest.shape[1]))
            newest = np.hstack((newest, expansion(np.hstack((basis, newest)), fresh, dtype)))
        basis, applied = np.hstack((basis, newest)), np.hstack((applied, grown.astype(dtype)))
    if len(squares) < k:
        return None
    vectors = leading_eigenvectors(squares.astype(dtype), k)[1]
    return times(basis[:, : len(squares)], vectors), joined_times(images, vectors)


def squares_serve(squares: Matrix, X: FloatArray) -> bool:
    """Whether squares of X neither overflowed nor vanished; NaN and infinity in X are refused."""
    limits = np.finfo(X.dtype)
    if not np.isfinite(squares).all():
        _check.all_finite(X, "M")
        return False
    return bool(np.diagonal(squares).max() > limits.tiny / limits.eps**2)


def _energy(X: FloatArray) -> float:
    """Squared Frobenius norm, to a few digits."""
    return sum(ordered_map(lambda cut: float(np.linalg.norm(X[cut])) ** 2, cuts(len(X), X.shape[1], 1)))


def _bordered(squares: Matrix, coupling: Matrix, corner: Matrix) -> Matrix:
    """Symmetric matrix with one more block, which meets those before in ``coupling``."""
    return np.block([[squares, coupling.T], [coupling, corner]])


def _converged(held: list[float], total: float, left_to_gain: float) -> bool:
    """Whether more blocks would reduce the error by little, judging by the energy held after each of the last three.

    Gains fall geometrically or faster: after gains a and b, b^2 / (a - b) is left to gain.
    """
    if len(held) < 3:
        return False
    before, last = held[-2] - held[-3], held[-1] - held[-2]
    enough = left_to_gain * (total - held[-1])
    return last <= NEGLIGIBLE * max(enough, 0.0) or last**2 <= enough * (before - last)
