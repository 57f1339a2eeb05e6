"""Least squares of one problem and of stacks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg

from bench.peers.cases import OURS, Call, Case, relative
from bench.workloads import LEAST_SQUARES, STACKS, Floats, features, gaussian
from w2s_fast import lstsq, min_norm

QUICK = (("gaussian", 30, 5, "float64"), ("two equal columns", 30, 5, "float64"), ("gaussian", 5, 30, "float32"))
QUICK_STACKS = ((4, 12, 3),)
REFINEMENTS = 4  # each gains six digits at condition 1e10


def cases(quick: bool) -> Iterator[Case]:
    for kind, m, n, dtype in QUICK if quick else LEAST_SQUARES:
        yield problem(kind, m, n, dtype)
    for shape in QUICK_STACKS if quick else STACKS:
        yield stack(*shape)


def problem(kind: str, m: int, n: int, dtype: str) -> Case:
    X, y = features(kind, m, n, dtype), gaussian((m,), dtype, seed=1)
    calls = [
        Call(OURS, "min_norm", lambda: min_norm(X, y)),
        Call(OURS, "lstsq", lambda: lstsq(X, y)[0]),
        Call("NumPy", "", lambda: np.linalg.lstsq(X, y)[0]),
        Call("SciPy", "gelsd", lambda: scipy.linalg.lstsq(X, y)[0]),
        Call("SciPy", "gelsy", lambda: scipy.linalg.lstsq(X, y, lapack_driver="gelsy")[0]),
        Call("scikit-learn", "LinearRegression", partial(by_sklearn, X, y)),
        Call("torch", "", partial(by_torch, X, y)),
    ]
    if m > n and kind != "two equal columns":  # Dask's needs blocks of full rank
        calls.append(Call("Dask", "", partial(by_dask, X, y)))
    right = exact(kind, X, y)
    return Case(
        f"least squares, {m:,} x {n:,}, {kind}",
        dtype,
        calls,
        lambda w: relative(w, right),
        flops=float(max(m, n)) * min(m, n) ** 2,
        bytes=X.nbytes,
    )


def exact(kind: str, X: Floats, y: Floats) -> Floats:
    """Shortest solution with residuals in extended precision: QR, refined (Björck 1967)."""
    X, y = X.astype(np.float64), y.astype(np.float64)
    if kind == "two equal columns":  # which share what one of them would get
        w = exact("", X[:, 1:], y)
        w[0] /= 2
        return np.concatenate((w[:1], w))
    tall = X.shape[0] >= X.shape[1]
    Q, R = np.linalg.qr(X if tall else X.T)
    A, b = X.astype(np.longdouble), y.astype(np.longdouble)
    w, r = np.zeros(X.shape[1], np.longdouble), np.zeros(X.shape[0], np.longdouble)
    for _ in range(REFINEMENTS):
        f = (b - r - A @ w).astype(np.float64)
        if tall:
            h = scipy.linalg.solve_triangular(R, -(r @ A).astype(np.float64), trans=1)
            c = Q.T @ f
            r += f + Q @ (h - c)
            w += scipy.linalg.solve_triangular(R, c - h)
        else:
            w += Q @ scipy.linalg.solve_triangular(R, f, trans=1)
    return w.astype(np.float64)


def by_sklearn(X: Floats, y: Floats) -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression(fit_intercept=False).fit(X, y).coef_


def by_torch(X: Floats, y: Floats) -> Any:
    import torch

    return torch.linalg.lstsq(torch.from_numpy(X), torch.from_numpy(y[..., None])).solution.numpy()[..., 0]


def by_dask(X: Floats, y: Floats) -> Any:
    import dask.array

    rows = max(X.shape[1], -(-len(X) // 4))
    blocks = (dask.array.from_array(array, chunks=(rows, *array.shape[1:])) for array in (X, y))
    return dask.array.linalg.lstsq(*blocks)[0].compute()


def stack(problems: int, m: int, n: int) -> Case:
    X, Y = gaussian((problems, m, n)), gaussian((problems, m), seed=1)

    def loop(solve: Any) -> Floats:
        return np.stack([solve(x, y)[0] for x, y in zip(X, Y, strict=True)])

    right = loop(np.linalg.lstsq)
    calls = [
        Call(OURS, "min_norm", lambda: min_norm(X, Y)),
        Call(OURS, "lstsq", lambda: lstsq(X, Y)[0]),
        Call("NumPy", "loop", lambda: loop(np.linalg.lstsq)),
        Call("SciPy", "loop", lambda: loop(scipy.linalg.lstsq)),
    ]
    calls.append(Call("torch", "stack", partial(by_torch, X, Y)))
    what = f"{problems:,} least-squares problems of {m:,} x {n}"
    return Case(
        what, "float64", calls, lambda w: max(relative(w, right), 1e-15), 1e3, float(problems * m * n * n), X.nbytes
    )
