"""How two subspaces lie to one another: principal angles and correlation dimension."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._arrays import Home
from w2s_fast._check import FloatArray
from w2s_fast._types import Blocks, Floats, Tensor
from w2s_fast._workers import Workers
from w2s_fast.linalg.leastsq import by_qr, by_svd
from w2s_fast.linalg.leastsq.policy import Cutoff
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.cutting import LONGEST_BLOCK
from w2s_fast.linalg.rows.products import Matrix, blas_threads
from w2s_fast.linalg.rows.sources import elsewhere
from w2s_fast.linalg.spectral.joint import Dimensions
from w2s_fast.linalg.spectral.subspace import Subspace


@overload
def principal_angles(A: Floats | Subspace, B: Blocks | Subspace, *, workers: Workers = ...) -> Matrix: ...


@overload
def principal_angles(A: Tensor, B: Blocks | Subspace, *, workers: Workers = ...) -> Tensor: ...


@overload
def principal_angles(A: Blocks, B: Blocks | Subspace, *, workers: Workers = ...) -> Any: ...


def principal_angles(A: Any, B: Any, *, workers: Workers = None) -> Any:
    """Angles between the spans of the columns of A and B, falling.

    Parameters
    ----------
    A, B : (D, k) and (D, l) array_like, Rows, Dask array, path, list of paths, or Subspace
        Any columns; they are orthonormalised first, without directions that they owe to the rounding of their own
        precision alone (:mod:`w2s_fast.linalg.leastsq.policy`). Of rows that are read by blocks one pass makes the
        triangle of [A B], whose columns have the same angles.
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Returns
    -------
    (min(rank A, rank B),) ndarray
        Radians. Small angles come from sines and large ones from cosines, so that all are accurate (Knyazev and
        Argentati 2002); :func:`scipy.linalg.subspace_angles` mixes the two up where both kinds occur.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import principal_angles
    >>> principal_angles([[1.0], [0.0]], [[1.0], [1.0]]).round(4)
    array([0.7854])
    """
    home = Home.of(*(given.basis if isinstance(given, Subspace) else given for given in (A, B)))
    return home.give(_angles(A, B, workers))


class _Columns(NamedTuple):
    """Columns in memory, or their part of a triangle, and the precision that they came in."""

    array: FloatArray
    dtype: npt.DTypeLike

    @property
    def basis(self) -> FloatArray:
        """Orthonormal, in float64, of what the columns span as far as their precision tells it."""
        return by_svd.factor(self.array, 0.0, Cutoff.of(self.dtype, self.array.shape, None)).u


def _angles(A: Any, B: Any, workers: Workers = None) -> Matrix:
    a, b = (found.basis for found in _columns(A, B, workers))
    if len(a) != len(b):
        raise _apart(len(a), len(b))
    with blas_threads(a, b):
        larger, smaller = sorted((a, b), key=lambda basis: -basis.shape[1])
        product = larger.T @ smaller
        if product.size == 0:
            return np.zeros(0)
        cosines = np.linalg.svd(product, compute_uv=False)[::-1]
        sines = np.linalg.svd(smaller - larger @ product, compute_uv=False)
    return np.where(cosines**2 < 0.5, np.arccos(np.minimum(cosines, 1.0)), np.arcsin(np.minimum(sines, 1.0)))


def _apart(a: int, b: int) -> ValueError:
    return ValueError(
        f"A and B must live in the same space: A has {a:,} rows, B {b:,}. To compare features of different widths over "
        "the same rows, give correlation_dimension the features and energy"
    )


def _columns(A: Any, B: Any, workers: Workers) -> list[_Columns]:
    """Columns with the angles of those of A and B."""
    given = [side.basis if isinstance(side, Subspace) else side for side in (A, B)]
    reads = any(map(_check.is_path, given))
    a, b = (
        elsewhere(side, name, workers if _check.is_path(side) or not reads else None)
        for side, name in zip(given, "AB", strict=True)
    )
    sides: list[Any] = [
        _in_memory(side, name) if rows is None else rows for side, name, rows in zip(given, "AB", (a, b), strict=True)
    ]
    if a is None and b is None:
        return [_Columns(side, side.dtype) for side in sides]
    return _of_triangle(sides, by=int(a is None))


def _in_memory(given: Any, name: str) -> FloatArray:
    array = _check.floats(given, name, ndim=2)
    if 0 in array.shape:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def _of_triangle(sides: list[Any], by: int) -> list[_Columns]:
    """The triangle of [A B], whose orthogonal factor changes no angle, by the blocks of one of them."""
    opened = [side.opened() if isinstance(side, Rows) else (*side.shape[1:], side.dtype, side) for side in sides]
    (width, dtype, a), (_, other_dtype, b) = opened
    if a.shape is not None and b.shape is not None and a.shape[0] != b.shape[0]:
        raise _apart(a.shape[0], b.shape[0])
    rows, beside = (b, a) if by else (a, b)
    triangle = rows.total(partial(_triangle_of_blocks, bool(by)), by_qr.reduced_both, beside, step=LONGEST_BLOCK)
    parts = triangle[:, :width], triangle[:, width:]
    for name, side, part in zip("AB", (a, b), parts, strict=True):
        if part.size == 0:
            raise ValueError(f"{name} must not be empty, got shape {side.shape}")
        if isinstance(side, Rows):
            side.refuse_not_finite(part)
    return [_Columns(parts[0], dtype), _Columns(parts[1], other_dtype)]


def _triangle_of_blocks(backwards: bool, *blocks: FloatArray) -> FloatArray:
    return by_qr.reduced(np.concatenate(blocks[::-1] if backwards else blocks, axis=1, dtype=np.float64))


def correlation_dimension(
    A: Blocks | Subspace, B: Blocks | Subspace, *, energy: float | None = None, workers: Workers = None
) -> float:
    """Correlation dimension ||Q_A' Q_B||_F^2: the sum of squared cosines of the principal angles.

    Between 0 for orthogonal subspaces and min(rank A, rank B) where one holds the other (paper, definition 2.3). It
    has two meanings, told apart by what the columns are:

    - feature space: A and B are subspaces, or bases (D, k) and (D, l), of one space of D features. It is the paper's
      d_{s and w} = ||V_s' V_w||_F^2, and needs weak and strong features to be of one space.
    - sample space: A (N, D_w) and B (N, D_s) are features over the same N rows, of any widths, and their columns span
      subspaces of R^N, all of them or, with ``energy``, the leading ones. This is what features of two models allow.

    Parameters
    ----------
    A, B : (D, k) and (D, l) array_like, or Subspace; with ``energy`` what :meth:`Subspace.fit` takes
    energy : float, optional
        In (0, 1]: A and B are features, each cut to the fewest leading directions that hold this share of its energy.
        They are read once, by row blocks, into one joint Gram matrix (D_w + D_s, D_w + D_s); no N x N matrix is made.
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import correlation_dimension
    >>> axes = np.eye(5)
    >>> round(correlation_dimension(axes[:, :3], axes[:, 1:]), 12)
    2.0
    >>> weak, strong = axes[:, :3], axes @ np.diag([1e-3, 1.0, 1.0, 1.0, 1.0])
    >>> round(correlation_dimension(weak, strong, energy=0.99), 12)
    2.0
    """
    if energy is None:
        return float(np.sum(np.cos(_angles(A, B, workers)) ** 2))
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    return Dimensions.of(A, B, share, workers=workers).shared
