"""Least squares, Gram matrices and moments beside peers and floors: ``python -m bench.peers_leastsq``.

Prints three tables of the README. Calls take turns after pauses; solutions are compared first. torch and scikit-learn
join in where they are installed. A floor is the time of one BLAS product that no method by Gram matrices goes without
(X'X in the precision of X, all threads), or of one BLAS dot product that reads the same memory.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from bench import medians
from bench.workloads import Floats, gaussian, spectrum
from w2s_fast import CoMoments, Gram, MinNorm, Moments, lstsq, min_norm
from w2s_fast._threads import ordered_map
from w2s_fast.study.report import versions

Calls = dict[str, Callable[[], Any]]
SHAPES = ((2_000, 200), (4_000, 100), (50_000, 200), (20_000, 1_000), (500, 4_000), (1_000, 20_000))
KINDS = ("gaussian", "condition 1e4", "condition 1e10", "two equal columns")
STACKS = ((1_000, 400, 100), (64, 2_000, 200), (20_000, 20, 5))
HAS_TORCH, HAS_SKLEARN = (bool(importlib.util.find_spec(name)) for name in ("torch", "sklearn"))


def features(kind: str, m: int, n: int, dtype: str = "float64") -> Floats:
    """A matrix of a kind, or its transpose if it is wide."""
    if kind.startswith("condition"):
        decades = float(kind.rpartition("e")[2])
        return spectrum(np.logspace(0, -decades, min(m, n)), m, n).astype(dtype)
    X = gaussian((m, n), dtype)
    if kind == "two equal columns":
        X[:, 1], X[1] = X[:, 0], X[0]
    return X


def solvers(X: Floats, y: Floats, everything: bool) -> Calls:
    calls: Calls = {
        "min_norm": lambda: min_norm(X, y),
        "lstsq": lambda: lstsq(X, y)[0],
        "NumPy": lambda: np.linalg.lstsq(X, y)[0],
    }
    if everything:
        calls["SciPy gelsd"] = lambda: scipy.linalg.lstsq(X, y)[0]
        calls["SciPy gelsy"] = lambda: scipy.linalg.lstsq(X, y, lapack_driver="gelsy")[0]
        if HAS_TORCH:
            import torch

            tX, ty = torch.from_numpy(X), torch.from_numpy(y[:, None])
            calls["torch"] = lambda: torch.linalg.lstsq(tX, ty)[0]
        calls["floor"] = (lambda: X.T @ X) if len(X) >= X.shape[1] else (lambda: X @ X.T)
    return calls


def print_row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def print_header(*names: str) -> None:
    print()
    print_row(list(names))
    print_row(["---"] * len(names))


def times(calls: Calls, **settings: float) -> dict[str, float]:
    """Milliseconds of each call."""
    for call in calls.values():
        call()
    return dict(zip(calls, (1e3 * s for s in medians(*calls.values(), pause=0.1, **settings)), strict=True))


def problems() -> None:
    names = ["min_norm", "lstsq", "NumPy", "SciPy gelsd", "SciPy gelsy", *["torch"] * HAS_TORCH, "floor"]
    print_header("ms", "features", "route", *names, "NumPy / min_norm", "min_norm / floor")
    for m, n in SHAPES:
        for kind in KINDS:
            for dtype in ("float64", "float32")[: 1 + (kind == "gaussian")]:
                X, y = features(kind, m, n, dtype), gaussian((m,), dtype, seed=1)
                rtol = 1e-3 if dtype == "float32" else 1e-4 if kind == "condition 1e10" else 1e-7
                ours, theirs = min_norm(X, y), np.linalg.lstsq(X, y)[0]
                np.testing.assert_allclose(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs), 0.0, atol=rtol)
                found = times(solvers(X, y, kind == "gaussian"), rounds=3, seconds=1.0)
                cells = [f"{found[name]:.3g}" if name in found else "" for name in names]
                floor = f"{found['min_norm'] / found['floor']:.2f}" if "floor" in found else ""
                ratio = f"{found['NumPy'] / found['min_norm']:.2f}"
                print_row([f"{m:,} x {n:,} {dtype}", kind, MinNorm(X).route, *cells, ratio, floor])


def stacks() -> None:
    print_header("ms", "min_norm", "lstsq", "loop of NumPy", "loop of SciPy", "SciPy / min_norm", "SciPy / lstsq")
    for shape in STACKS:
        X, Y = gaussian(shape), gaussian(shape[:2], seed=1)
        calls: Calls = {
            "min_norm": lambda X=X, Y=Y: min_norm(X, Y),
            "lstsq": lambda X=X, Y=Y: lstsq(X, Y)[0],
            "NumPy": lambda X=X, Y=Y: [np.linalg.lstsq(x, y)[0] for x, y in zip(X, Y, strict=True)],
            "SciPy": lambda X=X, Y=Y: [scipy.linalg.lstsq(x, y)[0] for x, y in zip(X, Y, strict=True)],
        }
        np.testing.assert_allclose(calls["min_norm"](), np.stack(calls["NumPy"]()), rtol=1e-7, atol=1e-9)
        found = times(calls, rounds=3, seconds=1.0)
        ratios = [f"{found['SciPy'] / found[name]:.2f}" for name in ("min_norm", "lstsq")]
        print_row([f"{shape[0]:,} of {shape[1]:,} x {shape[2]}", *(f"{ms:.3g}" for ms in found.values()), *ratios])


def streams() -> None:
    print_header("ms", "w2s_fast", "peer", "", "peer / w2s_fast", "w2s_fast / floor")
    for dtype in ("float64", "float32"):
        X = gaussian((200_000, 512), dtype)
        calls: Calls = {"ours": lambda X=X: Moments().update(X), "floor": lambda X=X: read(X)}
        calls["NumPy mean, var"] = lambda X=X: (X.mean(axis=0), X.var(axis=0))
        if HAS_SKLEARN:
            from sklearn.utils.extmath import _incremental_mean_and_var

            zeros, none = np.zeros(512), np.zeros(512, np.int64)
            calls["scikit-learn's incremental"] = lambda X=X, z=zeros, c=none: _incremental_mean_and_var(X, z, z, c)
        if HAS_TORCH:
            import torch

            tensor = torch.from_numpy(X)
            calls["torch.var_mean"] = lambda t=tensor: torch.var_mean(t, dim=0)
        compare(f"Moments, 200,000 x 512 {dtype}", calls)
        del X
        for shape in ((50_000, 200), (20_000, 1_000)):
            Z, y = gaussian(shape, dtype), gaussian(shape[:1], dtype)
            double = Z.astype(np.float64)
            compare(
                f"Gram with labels, {shape[0]:,} x {shape[1]:,} {dtype}",
                {
                    "ours": lambda Z=Z, y=y: Gram().update(Z, y),
                    "floor": lambda Z=double: Z.T @ Z,
                    "X'X, X'y in float64": lambda Z=Z, y=y: (
                        Z.astype(float).T @ Z.astype(float),
                        Z.astype(float).T @ y,
                    ),
                },
            )
            compare(
                f"CoMoments, {shape[0]:,} x {shape[1]:,} {dtype}",
                {
                    "ours": lambda Z=Z: CoMoments().update(Z),
                    "floor": lambda Z=double: Z.T @ Z,
                    "numpy.cov": lambda Z=Z: np.cov(Z, rowvar=False),
                },
            )


def read(X: Floats) -> float:
    """Dot products of blocks with themselves, over threads: what BLAS reads this memory at."""
    flat = X.reshape(-1)
    step = 1 << 20
    return sum(ordered_map(lambda i: float(flat[i : i + step] @ flat[i : i + step]), range(0, flat.size, step)))


def compare(what: str, calls: Calls) -> None:
    found = times(calls, rounds=5, seconds=1.0)
    for name in found.keys() - {"ours", "floor"}:
        ratio, floor = found[name] / found["ours"], found["ours"] / found["floor"]
        print_row([what, f"{found['ours']:.3g}", f"{found[name]:.3g}", name, f"{ratio:.2f}", f"{floor:.2f}"])


def main() -> None:
    problems()
    stacks()
    streams()
    print(f"\n{platform.processor() or platform.machine()}, {', '.join(f'{k} {v}' for k, v in versions().items())}")


if __name__ == "__main__":
    main()
