"""Truncated SVD of matrices in memory, a drop-in for scikit-learn's, by the cheapest route of its accuracy.

The routes, for X with N rows and D <= N columns, k components, l = k + oversamples:

- Gram: X'X and its leading eigenvectors V, then the SVD of X V. One pass, N D^2 operations, exact.
- Krylov: the SVD of X [V0, V1, ...], V0 from a sparse-sign sketch of the rows and V_{j+1} = orth(X'(X V_j)) (Musco and
  Musco 2015; Tropp and Webber 2023), until little is left to gain. Blocks of about l / 4 columns reach further for the
  same work than blocks of l (Meyer, Musco and Musco 2024): 6.5 to 9 N D l operations, where two passes with l take 10.
- Passes, for Rows and Dask arrays: as :mod:`w2s_fast.linalg.spectral.by_passes` says.
- Power: V <- orth(X'(X V)), one pass an iteration, then the SVD of Q'X for Q = orth(X V), by Householder throughout
  (Halko, Martinsson and Tropp 2011).

Gram and Krylov work with squares, and cannot tell singular values near the square root of their precision, times the
largest, from rounding; Gram from ten times that. Then they square float32 in float64. Where the k-th one is smaller
yet, and for no iterations, the route is Power. Sparse matrices go by Krylov, or by Power. Where squares would overflow
or vanish, X is brought to a moderate scale first.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from w2s_fast import _check, _devices
from w2s_fast._arrays import Home
from w2s_fast._check import FloatArray
from w2s_fast._random import key64
from w2s_fast._threads import ordered_map, single_threaded_blas
from w2s_fast._types import Blocks, Floats, Tensor
from w2s_fast._workers import Workers
from w2s_fast.linalg.rows.base import Rows, ScaleError, at_any_scale
from w2s_fast.linalg.rows.cutting import cuts
from w2s_fast.linalg.rows.products import SERIAL_SIZE, gram, times
from w2s_fast.linalg.rows.scale import scaled_back
from w2s_fast.linalg.spectral import by_passes, operand
from w2s_fast.linalg.spectral.lanczos import block_columns, leading_directions
from w2s_fast.linalg.spectral.orthonormal import householder, leading_eigenvectors, resolves, thin_svd

Triple = tuple[FloatArray, FloatArray, FloatArray]
MANY_ITERATIONS = 7  # of the peer's "auto" where components are few
FEW_ITERATIONS = 4  # and where they are many
MANY_COMPONENTS = 0.1  # of min(N, D)
SMALL = 256  # columns whose eigenvectors take less time than the calls of Krylov
FEW = 4  # columns for each that is iterated: from there the iterations take less time than LAPACK's bisection
TOLD = 3.0  # roots of eps, times the largest singular value: below, squares lose up to 8 % of error in a Krylov space
EXTRA_BLOCKS = 3  # of a Krylov space beside those that make ``width`` columns; fewer for steep spectra, more for slow
EIGENVECTORS = 10  # D^3 of X'X's N D^2 operations last as long as the k eigenvectors


class Options(TypedDict, total=False):
    """How :func:`randomized_svd` works."""

    n_oversamples: int
    n_iter: int | Literal["auto"]
    power_iteration_normalizer: Literal["auto", "QR", "LU", "none"]
    transpose: bool | Literal["auto"]
    flip_sign: bool
    random_state: Any
    svd_lapack_driver: Literal["gesdd", "gesvd"]
    workers: Workers


@overload
def randomized_svd(M: Floats, n_components: int, **how: Unpack[Options]) -> Triple: ...


@overload
def randomized_svd(M: Tensor, n_components: int, **how: Unpack[Options]) -> tuple[Tensor, Tensor, Tensor]: ...


@overload
def randomized_svd(M: Blocks, n_components: int, **how: Unpack[Options]) -> tuple[Any, Any, Any]: ...


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
    workers: Workers = None,
) -> Any:
    """Truncated randomized SVD, a drop-in for :func:`sklearn.utils.extmath.randomized_svd`.

    Parameters
    ----------
    M : (m, n) array_like, memmap, scipy sparse matrix, Rows, Dask array, path, list of paths, or Centred
        :class:`~w2s_fast.linalg.rows.centred.Centred` rows less their mean, of which no copy is made.
    n_components : int
        At least 1; more than min(m, n) give that many.
    n_oversamples : int
        Extra directions that make the ones asked for accurate.
    n_iter : int or "auto"
        Power iterations. "auto" takes the fastest route to the error of the peer's "auto" (4 or 7 iterations), which
        may be exact; 1 and more take the same routes, further for more than 7, until little of the error is left to
        gain; 0 is followed.
    power_iteration_normalizer : {"auto", "QR", "LU", "none"}
        Taken for compatibility. Every iteration is normalised by QR, the most accurate of the choices; here it works
        on the short side and costs little.
    transpose : bool or "auto"
        Decompose M' instead; "auto" where M is wider than tall. The result is that of M either way.
    flip_sign : bool
        Make each component's largest entry in U positive.
    random_state : int, RandomState, Generator, np.random or None
        None follows ``np.random.seed``, as ``np.random`` itself does.
    svd_lapack_driver : {"gesdd", "gesvd"}
    workers : Dask client or pool, optional
        Of paths: who reads and sums the rows, as docs/howto/clusters.md says; the same bits.

    Returns
    -------
    U : (m, n_components) ndarray, or Dask array of a Dask array
        Of Rows, files and Dask arrays columns whose singular value is rounding are zero.
    s : (n_components,) ndarray
        Singular values, falling.
    Vt : (n_components, n) ndarray

    Raises
    ------
    ValueError, TypeError
        NaN or infinity, ``n_components`` below 1, unknown options.

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
    if (on_gpu := _devices.twin("randomized_svd", M)) is not None:
        passes = {} if n_iter == "auto" else {"n_iter": n_iter}
        how = {"n_oversamples": n_oversamples, "random_state": random_state, **passes}
        return Home.of(M).give(on_gpu(M, n_components, **how))
    X = operand.checked(M, workers)
    if 0 in X.shape:
        raise ValueError(f"M must not be empty, got shape {X.shape}")
    k = min(_check.integer(n_components, "n_components", minimum=1), *X.shape)
    width = min(k + _check.integer(n_oversamples, "n_oversamples"), *X.shape)
    iterations = None if n_iter == "auto" else _check.integer(n_iter, "n_iter")
    _check.choice(power_iteration_normalizer, "power_iteration_normalizer", "auto", "QR", "LU", "none")
    _check.choice(svd_lapack_driver, "svd_lapack_driver", "gesdd", "gesvd")
    if isinstance(transpose, str):
        _check.choice(transpose, "transpose", "auto")
    else:
        _check.boolean(transpose, "transpose")
    flip_sign = _check.boolean(flip_sign, "flip_sign")
    wide = X.shape[0] < X.shape[1] if transpose == "auto" else bool(transpose)
    tall: Any = X.T if wide else X
    key = key64(random_state)
    if iterations is None:
        iterations = FEW_ITERATIONS if k >= MANY_COMPONENTS * min(X.shape) else MANY_ITERATIONS
    with single_threaded_blas():  # threads of BLAS that wait for work would slow those of the passes
        if isinstance(X, Rows):
            (U, s, Vt), shift = at_any_scale(X, lambda rows: by_passes.svd(rows, k, width, iterations, key, flip_sign))
            return U, scaled_back(s, shift, s.dtype, "the singular values"), Vt
        try:
            U, s, Vt = _decomposed(tall, k, width, iterations, key, svd_lapack_driver)
        except ScaleError:
            operand.refuse_not_finite(X)
            moderate, shift = operand.rescaled(tall)
            U, s, Vt = _decomposed(moderate, k, width, iterations, key, svd_lapack_driver)
            s = scaled_back(s, shift, s.dtype, "the singular values")
    if wide:
        U, Vt = Vt.T, U.T
    if flip_sign:
        signs = _signs(U)
        U *= signs
        Vt *= signs[:, None]
    return Home.of(M).give((U, s, Vt))


