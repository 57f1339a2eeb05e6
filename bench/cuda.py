"""On an NVIDIA GPU: ``python -m bench.cuda`` compares the CUDA kernels with the CPU, CuPy, torch and the floors.

Prints one JSON object: GPU, driver and versions, then seconds of each call, medians by turns, results compared first.
Keep it as ``bench/results/cuda-<gpu>.json``. What is measured goes to the standard error as it comes: a run that is cut
short leaves that. Floors are bytes over the bandwidth of a copy measured on the same card, and flops over the rate of
its products of square matrices.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import metadata, util
from typing import Any

import numpy as np

from bench import medians
from w2s_fast import GaussianModel, Moments, simulate

COMMON = {"n": 20_000, "N": 40_000, "seed": 0}
SVD_COLUMNS = 1_000  # of the widest matrix that CuPy's lstsq is tried on: it takes the SVD of all of it
PACKAGES = ("w2s_fast", "numba-cuda", "cupy-cuda13x", "cuda-toolkit", "numpy", "numba", "torch")


def trials_of(model: GaussianModel, trials: int, invariants: int) -> dict[str, float]:
    """The fused trial against both CPU methods, of which ``invariants`` does so many."""
    few = 2_000
    ours = simulate(model, **COMMON, trials=few, device="cuda")
    reference = simulate(model, **COMMON, trials=min(few, invariants), method="invariants")
    assert np.allclose(ours.w2s[: len(reference.w2s)], reference.w2s, rtol=1e-8)
    gpu, wishart, cpu = medians(
        lambda: simulate(model, **COMMON, trials=trials, device="cuda"),
        lambda: simulate(model, **COMMON, trials=few, method="wishart"),
        lambda: simulate(model, **COMMON, trials=invariants, method="invariants"),
        rounds=3,
    )
    return {"cuda": gpu / trials, "cpu wishart": wishart / few, "cpu invariants": cpu / invariants}


def tilted_model(tilted: int, dimensions: int = 100) -> GaussianModel:
    """Subspaces at so many angles between 0.2 and 1.3, all others 90 degrees."""
    rng = np.random.default_rng(0)
    angles = np.concatenate((rng.uniform(0.2, 1.3, tilted), np.full(dimensions - tilted, np.pi / 2)))
    strong = np.eye(2 * dimensions + 3, dimensions)
    weak = np.zeros_like(strong)
    own = np.arange(dimensions)
    weak[own[:tilted], own[:tilted]] = np.cos(angles[:tilted])
    weak[dimensions + own, own] = np.sin(angles)
    return GaussianModel(rng.standard_normal(len(strong)), weak, strong, 0.1)


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


def streams(
    cp: Any, rows: int, columns: int, rates: dict[str, float], timed: Callable[..., list[float]]
) -> dict[str, float]:
    """Sketch, moments and Gram against the time to read the rows once and to multiply them, and by library calls."""
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
    seconds["floor: gram"] = max(rows * columns**2 / rates["float64"], seconds["floor: one read"])
    return seconds


def factorisations(
    cp: Any, rows: int, columns: int, k: int, rates: dict[str, float], timed: Callable[..., list[float]]
) -> dict[str, float]:
    """Truncated SVD and least squares on the card and on the CPU, beside CuPy and torch on the same arrays.

    Their floors are those of products alone: of ten of the matrix and a thin one, and of half a Gram matrix.
    """
    from w2s_fast import cuda, min_norm, randomized_svd

    X = cp.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    X *= cp.arange(1, columns + 1, dtype=np.float32) ** -1.0
    y = X @ cp.ones(columns, np.float32)
    host, labels = cp.asnumpy(X), cp.asnumpy(y)
    ours, reference = cuda.randomized_svd(X, k, random_state=0)[1], randomized_svd(host, k, random_state=0)[1]
    total = float(np.sum(host.astype(float) ** 2))
    left = [total - float(np.sum(cp.asnumpy(s).astype(float) ** 2)) for s in (ours, reference)]
    assert left[0] < 1.02 * left[1]  # power iterations leave 1 % of the squared error to gain (spectral/randomized.py)
    assert np.allclose(cp.asnumpy(cuda.min_norm(X, y)), 1.0, atol=1e-2)
    calls: dict[str, Callable[[], Any]] = {
        "randomized_svd": lambda: cuda.randomized_svd(X, k, random_state=0),
        "randomized_svd, cpu": lambda: randomized_svd(host, k, random_state=0),
        "min_norm": lambda: cuda.min_norm(X, y),
        "min_norm, cpu": lambda: min_norm(host, labels),
    }
    if columns <= SVD_COLUMNS:
        calls["lstsq, cupy"] = lambda: cp.linalg.lstsq(X, y)
    if util.find_spec("torch"):
        import torch

        T, t = torch.from_dlpack(X), torch.from_dlpack(y)
        calls["svd_lowrank(niter=2), torch"] = lambda: torch.svd_lowrank(T, k + 10, niter=2)
        calls["lstsq, torch"] = lambda: torch.linalg.lstsq(T, t[:, None])
    seconds = dict(zip(calls, timed(*calls.values(), rounds=3), strict=True))
    seconds["floor: randomized_svd"] = 20 * rows * columns * (k + 10) / rates["float32"]
    seconds["floor: min_norm"] = rows * columns**2 / rates["float64"]
    return seconds


def product_rates(cp: Any, size: int, timed: Callable[..., list[float]]) -> dict[str, float]:
    """Flops a second of a product of square matrices, by dtype."""
    rates = {}
    for dtype in ("float64", "float32"):
        square = cp.random.default_rng(0).standard_normal((size, size), dtype=np.dtype(dtype))
        (seconds,) = timed(lambda square=square: square @ square)
        rates[dtype] = 2 * size**3 / seconds
    return rates


def main(scale: int = 1) -> dict[str, Any]:
    """Measure everything, on workloads ``scale`` times smaller; RuntimeError in one line where there is no GPU."""
    from w2s_fast._devices import nvidia_driver
    from w2s_fast.cuda._shim import array_library

    cp = array_library()

    def timed(*calls: Callable[[], Any], **settings: Any) -> list[float]:
        def finished(call: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                call()
                cp.cuda.Device().synchronize()

            return run

        return medians(*map(finished, calls), **settings)

    driver = nvidia_driver()
    rates = product_rates(cp, 4096 // scale, timed)
    parts: dict[str, Callable[[], Any]] = {
        "gpus": lambda: driver.gpus,
        "driver runs CUDA": lambda: driver.cuda,
        "cores of the CPU": os.cpu_count,
        "versions": lambda: {name: metadata.version(name) for name in PACKAGES if _installed(name)},
        "products, flop/s": lambda: rates,
        "trial, d_weak 200, d_strong 100": lambda: trials_of(GaussianModel.paper(), 100_000 // scale, 100_000 // scale),
        "trial, d 32": lambda: small_trials(cp, 100_000 // scale),
    }
    for tilted, trials, on_cpu in ((5, 60_000, 20_000), (20, 30_000, 6_000), (60, 32_000, 400)):
        call = partial(trials_of, tilted_model(tilted), trials // scale, on_cpu // scale)
        parts[f"trial, {tilted} of 100 angles tilted"] = call
    for rows, columns in ((200_000 // scale, 512), (50_000 // scale, 4_096)):
        parts[f"{rows} x {columns} float32"] = partial(streams, cp, rows, columns, rates, timed)
    for rows, columns, k in ((50_000 // scale, 768, 100), (20_000 // scale, 4_096, 500)):
        parts[f"{rows} x {columns} float32, k = {k}"] = partial(factorisations, cp, rows, columns, k, rates, timed)
    found = {}
    for name, measure in parts.items():
        found[name] = measure()
        print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
    return found


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:])), indent=1))
