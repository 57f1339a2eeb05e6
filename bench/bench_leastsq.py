"""Least squares of one problem: time, ratio to NumPy's, and error."""

from __future__ import annotations

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import DTYPES, MEASURED, THREADS, WORKLOADS, Floats, features, gaussian

KINDS = ("gaussian", "condition 1e10", "two equal columns")
Inputs = dict[tuple[str, ...], tuple[Floats, Floats]]


class Solve(Pinned):
    params = (MEASURED, ("tall", "wide"), DTYPES, THREADS, ("min_norm", "lstsq"))
    param_names = ("size", "shape", "dtype", "threads", "solver")
    unit = "times numpy.linalg.lstsq"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        shapes = {(size, shape): getattr(WORKLOADS[size], shape) for size in WORKLOADS for shape in ("tall", "wide")}
        return {
            (*key, dtype): (gaussian(shape, dtype), gaussian(shape[:1], dtype, seed=1))
            for key, shape in shapes.items()
            for dtype in DTYPES
        }

    def setup(self, inputs: Inputs, size: str, shape: str, dtype: str, threads: int, solver: str) -> None:
        self.pin(threads)
        solve, (self.X, self.y) = named(solver), inputs[size, shape, dtype]
        self.solve = lambda: solve(self.X, self.y)
        self.solve()  # compiles

    def time_solve(self, *_: object) -> None:
        self.solve()

    def track_ratio_to_numpy(self, *_: object) -> float:
        return ratio(self.solve, lambda: np.linalg.lstsq(self.X, self.y), rounds=3, seconds=0)


class Hostile(Pinned):
    """Features on which a Gram matrix would fail: time, and how far the residual is above the least."""

    params = (MEASURED, KINDS, DTYPES)
    param_names = ("size", "features", "dtype")
    unit = "relative excess"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        shapes = {size: workload.tall for size, workload in WORKLOADS.items()}
        return {
            (size, kind, dtype): (features(kind, *shape, dtype), gaussian(shape[:1], dtype, seed=1))
            for size, shape in shapes.items()
            for kind in KINDS
            for dtype in DTYPES
        }

    def setup(self, inputs: Inputs, size: str, kind: str, dtype: str) -> None:
        self.pin(1)
        solve, (self.X, self.y) = named("min_norm"), inputs[size, kind, dtype]
        self.solve = lambda: solve(self.X, self.y)
        self.solve()

    def time_solve(self, *_: object) -> None:
        self.solve()

    def track_error(self, *_: object) -> float:
        """Part of the residual that directions above the cut-off could still explain, over the labels."""
        X, y, eps = self.X.astype(np.float64), self.y.astype(np.float64), float(np.finfo(self.X.dtype).eps)
        residual = y - X @ self.solve()
        explained = X @ np.linalg.lstsq(X, residual, rcond=eps * max(X.shape))[0]
        return max(float(np.linalg.norm(explained) / np.linalg.norm(y)), 1e4 * eps)  # below is noise
