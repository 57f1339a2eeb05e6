"""Gradient flow of least squares that starts at 0 and is stopped early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from w2s_fast.linalg.leastsq.policy import GRAM_RCOND
from w2s_fast.probing.coding import NUMBERS, Coding
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.estimators.ridge import Ridge
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.splits import Indices


@dataclass(frozen=True)
class Flow:
    """Where dw/dt = X'(Y - X w), w(0) = 0, has come at the time 1 / ridge; an intercept is at its best all the while.

    Along an eigenvector of X'X with eigenvalue s weights are (1 - exp(-s / ridge)) / s of X'Y, where ridge regression
    has 1 / (s + ridge) (Ali, Kolter and Tibshirani 2019). A ridge of 0 leaves it all the time there is: the shortest
    weights of least squares.
    """

    ridge: float
    coding: Coding = NUMBERS

    uses_sums: ClassVar[bool] = True
    is_linear: ClassVar[bool] = True
    classifies: ClassVar[bool] = False
    holds_rows: ClassVar[bool] = False

    def fit(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sums: Sums | None,
        start: Matrix | None = None,
    ) -> Fit:
        if self.ridge == 0.0:
            return Ridge(0.0).fit(learner, index, labels, sums)
        if sums is not None and sums.n_rows >= learner.columns:
            weights = self._by_sums(sums, learner.intercept)
            if weights is not None:
                return Fit(weights)
        return Fit(self._by_rows(learner.rows(index), labels(), learner.intercept))

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        return rows @ weights

    def _by_sums(self, sums: Sums, intercept: bool) -> Matrix | None:
        """None where rounding of the sums would show."""
        gram, moments, n_rows = sums
        means = None
        if intercept:
            means = gram[:-1, -1:] / n_rows, moments[-1:] / n_rows
            gram, moments = gram[:-1, :-1] - n_rows * means[0] @ means[0].T, moments[:-1] - n_rows * means[0] @ means[1]
        largest = float(np.trace(sums.gram))  # at most that, before the mean was taken out
        if not GRAM_RCOND * largest < self.ridge < np.inf:
            return None
        values, vectors = np.linalg.eigh(gram)
        filters = self._filters(np.sqrt(np.maximum(values, 0.0)))
        return _with_intercept(vectors @ (filters[:, None] * (vectors.T @ moments)), means)

    def _by_rows(self, rows: Matrix, labels: Matrix, intercept: bool) -> Matrix:
        means = None
        if intercept:
            means = rows[:, :-1].mean(axis=0)[:, None], labels.mean(axis=0)[None]
            rows, labels = rows[:, :-1] - means[0].T, labels - means[1]
        u, s, vt = np.linalg.svd(rows, full_matrices=False)
        return _with_intercept(vt.T @ ((s * self._filters(s))[:, None] * (u.T @ labels)), means)

    def _filters(self, s: Matrix) -> Matrix:
        """(1 - exp(-s^2 / ridge)) / s^2 of singular values, 1 / ridge at 0."""
        with np.errstate(over="ignore"):
            times = (s / np.sqrt(self.ridge)) ** 2
        shares = np.divide(-np.expm1(-times), times, out=np.ones_like(times), where=times > 0.0)
        return np.asarray(shares / self.ridge)


def _with_intercept(weights: Matrix, means: tuple[Matrix, Matrix] | None) -> Matrix:
    """Weights of deviations, and below them what meets the means (p, 1) of columns and (1, c) of labels."""
    return weights if means is None else np.vstack((weights, means[1] - means[0].T @ weights))
