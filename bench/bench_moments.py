"""Streaming accumulators over one block of rows."""

from __future__ import annotations

from bench import named, ratio
from bench.workloads import DTYPES, SIZES, WORKLOADS, gaussian


class Update:
    params = (SIZES, DTYPES, ("Moments", "CoMoments", "Gram"))
    param_names = ("size", "dtype", "accumulator")
    unit = "times numpy's mean and var"

    def setup(self, size: str, dtype: str, accumulator: str) -> None:
        kind = named(accumulator)
        rows = gaussian(WORKLOADS[size].stream, dtype)
        self.update = lambda: kind().update(rows)
        self.mean_and_var = lambda: (rows.mean(axis=0), rows.var(axis=0))
        self.update()  # compiles

    def time_update(self, *_: str) -> None:
        self.update()

    def track_ratio_to_numpy_mean_var(self, *_: str) -> float:
        return ratio(self.update, self.mean_and_var)
