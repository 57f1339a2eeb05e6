"""Truncated SVD of matrices in memory, a drop-in for scikit-learn's, by the cheapest route of its accuracy.

The routes, for X with N rows and D <= N columns, k components, blocks of l = k + oversamples columns:

- Gram: X'X and its leading eigenvectors V, then the SVD of X V. One pass, N D^2 operations, exact.
- Krylov: the SVD of X [V0, V1, V2], V0 from a sparse-sign sketch of the rows and V_{j+1} = orth(X'(X V_j)) (Musco and
  Musco 2015; Tropp and Webber 2023). Two and a half passes, 10 N D l operations.
- Power: V <- orth(X'(X V)), one pass an iteration, then the SVD of Q'X for Q = orth(X V), by Householder throughout
  (Halko, Martinsson and Tropp 2011).

Gram and Krylov work with squares, and cannot tell singular values below the square root of the working precision,
times the largest, from rounding. Where the k-th one turns out so small, where squares overflow or vanish, for sparse
matrices, for no iterations and for more than 7 the route is Power.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._random import key64
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast.linalg.orthonormal import graded, householder, leading_eigenvectors, thin_svd
from w2s_fast.linalg.passes import (
    PRODUCT_ROWS,
    Matrix,
    adjoint_product,
    gram,
    gram_product,
    product,
    slices,
    tall_blocks,
)

Triple = tuple[FloatArray, FloatArray, FloatArray]
FEW_ITERATIONS = 7  # than which the routes by squares are no less accurate
APPLICATIONS = 2  # of X'X to a Krylov block; a third where the spectrum falls slowly (_converged)
MANY = 0.1  # of min(N, D) components, from which the peer's "auto" makes 4 power iterations, not 7
LEFT_TO_GAIN = 4e-3  # singular values 1/i are at 0.001 to 0.0025 after two applications, 1/sqrt(i) at 0.006 to 0.012
SMALL = 256  # columns whose eigenvectors take less time than the calls of Krylov
EIGENVECTORS = 6  # operations of a product that take as long as the D leading eigenvectors do, over D^3


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
) -> Triple:
    """Truncated randomized SVD, a drop-in for :func:`sklearn.utils.extmath.randomized_svd`.

    Parameters
    ----------
    M : (m, n) array_like, memmap or scipy sparse matrix
    n_components : int
        From 1 to min(m, n).
    n_oversamples : int
        Extra directions that make the ones asked for accurate.
    n_iter : int or "auto"
        Power iterations. "auto" takes the fastest route to the error of the peer's "auto" (4 or 7 iterations), which
        may be exact; 1 to 7 is no less accurate, and takes the same; other numbers are followed, and so are all for
        sparse matrices.
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

    if getattr(M, "format", None) in ("lil", "dok"):
        warnings.warn(
            f"Calculating SVD of a {type(M).__name__} is expensive. CSR format is more efficient.",
            scipy.sparse.SparseEfficiencyWarning,
            stacklevel=2,
        )
    X = _sparse_floats(M) if scipy.sparse.issparse(M) else _check.floats(M, "M", ndim=2, finite=False)
    if 0 in X.shape:
        raise ValueError(f"M must not be empty, got shape {X.shape}")
    k = _check.integer(n_components, "n_components", minimum=1, maximum=min(X.shape))
    width = min(k + _check.integer(n_oversamples, "n_oversamples"), *X.shape)
    iterations = None if n_iter == "auto" else _check.integer(n_iter, "n_iter")
    _check.choice(power_iteration_normalizer, "power_iteration_normalizer", "auto", "QR", "LU", "none")
    _check.choice(svd_lapack_driver, "svd_lapack_driver", "gesdd", "gesvd")
    if not isinstance(transpose, bool | np.bool_):
        _check.choice(transpose, "transpose", "auto")
    wide = X.shape[0] < X.shape[1] if transpose == "auto" else bool(transpose)
    tall: Any = X.T if wide else X
    key = key64(random_state)

    found = None
    with single_threaded_blas():  # threads of BLAS that wait for work would slow those of the passes
        if not _is_sparse(tall) and (iterations is None or 1 <= iterations <= FEW_ITERATIONS):
            found = _by_squares(tall, k, width, key, svd_lapack_driver)
        if found is None:
            iterations = (7 if k < MANY * min(X.shape) else 4) if iterations is None else iterations
            found = _by_power(tall, width, iterations, key, svd_lapack_driver)
    U, s, Vt = found[0][:, :k], found[1][:k], found[2][:k]
    if wide:
        U, Vt = Vt.T, U.T
    if flip_sign:
        signs = _signs(U)
        U, Vt = U * signs, Vt * signs[:, None]
    return U, s, Vt


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "tocsr")


