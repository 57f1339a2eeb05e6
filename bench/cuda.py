"""On an NVIDIA GPU: ``python -m bench.cuda`` compares the CUDA kernels with the CPU, CuPy, torch and the floors.

Prints one JSON object: GPU, driver and versions, then seconds of each call, medians by turns, results compared first.
Keep it as ``bench/results/cuda-<gpu>.json``. Floors are bytes over the bandwidth of a copy measured on the same card,
and flops over the rate of its float64 product.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import metadata, util
from typing import Any

import numpy as np

from bench import medians
from w2s_fast import GaussianModel, Moments, simulate

COMMON = {"n": 20_000, "N": 40_000, "seed": 0}
PACKAGES = ("w2s_fast", "numba-cuda", "cupy-cuda13x", "cuda-toolkit", "numpy", "numba", "torch")


def paper_trials(trials: int) -> dict[str, float]:
    """The fused trial at d_weak = 200 against both CPU methods; the aim is 20 times the CPU."""
    model = GaussianModel.paper()
    few = 2_000
    ours = simulate(model, **COMMON, trials=few, device="cuda")
    assert np.allclose(ours.w2s, simulate(model, **COMMON, trials=few, method="invariants").w2s, rtol=1e-8)
    gpu, wishart, invariants = medians(
        lambda: simulate(model, **COMMON, trials=trials, device="cuda"),
        lambda: simulate(model, **COMMON, trials=few),
        lambda: simulate(model, **COMMON, trials=few, method="invariants"),
    )
    return {"cuda": gpu / trials, "cpu wishart": wishart / few, "cpu invariants": invariants / few}


def small_trials(cp: Any, trials: int) -> dict[str, float]:
    """The fused trial at d = 32 against the same work as batched CuPy calls; the aim is 4 times those."""
    model = GaussianModel.paper(d_weak=32, d_strong=32, d_shared=8, d_target=60)

    def unfused() -> Any:
        """Draw Bartlett factors of S and T, solve for both fits and for their union: three fits of the four."""
        d, batch = 32, 10_000
        for _ in range(trials // batch):
            factors = cp.triu(cp.random.standard_normal((2, batch, d, d)), 1)
            for factor, dof in zip(factors, (COMMON["n"], COMMON["N"]), strict=True):
                factor[:, cp.arange(d), cp.arange(d)] = cp.sqrt(cp.random.chisquare(dof - cp.arange(d), (batch, d)))
            labels = cp.random.standard_normal((2, batch, d, 1))
            grams, moments = factors.swapaxes(-1, -2) @ factors, factors.swapaxes(-1, -2) @ labels
            fits = [cp.linalg.solve(g, m) for g, m in zip(grams, moments, strict=True)]
            fits.append(cp.linalg.solve(grams.sum(0), moments.sum(0)))
            risks = [cp.sum(fit**2, axis=(1, 2)) for fit in fits]
        return cp.asnumpy(cp.stack(risks))

    ours, peer = medians(lambda: simulate(model, **COMMON, trials=trials, device="cuda"), unfused)
    return {"cuda": ours / trials, "cupy unfused": peer / trials}


def streams(cp: Any, rows: int, columns: int, timed: Callable[..., list[float]]) -> dict[str, dict[str, float]]:
    """Sketch and moments against the time to read the rows once, and the same by library calls."""
    from w2s_fast import cuda

    X = cp.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    copy = cp.empty_like(X)
    dense = cp.random.default_rng(1).standard_normal((110, rows), dtype=np.float32)
    host = Moments().update(cp.asnumpy(X[:1000]))
    assert np.allclose(cuda.Moments().update(X[:1000]).to_host().variance(), host.variance(), rtol=1e-9)
    calls: dict[str, Callable[[], Any]] = {
        "copy": lambda: cp.copyto(copy, X),
        "sketch": lambda: cuda.sketch(X, 110, random_state=0),
        "dense sketch, cupy": lambda: dense @ X,
        "moments": lambda: cuda.Moments().update(X),
        "mean and var, cupy": lambda: (X.mean(axis=0, dtype=float), X.var(axis=0, dtype=float)),
        "gram": lambda: cuda.Gram().update(X),
        "X'X in float64, cupy": lambda: X.astype(float).T @ X.astype(float),
    }
    if util.find_spec("torch"):
        import torch

        T = torch.from_dlpack(X)
        calls["var_mean, torch"] = lambda: torch.var_mean(T.double(), dim=0)
    seconds = dict(zip(calls, timed(*calls.values()), strict=True))
    seconds["floor: one read"] = seconds["copy"] / 2
    return {f"{rows} x {columns} float32": seconds}


def factorisations(cp: Any, rows: int, columns: int, k: int, timed: Callable[..., list[float]]) -> dict[str, Any]:
    """Truncated SVD and least squares on the card and on the CPU, beside CuPy and torch on the same arrays."""
    from w2s_fast import cuda, min_norm, randomized_svd

    X = cp.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    X *= cp.arange(1, columns + 1, dtype=np.float32) ** -1.0
    y = X @ cp.ones(columns, np.float32)
    host, labels = cp.asnumpy(X), cp.asnumpy(y)
    ours, reference = cuda.randomized_svd(X, k, random_state=0)[1], randomized_svd(host, k, random_state=0)[1]
    assert np.allclose(cp.asnumpy(ours), reference, rtol=1e-2)
    assert np.allclose(cp.asnumpy(cuda.min_norm(X, y)), 1.0, atol=1e-2)
    calls: dict[str, Callable[[], Any]] = {
        "randomized_svd": lambda: cuda.randomized_svd(X, k, random_state=0),
        "randomized_svd, cpu": lambda: randomized_svd(host, k, random_state=0),
        "min_norm": lambda: cuda.min_norm(X, y),
        "min_norm, cpu": lambda: min_norm(host, labels),
        "lstsq, cupy": lambda: cp.linalg.lstsq(X, y),
    }
    if util.find_spec("torch"):
        import torch

        T, t = torch.from_dlpack(X), torch.from_dlpack(y)
        calls["svd_lowrank(niter=2), torch"] = lambda: torch.svd_lowrank(T, k + 10, niter=2)
        calls["lstsq, torch"] = lambda: torch.linalg.lstsq(T, t[:, None])
    seconds = dict(zip(calls, timed(*calls.values()), strict=True))
    return {f"{rows} x {columns} float32, k = {k}": seconds}


def main(scale: int = 1) -> dict[str, Any]:
    """Measure everything, on workloads ``scale`` times smaller; RuntimeError in one line where there is no GPU."""
    from w2s_fast._devices import nvidia_driver
    from w2s_fast.cuda._shim import array_library

    cp = array_library()

    def timed(*calls: Callable[[], Any]) -> list[float]:
        def finished(call: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                call()
                cp.cuda.Device().synchronize()

            return run

        return medians(*map(finished, calls))

    square = cp.random.standard_normal((4096 // scale, 4096 // scale))
    (product,) = timed(lambda: square @ square)
    driver = nvidia_driver()
    return {
        "gpus": driver.gpus,
        "driver runs CUDA": driver.cuda,
        "versions": {name: metadata.version(name) for name in PACKAGES if _installed(name)},
        "float64 product, flop/s": 2 * len(square) ** 3 / product,
        "trial, d_weak 200, d_strong 100": paper_trials(100_000 // scale),
        "trial, d 32": small_trials(cp, 100_000 // scale),
        **streams(cp, 200_000 // scale, 512, timed),
        **streams(cp, 50_000 // scale, 4_096, timed),
        **factorisations(cp, 50_000 // scale, 768, 100, timed),
        **factorisations(cp, 20_000 // scale, 4_096, 500, timed),
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:])), indent=1))
