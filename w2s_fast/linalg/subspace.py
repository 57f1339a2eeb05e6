"""Principal subspaces: randomized SVD, intrinsic and correlation dimension, principal angles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._random import key64
from w2s_fast.linalg.blocks import is_array, row_blocks, rows_per_block
from w2s_fast.linalg.gram import Gram

LARGEST_GRAM = 8_192  # columns: a float64 Gram matrix of 512 MiB, eigenvalues in minutes


def randomized_svd(
    M: Any,
    n_components: int,
    *,
    n_oversamples: int = 10,
    n_iter: int | Literal["auto"] = "auto",
    power_iteration_normalizer: Literal["auto", "QR", "LU", "none"] = "auto",
    transpose: bool | Literal["auto"] = "auto",
    flip_sign: bool = True,
    random_state: Any = None,
    svd_lapack_driver: Literal["gesdd", "gesvd"] = "gesdd",
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Truncated randomized SVD, a drop-in for :func:`sklearn.utils.extmath.randomized_svd`.

    A sparse-sign sketch of the rows starts the right subspace V; each iteration is V <- orth(M'(M V)), one pass over
    row blocks without a tall temporary; a last pass projects. After ``n_iter`` iterations the error is that of the
    peer's ``n_iter`` power iterations (Halko, Martinsson and Tropp 2011, algorithm 4.4).

    Parameters
    ----------
    M : (m, n) array_like or scipy sparse matrix
    n_components : int
        From 1 to min(m, n).
    n_oversamples : int
        Extra directions that make the ones asked for accurate.
    n_iter : int or "auto"
        Power iterations; "auto" means 7 for ``n_components < 0.1 min(m, n)``, else 4, as the peer's.
    power_iteration_normalizer : {"auto", "QR", "LU", "none"}
        Taken for compatibility. Every iteration is normalised by QR, the most accurate of the choices; here it works
        on the short side and costs little.
    transpose : bool or "auto"
        Decompose M' instead; "auto" where M is wider than tall. The result is that of M either way.
    flip_sign : bool
        Make each component's largest entry in U positive.
    random_state : int, RandomState, Generator or None
    svd_lapack_driver : {"gesdd", "gesvd"}

    Returns
    -------
    U : (m, n_components) ndarray
    s : (n_components,) ndarray
        Singular values, falling.
    Vt : (n_components, n) ndarray

    Raises
    ------
    ValueError, TypeError
        NaN or infinity, ``n_components`` out of range, unknown options.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import randomized_svd
    >>> M = np.outer(np.arange(1.0, 5.0), [3.0, 4.0])
    >>> U, s, Vt = randomized_svd(M, 1, random_state=0)
    >>> bool(np.allclose(U * s @ Vt, M))
    True
    """
    import scipy.sparse

    sparse = scipy.sparse.issparse(M)
    X = _sparse_floats(M) if sparse else _check.floats(M, "M", ndim=2)
    if 0 in X.shape:
        raise ValueError(f"M must not be empty, got shape {X.shape}")
    k = _check.integer(n_components, "n_components", minimum=1, maximum=min(X.shape))
    width = min(k + _check.integer(n_oversamples, "n_oversamples"), *X.shape)
    _check.choice(power_iteration_normalizer, "power_iteration_normalizer", "auto", "QR", "LU", "none")
    _check.choice(svd_lapack_driver, "svd_lapack_driver", "gesdd", "gesvd")
    if not isinstance(transpose, bool | np.bool_):
        _check.choice(transpose, "transpose", "auto")
    if n_iter == "auto":
        n_iter = 7 if k < 0.1 * min(X.shape) else 4
    iterations = _check.integer(n_iter, "n_iter")
    wide = X.shape[0] < X.shape[1] if transpose == "auto" else bool(transpose)
    tall: Any = X.T if wide else X
    if sparse:
        tall = tall.tocsr()

    start = _sketch(tall, width, key64(random_state))
    size = np.abs(start).max() or 1.0  # of X's entries: X'(X V) holds their squares, which could overflow or vanish
    V = _orthonormal(start)
    for _ in range(iterations):
        V = _orthonormal(_gram_times(tall, V / size))
    U, s, Vt = _rayleigh_ritz(tall, V, svd_lapack_driver)
    U, s, Vt = U[:, :k], s[:k], Vt[:k]
    if wide:
        U, Vt = Vt.T, U.T
    if flip_sign:
        signs = _signs(U)
        U, Vt = U * signs, Vt * signs[:, None]
    return U, s, Vt


