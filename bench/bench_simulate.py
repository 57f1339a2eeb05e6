"""Trials of the Gaussian model; their cost must not grow with N."""

from __future__ import annotations

from typing import Any

from bench import Pinned, medians, named
from bench.workloads import MEASURED, THREADS, WORKLOADS


class Simulate(Pinned):
    params = (MEASURED, THREADS, (4_000, 10**12))
    param_names = ("size", "threads", "N")
    unit = "ms"

    def setup_cache(self) -> dict[str, Any]:
        return {size: named("GaussianModel").paper(**workload.model) for size, workload in WORKLOADS.items()}

    def setup(self, models: dict[str, Any], size: str, threads: int, N: int) -> None:
        self.pin(threads)
        simulate, arguments = named("simulate"), WORKLOADS[size].simulate
        self.trials = arguments["trials"]
        self.simulate = lambda: simulate(models[size], N=N, **arguments)
        self.simulate()  # compiles

    def track_milliseconds_per_trial(self, *_: object) -> float:
        (seconds,) = medians(self.simulate, rounds=3)
        return 1e3 * seconds / self.trials
