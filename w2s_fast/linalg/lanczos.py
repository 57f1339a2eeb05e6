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
    """Leading Ritz vectors V (D, k) in the space that ``start`` (D, b) makes, and X V (N, k); None if squares fail."""
    space, total = _Space(X, start, rng), _energy(X)
    held: list[float] = []  # energy of the first k Ritz pairs, after each block
    while space.newest.shape[1] and len(space.images) < MOST_BLOCKS:
        may_be_last = len(held) > 1  # and then has no need of X'(X V)
        applied = space.look(apply=not may_be_last)
        if not squares_serve(space.squares, X):
            return None
        if len(space.squares) >= k and space.is_whole:
            held.append(space.held_by(k))
            if _converged(held, total, left_to_gain):
                break
        space.grow(cross(X, space.images[-1], X.dtype) if applied is None else applied)
    return space.leading(k) if len(space.squares) >= k else None


class _Space:
    """A Krylov space of X'X: orthonormal ``basis``, ``images`` of its blocks under X, ``squares`` of these.

    It holds no more directions of a multiple eigenvalue than a block has columns. What multiplicity, or low rank, takes
    from a block is replaced by Gaussian directions, which count from the next block on: ``is_whole`` says that there
    are none. The ``newest`` block is in the basis, and in the squares once it was looked at.
    """

    def __init__(self, X: FloatArray, start: FloatArray, rng: np.random.Generator) -> None:
        self._X, self._columns, self._rng = X, start.shape[1], rng
        self.basis = self.newest = graded(start, X.dtype).astype(X.dtype)
        self.is_whole = True
        self.images: list[FloatArray] = []
        self.squares: Matrix = np.zeros((0, 0))
        self._applied = self.basis[:, :0]  # X'X times all blocks but the newest

    def look(self, apply: bool) -> Matrix | None:
        """Take X V of the newest block V, and return X'(X V) if asked to ``apply``."""
        X, V = self._X, self.newest
        image = np.empty((len(X), V.shape[1]), X.dtype)
        applied = gram_times(X, V, keep=image) if apply else None
        if not apply:
            times(X, V, out=image)
        self.images.append(image)
        coupling, corner = cross(V, self._applied, X.dtype), gram(image, X.dtype)
        self.squares = np.block([[self.squares, coupling.T], [coupling, corner]])
        return applied

    def grow(self, applied: Matrix) -> None:
        """Add a block: what X'(X V) = ``applied`` of the newest one has that the basis has not."""
        dtype = self._X.dtype
        newest = expansion(self.basis, applied, dtype)
        missing = self._columns - newest.shape[1]
        self.is_whole = missing == 0
        if missing:
            gaussian = self._rng.standard_normal((len(newest), missing))
            newest = np.hstack((newest, expansion(np.hstack((self.basis, newest)), gaussian, dtype)))
        self.basis, self.newest = np.hstack((self.basis, newest)), newest
        self._applied = np.hstack((self._applied, applied.astype(dtype)))

    def held_by(self, k: int) -> float:
        """Energy of the first k Ritz pairs."""
        values = np.linalg.eigvalsh(self.squares.astype(self._X.dtype))
        return float(values[-k:].sum(dtype=np.float64))

    def leading(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Ritz vectors (D, k) and their images (N, k)."""
        vectors = leading_eigenvectors(self.squares.astype(self._X.dtype), k)[1]
        return times(self.basis[:, : len(vectors)], vectors), joined_times(self.images, vectors)


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


def _converged(held: list[float], total: float, left_to_gain: float) -> bool:
    """Whether more blocks would reduce the error by little, judging by the energy held after each of the last three.

    Gains fall geometrically or faster: after gains a and b, b^2 / (a - b) is left to gain.
    """
    if len(held) < 3:
        return False
    before, last = held[-2] - held[-3], held[-1] - held[-2]
    enough = left_to_gain * (total - held[-1])
    return last <= NEGLIGIBLE * max(enough, 0.0) or last**2 <= enough * (before - last)