def _sparse_floats(M: Any) -> Any:
    M = M if M.format in ("csr", "csc") else M.tocsr()
    data = _check.floats(M.data, "M")
    return M if data is M.data else M.astype(data.dtype)


def _orthonormal(columns: FloatArray) -> FloatArray:
    return np.linalg.qr(columns)[0]


def _sketch(tall: Any, width: int, key: int) -> FloatArray:
    """(S X)' for a sparse-sign S of ``width`` rows, in the dtype of X: the columns that start the iteration."""
    if hasattr(tall, "tocsr"):
        gaussian = np.random.default_rng(key).standard_normal((tall.shape[0], width))
        return np.asarray(tall.T @ gaussian.astype(tall.dtype))
    from w2s_fast.kernels.sketch import add_sketch

    sketch = np.zeros((width, tall.shape[1]), tall.dtype)
    step = rows_per_block(tall.shape[1])
    for start in range(0, len(tall), step):
        add_sketch(np.ascontiguousarray(tall[start : start + step]), start, np.uint64(key), sketch)
    return sketch.T


def _gram_times(tall: Any, V: FloatArray) -> FloatArray:
    """X'(X V) by row blocks: one pass, no tall temporary."""
    if hasattr(tall, "tocsr"):
        return np.asarray(tall.T @ (tall @ V))
    product = np.zeros(V.shape, tall.dtype)
    step = rows_per_block(tall.shape[1])
    for start in range(0, len(tall), step):
        block = tall[start : start + step]
        product += block.T @ (block @ V)
    return product


