"""Trials of the Gaussian model; their cost must grow neither with N nor with the dimensions."""

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


class SimulateAnyDimension(Pinned):
    """The paper's setting, its dimensions times some power of 10; old commits cannot hold the large ones."""

    params = (("large",), THREADS, (100, 10**6))
    param_names = ("size", "threads", "d_strong")
    unit = "us"

    def setup(self, size: str, threads: int, d_strong: int) -> None:
        self.pin(threads)
        self.trials = WORKLOADS[size].simulate["trials"]
        simulate, sizes = named("simulate"), {"d_weak": 2 * d_strong, "d_strong": d_strong, "d_shared": d_strong // 10}
        try:
            model = named("GaussianModel").paper(**sizes, d_target=3 * d_strong, ambient=200 * d_strong)
        except ValueError:
            raise NotImplementedError from None
        if hasattr(model, "blocks"):  # since then a trial takes microseconds
            self.trials *= 30
        self.simulate = lambda: simulate(model, n=20 * d_strong, N=10**12, trials=self.trials)
        self.simulate()  # compiles

    def track_microseconds_per_trial(self, *_: object) -> float:
        (seconds,) = medians(self.simulate, rounds=3)
        return 1e6 * seconds / self.trials
