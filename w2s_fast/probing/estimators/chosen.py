"""Fits that choose their ridge among several, target by target: by leave-one-out errors, or by rows held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from w2s_fast._random import stream
from w2s_fast.linalg.leastsq.leave_one_out import left_one_out
from w2s_fast.probing.coding import Coding
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.fits import Estimator, Fit, Learner, Sums
from w2s_fast.probing.splits import Indices

HELD_OUT = 0.2  # share of a fit's rows that ridges are compared on
DRAW = (5,)  # coordinate of the random stream that draws them, for each number of rows the same


@dataclass(frozen=True)
class Grid:
    """Ridges that a fit chooses from, and how: "leave-one-out" or "held-out"."""

    values: tuple[float, ...]
    by: str

    def __str__(self) -> str:
        return f"{', '.join(f'{value:g}' for value in self.values)} by {self.by}"


@dataclass(frozen=True)
class Chosen:
    """One kind of fit at several ridges, of which each target has the one of the least error.

    Attributes
    ----------
    grid : Grid
    candidates : tuple of Estimator
        At each ridge of the grid.
    coding : Coding
    """

    grid: Grid
    candidates: tuple[Estimator, ...]
    coding: Coding

    is_linear: ClassVar[bool] = False

    @property
    def uses_sums(self) -> bool:
        return self.candidates[0].uses_sums

    @property
    def classifies(self) -> bool:
        return self.candidates[0].classifies

    @property
    def holds_rows(self) -> bool:
        return self.grid.by != "held-out" or self.candidates[0].holds_rows

    def fit(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sums: Sums | None,
        start: Matrix | None = None,
    ) -> Fit:
        known = labels()
        errors = (
            self._left_out(learner, index, known)
            if self.grid.by != "held-out"
            else self._held_out(learner, index, known)
        )
        each = errors.reshape(-1, self.coding.columns, len(self.candidates)).sum(axis=1)  # (targets, ridges)
        best = np.where(np.isnan(each), np.inf, each).argmin(axis=1)
        weights, flaws = np.empty((learner.columns, known.shape[1])), np.empty(len(best), object)
        for place in np.unique(best).tolist():
            columns = np.flatnonzero(np.repeat(best == place, self.coding.columns))
            part = None if sums is None else sums.of_labels(columns)
            begun = None if start is None else start[:, columns]
            fit = self.candidates[place].fit(learner, index, lambda of=columns: known[:, of], part, begun)
            weights[:, columns], flaws[best == place] = fit.weights, fit.flaws(int((best == place).sum()))
        return Fit(weights, tuple(flaws.tolist()), tuple(self.grid.values[place] for place in best.tolist()))

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        return self.candidates[0].predict(rows, weights)

    def _left_out(self, learner: Learner, index: Indices, labels: Matrix) -> Matrix:
        """Squared errors (c, ridges) of leaving each row out."""
        rows = learner.rows(index)
        if learner.intercept:
            rows = rows[:, :-1]
        with np.errstate(divide="ignore", invalid="ignore"):  # of rows that alone tell what they are to
            left = left_one_out(rows, labels, np.array(self.grid.values), learner.intercept)
            return np.sum([part.sum(axis=0) for part in left.squared_errors()], axis=0)

    def _held_out(self, learner: Learner, index: Indices, labels: Matrix) -> Matrix:
        """Squared errors (c, ridges) on a share of the rows, of fits to the others, each begun from the last."""
        order = stream(len(index), DRAW, 0).permutation(len(index))
        out, rest = (np.sort(part) for part in np.split(order, [round(HELD_OUT * len(index))]))
        sums, weights, found = learner.sums_of(index[rest], labels[rest]), None, []
        for candidate in self.candidates:
            fitting = replace(learner, estimator=candidate)
            weights = fitting.fit(index[rest], lambda: labels[rest], sums, weights).weights
            found.append(np.sum((fitting.predict(index[out], weights) - labels[out]) ** 2, axis=0))
        return np.stack(found, axis=1)
