"""What trials of a probe lead to: the results of each, collected into the Trials that callers get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.design import Design
from w2s_fast.results.trials import Accuracy, Decomposition, Flags, IllConditioned, Trials


class TrialResult(NamedTuple):
    """One trial of one pair at every point; fits are weak, baseline, ceiling, w2s."""

    errors: Matrix  # (points, 4, k)
    hits: Matrix  # (points, 4, k)
    ill_conditioned: Flags  # (points, 4)
    predictions: Matrix | None  # (points, 3, k, test rows): teacher, student, and what the student inherits


def joined(results: Sequence[TrialResult]) -> TrialResult:
    """Join results along points."""
    fields: Iterator[Any] = zip(*results, strict=True)
    found: list[Any] = [None if parts[0] is None else np.concatenate(parts) for parts in fields]
    return TrialResult(*found)


class Collected:
    """Outcomes of one pair over trials; predictions as moments alone, never trials times rows."""

    def __init__(self, design: Design, trials: int) -> None:
        self.design = design
        shape = design.n.size, 4, design.task.rows.labels.shape[1], trials
        self.errors, self.hits = np.empty(shape), np.empty(shape)
        self.ill_conditioned = np.empty((design.n.size, 4, trials), np.bool_)
        self.predictions = Moments() if design.projections is not None else None

    def add(self, trial: int, result: TrialResult) -> None:
        self.errors[..., trial], self.hits[..., trial] = result.errors, result.hits
        self.ill_conditioned[..., trial] = result.ill_conditioned
        if self.predictions is not None and result.predictions is not None:
            self.predictions.update(result.predictions[None])

    def trials(self) -> Trials:
        """Results in the shape of the points, without the axis of label columns where the labels had none."""
        design, rows = self.design, self.design.task.rows
        k = (rows.labels.shape[1],) * rows.has_columns
        trials = self.errors.shape[-1]

        def shaped(values: Any, *rest: int) -> Iterator[Any]:
            return (values[:, fit].reshape(*design.n.shape, *rest) for fit in range(values.shape[1]))

        decomposition = None
        if self.predictions is not None:
            parts = _decomposed(self.predictions, design.test_labels.T)
            decomposition = Decomposition(*(part.reshape((*design.n.shape, *k)) for part in parts))
        weak, baseline, ceiling, w2s = shaped(self.errors, *k, trials)
        return Trials(
            design.n,
            design.N,
            weak,
            baseline,
            ceiling,
            w2s,
            design.seed,
            ill_conditioned=IllConditioned(*shaped(self.ill_conditioned, trials)),
            accuracy=Accuracy(*shaped(self.hits, *k, trials)) if design.task.has_two_values else None,
            decomposition=decomposition,
        )


def _decomposed(predictions: Moments, labels: Matrix) -> Iterator[Matrix]:
    """Means over test rows of squared bias and variance of teacher and student, and of the inherited variance."""
    variance = predictions.variance(ddof=1)  # (points, 3, k, test rows)
    bias = (predictions.mean - labels) ** 2 - variance / predictions.count
    for model in (0, 1):
        yield bias[:, model].mean(axis=-1)
        yield variance[:, model].mean(axis=-1)
    yield variance[:, 2].mean(axis=-1)
