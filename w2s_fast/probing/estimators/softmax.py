"""Logistic regression of classes on hard or soft targets, of which the predictions are chances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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
        return self.nested_fits(learner, index, labels, [len(index)], [sums], start)[0]

    def nested_fits(
        self,
        learner: Learner,
        index: Indices,
        labels: Callable[[], Matrix],
        sizes: Sequence[int],
        sums: Sequence[Sums | None],
        start: Matrix | None = None,
    ) -> list[Fit]:
        """Fit the first rows, of each size, those to most rows from ``start``."""
        from w2s_fast.linalg.logistic import fit_nested

        most = max(sizes)
        targets = self.coding.probabilities(labels()[:most])
        metrics = [known.gram for known in sums if known is not None and np.isfinite(known.gram).all()]
        found = fit_nested(
            learner.rows(index[:most]),
            self._each(targets),
            sizes,
            penalty=self.ridge,
            free_last=learner.intercept,
            starts=None if start is None else self._each(start),
            metrics=metrics if len(metrics) == len(sizes) else None,
        )
        return [
            Fit(
                np.column_stack([fit.weights for fit in fits]),
                tuple("" if fit.status == "converged" else fit.status for fit in fits),
            )
            for fits in zip(*found, strict=True)
        ]

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
