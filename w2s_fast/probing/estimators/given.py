"""The fit of a teacher whose predictions are given: it has nothing to fit, and says what it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from w2s_fast.probing.coding import Coding
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.fits import Fit, Learner, Sums
from w2s_fast.probing.splits import Indices


@dataclass(frozen=True)
class Given:
    """Weights that say the predictions in place of features again: of two classes' probabilities the second's."""

    coding: Coding

    uses_sums: ClassVar[bool] = False
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
        k, width = labels().shape[1], len(learner.live)
        first = -1.0 if self.coding.kind == "signs" else 0.0
        weights = np.eye(k) if width == k else np.array([[first], [1.0]])  # of signs p - (1 - p), which is 2 p - 1
        return Fit(weights[learner.live])

    def predict(self, rows: Matrix, weights: Matrix) -> Matrix:
        return rows @ weights
