"""Steps down a convex loss: quasi-Newton (L-BFGS) from a good guess of the Hessian, and truncated Newton."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from w2s_fast.linalg.logistic.curvature import Along, Curvature, inverse_coupling, inverse_hessian_times, worth_along
from w2s_fast.linalg.logistic.lockstep import Asking
from w2s_fast.linalg.logistic.metric import ClassMetrics, Metric, even
from w2s_fast.linalg.logistic.objective import Objective, Question, Value
from w2s_fast.linalg.logistic.problem import Memory, Problem, Step
from w2s_fast.linalg.rows.products import Matrix

MEMORY = 12, 100  # steps that the Hessian is learned from, at least and at most:
WORTH_A_STEP = 4 * 10**5  # each takes the time that a pass takes for so many products
LARGEST_MEMORY = 2**22  # numbers
COLD = 3, 6, 12, 24, 48, 96  # steps after which the Hessian is looked at along the weights that they have come to,
WARM = 12, 24, 48, 96  # and of a descent from given weights, along which it is looked at before the first
OVERSHOT = 0.5  # of the slope at the start, with the other sign: a step that ends on such a rise was too long
TRIALS = 30  # lengths of one step,
FEW_TRIALS = 5  # and in float32: where none of these does, slopes are rounding
PRODUCTS = 40  # with the Hessian, for one Newton step,
INEXACT = 0.03  # and the share of the gradient that may be left after it
NOISE = 1e-6  # of the loss: rises up to that may be rounding, and the slope decides


class Point(NamedTuple):
    weights: Matrix
    value: Value

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.value.gradient).all())


class Model:
    """What a metric, the weights and past steps say of the Hessian: the two-loop recursion (Nocedal 1980)."""

    def __init__(self, problem: Problem, curvature: Curvature, metric: Metric, start: Point) -> None:
        self._problem, self._curvature, self._metric = problem, curvature, metric
        self._rows, size = len(problem.rows), start.weights.size
        most = min(MEMORY[1], self._rows * size // WORTH_A_STEP, LARGEST_MEMORY // size)
        self._steps, self._scale = 0, 1.0
        self._known: deque[Step] = deque(maxlen=max(MEMORY[0], most))
        self._uncoupled = inverse_coupling(start.value.coupling)
        self._along: Along | None = None
        if not worth_along(problem, start.weights.shape[1]):
            self._known.extend(step for step in problem.memory if step.move.shape == start.weights.shape)
            self._renewed: tuple[int, ...] = ()
        elif np.array_equal(start.weights, problem.first()):
            self._renewed = COLD
        else:
            self._renewed, self._along = WARM, curvature.along(problem, metric, start.weights)

    @property
    def memory(self) -> Memory:
        """What serves other fits, if there is nothing better."""
        return tuple(self._known)

    def learn(self, start: Point, end: Point) -> None:
        """Take in how the gradient has changed by a step."""
        self._steps += 1
        self._uncoupled = inverse_coupling(end.value.coupling)
        if self._steps in self._renewed:
            self._along = self._curvature.along(self._problem, self._metric, end.weights)
        move, change = end.weights - start.weights, end.value.gradient - start.value.gradient
        product, size = float(np.vdot(move, change)), float(np.vdot(change, self._guess(change / self._rows)))
        if product > 0.0 and size > 0.0:
            self._known.append(Step(move, change / self._rows, product / self._rows))
            self._scale = min(product / size, 1.0)  # guesses of too long a step cost a pass, of too short ones little

    def newton_step(self, gradient: Matrix) -> Matrix:
        """Less the inverse of the Hessian times the gradient."""
        left, shares = gradient / -self._rows, []
        for step in reversed(self._known):
            share = float(np.vdot(step.move, left)) / step.product
            left -= share * step.change
            shares.append(share)
        found = self._scale * self._guess(left)
        for step, share in zip(self._known, reversed(shares), strict=True):
            found += (share - float(np.vdot(step.change, found)) / step.product) * step.move
        return even(found)  # moves next to nothing hold it to few digits

    def _guess(self, gradient: Matrix) -> Matrix:
        """The inverse of the Hessian a row times a gradient, but for a scale."""
        return inverse_hessian_times(self._metric, self._along, self._uncoupled, gradient)


def newton_step(times: Callable[[Matrix], Matrix], metric: ClassMetrics, gradient: Matrix) -> Matrix:
    """About less the inverse of the Hessian times the gradient, by products with it and a metric that is near it."""
    step, left = np.zeros_like(gradient), even(-gradient)
    turned = metric.inverse_times(left)
    along, size = turned, float(np.vdot(left, turned))
    enough = INEXACT**2 * size
    for _ in range(PRODUCTS):
        image = times(along)
        curvature = float(np.vdot(along, image))
        if not curvature > 0.0:
            break
        step += size / curvature * along
        left = left - size / curvature * image
        turned = metric.inverse_times(left)
        size, before = float(np.vdot(left, turned)), size
        if size <= enough:
            break
        along = turned + size / before * along
    return step if step.any() else turned


def searched(objective: Objective, start: Point, step: Matrix) -> Asking[Point | None]:
    """The end of a step along which the loss falls, whose length is halved or so while it is too long.

    The loss is convex: its slope alone says on which side of the least the end lies.
    """
    slope, length, most = float(np.vdot(start.value.gradient, step)), 1.0, 0.9
    if not slope < 0.0:
        return None
    for _ in range(TRIALS if objective.precision == np.float64 else FEW_TRIALS):
        weights = start.weights + length * step
        value = yield Question(objective, weights)
        there = float(np.vdot(value.gradient, step))
        rises = not value.loss <= start.value.loss + NOISE * abs(start.value.loss)
        if not rises and there <= OVERSHOT * -slope:
            return Point(weights, value)
        share = slope / (slope - there) if there > 0.0 and np.isfinite(there) else 0.5
        length *= min(max(share, 0.1), most)
        most = 0.5  # a slope that flattens on both sides of its root would let the secant creep
    return None
