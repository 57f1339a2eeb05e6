"""Means, variances, Gram matrices and covariances of rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.peers.cases import OURS, Call, Case, relative
from bench.workloads import FLOAT32_PRODUCTS, GRAMS, STREAMS, Floats, gaussian
from w2s_fast import CoMoments, Gram, Moments

QUICK = ((10, 5, "float64"), (40, 5, "float32"))
QUICK_PRODUCTS = ((40, 5),)
CHECKED = 4  # columns whose exact values are computed in extended precision


def cases(quick: bool) -> Iterator[Case]:
    for shape in QUICK if quick else STREAMS:
        yield moments(*shape)
    for shape in QUICK if quick else GRAMS:
        yield gram(*shape)
        yield covariance(*shape)
    for shape in QUICK_PRODUCTS if quick else FLOAT32_PRODUCTS:
        yield gram(*shape, "float32", product_dtype="float32")


def moments(m: int, n: int, dtype: str) -> Case:
    X = gaussian((m, n), dtype) + np.dtype(dtype).type(10)  # off zero, where rounding shows
    right = np.var(X[:, :CHECKED].astype(np.longdouble), axis=0).astype(np.float64)
    calls = [
        Call(OURS, "Moments", lambda: Moments().update(X).variance()),
        Call("NumPy", "mean and var", lambda: (X.mean(axis=0), X.var(axis=0))[1]),
        Call("scikit-learn", "incremental", partial(by_sklearn, X)),
        Call("torch", "var_mean", partial(by_torch, X)),
        Call("Dask", "mean and var", partial(by_dask, X)),
    ]
    what = f"mean and variance, {m:,} x {n}"
    return Case(what, dtype, calls, lambda v: relative(v[:CHECKED], right), flops=4.0 * m * n, bytes=X.nbytes)


def by_sklearn(X: Floats) -> Any:
    from sklearn.utils.extmath import _incremental_mean_and_var

    zeros, none = np.zeros(X.shape[1]), np.zeros(X.shape[1], np.int64)
    return _incremental_mean_and_var(X, zeros, zeros, none)[1]


def by_torch(X: Floats) -> Any:
    import torch

    return torch.var_mean(torch.from_numpy(X), dim=0, correction=0)[0].numpy()


def by_dask(X: Floats) -> Any:
    import dask
    import dask.array

    rows = dask.array.from_array(X, chunks=(-(-len(X) // 8), -1))
    return dask.compute(rows.mean(axis=0), rows.var(axis=0))[1]


def gram(m: int, n: int, dtype: str, product_dtype: str = "float64") -> Case:
    X, y = gaussian((m, n), dtype), gaussian((m,), dtype, seed=1)
    right = X[:, :CHECKED].astype(np.longdouble).T @ X[:, :CHECKED].astype(np.longdouble)
    products = "" if product_dtype == "float64" else f", {product_dtype} products"
    calls = [
        Call(OURS, f"Gram{products}", lambda: Gram(product_dtype=product_dtype).update(X, y).xtx),
        Call("NumPy", "X'X and X'y", lambda: (X.T @ X, X.T @ y)[0]),
        Call("torch", "X'X and X'y", partial(gram_by_torch, X, y)),
        Call("Dask", "X'X and X'y", partial(gram_by_dask, X, y)),
    ]
    what = f"Gram matrix with labels{products}, {m:,} x {n:,}"
    return Case(what, dtype, calls, checked(right), flops=float(m) * n * n, bytes=X.nbytes)


def gram_by_torch(X: Floats, y: Floats) -> Any:
    import torch

    rows = torch.from_numpy(X)
    return (rows.T @ rows, rows.T @ torch.from_numpy(y))[0].numpy()


def gram_by_dask(X: Floats, y: Floats) -> Any:
    import dask
    import dask.array

    rows, labels = (dask.array.from_array(a, chunks=(-(-len(X) // 8), *a.shape[1:])) for a in (X, y))
    return dask.compute(rows.T @ rows, rows.T @ labels)[0]


def covariance(m: int, n: int, dtype: str) -> Case:
    X = gaussian((m, n), dtype)
    few = X[:, :CHECKED].astype(np.longdouble)
    few -= few.mean(axis=0)
    calls = [
        Call(OURS, "CoMoments", lambda: CoMoments().update(X).covariance(ddof=1)),
        Call("NumPy", "cov", lambda: np.cov(X, rowvar=False)),
    ]
    error = checked(few.T @ few / (m - 1))
    return Case(f"covariance, {m:,} x {n:,}", dtype, calls, error, flops=float(m) * n * n, bytes=X.nbytes)


def checked(right: Any) -> Any:
    return lambda found: relative(np.asarray(found)[:CHECKED, :CHECKED], right)
