"""Estimators of w2s_fast.sklearn: time to fit, and the ratio to scikit-learn's own with the same settings."""

from __future__ import annotations

import importlib.util
from typing import Any

from bench import Pinned, named, ratio
from bench.workloads import DTYPES, MEASURED, THREADS, WORKLOADS, Floats, decaying, gaussian

HOMES = {"PCA": "decomposition", "TruncatedSVD": "decomposition"}  # of scikit-learn's; others are in linear_model
ESTIMATORS = ("PCA", "PCA, leading", "TruncatedSVD", "LinearRegression", "Ridge", "RidgeCV")
Inputs = dict[tuple[str, str], tuple[Floats, Floats]]


def made(estimator: str, size: str, *modules: str) -> Any:
    """One of the estimators, from modules that have it."""
    name, _, leading = estimator.partition(", ")
    leading_components = bool(leading) or name == "TruncatedSVD"
    settings = {"n_components": WORKLOADS[size].rank, "random_state": 0} if leading_components else {}
    return named(name, *modules)(**settings)


class Fit(Pinned):
    params = (MEASURED, DTYPES, THREADS, ESTIMATORS)
    param_names = ("size", "dtype", "threads", "estimator")
    unit = "times scikit-learn's"
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        shapes = {size: workload.spectrum for size, workload in WORKLOADS.items()}
        return {
            (size, dtype): (decaying(shape, dtype), gaussian(shape[:1], dtype, seed=1))
            for size, shape in shapes.items()
            for dtype in DTYPES
        }

    def setup(self, inputs: Inputs, size: str, dtype: str, threads: int, estimator: str) -> None:
        if importlib.util.find_spec("sklearn") is None:
            raise NotImplementedError("scikit-learn is not installed")
        self.pin(threads)
        self.X, self.y = inputs[size, dtype]
        self.ours = made(estimator, size, "w2s_fast.sklearn")
        home = f"sklearn.{HOMES.get(type(self.ours).__name__, 'linear_model')}"
        self.theirs = made(estimator, size, home)
        self.ours.fit(self.X, self.y)  # compiles

    def time_fit(self, *_: object) -> None:
        self.ours.fit(self.X, self.y)

    def track_ratio_to_sklearn(self, *_: object) -> float:
        calls = (lambda: self.ours.fit(self.X, self.y)), (lambda: self.theirs.fit(self.X, self.y))
        return ratio(*calls, rounds=3, seconds=0)
