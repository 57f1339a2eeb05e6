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

    params = (THREADS, (100, 10**6))
    param_names = ("threads", "d_strong")
    unit = "us"
    trials = 20_000

    def setup(self, threads: int, d_strong: int) -> None:
        self.pin(threads)
        simulate, sizes = named("simulate"), {"d_weak": 2 * d_strong, "d_strong": d_strong, "d_shared": d_strong // 10}
        try:
            model = named("GaussianModel").paper(**sizes, d_target=3 * d_strong, ambient=200 * d_strong)
        except ValueError:
            raise NotImplementedError from None
        trials = self.trials if hasattr(model, "blocks") else 40
        self.simulate = lambda: simulate(model, n=20 * d_strong, N=10**12, trials=trials)
        self.simulate()  # compiles
        self.trials = trials

    def track_microseconds_per_trial(self, *_: object) -> float:
        (seconds,) = medians(self.simulate, rounds=3)
        return 1e6 * seconds / self.trials