def _sparse_floats(M: Any) -> Any:
    M = M if M.format in ("csr", "csc") else M.tocsr()
    data = _check.floats(M.data, "M")
    return M if data is M.data else M.astype(data.dtype)


def _signs(columns: FloatArray) -> FloatArray:
    largest = columns[np.argmax(np.abs(columns), axis=0), range(columns.shape[1])]
    return np.where(largest < 0, -1.0, 1.0).astype(columns.dtype)


def gram_is_cheaper(N: int, D: int, width: int) -> bool:
    """Compare the operations of Gram, its eigenvectors among them, with those of Krylov: the one rule for routes.

    Two cores, float32, seconds for Gram and Krylov: 50,000 x 768, k = 100: GRAM768 and KRYLOV768; 20,000 x 4,096,
    k = 200: GRAM200 and KRYLOV200, k = 500: GRAM500 and KRYLOV500.
    """
    krylov = 2 * (2 * APPLICATIONS + 1) * N * width
    return D <= max(SMALL, (APPLICATIONS + 1) * width) or D * (N + EIGENVECTORS * D) <= krylov


def _by_squares(tall: FloatArray, k: int, width: int, key: int, driver: str) -> Triple | None:
    """Take the Gram or the Krylov route; None where squares do not resolve the k-th singular value."""
    N, D = tall.shape
    if gram_is_cheaper(N, D, width):
        squares = gram(tall_blocks(tall), D, tall.dtype)
        if not _in_range(squares, tall):
            return None
        V = leading_eigenvectors(squares, k)[1].astype(tall.dtype)
        images = product(tall, V)
    else:
        krylov = _krylov(tall, k, width, key)
        if krylov is None:
            return None
        V, images = krylov
    U, s, vt = thin_svd(images, driver)
    if not s[-1] > np.sqrt(np.finfo(tall.dtype).eps) * s[0]:
        return None
    return U, s.astype(tall.dtype), vt.astype(tall.dtype) @ V.T


def _in_range(squares: Matrix, tall: FloatArray) -> bool:
    """Whether squares neither overflowed nor vanished; NaN and infinity in the data are refused."""
    limits = np.finfo(tall.dtype)
    if not np.isfinite(squares).all():
        _check.all_finite(tall, "M")
        return False
    return bool(np.diagonal(squares).max() > limits.tiny / limits.eps**2)


