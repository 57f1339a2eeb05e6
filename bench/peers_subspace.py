"""Truncated SVD and intrinsic dimension against peers: ``python -m bench.peers_subspace`` prints the README's table.

Calls take turns and medians are compared. Beside the time stands the reconstruction error over scikit-learn's, which
must be at most 1.0005, and the time over the floor: that of the products which our route cannot do without, measured
in the same run. scikit-learn is needed (the extra ``bench``); torch joins in if installed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.extmath import randomized_svd as peer_svd

from bench import medians
from bench.workloads import Floats, gaussian
from w2s_fast import intrinsic_dimension, randomized_svd
from w2s_fast.linalg import randomized

SHAPES = (
    ((50_000, 768), 100, "float32"),
    ((20_000, 4_096), 200, "float32"),
    ((20_000, 4_096), 500, "float32"),
    ((50_000, 768), 100, "float64"),
)
QUICK = (((600, 80), 5, "float32"), ((2_000, 1_000), 5, "float64"))
OVERSAMPLES = 10


def falling(shape: tuple[int, int], dtype: str) -> Floats:
    """Gaussian rows whose column j has standard deviation 1 / j: singular values fall like that."""
    return gaussian(shape, dtype) / np.arange(1, shape[1] + 1).astype(dtype)


def error(X: Floats, factors: tuple[Floats, Floats, Floats]) -> float:
    """Relative Frobenius error of the reconstruction, in float64 by row blocks."""
    U, s, Vt = (factor.astype(np.float64) for factor in factors)
    missed = total = 0.0
    for start in range(0, len(X), 4_096):
        rows = X[start : start + 4_096].astype(np.float64)
        missed += float(np.linalg.norm(rows - U[start : start + 4_096] * s @ Vt) ** 2)
        total += float(np.linalg.norm(rows) ** 2)
    return (missed / total) ** 0.5


def floor(X: Floats, k: int) -> Callable[[], object]:
    """Return the products with X of the route that is taken, as plain calls of BLAS."""
    if randomized.gram_is_cheaper(*X.shape, k + OVERSAMPLES):
        V = gaussian((X.shape[1], k), X.dtype.name)
        return lambda: (X.T @ X, X @ V)
    V = gaussian((X.shape[1], randomized.krylov_block(k + OVERSAMPLES)), X.dtype.name)
    blocks = krylov_blocks(X, k)
    return lambda: [X.T @ (X @ V) for _ in range(blocks - 1)] + [X @ V]


def krylov_blocks(X: Floats, k: int) -> int:
    """How many blocks the Krylov space had when it stopped: each is borne by one Gram matrix of images."""
    bordered, counted = randomized._bordered, []
    randomized._bordered = lambda *arguments: counted.append(1) or bordered(*arguments)
    try:
        randomized_svd(X, k, random_state=0)
    finally:
        randomized._bordered = bordered
    return len(counted)


def peers(X: Floats, k: int) -> dict[str, Callable[[], Any]]:
    calls: dict[str, Callable[[], Any]] = {
        "scikit-learn auto": lambda: peer_svd(X, k, random_state=0),
        "scikit-learn n_iter=2": lambda: peer_svd(X, k, n_iter=2, random_state=0),
    }
    if importlib.util.find_spec("torch"):
        import torch

        rows = torch.from_numpy(X)

        def lowrank() -> tuple[Floats, Floats, Floats]:
            U, s, V = torch.svd_lowrank(rows, q=k + OVERSAMPLES, niter=2)
            return U[:, :k].numpy(), s[:k].numpy(), V[:, :k].numpy().T

        calls["torch niter=2"] = lowrank
    return calls


def rows(shapes: Any, rounds: int) -> Iterator[str]:
    for shape, k, dtype in shapes:
        X = falling(shape, dtype)
        calls = {"ours": lambda X=X, k=k: randomized_svd(X, k, random_state=0)} | peers(X, k)
        errors = {name: error(X, call()) for name, call in calls.items()}
        assert errors["ours"] <= 1.0005 * errors["scikit-learn auto"]
        ours, least, *others = medians(calls.pop("ours"), floor(X, k), *calls.values(), rounds=rounds, seconds=0)
        what = f"{shape[0]:,} x {shape[1]:,} {dtype}, k = {k}"
        yield f"| {what} | {ours:.2f} s | {errors['ours']:.5f} | {ours / least:.2f} floors | |"
        for (name, _), seconds in zip(calls.items(), others, strict=True):
            yield f"| | {seconds:.2f} s | {errors[name]:.5f} | {name} | {seconds / ours:.1f} |"


def dimension_row(shape: tuple[int, int], rounds: int) -> str:
    X = falling(shape, "float32")
    X -= X.mean(axis=0)  # as PCA does
    pca = PCA(n_components=0.99)
    assert intrinsic_dimension(X, 0.99) == pca.fit(X).n_components_
    ours, peer = medians(lambda: intrinsic_dimension(X, 0.99), lambda: pca.fit(X), rounds=rounds, seconds=0)
    what = f"intrinsic dimension, {shape[0]:,} x {shape[1]:,}"
    return f"| {what} | {ours:.2f} s | | |\n| | {peer:.2f} s | | PCA(n_components=0.99) | {peer / ours:.1f} |"


def main(quick: bool = False) -> None:
    print("| what | time | error | | peer / w2s_fast |\n|---|---|---|---|---|")
    randomized_svd(falling((300, 300), "float32"), 3)  # compiles
    for row in rows(QUICK if quick else SHAPES, rounds=3):
        print(row, flush=True)
    print(dimension_row((300, 60) if quick else (20_000, 4_096), rounds=1))


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
