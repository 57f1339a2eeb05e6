"""Steps down a convex loss: quasi-Newton (L-BFGS) from a good guess of the Hessian, and truncated Newton."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from w2s_fast.linalg.logistic.lockstep import Asking
from w2s_fast.linalg.logistic.metric import NO_COUPLING, Metric, even
from w2s_fast.linalg.logistic.objective import Objective, Question, Value
from w2s_fast.linalg.logistic.problem import Memory, Step
from w2s_fast.linalg.rows.products import Matrix

MEMORY = 12, 100  # steps that the Hessian is learned from, at least and at most: those of earlier fits help, too,
WORTH_A_STEP = 4 * 10**5  # but each takes the time that a pass takes for so many products
LARGEST_MEMORY = 2**22  # numbers
OVERSHOT = 0.5  # of the slope at the start, with the other sign: a step that ends on such a rise was too long
TRIALS = 30  # lengths of one step
PRODUCTS = 40  # with the Hessian, for one Newton step,
INEXACT = 0.03  # and the share of the gradient that may be left after it
NOISE = 1e-6  # of the loss: rises up to that may be rounding, and the slope decides
MOST_COUPLED = 200  # classes whose coupling is taken apart at each step; of more the diagonal serves
LEAST_COUPLING = 1e-4  # of the largest, between classes of which no row is in doubt


class Point(NamedTuple):
    weights: Matrix
    value: Value

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.value.gradient).all())


class Model:
    """What a metric and past steps say of the Hessian of so many rows: the two-loop recursion (Nocedal 1980)."""

    def __init__(self, metric: Metric, coupling: Matrix, rows: int, memory: Memory = ()) -> None:
        self._metric, self._scale, self._rows = metric, 1.0, rows
        size = metric.roots[0].shape[0] * len(coupling)
        most = min(MEMORY[1], rows * size // WORTH_A_STEP, LARGEST_MEMORY // size)
        self._known: deque[Step] = deque(memory, maxlen=max(MEMORY[0], most))
        self._couple(coupling)

    @property
    def memory(self) -> Memory:
        return tuple(self._known)

    def learn(self, start: Point, end: Point) -> None:
        """Take in how the gradient has changed by a step."""
        move, change = end.weights - start.weights, end.value.gradient - start.value.gradient
        self._couple(end.value.coupling)
        product, size = float(np.vdot(move, change)), float(np.vdot(change, self._guess(change)))
        if product > 0.0 and size > 0.0:
            self._known.append(Step(move, change / self._rows, product / self._rows))
            self._scale = product / size

    def newton_step(self, gradient: Matrix) -> Matrix:
        """Less the inverse of the Hessian times the gradient."""
        left, shares = gradient / -self._rows, []
        for step in reversed(self._known):
            share = float(np.vdot(step.move, left)) / step.product
            left -= share * step.change
            shares.append(share)
        found = self._scale * self._guess(self._rows * left)
        for step, share in zip(self._known, reversed(shares), strict=True):
            found += (share - float(np.vdot(step.change, found)) / step.product) * step.move
        return found

    def _couple(self, coupling: Matrix) -> None:
        classes, diagonal = len(coupling), np.diagonal(coupling)
        if not 1 < classes <= MOST_COUPLED:
            least = max(LEAST_COUPLING * float(diagonal.max()), NO_COUPLING)
            self._uncoupled = np.diag(1.0 / np.maximum(diagonal, least))
            return
        level = float(diagonal.sum()) / (classes - 1)
        values, vectors = np.linalg.eigh(coupling + level / classes)  # the same change of all classes changes nothing
        self._uncoupled = vectors / np.maximum(values, max(LEAST_COUPLING * values[-1], NO_COUPLING)) @ vectors.T

    def _guess(self, gradient: Matrix) -> Matrix:
        return even(self._metric.inverse_times(gradient) @ self._uncoupled)


def newton_step(times: Callable[[Matrix], Matrix], metric: Metric, gradient: Matrix) -> Matrix:
    """About less the inverse of the Hessian times the gradient, by products with it and a metric that is near it."""
    step, left = np.zeros_like(gradient), -gradient
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
    slope, length = float(np.vdot(start.value.gradient, step)), 1.0
    if not slope < 0.0:
        return None
    for _ in range(TRIALS):
        weights = start.weights + length * step
        value = yield Question(objective, weights)
        there = float(np.vdot(value.gradient, step))
        rises = not value.loss <= start.value.loss + NOISE * abs(start.value.loss)
        if not rises and there <= OVERSHOT * -slope:
            return Point(weights, value)
        share = slope / (slope - there) if there > 0.0 and np.isfinite(there) else 0.5
        length *= min(max(share, 0.1), 0.9)
    return None
