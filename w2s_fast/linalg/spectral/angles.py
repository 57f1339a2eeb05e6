"""How two subspaces lie to one another: principal angles and correlation dimension."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from w2s_fast import _check
from w2s_fast._arrays import Home
from w2s_fast._check import FloatArray
from w2s_fast._types import ArrayLike, Blocks, Floats, Tensor
from w2s_fast.linalg.leastsq import by_svd
from w2s_fast.linalg.leastsq.policy import Cutoff
from w2s_fast.linalg.rows.products import Matrix, blas_threads
from w2s_fast.linalg.spectral.joint import Dimensions
from w2s_fast.linalg.spectral.subspace import Subspace


def _basis(A: Any, name: str) -> FloatArray:
    """Orthonormal basis in float64 of the span of the columns of A, as far as their precision tells it."""
    columns = _check.floats(A.basis if isinstance(A, Subspace) else A, name, ndim=2)
    if 0 in columns.shape:
        raise ValueError(f"{name} must not be empty, got shape {columns.shape}")
    return by_svd.factor(columns, 0.0, Cutoff.of(columns.dtype, columns.shape, None)).u


@overload
def principal_angles(A: Floats | Subspace, B: ArrayLike | Subspace) -> Matrix: ...


@overload
def principal_angles(A: Tensor, B: ArrayLike | Subspace) -> Tensor: ...


@overload
def principal_angles(A: ArrayLike, B: ArrayLike | Subspace) -> Any: ...


def principal_angles(A: Any, B: Any) -> Any:
    """Angles between the spans of the columns of A and B, falling.

    Parameters
    ----------
    A, B : (D, k) and (D, l) array_like, or Subspace
        Any columns; they are orthonormalised first, without directions that they owe to the rounding of their own
        precision alone (:mod:`w2s_fast.linalg.leastsq.policy`).

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
    return home.give(_angles(A, B))


def _angles(A: Any, B: Any) -> Matrix:
    a, b = _basis(A, "A"), _basis(B, "B")
    if len(a) != len(b):
        raise ValueError(
            f"A and B must live in the same space: A has {len(a):,} rows, B {len(b):,}. To compare features of "
            "different widths over the same rows, give correlation_dimension the features and energy"
        )
    with blas_threads(a, b):
        larger, smaller = sorted((a, b), key=lambda basis: -basis.shape[1])
        product = larger.T @ smaller
        if product.size == 0:
            return np.zeros(0)
        cosines = np.linalg.svd(product, compute_uv=False)[::-1]
        sines = np.linalg.svd(smaller - larger @ product, compute_uv=False)
    return np.where(cosines**2 < 0.5, np.arccos(np.minimum(cosines, 1.0)), np.arcsin(np.minimum(sines, 1.0)))


def correlation_dimension(A: Blocks | Subspace, B: Blocks | Subspace, *, energy: float | None = None) -> float:
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
        return float(np.sum(np.cos(_angles(A, B)) ** 2))
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    return Dimensions.of(A, B, share).shared
