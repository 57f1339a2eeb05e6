"""Truncated SVD and intrinsic dimension, of matrices whose singular values fall as 1/i; SVD of sparse ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.peers.cases import OURS, Call, Case
from bench.workloads import DIMENSION, SPECTRA, Floats, decaying
from w2s_fast import intrinsic_dimension, randomized_svd

QUICK = ((60, 40, "float64", 3),)
QUICK_DIMENSION = (60, 10, "float32")
SPARSE = (100_000, 20_000, 0.005, 100)  # rows, columns, share that is filled, components
QUICK_SPARSE = (60, 40, 0.2, 3)
OVERSAMPLES = 10
FULL = 10**6  # elements up to which all of the SVD takes less than a second
SHARE = 0.99


def cases(quick: bool) -> Iterator[Case]:
    for shape in QUICK if quick else SPECTRA:
        yield truncated(*shape)
    yield sparse(*(QUICK_SPARSE if quick else SPARSE))
    yield dimension(*(QUICK_DIMENSION if quick else DIMENSION))


def truncated(m: int, n: int, dtype: str, k: int) -> Case:
    X = decaying((m, n), dtype, power=1.0)
    calls = [
        Call(OURS, "randomized_svd", lambda: randomized_svd(X, k, random_state=0)),
        Call("scikit-learn", "auto", partial(by_sklearn, X, k, "auto")),
        Call("scikit-learn", "n_iter=2", partial(by_sklearn, X, k, 2)),
        Call("torch", "niter=2", partial(by_torch, X, k)),
        Call("Dask", "n_power_iter=2", partial(by_dask, X, k)),
    ]
    if X.size <= FULL:
        calls.append(Call("NumPy", "all of the SVD", partial(by_numpy, X, k)))
    width = k + OVERSAMPLES
    flops = min(float(m) * n * n, 8.0 * m * n * width) + 2.0 * m * n * k  # X'X, or X'(XV) twice; then U
    what = f"truncated SVD, {m:,} x {n:,}, k = {k}"
    return Case(what, dtype, calls, partial(reconstruction_error, X), 1.001, flops, X.nbytes)


def reconstruction_error(X: Floats, factors: tuple[Floats, Floats, Floats]) -> float:
    """Relative Frobenius error of U S V', in float64 by blocks of rows."""
    U, s, Vt = (np.asarray(factor, np.float64) for factor in factors)
    missed = total = 0.0
    for start in range(0, len(X), 4_096):
        rows = X[start : start + 4_096].astype(np.float64)
        missed += float(np.linalg.norm(rows - U[start : start + 4_096] * s @ Vt) ** 2)
        total += float(np.linalg.norm(rows) ** 2)
    return float((missed / total) ** 0.5)


def sparse(m: int, n: int, filled: float, k: int) -> Case:
    """Numbers from 0 to 1 in random places; :mod:`bench.sparse_svd` has SciPy's exact methods, which take minutes."""
    X = uniform_sparse(m, n, filled)
    calls = [
        Call(OURS, "randomized_svd", lambda: randomized_svd(X, k, random_state=0)),
        Call("scikit-learn", "auto", partial(by_sklearn, X, k, "auto")),
        Call("scikit-learn", "n_iter=2", partial(by_sklearn, X, k, 2)),
    ]
    flops = 8.0 * X.nnz * (k + OVERSAMPLES) + 2.0 * X.nnz * k  # X'(XV) twice; then U
    what = f"truncated SVD, sparse, {m:,} x {n:,}, k = {k}"
    return Case(what, "float64", calls, partial(sparse_error, X), 1.001, flops, X.data.nbytes + X.indices.nbytes)


def uniform_sparse(m: int, n: int, filled: float) -> Any:
    import scipy.sparse

    return scipy.sparse.random_array((m, n), density=filled, format="csr", rng=np.random.default_rng(0))


def sparse_error(X: Any, factors: tuple[Floats, Floats, Floats]) -> float:
    """Relative Frobenius error of U S V', from |X|^2 - 2 <X, U S V'> + |S|^2: U and V are orthonormal."""
    U, s, Vt = factors
    total = float(np.vdot(X.data, X.data))
    missed = total - 2.0 * float(np.einsum("ij,ij,j->", X @ Vt.T, U, s)) + float(np.vdot(s, s))
    return float((missed / total) ** 0.5)


def by_sklearn(X: Any, k: int, n_iter: Any) -> Any:
    from sklearn.utils.extmath import randomized_svd as peer

    return peer(X, k, n_iter=n_iter, random_state=0)


def by_torch(X: Floats, k: int) -> Any:
    import torch

    U, s, V = torch.svd_lowrank(torch.from_numpy(X), q=k + OVERSAMPLES, niter=2)
    return U[:, :k].numpy(), s[:k].numpy(), V[:, :k].numpy().T


def by_dask(X: Floats, k: int) -> Any:
    import dask
    import dask.array

    rows = dask.array.from_array(X, chunks=(-(-len(X) // 4), -1))
    return dask.compute(*dask.array.linalg.svd_compressed(rows, k, n_power_iter=2, seed=0))


def by_numpy(X: Floats, k: int) -> Any:
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    return U[:, :k], s[:k], Vt[:k]


def dimension(m: int, n: int, dtype: str) -> Case:
    X = decaying((m, n), dtype, power=1.0)
    X -= X.mean(axis=0)  # as PCA does
    energies = np.cumsum(np.linalg.eigvalsh(X.astype(np.float64).T @ X.astype(np.float64))[::-1])
    right = int(np.searchsorted(energies, SHARE * energies[-1])) + 1
    calls = [
        Call(OURS, "intrinsic_dimension", lambda: intrinsic_dimension(X, SHARE)),
        Call("scikit-learn", "PCA", partial(by_pca, X)),
    ]
    what = f"intrinsic dimension, {m:,} x {n:,}"
    return Case(what, dtype, calls, lambda k: abs(k - right) / right, flops=float(m) * n * n, bytes=X.nbytes)


def by_pca(X: Floats) -> int:
    from sklearn.decomposition import PCA

    return int(PCA(n_components=SHARE).fit(X).n_components_)
