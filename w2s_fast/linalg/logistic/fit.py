"""One fit: a metric, the descent in it, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from w2s_fast.linalg.logistic import metric
from w2s_fast.linalg.logistic.descent import Point, Quadratic, searched
from w2s_fast.linalg.logistic.metric import Metric
from w2s_fast.linalg.logistic.objective import Objective
from w2s_fast.linalg.logistic.problem import Problem, SoftmaxFit, Status
from w2s_fast.linalg.logistic.separation import separates
from w2s_fast.linalg.rows.products import Matrix, gram, times

ALL = slice(None)
PATIENCE = 15  # steps in one metric; a descent that takes more gets a metric of the weights that it has come to
MOST_STEPS = 600
STILL_MOVES = 1e-2  # of a logit by the next step: more, and there may be no least


def fitted(problem: Problem, start: Matrix | None, norms: Matrix, basis: Matrix | None = None) -> SoftmaxFit:
    """Fit weights (p, K), K = 1 for two classes, of rows (basis' x) whose columns had these norms before."""
    descent = Descent.of(problem, norms, basis)
    return descent.run(np.zeros((problem.rows.shape[1], problem.targets.shape[1])) if start is None else start)


@dataclass(eq=False)
class Descent:
    """Steps from metric to metric."""

    problem: Problem
    objective: Objective
    sizes: Matrix  # of the columns of the gradient, at most
    basis: Matrix | None

    @classmethod
    def of(cls, problem: Problem, norms: Matrix, basis: Matrix | None) -> Descent:
        sizes = np.where(norms > 0.0, norms, 1.0)[:, None] * np.sqrt(len(problem.rows))
        return cls(problem, Objective(problem.rows, problem.targets, problem.penalty), sizes, basis)

    def relative(self, gradient: Matrix) -> float:
        whole = gradient if self.basis is None else self.basis @ gradient
        return float(np.max(np.abs(whole) / self.sizes))

    def metric_at(self, point: Point, anew: bool) -> Metric:
        """Of the Hessian where chances are as at the start of the descent, or as they are at this point."""
        rows, penalty, known = self.problem.rows, self.problem.penalty, self.problem.squares
        if anew:
            weights = self.objective.row_weights(point.weights, ALL)
            squares = gram(rows * np.sqrt(weights)[:, None])
        else:
            weights = np.full(len(rows), max(point.value.curvature, 1e-8))
            squares = weights[0] * (gram(rows) if known is None else known)
        squares[np.diag_indices(len(squares))] += penalty[:, 0]
        return metric.by_gram(squares) or metric.by_rows(rows, weights, penalty)

    def run(self, weights: Matrix) -> SoftmaxFit:
        point = Point(weights, self.objective.at(weights))
        model = Quadratic(self.metric_at(point, anew=False))
        for steps in range(MOST_STEPS):
            step = model.newton_step(point.value.gradient)
            if (status := self.ended(point, step)) is not None:
                return self.told(point, steps, status, model)
            following = searched(self.objective.at, point, step)
            if following is not None and model.steps < PATIENCE:
                model.learn(following.weights - point.weights, following.value.gradient - point.value.gradient)
            elif following is not None or model.steps:
                model = Quadratic(self.metric_at(following or point, anew=True))
            else:  # not even a step along the gradient gains anything
                break
            point = following or point
        status = "separable" if self.is_separable(point, step) else "stalled"
        return self.told(point, steps, status, model)

    def ended(self, point: Point, step: Matrix) -> Status | None:
        value, tolerance = point.value, self.problem.tolerance
        if self.relative(value.gradient) > tolerance:
            return None
        gain = -0.5 * float(np.vdot(step, value.gradient))
        if gain <= tolerance * value.loss:
            return "separable" if self.is_separable(point, step) else "converged"
        return "separable" if self.is_free and value.lag == 0.0 < value.spread else None

    @property
    def is_free(self) -> bool:
        return not self.problem.penalty.any()

    def is_separable(self, point: Point, step: Matrix) -> bool:
        """Whether the weights separate the rows, or the next step does so where it still changes logits."""
        if not self.is_free:
            return False
        if point.value.lag == 0.0 < point.value.spread:
            return True
        rows, targets = self.problem.rows, self.problem.targets
        if np.abs(times(rows, step)).max() < STILL_MOVES:
            return False
        return separates(rows, targets, step, self.objective.row_weights(point.weights, ALL))

    def told(self, point: Point, steps: int, status: Status, model: Quadratic) -> SoftmaxFit:
        weights = shortest(point.weights, model.metric.null, self.problem.free_last)
        return SoftmaxFit(weights, point.value.loss, self.relative(point.value.gradient), steps, status)


def shortest(weights: Matrix, null: Matrix, free_last: bool) -> Matrix:
    """The shortest of the weights that have the same logits, but for the last ones if these are free."""
    if not null.shape[1]:
        return weights
    long = slice(-1) if free_last else ALL
    return np.asarray(weights - null @ np.linalg.lstsq(null[long], weights[long])[0])
