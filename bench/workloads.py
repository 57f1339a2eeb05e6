"""What is computed on: one table for asv's suites, the comparison with peers, and the tests; inputs by fixed seeds.

"tiny" shows what a call costs beside its arithmetic, and is all that a test needs. asv runs "small", which caches hold,
and "large", which they do not, in about a second a call at most. The comparison with peers has sizes of its own below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Shape = tuple[int, int]


@dataclass(frozen=True)
class Workload:
    """Shapes and counts that belong to one size."""

    tall: Shape  # features of a least-squares problem, more rows than columns
    wide: Shape
    stack: tuple[int, int, int]  # problems, rows, columns
    stream: Shape  # rows and columns of a block that an accumulator reads
    spectrum: Shape  # a matrix to approximate,
    rank: int  # and the rank of its approximation
    model: dict[str, int]  # arguments of GaussianModel.paper
    simulate: dict[str, int]  # labelled rows, and trials a call
    study: dict[str, Any]  # the grid of a study, and trials a point
    probe: dict[str, Any]  # arguments of probe on the features that ship with the package
    test: int  # rows held out of those


WORKLOADS = {
    "tiny": Workload(
        tall=(20, 5),
        wide=(5, 20),
        stack=(2, 6, 3),
        stream=(10, 5),
        spectrum=(8, 5),
        rank=2,
        model={"d_weak": 3, "d_strong": 2, "d_shared": 1, "d_target": 4},
        simulate={"n": 8, "trials": 2},
        study={"n": 8, "N": [8, 16], "trials": 2},
        probe={"n": 3, "N": [4, 5], "trials": 2},
        test=5,
    ),
    "small": Workload(
        tall=(400, 50),
        wide=(50, 400),
        stack=(500, 40, 8),
        stream=(1_000, 64),
        spectrum=(1_000, 200),
        rank=20,
        model={"d_weak": 20, "d_strong": 10, "d_shared": 2},
        simulate={"n": 200, "trials": 640},
        study={"n": [100, 200], "N": [[200], [400], [800]], "trials": 64},
        probe={"n": 600, "N": [1_000, 3_000], "trials": 4},
        test=500,
    ),
    "large": Workload(
        tall=(20_000, 400),
        wide=(400, 10_000),
        stack=(500, 400, 50),
        stream=(100_000, 128),
        spectrum=(20_000, 1_000),
        rank=50,
        model={"d_weak": 200, "d_strong": 100, "d_shared": 10},  # the paper's synthetic setting
        simulate={"n": 2_000, "trials": 320},
        study={"n": [400, 2_000], "N": [[400], [1_600], [4_000]], "trials": 64},
        probe={"n": 1_000, "N": [*map(int, np.linspace(500, 6_000, 20))], "trials": 8},
        test=1_500,
    ),
}
SIZES = tuple(WORKLOADS)
MEASURED = ("small", "large")  # what asv runs
DTYPES = ("float32", "float64")
THREADS = (1, 2)


@dataclass(frozen=True)
class Embeddings:
    """A study on features as wide as those of real models."""

    rows: int
    d_weak: int
    d_strong: int
    probe: dict[str, Any]
    test: int


EMBEDDINGS = {
    "tiny": Embeddings(60, 6, 4, {"n": 10, "N": [20, 30], "trials": 2}, 20),
    "384-d": Embeddings(
        9_000, 384, 384, {"n": 1_000, "N": [*map(int, np.linspace(500, 6_500, 20))], "trials": 8}, 1_500
    ),
    "2048-d and 768-d": Embeddings(
        22_000, 2_048, 768, {"n": 1_000, "N": [*map(int, np.linspace(1_000, 18_000, 18))], "trials": 2}, 2_000
    ),
}

# kind of features, rows, columns, and dtype of the problems that all solvers of least squares get
LEAST_SQUARES = (
    ("gaussian", 20, 5, "float64"),
    ("gaussian", 2_000, 200, "float64"),
    ("gaussian", 2_000, 200, "float32"),
    ("gaussian", 50_000, 200, "float64"),
    ("gaussian", 50_000, 200, "float32"),
    ("gaussian", 10_000, 1_000, "float64"),
    ("condition 1e10", 50_000, 200, "float64"),
    ("condition 1e10", 100_000, 500, "float64"),
    ("condition 1e4", 10_000, 1_000, "float64"),
    ("condition 1e6", 10_000, 1_000, "float64"),
    ("condition 1e10", 10_000, 1_000, "float64"),
    ("two equal columns", 10_000, 1_000, "float64"),
    ("gaussian", 500, 4_000, "float64"),
    ("gaussian", 500, 4_000, "float32"),
    ("condition 1e10", 500, 4_000, "float64"),
)
STACKS = ((20_000, 20, 5), (500, 400, 100), (32, 2_000, 200))
STREAMS = ((10, 5, "float64"), (200_000, 512, "float64"), (200_000, 512, "float32"))
GRAMS = ((50_000, 200, "float64"), (50_000, 200, "float32"), (20_000, 1_000, "float64"))
FLOAT32_PRODUCTS = ((100_000, 200), (1_000_000, 64), (20_000, 1_000))
# rows, columns, dtype, components
SPECTRA = (
    (300, 200, "float64", 5),
    (50_000, 768, "float32", 100),
    (50_000, 768, "float64", 100),
    (20_000, 4_096, "float32", 200),
    (20_000, 4_096, "float32", 500),
    (10_000, 2_048, "float32", 400),
)
CLASSES = (2, 10)
DIMENSION = (10_000, 2_048, "float32")


def gaussian(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> Floats:
    """Independent standard normals."""
    return np.random.default_rng(seed).standard_normal(shape, np.dtype(dtype))


def decaying(shape: Shape, dtype: str, power: float = 0.5) -> Floats:
    """Gaussian rows whose column j has standard deviation j^-power: singular values fall like that."""
    rows = gaussian(shape, dtype)
    rows *= np.arange(1, shape[1] + 1) ** -power  # in place: the benchmarks count the peak of memory
    return rows


def classes(shape: Shape, count: int, power: float = 0.5) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Rows of falling variances, and classes drawn with the chances of a softmax regression on them."""
    X = decaying(shape, "float64", power)
    logits = X @ gaussian((shape[1], count), seed=1)
    logits *= 2.0 / logits.std()
    return X, np.argmax(logits + np.random.default_rng(2).gumbel(size=logits.shape), axis=1)


