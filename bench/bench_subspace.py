"""Leading subspaces: time, memory, and the error of projecting on them against the least of that rank."""

from __future__ import annotations

import numpy as np

from bench import named
from bench.workloads import DTYPES, SIZES, WORKLOADS, Floats, decaying


def randomized_svd(rows: Floats, rank: int) -> Floats:
    return named("randomized_svd")(rows, rank, random_state=0)[2].T


def subspace_fit(rows: Floats, rank: int) -> Floats:
    return named("Subspace").fit(rows, rank=rank).basis


METHODS = {"randomized_svd": randomized_svd, "Subspace.fit": subspace_fit}
ROUNDING = 1e-12  # an excess below this is noise, which asv would take for changes


class Basis:
    params = (SIZES, DTYPES, tuple(METHODS))
    param_names = ("size", "dtype", "method")
    unit = "excess over the least error"

    def setup(self, size: str, dtype: str, method: str) -> None:
        self.rank = WORKLOADS[size].rank
        self.rows = decaying(WORKLOADS[size].spectrum, dtype)
        self.basis = lambda: METHODS[method](self.rows, self.rank)
        self.basis()  # compiles

    def time_basis(self, *_: str) -> None:
        self.basis()

    def peakmem_basis(self, *_: str) -> None:
        self.basis()

    def track_relative_error(self, *_: str) -> float:
        rows, basis = self.rows.astype(np.float64), self.basis().astype(np.float64)
        least = np.sqrt(np.linalg.eigvalsh(rows.T @ rows)[: -self.rank].sum())
        excess = float(np.linalg.norm(rows - rows @ basis @ basis.T) / least - 1)
        return max(excess, ROUNDING)
