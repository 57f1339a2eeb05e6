"""Streaming means and variances over one block of rows: time, ratio to NumPy's two calls, and error."""

from __future__ import annotations

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import DTYPES, MEASURED, THREADS, WORKLOADS, Floats, gaussian

Inputs = dict[tuple[str, str], Floats]
CHECKED = 4  # columns


class Update(Pinned):
    params = (MEASURED, DTYPES, THREADS)
    param_names = ("size", "dtype", "threads")
    unit = "times numpy's mean and var"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        return {(size, dtype): gaussian(WORKLOADS[size].stream, dtype) for size in WORKLOADS for dtype in DTYPES}

    def setup(self, inputs: Inputs, size: str, dtype: str, threads: int) -> None:
        self.pin(threads)
        kind, self.rows = named("Moments"), inputs[size, dtype]
        self.update = lambda: kind().update(self.rows)
        self.update()  # compiles

    def time_update(self, *_: object) -> None:
        self.update()

    def track_ratio_to_numpy(self, *_: object) -> float:
        return ratio(self.update, lambda: (self.rows.mean(axis=0), self.rows.var(axis=0)))


class Offset(Pinned):
    """Rows far from zero, where the sum of squares would lose its digits."""

    params = (MEASURED, DTYPES, ("Moments", "CoMoments"))
    param_names = ("size", "dtype", "accumulator")
    unit = "relative error of the variance"

    def setup_cache(self) -> Inputs:
        rows = {size: 1e6 + gaussian((*workload.stream[:1], CHECKED)) for size, workload in WORKLOADS.items()}
        return {(size, dtype): rows[size].astype(dtype) for size in WORKLOADS for dtype in DTYPES}

    def setup(self, inputs: Inputs, size: str, dtype: str, accumulator: str) -> None:
        self.pin(1)
        rows, kind = inputs[size, dtype], named(accumulator)
        self.exact = np.var(rows.astype(np.longdouble), axis=0)
        moments = kind().update(rows)
        self.found = moments.variance() if accumulator == "Moments" else np.diagonal(moments.covariance())

    def track_error(self, *_: object) -> float:
        return max(float(np.abs(self.found / self.exact - 1).max()), 1e-14)  # below is noise
