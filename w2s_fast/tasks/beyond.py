"""What the paper does not draw: dimensions to 10^6 at fixed aspect ratios, and double descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from w2s_fast._workers import Workers
from w2s_fast.gaussian.coordinates import geometry
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.simulate import simulate
from w2s_fast.gaussian.theory import expected_risks
from w2s_fast.kernels.trials import Geometry
from w2s_fast.results.metrics import FITS, quotients_of_means
from w2s_fast.study.study import Study
from w2s_fast.study.tables import Row

UNIT = 20  # d_weak : d_strong : d_shared is 20 : 10 : 1, as in the paper's first figure
LARGEST = 10**6  # the largest d_weak
LABELLED, PSEUDO = 2, (1, 2, 4, 20)  # n and N over d_weak
QUANTILES = 0.05, 0.95
D_WEAK, D_STRONG, D_SHARED = 40, 20, 10  # of the double descent
RIDGE = 10.0
PLENTY = 120  # rows of the size that stays fixed


class Growth:
    """PGR and OPR as all dimensions and sample sizes grow together, n = 2 d_weak and N as large or many times so.

    Lengths of the target and the noise stay what they are in the paper's first figure, so that both ratios have limits.

    Attributes
    ----------
    rows : list of dict
        Tidy rows, one a dimension, N and ratio: the ratio of mean risks with its standard error, that of the exact
        expectations, and the ends of the interval that holds 90 % of the trials' own ratios. Empty before the run.
    """

    title = "d to 10^6"

    def __init__(self, *, points: int = 14, trials: int = 400, seed: int = 0) -> None:
        self.trials, self.seed = trials, seed
        sizes = np.geomspace(UNIT, LARGEST, points) / UNIT
        self.d_weak: list[int] = (UNIT * np.unique(sizes.round().astype(np.int64))).tolist()
        self.rows: list[Row] = []

    def run(self, progress: Callable[[int, int], None] | None = None, workers: Workers = None) -> None:
        """Simulate each dimension."""
        self.rows, told = [], geometry(GaussianModel.paper())
        for done, d_weak in enumerate(self.d_weak, 1):
            self.rows += self._measured(growing(d_weak, told), workers)
            if progress is not None:
                progress(done, len(self.d_weak))

    def _measured(self, model: GaussianModel, workers: Workers) -> list[Row]:
        n, N = LABELLED * model.d_weak, model.d_weak * np.array(PSEUDO)
        found = simulate(model, n, N, trials=self.trials, seed=self.seed, workers=workers)
        summary, expected = found.summary(), expected_risks(model, n, N)._asdict()
        sizes: Row = {"study": self.title, "d_weak": model.d_weak, "d_strong": model.d_strong}
        sizes |= {"d_shared": round(model.d_shared), "n": n}
        rows = []
        for name, quotient in quotients_of_means().items():
            ratio = name.removesuffix("_of_means")
            low, high = np.quantile(getattr(found, ratio), QUANTILES, axis=-1)
            for place, size in enumerate(N.tolist()):
                row = sizes | {"N": size, "metric": name, "trials": self.trials}
                row |= dict(zip(("mean", "stderr"), (float(part[place]) for part in summary[name]), strict=True))
                row["expected"] = float(quotient(expected)[place])
                row |= {"trials_5_percent": float(low[place]), "trials_95_percent": float(high[place])}
                rows.append(row)
        return rows


def growing(d_weak: int, told: Geometry) -> GaussianModel:
    """Another dimension of the model that is told: what each sees of the target stays as long as it is there."""
    shared = d_weak // UNIT
    return GaussianModel.from_blocks(
        shared=shared,
        weak_only=d_weak - shared,
        strong_only=d_weak // 2 - shared,
        target_weak=float(told.target_weak),
        target_strong=float(told.target_strong),
        target_outside=float(told.target_outside),
        noise_variance=float(told.noise) ** 2,
    )


def descending() -> GaussianModel:
    """A target that both see most of, and noise that a fit of as many rows as directions makes the most of."""
    coordinates = D_WEAK + D_STRONG - D_SHARED
    squares = np.zeros(coordinates + 1)
    squares[:D_SHARED] = 0.9 / D_SHARED
    squares[D_WEAK:coordinates] = 0.02 / (D_STRONG - D_SHARED)
    squares[-1] = 0.01
    axes = np.eye(len(squares))
    strong = np.hstack((axes[:, :D_SHARED], axes[:, D_WEAK:coordinates]))
    return GaussianModel(np.sqrt(squares), axes[:, :D_WEAK], strong, 0.25)


def descent(*, trials: int = 100, seed: int = 0, quick: bool = False) -> Study:
    """Both sweeps across the peaks, n at N = 120 and N at n = 120, without ridge and with one.

    Without ridge a mean exists two rows and a variance four rows from a peak: sizes are six rows away, or at it.
    """
    n = (8, 20, 40, 80) if quick else (4, 8, 12, 14, 20, 26, 30, 34, 40, 46, 52, 60, 70, 80, 100)
    N = (8, 20, 40, 80) if quick else (4, 8, 12, 14, 20, 26, 30, 36, 44, 52, 60, 70, 80, 100)
    return Study(
        descending(),
        n=[*n, *[PLENTY] * len(N)],
        N=[*[PLENTY] * len(n), *N],
        ridge=[0.0, RIDGE],
        trials=trials,
        seed=seed,
        title="double descent",
    )


def descent_rows(study: Study) -> list[Row]:
    """Rows of the study's table for the four risks, with the medians, which there are where there is no mean."""
    medians: dict[str, Any] = {fit: np.median(getattr(study.result, fit), axis=-1).ravel().tolist() for fit in FITS}
    risks = [row for row in study.table() if row["metric"] in FITS]
    return [row | {"median": medians[row["metric"]][place // len(FITS)]} for place, row in enumerate(risks)]
