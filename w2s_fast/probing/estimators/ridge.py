"""Ridge regression, ridgeless down to the fit of least norm: by sums where these are safe, else by the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from w2s_fast.linalg.leastsq.gram_solve import solve_gram
from w2s_fast.linalg.leastsq.min_norm import MinNorm
from w2s_fast.linalg.leastsq.policy import EPS64, Cutoff
from w2s_fast.linalg.leastsq.reflections import Reflections
from w2s_fast.linalg.rows.cutting import gathered
from w2s_fast.probing.coding import NUMBERS, Coding
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.splits import Indices

CONSTANT = 8  # units in the last place: a column that varies by less among the rows of a fit is constant there
WORST_CONDITION = 1e7  # beyond, two correct float64 implementations agree to less than 6 digits


@dataclass(frozen=True)
class Ridge:
    """Minimises |X w - Y|^2 + ridge |w|^2; of many weights that do, the shortest."""

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
        if sums is not None and sums.n_rows >= learner.columns:
            try:
                return Fit(self._by_sums(sums, learner.intercept))
            except np.linalg.LinAlgError:
                pass  # the rows themselves can still be trusted
        return self._by_rows(learner, *_short(learner, index, labels()))

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        return rows @ weights

    def _by_sums(self, sums: Sums, intercept: bool) -> Matrix:
        gram, moments, n_rows = sums
        if not intercept:
            return solve_gram(gram, moments, self.ridge)
        mean, label_mean = gram[:-1, -1] / n_rows, moments[-1] / n_rows
        squares = gram[:-1, :-1]
        scatter = squares - np.outer(mean, gram[-1, :-1])
        peak, left = np.diagonal(squares), np.diagonal(scatter)
        if np.any(left <= _rounding(n_rows) * peak):
            raise np.linalg.LinAlgError("a column is constant among these rows, or nearly so: the rows can tell")
        weights = solve_gram(scatter, moments[:-1] - np.outer(mean, moments[-1]), self.ridge, peak + self.ridge)
        return np.vstack((weights, label_mean - mean @ weights))

    def _by_rows(self, learner: Learner, rows: Matrix, labels: Matrix) -> Fit:
        dtype = learner.train.values.dtype
        if not learner.intercept:
            return _solved(MinNorm.of_stored(rows, self.ridge, dtype), labels)
        rows, ones = rows[:, :-1], rows[:, -1]  # rotated, these are ones no more: centring projects them out
        mean, label_mean = ones @ rows / (ones @ ones), ones @ labels / (ones @ ones)
        centred = rows - np.outer(ones, mean)
        drift = ones @ centred / (ones @ ones)  # what rounding left in the mean
        centred -= np.outer(ones, drift)
        mean += drift
        came = rows + np.outer(ones, learner.train.mean[learner.live])  # as they were stored
        stored = Cutoff.of(dtype, rows.shape, None).stored
        sizes, as_stored, left = (np.linalg.norm(X, axis=0) for X in (rows, came, centred))
        centred[:, left <= np.maximum(CONSTANT * EPS64 * sizes, stored * as_stored)] = 0.0
        factor = MinNorm.of_stored(centred, self.ridge, dtype, came)
        fit = _solved(factor, labels - np.outer(ones, label_mean))
        return fit._replace(weights=np.vstack((fit.weights, label_mean - mean @ fit.weights)))


def _short(learner: Learner, index: Indices, labels: Matrix) -> tuple[Matrix, Matrix]:
    """Rows and labels, or, where they are many, as many of each as columns, by rotations that change no fit."""
    columns, steps = learner.columns, list(gathered(len(index), learner.columns))
    if len(steps) < 2 or len(index) < 2 * columns:
        return learner.rows(index), labels
    short = np.empty((0, columns + labels.shape[1]))
    for step in steps:
        short = Reflections(np.vstack((short, np.hstack((learner.rows(index[step]), labels[step]))))).R
    return short[:columns, :columns], short[:columns, columns:]


def _solved(factor: MinNorm, labels: Matrix) -> Fit:
    flaw = "" if factor.condition <= WORST_CONDITION else "ill-conditioned"
    return Fit(np.asarray(factor.solve(labels), np.float64), flaw)


def _rounding(rows: int) -> float:
    """Of a sum over so many rows, relative to the sum of magnitudes."""
    return CONSTANT * rows * EPS64
