"""Truncated SVD of a sparse matrix beside SciPy's exact methods: ``python -m bench.sparse_svd``, some ten minutes.

Each call runs once. The error is that of the peers' table; of a random matrix, whose singular values hardly fall, it
differs little between methods, so the energy is told too: the sum of s^2 over that of ARPACK.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from bench.peers.subspaces import SPARSE, by_sklearn, sparse_error, uniform_sparse
from w2s_fast import randomized_svd

ITERATIONS = ("auto", 10, 20)


def exact(X: Any, k: int, solver: str) -> Any:
    from scipy.sparse.linalg import svds

    U, s, Vt = svds(X, k, solver=solver, rng=0)
    return U[:, ::-1], s[::-1], Vt[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=SPARSE[1])
    given = parser.parse_args()
    m, _, filled, k = SPARSE
    X = uniform_sparse(m, given.columns, filled)
    print(f"{m:,} x {given.columns:,}, {X.nnz:,} numbers, k = {k}")
    randomized_svd(X[:1_000], 2, random_state=0)  # compiles, if anything is
    calls: dict[str, Callable[[], Any]] = {
        **{f"svds, {solver}": lambda solver=solver: exact(X, k, solver) for solver in ("arpack", "propack")},
        **{f"ours, n_iter={n}": lambda n=n: randomized_svd(X, k, n_iter=n, random_state=0) for n in ITERATIONS},
        **{f"scikit-learn, n_iter={n}": lambda n=n: by_sklearn(X, k, n) for n in ITERATIONS},
    }
    best = None
    for name, call in calls.items():
        start = perf_counter()
        factors = call()
        seconds, energy = perf_counter() - start, float(np.vdot(factors[1], factors[1]))
        best = best or energy
        told = f"error {sparse_error(X, factors):.6f}, energy {energy / best:.5f} of ARPACK's"
        print(f"{name}: {seconds:.1f} s, {told}", flush=True)


if __name__ == "__main__":
    main()
