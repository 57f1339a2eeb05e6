"""Stacks of least-squares problems against a loop of NumPy."""

from __future__ import annotations

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import DTYPES, MEASURED, THREADS, WORKLOADS, Floats, gaussian

Inputs = dict[tuple[str, str], tuple[Floats, Floats]]


class Stack(Pinned):
    params = (MEASURED, DTYPES, THREADS, ("min_norm", "lstsq"))
    param_names = ("size", "dtype", "threads", "solver")
    unit = "times a loop of numpy.linalg.lstsq"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        return {
            (size, dtype): (gaussian(workload.stack, dtype), gaussian(workload.stack[:2], dtype, seed=1))
            for size, workload in WORKLOADS.items()
            for dtype in DTYPES
        }

    def setup(self, inputs: Inputs, size: str, dtype: str, threads: int, solver: str) -> None:
        self.pin(threads)
        solve, (X, Y) = named(solver), inputs[size, dtype]
        self.pairs = list(zip(X, Y, strict=True))
        self.solve = lambda: solve(X, Y)
        self.solve()  # compiles

    def time_solve(self, *_: object) -> None:
        self.solve()

    def track_ratio_to_numpy(self, *_: object) -> float:
        return ratio(self.solve, lambda: [np.linalg.lstsq(*pair) for pair in self.pairs], rounds=3, seconds=0)
