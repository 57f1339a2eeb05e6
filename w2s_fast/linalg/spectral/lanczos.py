"""Leading singular vectors of a matrix in memory by block Lanczos, grown until little is left to gain.

All is done in the precision of the block that starts it, to which rows of an array are cast in cache.

The basis V0, V1, ..., V_{j+1} = orth(X'(X V_j)), is kept orthonormal by projecting each block twice. X'X in it comes
from products of D rows rather than N, for X (N, D), and from the Gram matrix of each X V_j.

It is not the method of :mod:`w2s_fast.linalg.spectral.krylov`, which proves ranks: that one needs X'X times the whole
basis, in float64 whatever the precision of products, for the residuals that its bounds hang on, and makes as many
passes as it was told. This one keeps the images X V_j, (N, l) numbers that rows on disk leave no room for, ends by what
they say is left to gain, and saves the last product with X'. For errors that are the same to 5e-4 the other takes 1.06
to 1.4 times as long: float32, 20,000 x 2,000 with k = 20 and 100, 8,000 x 4,096 with k = 200, three spectra each.

Sparse matrices are often smaller than their images: of these none is kept, and one product more makes the last ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.products import Matrix, cross, gram, joined_times, times
from w2s_fast.linalg.spectral import operand
from w2s_fast.linalg.spectral.krylov import expansion
from w2s_fast.linalg.spectral.orthonormal import leading_eigenvectors, span_basis

NEGLIGIBLE = 0.05  # of what may be left to gain: a block that adds less is the last, however the gains fall
ROUNDING = 100  # units in the last place of all energy, by which its parts may be off
PANEL = 64  # columns: of a multiple of it BLAS makes products at nine tenths of its best speed, of others less
MOST_BLOCKS = 24  # of a space; noise at k = 200 takes 17


def block_columns(width: int) -> int:
    """Columns of a block where ``width`` are wanted: a quarter of them, in panels that BLAS likes."""
    return min(width, PANEL * max(1, -(-width // (4 * PANEL))))


def leading_directions(
    X: Any, start: FloatArray, k: int, left_to_gain: float, energy: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray] | None:
    """Leading Ritz vectors V (D, k) in the space that ``start`` (D, b) makes, and X V (N, k); None if squares fail.

    ``energy`` is the sum of squares of X.
    """
    space, judge = _Space(X, start, rng), _Judge(start.dtype, k, left_to_gain, energy)
    while space.newest.shape[1] and space.blocks < MOST_BLOCKS:
        applied = space.look(apply=not judge.expects_the_last)
        if len(space.squares) >= k:
            values = space.ritz_values(judge.expects_the_last)
            if not space.is_whole and values[k - 1] <= np.finfo(start.dtype).eps * values[0]:
                return None  # X is of lower rank
            if judge.finds_little_left(values, space.is_whole):
                break
        space.grow(operand.transposed_image(X, space.image) if applied is None else applied)
    return space.leading(k) if len(space.squares) >= k else None


class _Judge:
    """Judges whether more blocks would reduce the squared error by more than a share of it."""

    def __init__(self, precision: npt.DTypeLike, k: int, share: float, energy: float) -> None:
        self._k, self._share, self._total = k, share, energy
        self._rounding = ROUNDING * float(np.finfo(precision).eps) * self._total
        self._held: list[float] = []  # energy of the first k Ritz pairs, after each whole block
        self.expects_the_last = False  # of the next block, which then has no need of X'(X V)

    def finds_little_left(self, values: FloatArray, is_whole: bool) -> bool:
        """Look at the Ritz ``values``, falling."""
        energy = float(values[: self._k].sum())
        enough = max(self._share * (self._total - energy), 0.0)
        # What is outside the space adds at most its own energy to that of any k directions (Bourin and Lee 2012).
        if self._total - float(values.sum()) + self._rounding <= enough:
            return True
        if is_whole:
            self._held.append(energy)
        return is_whole and len(self._held) >= 3 and self._gains_have_fallen(enough)

    def _gains_have_fallen(self, enough: float) -> bool:
        """Gains fall geometrically or faster: after a and b, b^2 / (a - b) is left, and b / a of that a block on."""
        first, second, third = self._held[-3:]
        before, last = second - first, third - second
        left = last**2 / (before - last) if before > last else math.inf
        self.expects_the_last = left * last <= 2 * enough * before
        return last <= NEGLIGIBLE * enough or left <= enough


class _Space:
    """A Krylov space of X'X: orthonormal ``basis``, ``squares`` of the images of its blocks under X.

    It holds no more directions of a multiple eigenvalue than a block has columns. What multiplicity, or low rank, takes
    from a block is replaced by Gaussian directions, which count from the next block on: ``is_whole`` says that there
    are none. The ``newest`` block is in the basis, and in the squares once it was looked at, as its ``image``.
    """

    def __init__(self, X: Any, start: FloatArray, rng: np.random.Generator) -> None:
        self._X, self._columns, self._rng, self._precision = X, start.shape[1], rng, start.dtype
        self.basis = self.newest = span_basis(start, start.dtype).astype(start.dtype)
        self.is_whole, self.blocks, self.image = True, 0, start[:0]
        self._images: list[FloatArray] | None = [] if operand.is_dense(X) else None  # of all blocks, if they are kept
        self.squares: Matrix = np.zeros((0, 0))
        self._applied = self.basis[:, :0]  # X'X times all blocks but the newest
        self._ritz_vectors: Matrix | None = None  # of the squares as they are, rising

    def look(self, apply: bool) -> FloatArray | None:
        """Take X V of the newest block V, and return X'(X V) if asked to ``apply``."""
        X, V = self._X, self.newest
        image = np.empty((X.shape[0], V.shape[1]), V.dtype)
        applied = operand.gram_image(X, V, keep=image) if apply else None
        if not apply:
            operand.image(X, V, out=image)
        self.blocks, self.image, self._ritz_vectors = self.blocks + 1, image, None
        if self._images is not None:
            self._images.append(image)
        coupling, corner = cross(V, self._applied, V.dtype), gram(image, V.dtype)
        self.squares = np.block([[self.squares, coupling.T], [coupling, corner]])
        return applied

    def grow(self, applied: FloatArray) -> None:
        """Add a block: what X'(X V) = ``applied`` of the newest one has that the basis has not."""
        dtype = self._precision
        newest = expansion(self.basis, applied, dtype)
        missing = self._columns - newest.shape[1]
        self.is_whole = missing == 0
        if missing:
            gaussian = self._rng.standard_normal((len(newest), missing))
            newest = np.hstack((newest, expansion(np.hstack((self.basis, newest)), gaussian, dtype)))
        self.basis, self.newest = np.hstack((self.basis, newest)), newest
        self._applied = np.hstack((self._applied, applied.astype(dtype)))

    def ritz_values(self, keep_vectors: bool) -> FloatArray:
        """All of them, falling; finding the vectors as well takes 2.5 times as long, but less than both in turn."""
        if not keep_vectors:
            return np.linalg.eigvalsh(self.squares)[::-1]
        values, self._ritz_vectors = np.linalg.eigh(self.squares)
        return values[::-1]

    def leading(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Ritz vectors (D, k) and their images (N, k)."""
        if self._ritz_vectors is None:
            vectors = leading_eigenvectors(self.squares, k, self._precision)[1]
        else:
            vectors = self._ritz_vectors[:, : -k - 1 : -1].astype(self._precision)
        found = times(self.basis[:, : len(vectors)], vectors)
        return found, operand.image(self._X, found) if self._images is None else joined_times(self._images, vectors)