def _signs(columns: FloatArray) -> FloatArray:
    """Signs of the entries of largest magnitude, the first of those that tie."""
    pieces = cuts(len(columns), columns.shape[1], 1)
    each = ordered_map if len(pieces) > 1 else map
    highs, lows = zip(*each(_extremes, (columns[cut] for cut in pieces)), strict=True)
    high, low = np.max(highs, axis=0), -np.min(lows, axis=0)
    signs = np.where(high < low, -1.0, 1.0)
    for tie in np.flatnonzero(high == low):
        signs[tie] = np.sign(columns[np.argmax(np.abs(columns[:, tie])), tie]) or 1.0
    return signs.astype(columns.dtype)


def _extremes(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    return rows.max(axis=0), rows.min(axis=0)


def left_to_gain(k: int, iterations: int) -> float:
    """Share of the squared error that the peer leaves to gain after its iterations, measured, and rather less.

    It grows with the square root of k, as oversamples become fewer beside the components: of singular values 1/i the
    peer leaves 0.004, 0.007 and 0.010 after 4 iterations for k = 120, 200 and 500, more where they fall more slowly.
    With this errors are 0.989 to 1.0005 of the peer's for 1/i, 1/sqrt(i), i^-1/4, 0.98^i, a step and noise, k = 10 to
    500 of 1,000 to 4,096. Beyond 7, every iteration takes it to a tenth.
    """
    return (6e-4 if iterations <= FEW_ITERATIONS else 1e-4 * 0.1 ** max(iterations - MANY_ITERATIONS, 0)) * k**0.5


def gram_is_cheaper(N: int, D: int, width: int) -> bool:
    """Compare the operations of Gram, its eigenvectors among them, with those of Krylov: the one rule for routes.

    Measured on two cores in float32, seconds for Gram and Krylov: 50,000 x 768, k = 100: 0.21 and 0.27; 20,000 x
    4,096, k = 200: 3.7 and 0.92, k = 500: 4.6 and 2.0.
    """
    block = block_columns(width)
    blocks = -(-width // block) + EXTRA_BLOCKS
    return D <= max(SMALL, 3 * width) or D * (N + EIGENVECTORS * D) <= (4 * blocks - 2) * N * block


def _decomposed(tall: Any, k: int, width: int, iterations: int, key: int, driver: str) -> Triple:
    """U, s, Vt of k components, by the first route that serves; ScaleError where squares overflow or vanish."""
    found = None
    if iterations == 0:
        operand.energy(tall)
    elif isinstance(tall, np.ndarray) and tall.size <= SERIAL_SIZE:
        found = _by_lapack(tall, driver)
    elif operand.is_dense(tall) and gram_is_cheaper(tall.shape[0], tall.shape[1], width):
        found = _by_gram(tall, k, width, iterations, key, driver)
    else:
        found = _by_krylov(tall, k, width, left_to_gain(k, iterations), key, driver)
    if found is None:
        found = _by_power(tall, width, iterations, key, driver)
    return found[0][:, :k], found[1][:k], found[2][:k]


def _by_lapack(tall: FloatArray, driver: str) -> Triple:
    """All of the SVD, which of so few numbers takes less time than to choose some."""
    import scipy.linalg

    if not np.isfinite(tall).all():
        raise ScaleError("M holds NaN or infinity")
    return scipy.linalg.svd(tall, full_matrices=False, lapack_driver=driver, check_finite=False)


def _by_gram(tall: FloatArray, k: int, width: int, iterations: int, key: int, driver: str) -> Triple | None:
    """From X'X, in float64 where float32 does not serve; None where squares do not resolve the k-th singular value."""
    for precision in dict.fromkeys((tall.dtype, np.dtype(np.float64))):
        squares = gram(tall, precision)
        operand.require_moderate(float(np.trace(squares)), tall)
        if len(squares) <= SMALL and FEW * width <= len(squares):
            V = _iterated(squares.astype(precision), width, max(iterations, MANY_ITERATIONS), key)
            U, s, Vt = _projected(tall, times(tall, V.astype(tall.dtype, copy=False)), driver)
            if resolves(precision, s[k - 1] ** 2, s[0] ** 2):
                return U, s, Vt
            continue
        values, vectors = leading_eigenvectors(squares, k, precision)
        if resolves(precision, values[-1], values[0]):
            V = vectors.astype(tall.dtype, copy=False)
            return _from_images(V, times(tall, V), 0.0, driver, tall.dtype)
    return None


def _iterated(squares: FloatArray, width: int, iterations: int, key: int) -> FloatArray:
    """Directions as the peer's iterations find them, of few in a third of the time of LAPACK's eigenvectors."""
    V = np.random.default_rng(key).standard_normal((len(squares), width)).astype(squares.dtype)
    for _ in range(iterations):
        V = householder(squares @ V)
    return V


def _by_krylov(tall: Any, k: int, width: int, share: float, key: int, driver: str) -> Triple | None:
    """From a Krylov space of X'X, in float64 where float32 does not serve; None as :func:`_by_gram`."""
    start = operand.sketch(tall, block_columns(width), key)
    for precision in dict.fromkeys((tall.dtype, np.dtype(np.float64))):
        energy = operand.energy(tall, precision)
        first = start.astype(precision, copy=False)
        found = leading_directions(tall, first, k, share, energy, np.random.default_rng(key))
        resolved = TOLD * float(np.finfo(precision).eps) ** 0.5
        if found is not None and (triple := _from_images(*found, resolved, driver, tall.dtype)) is not None:
            return triple
    return None


def _from_images(
    V: FloatArray, images: FloatArray, resolved: float, driver: str, dtype: npt.DTypeLike
) -> Triple | None:
    """SVD of X from that of X V = ``images``, if singular values are above ``resolved`` times the largest."""
    U, s, vt = thin_svd(images, driver)
    if not s[-1] > resolved * s[0]:
        return None
    right = vt.astype(V.dtype) @ V.T
    return U.astype(dtype, copy=False), s.astype(dtype), right.astype(dtype, copy=False)


def _by_power(tall: Any, width: int, iterations: int, key: int, driver: str) -> Triple:
    """Iterate V <- orth(X'(X V)), then project: with Q = orth(X V) the result is Q (Q'X), as the peer's."""
    import scipy.linalg

    V = householder(operand.sketch(tall, width, key))
    for _ in range(iterations):
        V = householder(operand.gram_image(tall, V).astype(V.dtype, copy=False))
    images = operand.image(tall, V)
    if iterations == 0:  # the plain range finder, which is asked for to be cheap
        Q, R = np.linalg.qr(images)
        u, s, vt = scipy.linalg.svd(R, full_matrices=False, lapack_driver=driver)
        return Q @ u, s, vt @ V.T
    return _projected(tall, images, driver)


def _projected(tall: Any, images: FloatArray, driver: str) -> Triple:
    """SVD of Q (Q'X) for the basis Q of ``images``, as the peer has it: X'U is V S to rounding."""
    import scipy.linalg

    Q = householder(images)
    v, s, ut = scipy.linalg.svd(operand.transposed_image(tall, Q), full_matrices=False, lapack_driver=driver)
    return Q @ ut.T, s, v.T
