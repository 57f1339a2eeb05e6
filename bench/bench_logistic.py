"""Logistic regression of two classes and of ten: time of a fit, and of a sweep of fits of rising size beside it."""

from __future__ import annotations

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import CLASSES, MEASURED, THREADS, WORKLOADS, Floats, classes

FITS = 20  # of a sweep
GIVEN = {"penalty": 1.0, "free_last": True, "tolerance": 1e-6}
MODULE = "w2s_fast.linalg.logistic"
Inputs = dict[tuple[str, int], tuple[Floats, Floats]]


class Fit(Pinned):
    params = (MEASURED, CLASSES, THREADS)
    param_names = ("size", "classes", "threads")
    unit = "times one fit"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        inputs = {}
        for size, workload in WORKLOADS.items():
            for count in CLASSES:
                X, y = classes(workload.tall, count)
                inputs[size, count] = np.column_stack((X, np.ones(len(X)))), np.eye(count)[y]
        return inputs

    def setup(self, inputs: Inputs, size: str, count: int, threads: int) -> None:
        self.pin(threads)
        self.solve = named("fit_softmax", MODULE)
        self.X, self.targets = inputs[size, count]
        self.fit()

    def fit(self) -> None:
        self.solve(self.X, self.targets, **GIVEN)

    def sweep(self) -> None:
        """Fits to the first rows, of twenty sizes in even steps."""
        sizes = np.linspace(0, len(self.X), FITS + 1).astype(int)[1:].tolist()
        named("fit_nested", MODULE)(self.X, [self.targets], sizes, **GIVEN)

    def time_fit(self, *_: object) -> None:
        self.fit()

    def track_ratio_of_a_sweep(self, *_: object) -> float:
        return ratio(self.sweep, self.fit, rounds=3, seconds=0)
