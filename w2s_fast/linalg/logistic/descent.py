"""Quasi-Newton descent (L-BFGS) of a convex loss in a metric that makes the first guess of its Hessian a good one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from w2s_fast.linalg.logistic.metric import Metric
from w2s_fast.linalg.logistic.objective import Value
from w2s_fast.linalg.rows.products import Matrix

MEMORY = 12  # steps that the Hessian is learned from
OVERSHOT = 0.5  # of the slope at the start, with the other sign: a step that ends on such a rise was too long
TRIALS = 30  # lengths of one step
NOISE = 1e-8  # of the loss: rises up to that may be rounding, and the slope decides


class Point(NamedTuple):
    weights: Matrix
    value: Value


class Step(NamedTuple):
    move: Matrix
    change: Matrix  # of the gradient
    product: float  # of the two


class Quadratic:
    """What past steps and a metric say of the Hessian: the two-loop recursion (Nocedal 1980)."""

    def __init__(self, metric: Metric) -> None:
        self.metric, self._scale = metric, 1.0
        self._steps: deque[Step] = deque(maxlen=MEMORY)
        self.steps = 0  # in this metric

    def learn(self, move: Matrix, change: Matrix) -> None:
        product = float(np.vdot(move, change))
        turned = self.metric.root.T @ change
        size = float(np.vdot(turned, turned))
        self.steps += 1
        if product > 0.0 and size > 0.0:
            self._steps.append(Step(move, change, product))
            self._scale = product / size

    def newton_step(self, gradient: Matrix) -> Matrix:
        """Less the inverse of the Hessian times the gradient."""
        left, shares = -gradient, []
        for step in reversed(self._steps):
            share = float(np.vdot(step.move, left)) / step.product
            left = left - share * step.change
            shares.append(share)
        found = self._scale * self.metric.inverse_times(left)
        for step, share in zip(self._steps, reversed(shares), strict=True):
            found += (share - float(np.vdot(step.change, found)) / step.product) * step.move
        return found


def searched(at: Callable[[Matrix], Value], start: Point, step: Matrix) -> Point | None:
    """The end of a step along which the loss falls, whose length is halved or so while it is too long.

    The loss is convex: its slope alone says on which side of the least the end lies.
    """
    slope, length = float(np.vdot(start.value.gradient, step)), 1.0
    if not slope < 0.0:
        return None
    for _ in range(TRIALS):
        weights = start.weights + length * step
        value = at(weights)
        there = float(np.vdot(value.gradient, step))
        rises = not value.loss <= start.value.loss + NOISE * abs(start.value.loss)
        if not rises and there <= OVERSHOT * -slope:
            return Point(weights, value)
        share = slope / (slope - there) if there > 0.0 and np.isfinite(there) else 0.5
        length *= min(max(share, 0.1), 0.9)
    return None
