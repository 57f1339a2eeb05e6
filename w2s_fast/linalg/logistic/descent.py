"""Quasi-Newton descent (L-BFGS) of a convex loss, from a first guess of its Hessian that makes steps few."""

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
NOISE = 1e-6  # of the loss: rises up to that may be rounding, and the slope decides
LEAST_COUPLING = 1e-4  # of the largest, between classes of which no row is in doubt


class Point(NamedTuple):
    weights: Matrix
    value: Value


class Step(NamedTuple):
    move: Matrix
    change: Matrix  # of the gradient
    product: float  # of the two


class Model:
    """What a metric and past steps say of the Hessian: the two-loop recursion (Nocedal 1980)."""

    def __init__(self, metric: Metric, coupling: Matrix) -> None:
        self.metric, self._scale, self.steps = metric, 1.0, 0
        self._known: deque[Step] = deque(maxlen=MEMORY)
        self._couple(coupling)

    def learn(self, start: Point, end: Point) -> None:
        """Take in how the gradient has changed by a step."""
        step = Step(end.weights - start.weights, end.value.gradient - start.value.gradient, 0.0)
        step = step._replace(product=float(np.vdot(step.move, step.change)))
        self.steps += 1
        self._couple(end.value.coupling)
        size = float(np.vdot(step.change, self._guess(step.change)))
        if step.product > 0.0 and size > 0.0:
            self._known.append(step)
            self._scale = step.product / size

    def newton_step(self, gradient: Matrix) -> Matrix:
        """Less the inverse of the Hessian times the gradient."""
        left, shares = -gradient, []
        for step in reversed(self._known):
            share = float(np.vdot(step.move, left)) / step.product
            left = left - share * step.change
            shares.append(share)
        found = self._scale * self._guess(left)
        for step, share in zip(self._known, reversed(shares), strict=True):
            found += (share - float(np.vdot(step.change, found)) / step.product) * step.move
        return found

    def _couple(self, coupling: Matrix) -> None:
        classes = len(coupling)
        level = float(np.trace(coupling)) / max(classes - 1, 1) if classes > 1 else 0.0
        values, vectors = np.linalg.eigh(coupling + level / classes)  # the same change of all classes changes nothing
        inverse = vectors / np.maximum(values, LEAST_COUPLING * values[-1]) @ vectors.T
        self._uncoupled = inverse - 1.0 / (level * classes) if classes > 1 else inverse

    def _guess(self, gradient: Matrix) -> Matrix:
        found = self.metric.inverse_times(gradient)
        return found @ self._uncoupled if self.metric.coupled else found


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
