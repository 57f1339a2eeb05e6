"""What the benchmarks compute on: one table of sizes, and inputs from fixed seeds.

"tiny" shows what a call costs beside its arithmetic, and is all that a test needs; "real" is past the caches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Workload:
    """Shapes and counts that belong to one size."""

    stream: tuple[int, int]  # rows, columns of the blocks that accumulators read
    spectrum: tuple[int, int]  # rows, columns of a matrix to approximate
    rank: int  # of its approximation
    problems: dict[str, tuple[int, ...]]  # shapes of least-squares problems
    model: dict[str, int]  # arguments of GaussianModel.paper
    simulate: dict[str, int]  # labelled rows, and trials a call
    probe: dict[str, int]  # labelled and pseudo-labelled rows, and trials a call, on real features
    test: int  # rows held out of those
    processes: int  # started to time one import


WORKLOADS = {
    "tiny": Workload(
        stream=(6, 3),
        spectrum=(8, 5),
        rank=2,
        problems={"single": (6, 3), "stacked": (2, 6, 3)},
        model={"d_weak": 3, "d_strong": 2, "d_shared": 1, "d_target": 4},
        simulate={"n": 8, "trials": 2},
        probe={"n": 3, "N": 4, "trials": 2},
        test=5,
        processes=1,
    ),
    "real": Workload(
        stream=(100_000, 128),
        spectrum=(20_000, 1_000),
        rank=50,
        problems={"single": (4_000, 200), "stacked": (1_000, 100, 20)},
        model={"d_weak": 200, "d_strong": 100, "d_shared": 10},  # the paper's synthetic setting
        simulate={"n": 2_000, "trials": 320},
        probe={"n": 1_000, "N": 6_000, "trials": 16},
        test=1_500,
        processes=11,
    ),
}
SIZES = tuple(WORKLOADS)
DTYPES = ("float32", "float64")


def gaussian(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> Floats:
    """Independent standard normals."""
    return np.random.default_rng(seed).standard_normal(shape, np.dtype(dtype))


def decaying(shape: tuple[int, int], dtype: str) -> Floats:
    """Gaussian rows whose column j has standard deviation 1 / sqrt(j): a slowly falling spectrum."""
    rows = gaussian(shape, dtype)
    rows *= np.arange(1, shape[1] + 1) ** -0.5  # in place: the benchmarks count the peak of memory
    return rows


def spectrum(singular_values: npt.ArrayLike, m: int, n: int) -> Floats:
    """A matrix (m, n) with given singular values and random singular vectors."""
    values = np.asarray(singular_values)
    left, right = (np.linalg.qr(gaussian((size, values.size), seed=seed))[0] for seed, size in ((1, m), (2, n)))
    return (left * values) @ right.T
