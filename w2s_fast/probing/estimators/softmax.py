"""Logistic regression of classes on hard or soft targets, of which the predictions are chances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from w2s_fast.linalg.logistic import fit_nested
from w2s_fast.probing.coding import Coding
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.splits import Indices


@dataclass(frozen=True)
class Softmax:
    """Minimises the sum over rows of the cross-entropy between targets and softmax(X W + b), plus ridge / 2 |W|^2.

    ``ridge`` is 1 / C of scikit-learn's ``LogisticRegression``; the intercept b is free. Labels that are no
    probabilities, as some predictions of ridge, are cut to them. All rows of a fit are held in memory, since every step
    takes a pass over them.
    """

    ridge: float
    coding: Coding

    uses_sums: ClassVar[bool] = True  # X'X makes steps few
    is_linear: ClassVar[bool] = False
    classifies: ClassVar[bool] = True
    holds_rows: ClassVar[bool] = True

    def fit(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sums: Sums | None,
        start: Matrix | None = None,
    ) -> Fit:
        rows, targets = learner.rows(index), self.coding.probabilities(labels())
        known = sums is not None and bool(np.isfinite(sums.gram).all())
        fits = fit_nested(
            rows,
            self._each(targets),
            [len(rows)],
            penalty=self.ridge,
            free_last=learner.intercept,
            starts=None if start is None else self._each(start),
            metrics=[sums.gram] if sums is not None and known else None,
        )
        weights = np.column_stack([fit.weights for (fit,) in fits])
        return Fit(weights, tuple("" if fit.status == "converged" else fit.status for (fit,) in fits))

    def _each(self, columns: Matrix) -> list[Matrix]:
        """The columns of each target, or the one column that two classes have."""
        k = self.coding.columns
        return list(columns.T) if k == 1 else np.split(columns, columns.shape[1] // k, axis=1)

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        logits = rows @ weights
        if self.coding.columns == 1:
            chances = 0.5 * (1.0 + np.tanh(0.5 * logits))
        else:
            each = logits.reshape(len(rows), -1, self.coding.columns)
            odds = np.exp(each - each.max(axis=2, keepdims=True))
            chances = (odds / odds.sum(axis=2, keepdims=True)).reshape(logits.shape)
        return self.coding.labels(chances)
