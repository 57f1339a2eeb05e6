"""What a logistic regression is given, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.policy import EPS64
from w2s_fast.linalg.rows.products import Matrix, gram

NOT_KNOWN = np.empty((0, 0))
SAMPLE = 10  # rows a column that make a metric: with as many its condition is 4, which costs less than all rows would
Status = Literal["converged", "separable", "stalled"]


class Step(NamedTuple):
    """A step of a descent, the change of the gradient by it, and the product of the two, a row."""

    move: Matrix
    change: Matrix
    product: float


Memory = tuple[Step, ...]


class SoftmaxFit(NamedTuple):
    """Weights, and how the descent ended.

    Attributes
    ----------
    weights : (p, K) or (p,) ndarray
    loss : float
        Of the objective.
    gradient : float
        Its largest entry, relative to |x_j| sqrt(m), the most that column j can have without a penalty.
    iterations : int
        Steps taken.
    status : {"converged", "separable", "stalled"}
    memory : tuple
        Of the steps, for fits that begin with this one.
    """

    weights: Matrix
    loss: float
    gradient: float
    iterations: int
    status: Status
    memory: Memory = ()

    def __repr__(self) -> str:
        shown = f"loss={self.loss:.6g}, gradient={self.gradient:.1e}, iterations={self.iterations}"
        return f"SoftmaxFit(weights {self.weights.shape}, {shown}, status={self.status!r})"


@dataclass(frozen=True, eq=False)
class Problem:
    """Checked arguments.

    Attributes
    ----------
    rows : (m, p) ndarray
    targets : (m, K) ndarray
        Of K >= 2 classes.
    penalty : (p, 1) ndarray
    free_last : bool
    tolerance : float
    squares : (p, p) ndarray
        X'X, or about that, from some of the rows; empty where nothing is known.
    memory : tuple of Step
        Of a fit to much the same.
    rounded : (m, p) ndarray, optional
        The rows in float32, where they are known.
    """

    rows: FloatArray
    targets: Matrix
    penalty: Matrix
    free_last: bool
    tolerance: float
    squares: Matrix
    memory: Memory = ()
    rounded: FloatArray | None = None

    def first_rows(self, size: int, squares: Matrix = NOT_KNOWN, like: SoftmaxFit | None = None) -> Self:
        """The problem of so many rows, with X'X of these, and what a fit to much the same has learned."""
        return replace(
            self,
            rows=self.rows[:size],
            targets=self.targets[:size],
            squares=squares,
            memory=() if like is None else like.memory,
            rounded=None if self.rounded is None else self.rounded[:size],
        )

    @property
    def is_wide(self) -> bool:
        """Whether rows are fewer than the columns that share a penalty."""
        return len(self.rows) < self.rows.shape[1] - self.free_last

    @property
    def sample(self) -> int:
        """How many rows a metric is made of."""
        return SAMPLE * self.rows.shape[1]

    def some_rows(self, count: int) -> FloatArray:
        """So many of the rows or more, evenly spaced, or all."""
        return self.rows[:: max(len(self.rows) // count, 1)]

    def sampled_squares(self) -> Matrix:
        """X'X, or about that from some of the rows where there are many."""
        some = self.some_rows(self.sample)
        return gram(some) * (len(self.rows) / len(some))

    @property
    def shares(self) -> Matrix:
        """Of the classes (K,), or of the second of two (1,), as far as an intercept alone can tell them."""
        if self.free_last:
            return np.clip(self.targets.mean(axis=0), EPS64, 1.0 - EPS64)
        classes = self.targets.shape[1]
        return np.full(classes, 1.0 / max(classes, 2))

    def first(self) -> Matrix:
        """Weights to begin with: 0, but for free intercepts of the classes' shares."""
        weights, logs = np.zeros((self.rows.shape[1], self.targets.shape[1])), np.log(self.shares)
        if self.free_last:
            weights[-1] = logs - np.log1p(-self.shares) if len(logs) == 1 else logs - logs.mean()
        return weights

    def first_loss(self) -> float:
        """The loss of these."""
        shares, wanted = self.shares, self.targets.sum(axis=0)
        loss = -float(wanted @ np.log(shares))
        return loss if len(shares) > 1 else loss - float((len(self.targets) - wanted) @ np.log1p(-shares))
