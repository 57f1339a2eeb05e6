"""Gram matrices and covariances of one block of rows: time, and ratio to the product that is their floor."""

from __future__ import annotations

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import DTYPES, MEASURED, THREADS, WORKLOADS, Floats, gaussian

Inputs = dict[tuple[str, str], Floats]


class Update(Pinned):
    params = (MEASURED, DTYPES, THREADS, ("Gram", "CoMoments"))
    param_names = ("size", "dtype", "threads", "accumulator")
    unit = "times X'X by NumPy in float64"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        return {(size, dtype): gaussian(WORKLOADS[size].tall, dtype) for size in WORKLOADS for dtype in DTYPES}

    def setup(self, inputs: Inputs, size: str, dtype: str, threads: int, accumulator: str) -> None:
        self.pin(threads)
        kind, rows = named(accumulator), inputs[size, dtype]
        self.double = rows.astype(np.float64)
        self.update = lambda: kind().update(rows)
        self.update()

    def time_update(self, *_: object) -> None:
        self.update()

    def track_ratio_to_floor(self, *_: object) -> float:
        return ratio(self.update, lambda: self.double.T @ self.double, rounds=5, seconds=0.1)
