"""Trials on the real features that ship with the package."""

from __future__ import annotations

from bench import medians, named
from bench.workloads import SIZES, WORKLOADS


class Valence:
    params = (SIZES,)
    param_names = ("size",)
    unit = "ms"

    def setup(self, size: str) -> None:
        load, probe_task = named("load", "w2s_fast.tasks.valence"), named("probe_task", "w2s_fast.model.probe")
        task, arguments = load(test=WORKLOADS[size].test), WORKLOADS[size].probe
        self.trials = arguments["trials"]
        self.probe = lambda: probe_task(task, **arguments)
        self.probe()  # compiles

    def track_milliseconds_per_trial(self, size: str) -> float:
        (seconds,) = medians(self.probe)
        return 1e3 * seconds / self.trials
