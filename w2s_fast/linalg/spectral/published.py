"""Correlation dimensions as the paper's code takes them of features of unequal widths. They say little.

Features of two models have no space in common. What is done to compare their coordinates all the same makes one of the
two subspaces random, and leaves what chance gives: independent subspaces of dimensions d_w and d_s of R^D, one of them
uniformly random, have an expected correlation dimension of d_w d_s / D. docs/explanation/dimensions.md sets the
published values beside that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._random import key64
from w2s_fast._types import Blocks
from w2s_fast._workers import Workers
from w2s_fast.linalg.rows.products import Matrix, blas_threads
from w2s_fast.linalg.spectral.joint import JointGram, joint_gram


def projected_correlation_dimension(
    A: Blocks, B: Blocks, *, energy: float = 0.99, random_state: Any = None, workers: Workers = None
) -> float:
    """Correlation dimension after a random projection to one width, as the paper's code takes it. Says little.

    The wider features are multiplied by a Gaussian matrix to the width D of the narrower ones, and the leading
    directions of both are compared as if the D coordinates were the same. They are not: independent subspaces of
    dimensions d_w and d_s of R^D have an expected correlation dimension of d_w d_s / D, D = min(D_w, D_s), which the
    values published for UTKFace equal to 0.3. Offered to reproduce them; :func:`correlation_dimension` with ``energy``
    compares what the features have in common.

    Parameters
    ----------
    A, B : (N, D_w) and (N, D_s) array_like, memmap, Rows, Dask array, path, list of paths, or iterable of row blocks
        Features over the same rows, of any widths.
    energy : float
        In (0, 1]. The dimensions are those of the features before projection, at most D.
    random_state : int, RandomState, Generator, np.random or None
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    See Also
    --------
    padded_correlation_dimension : the paper's code's other recipe

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import projected_correlation_dimension
    >>> rows = np.random.default_rng(0).standard_normal((200, 30))
    >>> value = projected_correlation_dimension(rows[:, :10], rows, random_state=0)
    >>> 8 < value <= 10  # 10 of 10 dimensions: the whole of R^10 whatever the projection
    True
    """
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    rng = np.random.default_rng(key64(random_state))
    joint = joint_gram(A, B, workers=workers)
    narrowest = min(joint.widths)
    bases = []
    for part, (values, _) in zip(joint.corners[:2], joint.leading(share), strict=True):
        projection = rng.standard_normal((len(part), narrowest)) if len(part) > narrowest else np.eye(narrowest)
        bases.append(_leading_vectors(projection.T @ part @ projection, len(values)))
    return _shared(*bases)


def padded_correlation_dimension(
    A: Blocks, B: Blocks, *, energy: float = 0.99, random_state: Any = None, workers: Workers = None
) -> float:
    """Correlation dimension after padding with noise to one width, as the paper's code also takes it. Says little.

    The narrower features get columns of independent noise of variance 1 / D up to the width D of the wider ones, and
    the leading directions of both are compared as if the D coordinates were the same. They are not: what comes out is
    near d_w d_s / D, D = max(D_w, D_s), as for subspaces that know nothing of one another, and the values published for
    ColoredMNIST equal that within 8 %. Offered to reproduce them; :func:`correlation_dimension` with ``energy``
    compares what the features have in common.

    Parameters
    ----------
    A, B : (N, D_w) and (N, D_s) array_like, memmap, Rows, Dask array, path, list of paths, or iterable of row blocks
        Features over the same rows, of any widths. The noise is in units of the narrower ones.
    energy : float
        In (0, 1]. The dimensions are those of the features before padding.
    random_state : int, RandomState, Generator, np.random or None
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Notes
    -----
    No noise is drawn a row: what it adds to the Gram matrix of the features has the law of a few Gaussian columns and,
    beyond the rows that the features span, of a Wishart matrix (Bartlett 1933), at a cost that N has no part in.

    See Also
    --------
    projected_correlation_dimension : the paper's code's other recipe

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import padded_correlation_dimension
    >>> rows = 10 * np.random.default_rng(0).standard_normal((2000, 40))
    >>> values = [padded_correlation_dimension(rows[:, 20:30], rows, random_state=seed) for seed in range(3)]
    >>> [round(value) for value in values]  # though the wider ones hold the others
    [10, 10, 10]
    """
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    rng = np.random.default_rng(key64(random_state))
    joint = joint_gram(A, B, workers=workers)
    widest = max(joint.widths)
    with blas_threads(joint.squares):
        found = zip(joint.corners[:2], joint.exponents, joint.leading(share), strict=True)
        bases = [
            _leading_vectors(_padded(part, widest, exponent, joint, rng), len(values))
            for part, exponent, (values, _) in found
        ]
    return _shared(*bases)


def _padded(squares: Matrix, width: int, exponent: int, joint: JointGram, rng: np.random.Generator) -> Matrix:
    """[X | Z]'[X | Z] of X (N, p), given X'X, and noise Z of variance 1 / width up to a width."""
    p, extra = len(squares), width - len(squares)
    if extra == 0:
        return squares
    values, vectors = np.linalg.eigh(squares)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T  # R'R = X'X, as if X were R over zeros
    spanned = min(joint.rows, p)
    near = np.zeros((p, extra))
    near[p - spanned :] = rng.standard_normal((spanned, extra))
    padded = np.empty((width, width))
    scale = 2.0**-exponent / np.sqrt(width)
    padded[:p, :p] = squares
    padded[:p, p:] = scale * (root.T @ near)
    padded[p:, :p] = padded[:p, p:].T
    far = _wishart_root(joint.rows - spanned, extra, rng)
    padded[p:, p:] = scale**2 * (near.T @ near + far.T @ far)
    return padded


def _wishart_root(rows: int, columns: int, rng: np.random.Generator) -> Matrix:
    """G (k, columns) such that G'G has the law of Z'Z, Z (rows, columns) of standard normals, k <= columns."""
    k = min(rows, columns)
    root = np.triu(rng.standard_normal((k, columns)), 1)
    root[np.arange(k), np.arange(k)] = np.sqrt(rng.chisquare(rows - np.arange(k)))
    return root


def _leading_vectors(squares: Matrix, rank: int) -> Matrix:
    vectors: Matrix = np.linalg.eigh(squares)[1][:, ::-1][:, :rank]
    return vectors


def _shared(a: Matrix, b: Matrix) -> float:
    cosines = a.T @ b
    return float(min(np.sum(cosines**2), *cosines.shape))  # rounding may go beyond
