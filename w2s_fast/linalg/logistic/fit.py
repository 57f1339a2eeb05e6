"""One fit: a metric, the descent in it, and how that ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np

from w2s_fast._cached import cached_property
from w2s_fast.linalg.leastsq.policy import EPS64
from w2s_fast.linalg.logistic.curvature import Curvature
from w2s_fast.linalg.logistic.descent import Model, Point, newton_step, searched
from w2s_fast.linalg.logistic.lockstep import Asking
from w2s_fast.linalg.logistic.metric import Metric, of_classes
from w2s_fast.linalg.logistic.objective import Objective, Question
from w2s_fast.linalg.logistic.problem import Problem, SoftmaxFit, Status
from w2s_fast.linalg.logistic.separation import separates
from w2s_fast.linalg.rows.base import ScaleError
from w2s_fast.linalg.rows.products import Matrix

MARGIN = 0.9  # of the tolerance, to which a gradient in float32 falls before it is worked out in float64
PATIENCE = 12  # quasi-Newton steps that are to lower the gradient by ``ENOUGH``: else rows are all but certain, whose
ENOUGH = 0.25  # curvature changes with each step, and Newton's steps are worth their passes
LARGEST_BLOCKS = 2**26  # numbers in the metric of Newton steps, 512 MiB
RENEWED = 6  # Newton steps after which their metric is made anew
MOST_STEPS = 200  # of either kind
LITTLE = 0.01  # of the tolerance, that the loss may still be lowered by, relatively, as far as the model tells
WORTH_ROUNDING = 2**20  # numbers in the rows and products with them, from which float32 pays
ROUNDED = 1e-7  # relative gradient up to which float32 serves

Ended = Callable[[Point, Matrix], Any]  # by a point and the next step: how a descent has ended, if it has
Descended = tuple[Point, int, Any]  # where it has come to, in how many steps, and how it ended, if it has


def fitted(
    problem: Problem, start: Matrix | None, norms: Matrix, curvature: Curvature, basis: Matrix | None = None
) -> Asking[SoftmaxFit]:
    """Fit weights (p, K), K = 1 for two classes, of rows (basis' x) whose columns had these norms before."""
    sizes = np.where(norms > 0.0, norms, 1.0)[:, None] * np.sqrt(len(problem.rows))
    return (yield from Descent(problem, sizes, curvature, basis).run(start))


class Kept(NamedTuple):
    """Orthonormal directions (p, r) of weights in units (p, 1) in which all columns of the features are of one size."""

    directions: Matrix
    units: Matrix

    @classmethod
    def of(cls, features: Metric, problem: Problem) -> Self:
        squares = np.diagonal(problem.squares)[:, None]
        units = np.sqrt(np.where(squares > 0.0, squares, 1.0))
        return cls(np.linalg.qr(units * features.root)[0], units)

    def of_weights(self, weights: Matrix) -> Matrix:
        return np.asarray(self.directions @ (self.directions.T @ (self.units * weights)) / self.units)

    def of_gradient(self, gradient: Matrix) -> Matrix:
        return np.asarray(self.units * (self.directions @ (self.directions.T @ (gradient / self.units))))


@dataclass(eq=False)
class Descent:
    """Steps from metric to metric, in float32 as far as that goes.

    Attributes
    ----------
    problem : Problem
    sizes : (p, 1) ndarray
        What the gradient is relative to.
    curvature : Curvature
    basis : (p, r) ndarray, optional
        From the weights here to those that were asked for.
    kept : Kept, optional
        Directions that steps have, where some are left out as rounding.
    """

    problem: Problem
    sizes: Matrix
    curvature: Curvature
    basis: Matrix | None
    kept: Kept | None = None

    @cached_property
    def exact(self) -> Objective:
        return Objective(self.problem.rows, self.problem.targets, self.problem.penalty)

    def run(self, start: Matrix | None) -> Asking[SoftmaxFit]:
        exact = self.exact
        worth_it = exact.rows.size * exact.targets.shape[1] >= WORTH_ROUNDING
        rounded = exact.rounded(self.problem.rounded) if worth_it else None
        point = yield from self.begun(rounded or exact, start)
        if rounded is not None and not point.is_finite:  # beyond the range of float32
            rounded, point = None, (yield from self.begun(exact, start))
        if not point.is_finite:
            raise ScaleError
        features = self.curvature.metric(self.problem, point.value.coupling)
        if features.null.size:
            self.kept = Kept.of(features, self.problem)
            if start is not None:  # what no step would change
                point = yield from self.begun(rounded or exact, self.kept.of_weights(point.weights))
        model, steps = Model(self.problem, self.curvature, features, point), 0
        if rounded is not None:
            serves = max(ROUNDED, MARGIN * self.problem.tolerance)
            descent = self.by_quasi_newton(rounded, point, model, lambda end, _: self.relative(end) <= serves)
            point, steps, served = yield from descent
            point = Point(point.weights, (yield Question(exact, point.weights)))
            if not served:  # what the last steps have told may be rounding
                model = Model(self.problem, self.curvature, features, point)
        ended = partial(self.status, features)
        point, more, status = yield from self.by_quasi_newton(exact, point, model, ended)
        if status is None and self.affords_newton:
            point, again, status = yield from self.by_newton(point, ended)
            more += again
        if status is None and self.is_separable(point, features):
            status = "separable"
        elif status is None:  # a gradient this small, of which rounding hides where it points to, is as good as 0
            status = "converged" if more < MOST_STEPS and self.relative(point) <= self.problem.tolerance else "stalled"
        if features.null.size:
            weights = shortest(point.weights, features.null, self.problem.free_last)
            short = Point(weights, (yield Question(exact, weights)))
            if self.relative(short) <= max(self.relative(point), self.problem.tolerance):
                point = short  # else null directions are rounding in the units of these columns
        return SoftmaxFit(point.weights, point.value.loss, self.relative(point), steps + more, status, model.memory)

    def by_quasi_newton(self, objective: Objective, point: Point, model: Model, ended: Ended) -> Asking[Descended]:
        """Steps of a model of the Hessian for as long as each dozen gains enough."""
        before = self.relative(point)
        for steps in range(MOST_STEPS):
            step = model.newton_step(point.value.gradient)
            if status := ended(point, step):
                return point, steps, status
            end = yield from searched(objective, point, step)
            if end is None:
                return point, steps, None
            model.learn(point, end)
            point = end
            if steps % PATIENCE == PATIENCE - 1:
                if self.relative(point) > ENOUGH * before and self.affords_newton:
                    return point, steps + 1, None
                before = self.relative(point)
        return point, MOST_STEPS, None

    @property
    def affords_newton(self) -> bool:
        """Whether matrices of all classes fit in memory."""
        return self.problem.targets.shape[1] * self.problem.rows.shape[1] ** 2 <= LARGEST_BLOCKS

    def by_newton(self, point: Point, ended: Ended) -> Asking[Descended]:
        """Steps of the Hessian itself, which take several passes each."""
        for steps in range(MOST_STEPS):
            chances = self.exact.chances(point.weights)
            if steps % RENEWED == 0:
                metric = of_classes(self.problem, chances * (1.0 - chances))
            step = newton_step(partial(self.exact.hessian_times, chances), metric, point.value.gradient)
            if status := ended(point, step):
                return point, steps, status
            end = yield from searched(self.exact, point, step)
            if end is None:
                return point, steps, None
            point = end
        return point, MOST_STEPS, None

    def begun(self, objective: Objective, start: Matrix | None) -> Asking[Point]:
        """A start that is better than none, or that."""
        if start is not None:
            point = Point(start, (yield Question(objective, start)))
            if point.value.loss <= self.problem.first_loss():
                return point
        first = self.problem.first()
        return Point(first, (yield Question(objective, first)))

    def relative(self, point: Point) -> float:
        """The largest entry of the gradient, as the tolerance has it."""
        gradient = point.value.gradient
        if self.kept is not None:
            gradient = self.kept.of_gradient(gradient)
        whole = gradient if self.basis is None else self.basis @ gradient
        return float(np.max(np.abs(whole) / self.sizes))

    def status(self, features: Metric, point: Point, step: Matrix) -> Status | None:
        """How the descent has ended, if it has."""
        value, tolerance = point.value, self.problem.tolerance
        if self.relative(point) > tolerance:
            return None
        gain = -0.5 * float(np.vdot(step, value.gradient))
        rounding = EPS64 * len(self.problem.rows)  # of the loss, even where it is next to nothing
        if gain <= max(LITTLE * tolerance * value.loss, rounding):
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
        chances = self.exact.chances(point.weights)
        return separates(self.problem, point.weights, chances * (1.0 - chances), features.root)


def shortest(weights: Matrix, null: Matrix, free_last: bool) -> Matrix:
    """The shortest of the weights that have the same logits, but for the last ones if these are free."""
    long = slice(-1) if free_last else slice(None)
    return np.asarray(weights - null @ np.linalg.lstsq(null[long], weights[long])[0])
