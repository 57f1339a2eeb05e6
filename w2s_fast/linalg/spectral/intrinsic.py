"""The intrinsic dimension of features, in memory or not, by eigenvalues alone where that is the cheapest way."""

from __future__ import annotations

import warnings

from w2s_fast import _check
from w2s_fast._random import key64
from w2s_fast._threads import single_threaded_blas
from w2s_fast._types import Blocks
from w2s_fast._workers import Workers
from w2s_fast.linalg.accumulate.gram import Gram
from w2s_fast.linalg.rows.base import Progress, Rows, at_any_scale
from w2s_fast.linalg.rows.sources import rows_of
from w2s_fast.linalg.spectral import dimension
from w2s_fast.linalg.spectral.dimension import (
    dual_gram,
    eigenvalues,
    gram_of_rows,
    of_sums,
    rank_for_energy,
    trusted_share,
    wide_array,
)
from w2s_fast.linalg.spectral.subspace import Subspace


def intrinsic_dimension(
    X: Blocks | Gram, energy: float = 0.99, *, progress: Progress | None = None, workers: Workers = None
) -> int:
    """Smallest k whose top-k eigenvalues of X'X reach ``energy`` times its trace (paper, section 4).

    Up to 2,047 columns, or 8,192 rows of a wide array, it is found from all eigenvalues. Beyond, a few leading ones
    are tried first, with bounds that prove the answer (wrong at most once in 10^10 calls); where these do not meet it
    is all eigenvalues again, up to 8,192 columns. :meth:`Subspace.fit` has ``certificate`` and ``rank_bounds``.

    Parameters
    ----------
    X : (N, D) array_like, memmap, Rows, Dask array, path, list of paths, iterable of row blocks, or Gram
        Not centred first; as in :meth:`Subspace.fit`.
    energy : float
        In (0, 1].
    progress : callable, optional
        Called with (rows done, rows in all) during each pass; with columns where an array is wide.
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Returns
    -------
    int
        0 for features that are all zero.

    Warns
    -----
    RuntimeWarning
        If only bounds are known; the upper one is returned.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import intrinsic_dimension
    >>> intrinsic_dimension(np.diag([3.0, 2.0, 0.1]), energy=0.99)
    2
    """
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    _check.callback(progress, "progress")
    if isinstance(X, Gram):
        (squares, count), trusted = of_sums(X, share)
        with single_threaded_blas():
            return rank_for_energy(eigenvalues(squares)[:count], trusted)
    rows = rows_of(X, "X", workers)
    with single_threaded_blas():
        known, _ = at_any_scale(rows, lambda rows: _by_all_eigenvalues(rows, share, progress))
    if known is not None:
        return known
    found, _ = Subspace._at_any_scale(rows_of(X, "X", workers), None, share, key64(0), progress)
    low, high = found.rank_bounds
    if found.certificate == "bracketed":
        warnings.warn(
            f"the intrinsic dimension lies between {low:,} and {high:,}; {high:,} is returned",
            RuntimeWarning,
            stacklevel=2,
        )
    return high


def _by_all_eigenvalues(rows: Rows, share: float, progress: Progress | None) -> int | None:
    """Intrinsic dimension from one pass where that is the cheapest way; None elsewhere."""
    if (whole := wide_array(rows, dimension.LARGEST_GRAM)) is not None:
        return rank_for_energy(eigenvalues(dual_gram(whole, rows, progress)), trusted_share(share, whole.dtype))
    columns, dtype, rows = rows.opened()
    if columns >= dimension.CERTIFIED_FROM and not (rows.once and columns <= dimension.LARGEST_GRAM):
        return None
    squares, count = gram_of_rows(rows, columns, progress)
    return rank_for_energy(eigenvalues(squares)[:count], trusted_share(share, dtype))
