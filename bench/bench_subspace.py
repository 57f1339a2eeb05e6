"""Leading subspaces: time, ratio to scikit-learn, and the error of projecting on them over the least of that rank."""

from __future__ import annotations

import importlib.util

import numpy as np

from bench import Pinned, named, ratio
from bench.workloads import DTYPES, MEASURED, THREADS, WORKLOADS, Floats, decaying

Inputs = dict[tuple[str, str], Floats]


def randomized_svd(rows: Floats, rank: int) -> Floats:
    return named("randomized_svd")(rows, rank, random_state=0)[2].T


def subspace_fit(rows: Floats, rank: int) -> Floats:
    return named("Subspace").fit(rows, rank=rank).basis


METHODS = {"randomized_svd": randomized_svd, "Subspace.fit": subspace_fit}
ROUNDING = 1e-12  # an excess below this is noise, which asv would take for changes


def inputs() -> Inputs:
    return {(size, dtype): decaying(WORKLOADS[size].spectrum, dtype) for size in WORKLOADS for dtype in DTYPES}


class _Bases(Pinned):
    param_names = ("size", "dtype", "threads", "method")

    def setup(self, inputs: Inputs, size: str, dtype: str, threads: int, method: str) -> None:
        self.pin(threads)
        self.rank, self.rows = WORKLOADS[size].rank, inputs[size, dtype]
        self.basis = lambda: METHODS[method](self.rows, self.rank)
        self.basis()  # compiles


class Basis(_Bases):
    params = (MEASURED, DTYPES, THREADS, tuple(METHODS))
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        return inputs()

    def time_basis(self, *_: object) -> None:
        self.basis()


class Against(_Bases):
    """The ratio to scikit-learn where it is installed."""

    params = (MEASURED, DTYPES, (1,), ("randomized_svd",))
    unit = "times scikit-learn's"

    def setup_cache(self) -> Inputs:
        return inputs()

    def track_ratio_to_sklearn(self, *_: object) -> float:
        if importlib.util.find_spec("sklearn") is None:
            raise NotImplementedError("scikit-learn is not installed")
        from sklearn.utils.extmath import randomized_svd as peer

        return ratio(self.basis, lambda: peer(self.rows, self.rank, random_state=0), rounds=3, seconds=0)


class Error(_Bases):
    """How far the projection misses the least error."""

    params = (MEASURED, DTYPES, (1,), tuple(METHODS))
    unit = "excess over the least error"

    def setup_cache(self) -> Inputs:
        return inputs()

    def track_relative_error(self, *_: object) -> float:
        rows, basis = self.rows.astype(np.float64), self.basis().astype(np.float64)
        least = np.sqrt(np.linalg.eigvalsh(rows.T @ rows)[: -self.rank].sum())
        excess = float(np.linalg.norm(rows - rows @ basis @ basis.T) / least - 1)
        return max(excess, ROUNDING)


class Dimension(Pinned):
    params = (MEASURED, DTYPES, THREADS)
    param_names = ("size", "dtype", "threads")
    rounds, repeat = 1, (3, 10, 0.5)

    def setup_cache(self) -> Inputs:
        return inputs()

    def setup(self, inputs: Inputs, size: str, dtype: str, threads: int) -> None:
        self.pin(threads)
        self.rows, self.dimension = inputs[size, dtype], named("intrinsic_dimension")
        self.dimension(self.rows)  # compiles

    def time_dimension(self, *_: object) -> None:
        self.dimension(self.rows)
