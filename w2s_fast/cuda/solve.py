"""Least squares and subspaces of arrays on the GPU: CuPy's factorisations, our blocks, sketch and rank policy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._random import key64
from w2s_fast.cuda import arrays, kernels
from w2s_fast.cuda._shim import array_library, explained, to_host
from w2s_fast.cuda.accumulate import Gram, ScaledFactor
from w2s_fast.linalg.leastsq.policy import Cutoff, column_norms, gram_serves
from w2s_fast.linalg.rows.products import gram_times
from w2s_fast.linalg.rows.scale import exponent_of, exponents, scaled, scaled_back
from w2s_fast.linalg.spectral.dimension import rank_for_energy
from w2s_fast.linalg.spectral.subspace import Subspace


def min_norm(X: Any, Y: Any, *, rcond: float | None = None, ridge: float = 0.0) -> Any:
    """Minimum-norm least-squares weights on the GPU, :func:`w2s_fast.min_norm` for one problem.

    By the Gram matrix, refined with the residual of X, where the CPU's rank policy finds that safe; else by the
    singular value decomposition.

    Parameters
    ----------
    X : (m, n) array on the GPU
    Y : (m,) or (m, k) array on the GPU
    rcond, ridge : float
        As :func:`w2s_fast.min_norm`.

    Returns
    -------
    (n,) or (n, k) array on the GPU
    """
    features, labels = arrays.floats(X, "X", ndim=2), arrays.floats(Y, "Y")
    _check.same_rows(X=features, Y=labels)
    if labels.ndim not in (1, 2):
        raise ValueError(f"Y must have 1 or 2 dimensions, got shape {labels.shape}")
    dtype = np.result_type(features.dtype, labels.dtype)
    ridge = _check.real(ridge, "ridge")
    cut = Cutoff.of(features.dtype, features.shape, rcond, ridge)
    columns = labels if labels.ndim == 2 else labels[:, None]
    with explained():
        x_shift, y_shift = int(exponents(features)), exponents(columns, axis=0)
        if x_shift and ridge:
            x_shift = max(x_shift, exponent_of(ridge) // 2)
        X, Y = (array.astype(np.float64, copy=False) for array in (features, columns))
        coef = _solve(scaled(X, -x_shift), scaled(Y, -y_shift), math.ldexp(ridge, -2 * x_shift), cut, ridge > 0.0)
        coef = scaled_back(coef, y_shift - x_shift, dtype, "the weights")
    return coef.reshape(X.shape[1], *labels.shape[1:])


def _solve(X: Any, Y: Any, ridge: float, cut: Cutoff, ridged: bool) -> Any:
    """Weights (n, k) of features and labels in float64, of a moderate scale."""
    if 0 in X.shape:
        return np.zeros_like(X, shape=(X.shape[1], Y.shape[1]))
    tall = X.shape[0] >= X.shape[1]
    product = X.T @ X if tall else X @ X.T
    factor = ScaledFactor.of(product, ridge)
    if not gram_serves(factor.rcond, float(factor.scale.max()), float(np.trace(product)), ridge, cut):
        return _by_svd(X, Y, ridge, cut.of_values(X.shape, ridged))
    if tall:
        coef = factor.solve(X.T @ Y)
        return coef + factor.solve(X.T @ (Y - X @ coef) - ridge * coef)
    dual = factor.solve(Y)
    coef = X.T @ dual
    return coef + X.T @ factor.solve(Y - X @ coef - ridge * dual)


def _by_svd(X: Any, Y: Any, ridge: float, cut: Cutoff) -> Any:
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    tall = X.shape[0] >= X.shape[1]
    keep = cut.keeps(s, vt.T if tall else u, column_norms(X if tall else X.T))
    filters = np.where(keep, 1.0 / np.where(keep, s + ridge / np.where(keep, s, 1.0), 1.0), 0.0)
    return vt.T @ (filters[:, None] * (u.T @ Y))


def sketch(X: Any, width: int, *, random_state: Any = None) -> Any:
    """Sparse-sign sketch S X (width, d) of the rows of X on the GPU, S as on the CPU for the same ``random_state``.

    Each column of S has 8 entries +-1/sqrt(8). It is written out for up to 256 MB of it at a time: a product of dense
    matrices takes the GPU less time than adding rows to their places.

    Parameters
    ----------
    X : (n, d) array on the GPU
    width : int
        Rows of the sketch, at least 1.
    random_state : int, RandomState, Generator, np.random or None
    """
    rows = arrays.floats(X, "X", ndim=2)
    return _sketch(rows, _check.integer(width, "width", minimum=1), key64(random_state))


def _sketch(rows: Any, width: int, key: int) -> Any:
    xp = array_library()
    n, d = rows.shape
    step, threads = arrays.height(width), kernels.SIGN_THREADS
    with explained():
        total = xp.zeros((width, d), rows.dtype)
        for start in range(0, n if d else 0, step):
            block = rows[start : start + step]
            signs = xp.zeros((len(block), width), rows.dtype)
            kernels.fill_signs[-(-len(block) // threads), threads](start, np.uint64(key), signs)
            total = total + signs.T @ block
    return total / np.sqrt(min(kernels.NONZEROS, width)).astype(rows.dtype)


def randomized_svd(
    M: Any, n_components: int, *, n_oversamples: int = 10, n_iter: int = 4, random_state: Any = None
) -> tuple[Any, Any, Any]:
    """Truncated SVD of an array on the GPU: U, s, Vt there too, as :func:`w2s_fast.randomized_svd` returns them.

    From the CPU's sketch, ``n_iter`` power iterations V <- orth(X'(X V)), one pass over the array each.

    Parameters
    ----------
    M : (m, n) array on the GPU
    n_components : int
        At least 1; more than min(m, n) give that many.
    n_oversamples, n_iter : int
    random_state : int, RandomState, Generator, np.random or None
    """
    X = arrays.floats(M, "M", ndim=2)
    if 0 in X.shape:
        raise ValueError(f"M must not be empty, got shape {X.shape}")
    k = min(_check.integer(n_components, "n_components", minimum=1), *X.shape)
    width = min(k + _check.integer(n_oversamples, "n_oversamples"), *X.shape)
    iterations = _check.integer(n_iter, "n_iter")
    wide = X.shape[0] < X.shape[1]
    tall = array_library().ascontiguousarray(X.T) if wide else X
    rows = arrays.DeviceRows(tall, "M")
    with explained():
        V, _ = np.linalg.qr(_sketch(tall, width, key64(random_state)).T)
        for _ in range(iterations):
            V, _ = np.linalg.qr(gram_times(rows, V).astype(V.dtype))
        Q, _ = np.linalg.qr(tall @ V)
        u, s, vt = np.linalg.svd(Q.T @ tall, full_matrices=False)
        U, s, Vt = (Q @ u)[:, :k], s[:k], vt[:k]
        if wide:
            U, Vt = Vt.T, U.T
        signs = np.where(np.max(U, axis=0) < -np.min(U, axis=0), -1.0, 1.0).astype(U.dtype)
        return U * signs, s, Vt * signs[:, None]


def fit_subspace(X: Any, *, rank: int | None = None, energy: float | None = None) -> Subspace:
    """Leading principal subspace of rows that may be anywhere, basis and eigenvalues on the GPU.

    From all eigenvalues of X'X, accumulated on the GPU block by block: :meth:`w2s_fast.Subspace.fit` for features of
    up to some ten thousand columns, any number of rows.

    Parameters
    ----------
    X : array, path or iterable
        On the GPU or not, as :func:`row_blocks` takes it; rows that do not fit on the GPU stream through it.
    rank : int, optional
    energy : float, optional
        In (0, 1]; 0.99 if neither is given.
    """
    if rank is not None and energy is not None:
        raise ValueError("give rank or energy, not both")
    share = _check.real(0.99 if energy is None else energy, "energy", maximum=1.0, open_left=True)
    squares = Gram()
    for block in arrays.row_blocks(X):
        squares.update(block)
    most = min(squares.n_rows, len(squares.xtx))
    if rank is not None:
        rank = _check.integer(rank, "rank", minimum=1, maximum=most)
    with explained():
        values, vectors = np.linalg.eigh(squares.xtx)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    known = to_host(values)
    k = rank_for_energy(known[:most], share) if rank is None else rank
    total = float(known.sum())
    held = min(float(known[:k].sum()) / total, 1.0) if total else 0.0
    basis = array_library().ascontiguousarray(vectors[:, :k])
    return Subspace(basis, values[:k], held, 0.0, (k, k), "exact")
