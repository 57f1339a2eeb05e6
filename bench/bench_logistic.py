"""Logistic regression of two classes and of ten: time of a fit, and of a sweep of fits of rising size beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import CLASSES, MEASURED, THREADS, WORKLOADS, Floats, classes

FITS = 20  # of a sweep
TOLERANCE = 1e-6
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
        self.solve = named("fit_softmax", "w2s_fast.linalg.logistic")
        self.X, self.targets = inputs[size, count]
        self.fit(len(self.X))

    def fit(self, rows: int, **how: Any) -> Any:
        given = {"penalty": 1.0, "free_last": True, "tolerance": TOLERANCE}
        return self.solve(self.X[:rows], self.targets[:rows], **given, **how)

    def sweep(self) -> None:
        """Fits to the first rows, each begun with the last and in the metric of its own rows."""
        done, squares, fit = 0, np.zeros((self.X.shape[1],) * 2), None
        for rows in np.linspace(0, len(self.X), FITS + 1).astype(int)[1:]:
            squares = squares + self.X[done:rows].T @ self.X[done:rows]
            done, fit = rows, self.fit(rows, start=fit, metric=squares)

    def time_fit(self, *_: object) -> None:
        self.fit(len(self.X))

    def track_ratio_of_a_sweep(self, *_: object) -> float:
        return ratio(self.sweep, lambda: self.fit(len(self.X)), rounds=3, seconds=0)
