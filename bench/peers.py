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
from bench.workloads import WORKLOADS
from w2s_fast import GaussianModel, simulate
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
