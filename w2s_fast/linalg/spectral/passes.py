"""What a subspace takes from passes over rows too wide for X'X to be formed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.base import Progress, Rows
from w2s_fast.linalg.rows.products import Matrix, cross, gram_times_pass, times
from w2s_fast.linalg.rows.scale import PRODUCTS
from w2s_fast.linalg.rows.sources import StreamRows
from w2s_fast.linalg.spectral.dimension import POWER, largest_rest
from w2s_fast.linalg.spectral.krylov import Ritz, block_krylov, nystrom
from w2s_fast.linalg.spectral.orthonormal import span_basis

OVERSAMPLES = 10
APPLICATIONS = 3  # passes of a Krylov basis, after the one that starts it
ONE_VIEW_FACTOR = 2  # test vectors a component where the rows come by once
PROBES = 10  # Gaussian vectors that bound what a basis leaves out


class Passes:
    """Products with X'X of rows too wide for it to be formed, one pass over the rows each."""

    def __init__(
        self, rows: Rows, columns: int, dtype: npt.DTypeLike, rng: np.random.Generator, progress: Progress | None
    ) -> None:
        self.rows, self.columns, self.dtype = rows, columns, dtype
        self.n_rows, self.total = 0, 0.0  # known after the first pass
        self._rng, self._progress = rng, progress

    def rows_at_least(self) -> int:
        """Rows in all where that is known before the first pass, else as many as there are columns."""
        return self.rows.shape[0] if self.rows.shape else self.columns

    def apply(self, V: FloatArray, rows: Rows | None = None) -> Matrix:
        first = self.n_rows == 0
        found = gram_times_pass(self.rows if rows is None else rows, V, energy=first, progress=self._progress)
        self.rows.refuse_not_finite(found.product)
        if first:
            self.rows.refuse_vanishing(found.energy, any(found.nonzero), *PRODUCTS[np.dtype(self.dtype)])
            self.n_rows, self.total = found.rows, found.energy
        return found.product

    def gaussian(self, width: int) -> Matrix:
        return self._rng.standard_normal((self.columns, min(width, self.columns)))

    def ritz(self, rank: int) -> Ritz:
        """Ritz pairs of a block a little wider than ``rank``, products in the dtype of the rows."""

        def apply(V: FloatArray) -> Matrix:
            return self.apply(V.astype(self.dtype))

        start = apply(self.gaussian(rank + OVERSAMPLES))
        return block_krylov(apply, span_basis(start, self.dtype), APPLICATIONS, self.dtype)

    def completed(self, values: Matrix, vectors: Matrix, rank: int) -> tuple[Matrix, Matrix]:
        """As many eigenpairs as ``rank``: where X has fewer, to rounding, any directions do, with eigenvalues 0."""
        missing = max(rank - len(values), 0)
        more = span_basis(self.gaussian(missing), np.float64, against=vectors)
        return np.pad(values, (0, missing)), np.hstack((vectors, more))

    def refined(self, ritz: Ritz, width: int) -> Ritz:
        """Better half of the Ritz pairs, anew with products in float64: residuals then bound what they should.

        All of them where they are fewer than blocks for a rank of ``width`` have columns: X has no others, to rounding.
        """
        found = len(ritz.values)
        ran_out = found < APPLICATIONS * (width + OVERSAMPLES)
        vectors = ritz.vectors[:, : found if ran_out else (found + 1) // 2]
        return block_krylov(self.apply, span_basis(vectors, np.float64), 1, np.float64)

    def largest_rest(self, ritz: Ritz) -> float:
        """Bound the largest eigenvalue of X'X outside the span of the Ritz vectors."""
        images = self._outside(ritz, self.gaussian(PROBES))
        for _ in range(POWER):
            images = self._outside(ritz, self.apply(images))
        return largest_rest(images)

    @staticmethod
    def _outside(ritz: Ritz, columns: Matrix) -> Matrix:
        return columns - times(ritz.vectors, cross(ritz.vectors, columns))

    def one_view(self, rank: int) -> tuple[Matrix, Matrix, float, float]:
        """Eigenvalues, vectors and the share of energy they hold, with its standard error, from one pass."""
        test = span_basis(self.gaussian(ONE_VIEW_FACTOR * rank + OVERSAMPLES), np.float64)
        probes = np.zeros((PROBES, self.columns))

        def probed() -> Iterator[FloatArray]:
            for block in self.rows.blocks():
                np.add(probes, self._rng.standard_normal((PROBES, len(block))).astype(self.dtype) @ block, out=probes)
                yield block

        values, vectors = nystrom(
            test, self.apply(test.astype(self.dtype), StreamRows(probed(), self.rows.name)), self.dtype
        )
        _check.integer(rank, "rank", minimum=1, maximum=min(self.n_rows, self.columns))
        values, vectors = self.completed(values[:rank], vectors[:, :rank], rank)
        missed = np.sum((probes - times(times(probes, vectors), vectors.T)) ** 2, axis=1)
        if self.total == 0.0:
            return values, vectors, 0.0, 0.0
        held = min(max(1.0 - float(missed.mean()) / self.total, 0.0), 1.0)
        return values, vectors, held, float(missed.std(ddof=1)) / np.sqrt(PROBES) / self.total
