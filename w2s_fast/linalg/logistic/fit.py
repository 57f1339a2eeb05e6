"""One fit: a metric, the descent in it, and how that ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from w2s_fast._cached import cached_property
from w2s_fast.linalg.logistic.descent import Model, Point, searched
from w2s_fast.linalg.logistic.metric import Metric, of_classes, of_features
from w2s_fast.linalg.logistic.objective import Objective
from w2s_fast.linalg.logistic.problem import Problem, SoftmaxFit, Status
from w2s_fast.linalg.logistic.separation import separates
from w2s_fast.linalg.rows.base import ScaleError
from w2s_fast.linalg.rows.products import Matrix

PATIENCE = 12  # steps in one metric that are to lower the gradient by ``ENOUGH``, or it is made anew
ENOUGH = 1e-3
MOST_STEPS = 600
WORTH_ROUNDING = 2**20  # numbers in the rows and products with them, from which float32 pays
ROUNDED = 1e-6  # relative gradient up to which float32 serves


def fitted(problem: Problem, start: Matrix | None, norms: Matrix, basis: Matrix | None = None) -> SoftmaxFit:
    """Fit weights (p, K), K = 1 for two classes, of rows (basis' x) whose columns had these norms before."""
    sizes = np.where(norms > 0.0, norms, 1.0)[:, None] * np.sqrt(len(problem.rows))
    return Descent(problem, sizes, basis).run(start)


@dataclass(frozen=True, eq=False)
class Descent:
    """Steps from metric to metric, in float32 as far as that goes.

    Attributes
    ----------
    problem : Problem
    sizes : (p, 1) ndarray
        What the gradient is relative to.
    basis : (p, r) ndarray, optional
        From the weights here to those that were asked for.
    """

    problem: Problem
    sizes: Matrix
    basis: Matrix | None

    @cached_property
    def exact(self) -> Objective:
        return Objective(self.problem.rows, self.problem.targets, self.problem.penalty)

    def run(self, start: Matrix | None) -> SoftmaxFit:
        exact = self.exact
        objective = exact.rounded() if exact.rows.size * exact.targets.shape[1] >= WORTH_ROUNDING else exact
        point = self.begun(objective, start)
        if not np.isfinite(point.value.gradient).all():
            raise ScaleError
        features = of_features(self.problem, point.value.coupling)
        model, before = Model(features, point.value.coupling), self.relative(point)
        for steps in range(MOST_STEPS):
            if objective is not exact and self.relative(point) <= max(ROUNDED, self.problem.tolerance):
                objective, point = exact, Point(point.weights, exact.at(point.weights))
            step = model.newton_step(point.value.gradient)
            if objective is exact and (status := self.ended(point, step, features)) is not None:
                return self.told(point, steps, status, features)
            end = searched(objective.at, point, step)
            if end is None and objective is not exact:
                objective, end = exact, Point(point.weights, exact.at(point.weights))
            elif end is None and not model.steps:  # not even a step along the gradient gains anything
                break
            elif end is None or (model.steps % PATIENCE == PATIENCE - 1 and self.relative(end) > ENOUGH * before):
                end = end or point
                model = Model(of_classes(self.problem, exact.curvatures(end.weights)), end.value.coupling)
                before = self.relative(end)
            else:
                model.learn(point, end)
                if model.steps % PATIENCE == 0:
                    before = self.relative(end)
            point = end
        status = "separable" if self.is_separable(point, features) else "stalled"
        return self.told(point, steps, status, features)

    def begun(self, objective: Objective, start: Matrix | None) -> Point:
        """A start that is better than none, or that."""
        if start is not None:
            point = Point(start, objective.at(start))
            if point.value.loss <= self.problem.first_loss():
                return point
        first = self.problem.first()
        return Point(first, objective.at(first))

    def relative(self, point: Point) -> float:
        """The largest entry of the gradient, as the tolerance has it."""
        gradient = point.value.gradient
        whole = gradient if self.basis is None else self.basis @ gradient
        return float(np.max(np.abs(whole) / self.sizes))

    def ended(self, point: Point, step: Matrix, features: Metric) -> Status | None:
        value, tolerance = point.value, self.problem.tolerance
        if self.relative(point) > tolerance:
            return None
        gain = -0.5 * float(np.vdot(step, value.gradient))
        if gain <= tolerance * value.loss:
            return "separable" if self.is_separable(point, features) else "converged"
        return "separable" if self.is_free and value.lag == 0.0 < value.spread else None

    @property
    def is_free(self) -> bool:
        return not self.problem.penalty.any()

    def is_separable(self, point: Point, features: Metric) -> bool:
        """Whether the weights separate the rows, or hold a direction that does."""
        if not self.is_free:
            return False
        if point.value.lag == 0.0 < point.value.spread:
            return True
        return separates(self.problem, point.weights, self.exact.curvatures(point.weights), features.roots[0])

    def told(self, point: Point, steps: int, status: Status, features: Metric) -> SoftmaxFit:
        weights = shortest(point.weights, features.null, self.problem.free_last)
        return SoftmaxFit(weights, point.value.loss, self.relative(point), steps, status)


def shortest(weights: Matrix, null: Matrix, free_last: bool) -> Matrix:
    """The shortest of the weights that have the same logits, but for the last ones if these are free."""
    if not null.shape[1]:
        return weights
    long = slice(-1) if free_last else slice(None)
    return np.asarray(weights - null @ np.linalg.lstsq(null[long], weights[long])[0])
