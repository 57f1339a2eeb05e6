"""Side by side with peers on one machine: ``python -m bench.peers`` prints the table of the README.

Calls take turns, medians are compared, and what is compared must agree first.
Subspaces have a table of their own, ``bench.peers_subspace``.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import medians
from bench.workloads import WORKLOADS, Floats, gaussian
from w2s_fast import GaussianModel, Moments, lstsq, min_norm, simulate
from w2s_fast.study.report import versions

TRIALS = 320  # of our simulation a call, so that threads have work
REAL = WORKLOADS["real"]


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of ``ours`` over ``units`` against seconds of ``peer``."""

    what: str
    peer_name: str
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    units: int = 1


def plain_trial(model: GaussianModel, n: int, N: int, rng: np.random.Generator) -> list[float]:
    """Follow the paper's procedure as it reads: draw rows, solve four least-squares problems, measure distances."""
    z = rng.standard_normal((n + N, model.target.size))
    y = z @ model.target + np.sqrt(model.noise_variance) * rng.standard_normal(n + N)
    weak, strong = z @ model.weak, z @ model.strong
    teacher = np.linalg.lstsq(weak[:n], y[:n])[0]
    problems = ((strong[:n], y[:n]), (strong, y), (strong[n:], weak[n:] @ teacher))
    fits = [model.weak @ teacher, *(model.strong @ np.linalg.lstsq(X, labels)[0] for X, labels in problems)]
    return [float(np.sum((fit - model.target) ** 2)) for fit in fits]


def agree(ours: Floats, theirs: Floats, tolerance: float) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def agree_on_average(trials: int = 400) -> None:
    """Compare mean risks of our trials and plain ones on a small model, where plain ones are many."""
    small, rng = (
        GaussianModel.paper(d_weak=8, d_strong=5, d_shared=2, d_target=12, ambient=100),
        np.random.default_rng(1),
    )
    ours = simulate(small, 30, 40, trials=trials)
    theirs = np.array([plain_trial(small, 30, 40, rng) for _ in range(trials)])
    for mine, plain in zip((ours.weak, ours.baseline, ours.ceiling, ours.w2s), theirs.T, strict=True):
        error = np.hypot(mine.std(ddof=1), plain.std(ddof=1)) / np.sqrt(trials)
        assert abs(mine.mean() - plain.mean()) < 5 * error


def rows() -> Iterator[Row]:
    agree_on_average()
    model, rng = GaussianModel.paper(**REAL.model), np.random.default_rng(0)
    for N in (4_000, 40_000):
        yield Row(
            f"one trial of the paper's setting, n = 2,000, N = {N:,}",
            "NumPy, drawing rows",
            lambda N=N: simulate(model, 2_000, N, trials=TRIALS),
            lambda N=N: plain_trial(model, 2_000, N, rng),
            TRIALS,
        )
    for dtype in ("float64", "float32"):
        X = gaussian(REAL.stream, dtype)
        agree(Moments().update(X).variance(), X.astype(np.float64).var(axis=0), 1e-9)
        yield Row(
            f"mean and variance of {X.shape[0]:,} x {X.shape[1]} {dtype}",
            "NumPy mean, var",
            lambda X=X: Moments().update(X),
            lambda X=X: (X.mean(axis=0), X.var(axis=0)),
        )
    A, b = gaussian((4_000, 200)), gaussian((4_000,), seed=1)
    agree(min_norm(A, b), np.linalg.lstsq(A, b)[0], 1e-10)
    yield Row("min_norm 4,000 x 200", "numpy.linalg.lstsq", lambda: min_norm(A, b), lambda: np.linalg.lstsq(A, b))
    stack, labels = gaussian((64, 500, 100)), gaussian((64, 500), seed=1)
    each = lambda: [np.linalg.lstsq(a, y)[0] for a, y in zip(stack, labels, strict=True)]  # noqa: E731
    agree(lstsq(stack, labels)[0], np.stack(each()), 1e-10)
    yield Row("lstsq, 64 problems of 500 x 100", "a loop of NumPy's lstsq", lambda: lstsq(stack, labels), each)
    As, bs = gaussian((1_000, 400, 100)), gaussian((1_000, 400), seed=1)
    loop = lambda: [np.linalg.lstsq(a, y)[0] for a, y in zip(As, bs, strict=True)]  # noqa: E731
    agree(min_norm(As, bs), np.stack(loop()), 1e-10)
    yield Row("min_norm, 1,000 problems of 400 x 100", "a loop of NumPy's lstsq", lambda: min_norm(As, bs), loop)


def main() -> None:
    print("| what | w2s_fast | peer | | peer / w2s_fast |\n|---|---|---|---|---|")
    for row in rows():
        row.ours()  # compiles
        ours, peer = medians(row.ours, row.peer, rounds=5, seconds=2.0)
        ours *= 1e3 / row.units
        peer *= 1e3
        print(f"| {row.what} | {ours:.3g} ms | {peer:.3g} ms | {row.peer_name} | {peer / ours:.3g} |", flush=True)
    print(f"\n{platform.processor() or platform.machine()}, {', '.join(f'{k} {v}' for k, v in versions().items())}")


if __name__ == "__main__":
    main()
