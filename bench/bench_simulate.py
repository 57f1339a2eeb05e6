"""Trials of the Gaussian model in the paper's synthetic setting; their cost must not grow with N."""

from __future__ import annotations

from bench import medians, named
from bench.workloads import SIZES, WORKLOADS


class Simulate:
    params = (SIZES, (4_000, 10**12))
    param_names = ("size", "N")
    unit = "ms"

    def setup(self, size: str, N: int) -> None:
        model, simulate = named("GaussianModel").paper(**WORKLOADS[size].model), named("simulate")
        arguments = WORKLOADS[size].simulate
        self.trials = arguments["trials"]
        self.simulate = lambda: simulate(model, N=N, **arguments)
        self.simulate()  # compiles

    def track_milliseconds_per_trial(self, *_: object) -> float:
        (seconds,) = medians(self.simulate)
        return 1e3 * seconds / self.trials
