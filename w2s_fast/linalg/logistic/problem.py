"""What a logistic regression is given, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.products import Matrix

Status = Literal["converged", "separable", "stalled"]


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
    """

    weights: Matrix
    loss: float
    gradient: float
    iterations: int
    status: Status


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
    squares : (p, p) ndarray, optional
        X'X.
    """

    rows: FloatArray
    targets: Matrix
    penalty: Matrix
    free_last: bool
    tolerance: float
    squares: Matrix | None = None
