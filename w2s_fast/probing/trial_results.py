"""What trials of a probe lead to: the results of each, collected into the Trials that callers get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.probing.data import Matrix
from w2s_fast.probing.design import Design
from w2s_fast.results.doubts import Flags
from w2s_fast.results.scores import Fits, Score
from w2s_fast.results.trials import Decomposition, IllConditioned, Separable, Trials


class TrialResult(NamedTuple):
    """One trial of one pair at every point, of t targets; fits are weak, baseline, ceiling, w2s."""

    errors: Matrix  # (points, 4, t)
    scores: Mapping[str, Matrix]  # of each measure (points, 4, t)
    ill_conditioned: Flags  # (points, 4), for whatever reason
    separable: Flags  # (points, 4), of these
    ridges: Matrix  # (points, 4, t), that fits chose from a grid; NaN of others
    predictions: Matrix | None  # (points, 3, k, test rows): teacher, student, and what the student inherits


def joined(results: Sequence[TrialResult]) -> TrialResult:
    """Join results along points."""
    kept: list[Any] = [result.predictions for result in results]
    return TrialResult(
        np.concatenate([result.errors for result in results]),
        {name: np.concatenate([result.scores[name] for result in results]) for name in results[0].scores},
        np.concatenate([result.ill_conditioned for result in results]),
        np.concatenate([result.separable for result in results]),
        np.concatenate([result.ridges for result in results]),
        None if kept[0] is None else np.concatenate(kept),
    )


class Collected:
    """Outcomes of one pair over trials; predictions as moments alone, never trials times rows."""

    def __init__(self, design: Design, trials: int) -> None:
        self.design = design
        shape = design.n.size, 4, design.targets, trials
        self.errors = np.empty(shape)
        self.scores = {name: np.empty(shape) for name in design.scoring.measures}
        self.ridges = np.empty(shape) if design.task.has_grid else None
        self.ill_conditioned, self.separable = np.empty((2, design.n.size, 4, trials), np.bool_)
        self.predictions = Moments() if design.projections is not None else None

    def add(self, trial: int, result: TrialResult) -> None:
        self.errors[..., trial] = result.errors
        for name, values in result.scores.items():
            self.scores[name][..., trial] = values
        self.ill_conditioned[..., trial], self.separable[..., trial] = result.ill_conditioned, result.separable
        if self.ridges is not None:
            self.ridges[..., trial] = result.ridges
        if self.predictions is not None and result.predictions is not None:
            self.predictions.update(result.predictions[None])

    def trials(self) -> Trials:
        """Results in the shape of the points, without the axis of targets where the labels had none."""
        design = self.design
        targets = (design.targets,) * design.has_targets
        trials = self.errors.shape[-1]
        classify = any(estimator.classifies for estimator in design.task.estimators)

        def shaped(values: Any, *rest: int) -> Iterator[Any]:
            return (values[:, fit].reshape(*design.n.shape, *rest) for fit in range(values.shape[1]))

        decomposition = None
        if self.predictions is not None:
            parts = _decomposed(self.predictions, design.test_labels.T)
            by_target = (part.reshape(len(part), design.targets, -1).sum(axis=2) for part in parts)
            decomposition = Decomposition(*(part.reshape((*design.n.shape, *targets)) for part in by_target))
        weak, baseline, ceiling, w2s = shaped(self.errors, *targets, trials)
        return Trials(
            design.n,
            design.N,
            weak,
            baseline,
            ceiling,
            w2s,
            design.seed,
            ill_conditioned=IllConditioned(*shaped(self.ill_conditioned, trials)),
            separable=Separable(*shaped(self.separable, trials)) if classify else None,
            scores={name: Score.of(name, *shaped(values, *targets, trials)) for name, values in self.scores.items()},
            metrics=design.task.metrics,
            chosen_ridge=None if self.ridges is None else Fits(*shaped(self.ridges, *targets, trials)),
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
