"""Trials on features: those that ship with the package, and as wide as those of real models."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import Pinned, medians, named
from bench.workloads import EMBEDDINGS, MEASURED, THREADS, WORKLOADS, Floats, embeddings


class Valence(Pinned):
    params = (MEASURED, THREADS)
    param_names = ("size", "threads")
    unit = "ms"

    def setup_cache(self) -> dict[str, Any]:
        load = named("load", "w2s_fast.tasks.valence")
        return {size: load(test=workload.test) for size, workload in WORKLOADS.items()}

    def setup(self, tasks: dict[str, Any], size: str, threads: int) -> None:
        self.pin(threads)
        probe_task, arguments = (
            named("probe_task", "w2s_fast.probing.probe", "w2s_fast.model.probe"),
            WORKLOADS[size].probe,
        )
        self.trials = arguments["trials"]
        self.probe = lambda: probe_task(tasks[size], **arguments)
        self.probe()  # compiles

    def track_milliseconds_per_trial(self, *_: object) -> float:
        (seconds,) = medians(self.probe, rounds=3)
        return 1e3 * seconds / self.trials


class Embeddings(Pinned):
    params = (tuple(name for name in EMBEDDINGS if name != "tiny"), THREADS)
    param_names = ("features", "threads")
    unit = "ms"
    timeout = 300

    def setup_cache(self) -> dict[str, tuple[Floats, Floats, Floats]]:
        return {name: embeddings(what) for name, what in EMBEDDINGS.items()}

    def setup(self, inputs: dict[str, tuple[Floats, Floats, Floats]], name: str, threads: int) -> None:
        self.pin(threads)
        probe, what = named("probe"), EMBEDDINGS[name]
        self.trials = what.probe["trials"]
        self.probe = lambda: probe(*inputs[name], test=what.test, **what.probe)

    def track_milliseconds_per_trial(self, *_: object) -> float:
        (seconds,) = medians(self.probe, rounds=2, seconds=0)
        return 1e3 * seconds / self.trials


class Orders(Pinned):
    """Where rows come in a random order of 10^10, and which rows come where."""

    params = (("numbers", "places"),)
    param_names = ("which",)
    unit = "ns"
    rows = 100_000

    def setup(self, which: str) -> None:
        self.pin(1)
        order = named("Shuffle", "w2s_fast.probing.drawing").of(10**10, 0, (), 0)
        given = order.numbers(np.arange(self.rows))  # compiles
        self.work = lambda: getattr(order, which)(given)
        self.work()

    def track_nanoseconds_per_row(self, *_: object) -> float:
        (seconds,) = medians(self.work)
        return 1e9 * seconds / self.rows
