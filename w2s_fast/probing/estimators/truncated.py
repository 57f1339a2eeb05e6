"""Ridge regression on the leading directions of wide features, as the paper's code takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from w2s_fast._random import stream
from w2s_fast.linalg.leastsq.min_norm import min_norm
from w2s_fast.probing.coding import NUMBERS, Coding
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.estimators.ridge import Ridge
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.splits import Indices

RANK = 768  # features that are wider than that have as many directions in each fit
OVERSAMPLES = 10
DRAW = (6,)  # coordinate of the random stream of the sketch, for each number of rows the same


@dataclass(frozen=True)
class Truncated:
    """Ridge regression, of features wider than ``rank`` on what a randomized SVD of one pass keeps of them in each fit.

    The directions are the leading ones of a sketch of the fit's own rows, ``rank`` and ``OVERSAMPLES`` of them, without
    power iterations; the weights are those of ridge regression on the coordinates along them.
    """

    ridge: float
    coding: Coding = NUMBERS
    rank: int = RANK

    uses_sums: ClassVar[bool] = False  # the sketch needs the rows
    is_linear: ClassVar[bool] = True
    classifies: ClassVar[bool] = False
    holds_rows: ClassVar[bool] = True

    def fit(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sums: Sums | None,
        start: Matrix | None = None,
    ) -> Fit:
        ridge = Ridge(self.ridge)
        if learner.columns - learner.intercept <= self.rank:
            enough = len(index) >= learner.columns
            return ridge.fit(learner, index, labels, learner.sums(index, labels()) if enough else None)
        from w2s_fast.linalg.spectral.randomized import randomized_svd

        rows = learner.rows(index)
        if learner.intercept:
            rows = rows[:, :-1]
        draw = stream(len(index), DRAW, 0)
        basis = randomized_svd(rows, self.rank, n_oversamples=OVERSAMPLES, n_iter=0, random_state=draw)[2].T
        images = rows @ basis
        if not learner.intercept:
            return Fit(basis @ min_norm(images, labels(), ridge=self.ridge))
        weights, intercepts = min_norm(images, labels(), ridge=self.ridge, intercept=True)
        return Fit(np.vstack((basis @ weights, intercepts)))

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        return rows @ weights
