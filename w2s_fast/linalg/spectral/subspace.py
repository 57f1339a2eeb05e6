"""Principal subspaces of features, in memory or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np

from w2s_fast import _check, _devices
from w2s_fast._arrays import Home
from w2s_fast._check import FloatArray
from w2s_fast._display import Shown, sparkline, spread
from w2s_fast._random import key64
from w2s_fast._threads import single_threaded_blas
from w2s_fast._types import Blocks
from w2s_fast._workers import Workers
from w2s_fast.linalg.accumulate.gram import Gram
from w2s_fast.linalg.accumulate.weighting import of_block
from w2s_fast.linalg.rows.base import SMALLEST_ENERGY, Progress, Rows, at_any_scale
from w2s_fast.linalg.rows.products import Matrix, times
from w2s_fast.linalg.rows.scale import PRODUCTS
from w2s_fast.linalg.rows.sources import rows_of
from w2s_fast.linalg.spectral import dimension
from w2s_fast.linalg.spectral.dimension import (
    dual_gram,
    gram_of_rows,
    of_sums,
    rank_bounds,
    rank_for_energy,
    trusted_share,
    wide_array,
)
from w2s_fast.linalg.spectral.orthonormal import leading_eigenvectors, thin_svd
from w2s_fast.linalg.spectral.passes import Passes

FIRST_RANK = 128  # tried for a share of energy, then doubled


@dataclass(frozen=True, eq=False, repr=False)
class Subspace(Shown):
    """A principal subspace of features: the span of the leading eigenvectors of X'X (not centred).

    Attributes
    ----------
    basis : (D, k) ndarray
        Orthonormal columns in float64; in the dtype of the rows where these have more than 8,192 columns.
    eigenvalues : (k,) ndarray
        Of X'X, falling.
    energy : float
        Share of the trace of X'X that the subspace holds.
    energy_stderr : float
        Standard error of ``energy``: 0 unless the rows came by only once and had more than 8,192 columns.
    rank_bounds : (int, int)
        The smallest rank that holds the energy asked for lies between these two, both included. Both are the rank
        where a rank was asked for.
    certificate : {"exact", "certified", "bracketed"}
        How the bounds were found: from all eigenvalues; by bounds that met (wrong at most once in 10^10 fits); or by
        bounds that did not meet, and the basis has the rank of the upper one, or as many columns as were found.
    """

    basis: Any
    eigenvalues: Any
    energy: float
    energy_stderr: float
    rank_bounds: tuple[int, int]
    certificate: Literal["exact", "certified", "bracketed"]

    @property
    def rank(self) -> int:
        return self.basis.shape[1]

    @classmethod
    def fit(
        cls,
        X: Blocks | Gram,
        *,
        rank: int | None = None,
        energy: float | None = None,
        centred: bool = False,
        random_state: Any = None,
        progress: Progress | None = None,
        workers: Workers = None,
    ) -> Self:
        """Find the leading subspace of a given rank, or the smallest that holds a share of the energy.

        Up to 8,192 columns, or rows of an array, the answer is that of all eigenvalues, from one pass. Beyond, and from
        2,048 columns where ``energy`` needs few directions, it comes from a block Krylov method: four passes for
        ``rank``, seven or more for ``energy``, until bounds prove the rank. An iterator, whose rows come by once, gets
        the Nystrom approximation of X'X (Tropp, Yurtsever, Udell and Cevher 2017) and an estimate of its energy from
        random combinations of the rows (the same authors, 2019, section 6). For a subspace of the columns it is the
        better use of one look: of singular values 1/i and 1/sqrt(i) it leaves 2 to 5 % more energy than the best
        subspace, three sketches of as many columns (2019, algorithm 4.1) 40 to 70 % more.

        Parameters
        ----------
        X : (N, D) array_like, memmap, Rows, Dask array, path, list of paths, iterable of row blocks, or Gram
            Files of a list lie one below the other. A path names one of any type in docs/reference/file_formats.md,
            ``file#array`` where it holds several, and ``file#array[:,12]`` for a part of its later axes. A
            :class:`Gram` has the sums that it needs, of deviations or not as it is; where its products are in float32,
            what is below some 1e-5 of the energy may be rounding.
        rank : int, optional
            From 1 to min(N, D).
        energy : float, optional
            In (0, 1]; 0.99 if neither is given.
        centred : bool
            Subtract the mean of each column first, as principal component analysis does: no copy is made, and means far
            from 0 cost no digits. For up to 8,192 columns.
        random_state : int, RandomState, Generator, np.random or None
            Used where the method is randomized.
        progress : callable, optional
            Called with (rows done, rows in all) during each pass; 0 in all where that is not known. Columns count in
            place of rows where an array is wide.
        workers : Dask client or pool, optional
            Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

        Raises
        ------
        ValueError, TypeError
            NaN or infinity, blocks of unequal width, complex numbers, ``rank`` out of range, a file that is cut
            short or changes while it is read.

        Examples
        --------
        >>> import numpy as np
        >>> from w2s_fast import Subspace
        >>> subspace = Subspace.fit(np.diag([3.0, 2.0, 0.1]), energy=0.99)
        >>> subspace.rank, subspace.eigenvalues.round(6), subspace.certificate
        (2, array([9., 4.]), 'exact')
        """
        if rank is not None and energy is not None:
            raise ValueError("give rank or energy, not both")
        share = _check.real(0.99 if energy is None else energy, "energy", maximum=1.0, open_left=True)
        centred = _check.boolean(centred, "centred")
        if isinstance(X, Gram):
            return cls._of_sums(X, rank, share, centred)
        if centred:
            _check.callback(progress, "progress")
            return cls._of_deviations(rows_of(X, "X", workers), rank, share, progress)._beside(X)
        if (on_gpu := _devices.twin("fit_subspace", X)) is not None:
            found: Self = on_gpu(X, rank=rank, energy=energy)
            return found._beside(X)
        rows = rows_of(X, "X", workers)
        rank = None if rank is None else _check.integer(rank, "rank", minimum=1, **rows.largest_rank())
        _check.callback(progress, "progress")
        found, exponent = cls._at_any_scale(rows, rank, share, key64(random_state), progress)
        return found._rescaled(exponent)._beside(X)

    @classmethod
    def _of_sums(cls, gram: Gram, rank: int | None, share: float, centred: bool) -> Self:
        if centred and not gram.centred:
            raise ValueError("X is a Gram of rows as they are: to centre them, sum them by Gram(centred=True)")
        squares, trusted = of_sums(gram, share)
        with single_threaded_blas():
            return cls._of_gram(squares, rank, trusted)._at(gram._home)

    @classmethod
    def _of_deviations(cls, rows: Rows, rank: int | None, share: float, progress: Progress | None) -> Self:
        """From the scatter matrix, whose eigenvectors are the principal axes."""
        columns, dtype, rows = rows.opened()
        if columns > dimension.LARGEST_GRAM:
            raise ValueError(
                f"centred takes up to {dimension.LARGEST_GRAM:,} columns, X has {columns:,}: subtract the means first"
            )
        scatter = rows.total(partial(of_block, partial(Gram, centred=True), False), Gram.merge, progress=progress)
        with single_threaded_blas():
            return cls._of_gram((scatter.xtx, scatter.n_rows), rank, trusted_share(share, dtype))

    @classmethod
    def _at_any_scale(
        cls, rows: Rows, rank: int | None, share: float, key: int, progress: Progress | None
    ) -> tuple[Self, int]:
        """Subspace of the rows times 2**-exponent, and the exponent."""
        with single_threaded_blas():
            return at_any_scale(rows, lambda rows: cls._of_rows(rows, rank, share, key, progress))

    @classmethod
    def _of_rows(cls, rows: Rows, rank: int | None, share: float, key: int, progress: Progress | None) -> Self:
        if (whole := wide_array(rows, dimension.LARGEST_GRAM)) is not None:
            return cls._of_wide_array(whole, rows, rank, trusted_share(share, whole.dtype), progress)
        columns, dtype, rows = rows.opened()
        share = trusted_share(share, dtype)
        job = Passes(rows, columns, dtype, np.random.default_rng(key), progress)
        if rank is None and not rows.once and columns >= dimension.CERTIFIED_FROM:
            small = columns <= dimension.LARGEST_GRAM
            found = cls._of_certified(job, share, 0 if small else min(columns, job.rows_at_least()) // 4)
            if found.certificate != "bracketed" or not small:
                return found
        if columns <= dimension.LARGEST_GRAM:
            return cls._of_gram(gram_of_rows(rows, columns, progress), rank, share)
        if rank is None:
            raise ValueError(
                f"X is an iterator over rows of {columns:,} columns: energy needs several passes beyond "
                f"{dimension.LARGEST_GRAM:,}. Give rank, or a list, an array or a path that can be read again"
            )
        if rows.once:
            return cls._of_one_view(job, rank)
        ritz = job.ritz(rank)
        _check.integer(rank, "rank", minimum=1, maximum=min(job.n_rows, columns))
        values, vectors = job.completed(ritz.values, ritz.vectors, rank)
        return cls._of_pairs(job, values, vectors, (rank, rank), "exact")

    def _beside(self, X: Any) -> Self:
        """With arrays in the library and on the device of the rows."""
        return self._at(Home.of(X))

    def _at(self, home: Home) -> Self:
        return replace(self, basis=home.give(self.basis), eigenvalues=home.give(self.eigenvalues))

    def _rescaled(self, exponent: int) -> Self:
        """Eigenvalues of the rows as they came, from those of the rows times 2**-exponent."""
        if exponent == 0 or self.rank == 0:
            return self
        with np.errstate(over="ignore", under="ignore"):
            values = np.ldexp(self.eigenvalues, 2 * exponent)
        if not SMALLEST_ENERGY < values[0] < np.inf:
            raise ValueError(
                f"the eigenvalues of X'X, near 2**{2 * exponent}, are beyond float64: scale X by 2**{-exponent} first"
            )
        return replace(self, eigenvalues=values)

    @classmethod
    def _of_gram(cls, gram_and_rows: tuple[Matrix, int], rank: int | None, share: float) -> Self:
        squares, n_rows = gram_and_rows
        count = min(len(squares), n_rows)
        if rank is None:
            values, vectors = leading_eigenvectors(squares, count) if count else (np.zeros(0), squares)
            rank = rank_for_energy(np.maximum(values, 0.0), share)
        else:
            rank = _check.integer(rank, "rank", minimum=1, maximum=count)
            values, vectors = leading_eigenvectors(squares, rank)
        values = np.maximum(values[:rank], 0.0)
        total = float(np.trace(squares))
        held = min(float(values.sum()) / total, 1.0) if total else 0.0
        return cls(np.ascontiguousarray(vectors[:, :rank]), values, held, 0.0, (rank, rank), "exact")

    @classmethod
    def _of_wide_array(
        cls, X: FloatArray, rows: Rows, rank: int | None, share: float, progress: Progress | None
    ) -> Self:
        """By the eigenvectors of X X', which are fewer."""
        precise = X.dtype if X.shape[1] > dimension.LARGEST_GRAM else np.dtype(np.float64)
        squares = dual_gram(X, rows, progress)
        energy = float(np.trace(squares))
        rows.refuse_vanishing(energy, energy > 0.0, *PRODUCTS[precise])
        dual = cls._of_gram((squares, len(X)), rank, share)
        images = times(X.T, dual.basis.astype(precise))
        basis = thin_svd(images)[0] if dual.rank else images
        return cls(basis, dual.eigenvalues, dual.energy, 0.0, dual.rank_bounds, "exact")

    @classmethod
    def _of_pairs(
        cls,
        job: Passes,
        values: Matrix,
        vectors: Matrix,
        bounds: tuple[int, int],
        certificate: Literal["exact", "certified", "bracketed"],
    ) -> Self:
        k = min(bounds[1], len(values))
        held = min(float(values[:k].sum()) / job.total, 1.0) if job.total else 0.0
        return cls(vectors[:, :k].astype(job.dtype), values[:k], held, 0.0, bounds, certificate)

    @classmethod
    def _of_certified(cls, job: Passes, share: float, widest: int) -> Self:
        """Double the block, while it is no wider than ``widest``, until the bounds on the rank meet."""
        width = FIRST_RANK
        while True:
            ritz = job.refined(job.ritz(width), width)
            if job.total == 0.0:
                return cls(ritz.vectors[:, :0], ritz.values[:0], 0.0, 0.0, (0, 0), "exact")
            most = min(job.columns, job.n_rows)
            low, high = rank_bounds(ritz, job.total, job.largest_rest(ritz), share, most)
            if low == high <= len(ritz.values):
                return cls._of_pairs(job, ritz.values, ritz.vectors, (low, high), "certified")
            width *= 2
            if width > widest:
                return cls._of_pairs(job, ritz.values, ritz.vectors, (low, high), "bracketed")

    @classmethod
    def _of_one_view(cls, job: Passes, rank: int) -> Self:
        values, vectors, held, stderr = job.one_view(rank)
        return cls(vectors.astype(job.dtype), values, held, stderr, (rank, rank), "exact")

    def told(self) -> dict[str, str]:
        low, high = self.rank_bounds
        error = f" ± {100 * self.energy_stderr:.2g}" if self.energy_stderr else ""
        return {
            "rank": f"{self.rank:,} of {len(self.basis):,} dimensions",
            "energy": f"{100 * self.energy:.4g}{error} %",
            "eigenvalues": spread(self.eigenvalues),
            "certificate": self.certificate + (f", rank {low:,} to {high:,}" if low < high else ""),
        }

    def drawing(self) -> str:
        return sparkline(self.eigenvalues, "eigenvalues")
