"""Least squares, one problem and a stack of them, against numpy.linalg.lstsq problem by problem."""

from __future__ import annotations

import numpy as np

from bench import named, ratio
from bench.workloads import SIZES, WORKLOADS, gaussian


class Solve:
    params = (SIZES, ("single", "stacked"), ("min_norm", "lstsq"))
    param_names = ("size", "problem", "solver")
    unit = "times numpy.linalg.lstsq"

    def setup(self, size: str, problem: str, solver: str) -> None:
        solve = named(solver)
        X = gaussian(WORKLOADS[size].problems[problem])
        y = gaussian(X.shape[:-1], seed=1)
        pairs = list(zip(X, y, strict=True)) if problem == "stacked" else [(X, y)]
        self.solve = lambda: solve(X, y)
        self.solve_by_numpy = lambda: [np.linalg.lstsq(*pair) for pair in pairs]
        self.solve()  # compiles

    def time_solve(self, *_: str) -> None:
        self.solve()

    def track_ratio_to_numpy_lstsq(self, *_: str) -> float:
        return ratio(self.solve, self.solve_by_numpy)
