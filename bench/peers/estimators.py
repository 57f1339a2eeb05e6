"""Estimators of scikit-learn: ours and its own with the same settings, on features far from the origin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.peers.cases import MISSING, OURS, Call, Case, relative
from bench.workloads import Floats, decaying, gaussian

SHAPES = {"PCA": (50_000, 768), "PCA, leading": (20_000, 2_000), "LinearRegression": (50_000, 200)}
SHAPES |= {"Ridge": (50_000, 200), "RidgeCV": (50_000, 200)}
QUICK = (80, 6)
OFFSET = 10.0
LEADING = 3, 50  # components, at tiny sizes and at the others
DTYPES = ("float64", "float32")
LEAST = 1e-14  # error, relative: less than that is as good


def cases(quick: bool) -> Iterator[Case]:
    if "scikit-learn" in MISSING:  # without which there is nothing to subclass
        return
    for name, shape in SHAPES.items():
        for dtype in DTYPES:
            yield fit(name, QUICK if quick else shape, dtype, LEADING[not quick])


def fit(name: str, shape: tuple[int, int], dtype: str, components: int) -> Case:
    import sklearn.decomposition
    import sklearn.linear_model

    import w2s_fast.sklearn

    X = (decaying(shape, dtype, power=0.5) + np.asarray(OFFSET / shape[0], dtype)).astype(dtype)
    y = gaussian(shape[:1], dtype, seed=1)
    kind, _, leading = name.partition(", ")
    pca = kind == "PCA"
    settings: dict[str, Any] = {"n_components": components, "random_state": 0} if leading else {}
    theirs = getattr(sklearn.decomposition if pca else sklearn.linear_model, kind)(**settings)
    ours = getattr(w2s_fast.sklearn, kind)(**settings)
    right = spectrum(X)[: components if leading else None] if pca else None
    what = {"PCA": "explained_variance_"}.get(kind, "coef_")
    if right is None:
        right = weights(X, y, {"LinearRegression": 0.0}.get(kind, 1.0), theirs)
    m, n = shape
    return Case(
        f"{name}().fit, {m:,} x {n:,}" + f", k = {components}" * bool(leading),
        dtype,
        [Call(OURS, kind, partial(ours.fit, X, y)), Call("scikit-learn", kind, partial(theirs.fit, X, y))],
        lambda model: max(relative(getattr(model, what), right), LEAST),
        flops=min(float(m) * n * n, 8.0 * m * n * components) if leading else float(m) * n * n,
        bytes=X.nbytes,
    )


def spectrum(X: Floats) -> Floats:
    """Variances along the components, in float64 of a centred copy."""
    X = X.astype(np.float64)
    X -= X.mean(axis=0)
    return np.linalg.eigvalsh(X.T @ X)[::-1] / (len(X) - 1)


def weights(X: Floats, y: Floats, ridge: float, model: Any) -> Floats:
    """Weights in float64 of a centred copy, at the alpha that scikit-learn's RidgeCV chooses."""
    X, y = X.astype(np.float64), y.astype(np.float64)
    alpha = float(model.fit(X, y).alpha_) if hasattr(model, "alphas") else ridge
    X -= X.mean(axis=0)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    return Vt.T @ (s / (s**2 + alpha) * (U.T @ (y - y.mean())))