def _rayleigh_ritz(tall: Any, V: FloatArray, driver: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """SVD of X restricted to the span of V."""
    import scipy.linalg

    Q, R = np.linalg.qr(np.asarray(tall @ V))
    u, s, vt = scipy.linalg.svd(R, full_matrices=False, lapack_driver=driver)
    return Q @ u, s, vt @ V.T


def _signs(columns: FloatArray) -> FloatArray:
    largest = columns[np.argmax(np.abs(columns), axis=0), range(columns.shape[1])]
    return np.where(largest < 0, -1.0, 1.0).astype(columns.dtype)


def _spectrum(X: Any, name: str) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
    """All min(N, D) eigenvalues of X'X, falling, with eigenvectors, or, for wide arrays, X' times those of X X'."""
    if is_array(X):
        X = _check.floats(X, name, ndim=2)
        if X.shape[0] < X.shape[1]:
            rows = X.astype(np.float64, copy=False)
            values, vectors = np.linalg.eigh(rows @ rows.T)
            return np.maximum(values[::-1], 0.0), None, rows.T @ vectors[:, ::-1]
    gram = Gram()
    for block in row_blocks(X, name):
        if block.shape[1] > LARGEST_GRAM:
            raise NotImplementedError(
                f"{name} has {block.shape[1]:,} columns; beyond {LARGEST_GRAM:,} only arrays with fewer rows than "
                "columns, or Subspace.fit(rank=...) on an array, are implemented"
            )
        gram.update(block)
    values, vectors = np.linalg.eigh(gram.xtx)
    return np.maximum(values[::-1][: gram.n_rows], 0.0), vectors[:, ::-1], None


def _rank_for_energy(eigenvalues: FloatArray, energy: float) -> int:
    """Return the smallest k whose first k eigenvalues reach the share ``energy`` of their sum; 0 of nothing."""
    cumulative = np.cumsum(eigenvalues)
    if eigenvalues.size == 0 or cumulative[-1] == 0:
        return 0
    rounding = eigenvalues.size * np.finfo(np.float64).eps
    return int(np.searchsorted(cumulative, energy * cumulative[-1] * (1 - rounding))) + 1


@dataclass(frozen=True, eq=False)
class Subspace:
    """A principal subspace of features: the span of the leading eigenvectors of X'X (not centred).

    Attributes
    ----------
    basis : (D, k) ndarray
        Orthonormal columns.
    eigenvalues : (k,) ndarray
        Of X'X, falling.
    energy : float
        Share of the trace of X'X that the subspace holds.
    """

    basis: FloatArray
    eigenvalues: FloatArray
    energy: float

    @property
    def rank(self) -> int:
        return self.basis.shape[1]

    @classmethod
    def fit(cls, X: Any, *, rank: int | None = None, energy: float | None = None, random_state: Any = None) -> Self:
        """Find the leading subspace of a given rank, or the smallest that holds a share of the energy.

        Parameters
        ----------
        X : (N, D) array_like, memmap, or iterable of row blocks
        rank : int, optional
            From 1 to min(N, D).
        energy : float, optional
            In (0, 1]; 0.99 if neither is given.
        random_state : int, RandomState, Generator or None
            Used where a randomized SVD finds the subspace: arrays of more than 8,192 columns and rows with ``rank``.

        Examples
        --------
        >>> import numpy as np
        >>> from w2s_fast import Subspace
        >>> subspace = Subspace.fit(np.diag([3.0, 2.0, 0.1]), energy=0.99)
        >>> subspace.rank, subspace.eigenvalues.round(6)
        (2, array([9., 4.]))
        """
        if rank is not None and energy is not None:
            raise ValueError("give rank or energy, not both")
        if rank is not None and is_array(X) and min(np.shape(X)) > LARGEST_GRAM:
            _, s, vt = randomized_svd(X, rank, random_state=random_state)
            return cls(vt.T, s**2, float(np.sum(s**2) / np.linalg.norm(X) ** 2))
        eigenvalues, vectors, dual = _spectrum(X, "X")
        total = float(eigenvalues.sum())
        if rank is None:
            share = _check.real(0.99 if energy is None else energy, "energy", maximum=1.0, open_left=True)
            k = _rank_for_energy(eigenvalues, share)
        else:
            k = _check.integer(rank, "rank", minimum=1, maximum=eigenvalues.size)
        basis = _orthonormal(dual[:, :k]) if dual is not None else vectors[:, :k]  # type: ignore[index]
        held = float(eigenvalues[:k].sum() / total) if total else 0.0
        return cls(np.ascontiguousarray(basis), eigenvalues[:k].copy(), held)


def intrinsic_dimension(X: Any, energy: float = 0.99) -> int:
    """Smallest k whose top-k eigenvalues of X'X reach ``energy`` times its trace (paper, section 4).

    Parameters
    ----------
    X : (N, D) array_like, memmap, or iterable of row blocks
        Not centred first.
    energy : float
        In (0, 1].

    Returns
    -------
    int
        0 for features that are all zero.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import intrinsic_dimension
    >>> intrinsic_dimension(np.diag([3.0, 2.0, 0.1]), energy=0.99)
    2
    """
    share = _check.real(energy, "energy", maximum=1.0, open_left=True)
    return _rank_for_energy(_spectrum(X, "X")[0], share)


def _columns(A: Any, name: str) -> npt.NDArray[np.float64]:
    array = _check.floats(A.basis if isinstance(A, Subspace) else A, name, ndim=2).astype(np.float64, copy=False)
    if 0 in array.shape:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def principal_angles(A: Any, B: Any) -> npt.NDArray[np.float64]:
    """Angles between the spans of the columns of A and B, falling.

    Parameters
    ----------
    A, B : (D, k) and (D, l) array_like, or Subspace
        Any columns; they are orthonormalised first.

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
    from scipy.linalg import orth

    a, b = _columns(A, "A"), _columns(B, "B")
    if len(a) != len(b):
        raise ValueError(f"A and B must live in the same space: A has {len(a):,} rows, B {len(b):,}")
    larger, smaller = sorted((orth(a), orth(b)), key=lambda basis: -basis.shape[1])
    product = larger.T @ smaller
    if product.size == 0:
        return np.zeros(0)
    cosines = np.linalg.svd(product, compute_uv=False)[::-1]
    sines = np.linalg.svd(smaller - larger @ product, compute_uv=False)
    return np.where(cosines**2 < 0.5, np.arccos(np.minimum(cosines, 1.0)), np.arcsin(np.minimum(sines, 1.0)))


def correlation_dimension(A: Any, B: Any) -> float:
    """Correlation dimension ||Q_A' Q_B||_F^2: the sum of squared cosines of the principal angles.

    Between 0 for orthogonal subspaces and min(rank A, rank B) where one holds the other (paper, definition 2.3).

    Parameters
    ----------
    A, B : (D, k) and (D, l) array_like, or Subspace
        Columns that span the two subspaces of one D-dimensional space.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import correlation_dimension
    >>> axes = np.eye(5)
    >>> round(correlation_dimension(axes[:, :3], axes[:, 1:]), 12)
    2.0
    """
    return float(np.sum(np.cos(principal_angles(A, B)) ** 2))