def _krylov(tall: FloatArray, k: int, width: int, key: int) -> tuple[FloatArray, FloatArray] | None:
    """Leading Ritz vectors (D, k) of a block Krylov space and their images under X (N, k); None if squares fail."""
    images = np.empty((len(tall), (APPLICATIONS + 2) * width), tall.dtype)
    basis = graded(_sketch(tall, width, key), tall.dtype)
    if basis.shape[1] < width:
        return None
    ends = [0, basis.shape[1]]  # of the blocks
    while True:
        applied, block = len(ends) - 2, slice(*ends[-2:])
        V = basis[:, block].astype(tall.dtype)
        if applied < APPLICATIONS:
            grown = gram_product(tall_blocks(tall, PRODUCT_ROWS), V, keep=images[:, block])
        else:
            product(tall, V, out=images[:, block])
            squares = gram(tall_blocks(images[:, : ends[-1]]), ends[-1], tall.dtype)
            if len(squares) < k or not _in_range(squares, tall):
                return None
            if applied > APPLICATIONS or k >= MANY * tall.shape[1] or _converged(squares, ends, k):
                vectors = leading_eigenvectors(squares, k)[1].astype(tall.dtype)
                return product(basis.astype(tall.dtype), vectors), product(images[:, : ends[-1]], vectors)
            grown = adjoint_product(tall, images[:, block])
        grown /= np.maximum(np.linalg.norm(grown, axis=0), np.finfo(float).tiny)
        basis = np.hstack((basis, graded(grown, tall.dtype, against=basis)))
        ends.append(basis.shape[1])


def _converged(squares: Matrix, ends: list[int], k: int) -> bool:
    """Whether one more block would gain little, judging by what the last two gained in energy.

    Errors fall geometrically: after gains a and b, b^2 / (a - b) is left to gain. It is compared with the energy of
    the Ritz values past the k-th, less than which no error can be.
    """
    spectra = [np.linalg.eigvalsh(squares[:end, :end])[::-1] for end in ends[-3:]]
    held = [values[k // 2 : k].sum() for values in spectra]  # the first values are found long before the last
    before, last = held[1] - held[0], held[2] - held[1]
    tail = np.maximum(spectra[-1][k:], 0.0).sum()
    return bool(last**2 <= LEFT_TO_GAIN * tail * max(before - last, 0.0))


def _sketch(tall: Any, width: int, key: int) -> FloatArray:
    """(S X)' for a sparse-sign S of ``width`` rows, in the dtype of X: the columns that start the iteration."""
    if _is_sparse(tall):
        gaussian = np.random.default_rng(key).standard_normal((tall.shape[0], width))
        return np.asarray(tall.T @ gaussian.astype(tall.dtype))
    from w2s_fast.kernels.sketch import TILE_COLUMNS, add_sketch

    def strip_of_sketch(strip: slice) -> FloatArray:
        sketch = np.zeros((width, strip.stop - strip.start), tall.dtype)
        for cut in slices(len(tall), PRODUCT_ROWS):
            add_sketch(np.ascontiguousarray(tall[cut, strip]), cut.start, np.uint64(key), sketch)
        return sketch

    return np.hstack(list(ordered_map(strip_of_sketch, slices(tall.shape[1], TILE_COLUMNS)))).T


def _by_power(tall: Any, width: int, iterations: int, key: int, driver: str) -> Triple:
    """Iterate V <- orth(X'(X V)), then project: with Q = orth(X V) the result is Q (Q'X), as the peer's."""
    import scipy.linalg

    if not _is_sparse(tall):
        _check.all_finite(tall, "M")
    start = _sketch(tall, width, key)
    size = np.abs(start).max() or 1.0  # of X's entries: X'(X V) holds their squares, which could overflow or vanish
    V = householder(start)
    for _ in range(iterations):
        V = householder(_gram_times(tall, V / size))
    images = np.asarray(tall @ V)
    if iterations == 0:  # the plain range finder, which is asked for to be cheap
        Q, R = np.linalg.qr(images)
        u, s, vt = scipy.linalg.svd(R, full_matrices=False, lapack_driver=driver)
        return Q @ u, s, vt @ V.T
    Q = householder(images)
    v, s, ut = scipy.linalg.svd(np.asarray(tall.T @ Q), full_matrices=False, lapack_driver=driver)
    return Q @ ut.T, s, v.T


def _gram_times(tall: Any, V: FloatArray) -> FloatArray:
    """X'(X V) in the dtype of X."""
    if _is_sparse(tall):
        return np.asarray(tall.T @ (tall @ V))
    return gram_product(tall_blocks(tall, PRODUCT_ROWS), V).astype(V.dtype)