def spectrum(singular_values: npt.ArrayLike, m: int, n: int) -> Floats:
    """A matrix (m, n) with given singular values and random singular vectors."""
    values = np.asarray(singular_values)
    left, right = (np.linalg.qr(gaussian((size, values.size), seed=seed))[0] for seed, size in ((1, m), (2, n)))
    return (left * values) @ right.T


def features(kind: str, m: int, n: int, dtype: str = "float64") -> Floats:
    """A matrix of a kind that ``LEAST_SQUARES`` names."""
    if kind.startswith("condition"):
        return spectrum(np.geomspace(1.0, 1.0 / float(kind.split()[1]), min(m, n)), m, n).astype(dtype)
    X = gaussian((m, n), dtype)
    if kind == "two equal columns":
        X[:, 1] = X[:, 0]
    return X


def embeddings(what: Embeddings) -> tuple[Floats, Floats, Floats]:
    """Features of a teacher and a student that share half of what they see, with falling variances, and labels."""
    shared = min(what.d_weak, what.d_strong) // 2
    latent = gaussian((what.rows, what.d_weak + what.d_strong - shared), "float32")
    weak, strong = latent[:, : what.d_weak], latent[:, what.d_weak - shared :]
    y = strong[:, :shared].sum(axis=1) / shared**0.5 + 0.5 * gaussian((what.rows,), seed=1)
    return (*((view / np.arange(1, view.shape[1] + 1) ** 0.25).astype("float32") for view in (weak, strong)), y)
