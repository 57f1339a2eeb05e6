"""The loss of logistic regression and its gradient, in one pass over blocks of rows on threads.

Weights (p, K) are of K >= 3 classes, or K = 1 column of two. Within a block classes lie along the first axis, so that
reductions over them run along vector registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.products import Matrix, total


class Value(NamedTuple):
    """What one pass found.

    Attributes
    ----------
    loss : float
        Cross-entropy of all rows, and the penalty.
    gradient : (p, K) ndarray
    lag : float
        Sum over the rows of the largest logit less the mean one under the targets: 0 where weights separate the rows.
    spread : float
        Sum over the rows of the largest logit less the least one.
    curvature : float
        Mean over the rows of what they weigh in the Hessian: p (1 - p), or its mean over directions of K classes.
    """

    loss: float
    gradient: Matrix
    lag: float
    spread: float
    curvature: float


@dataclass(frozen=True, eq=False)
class Objective:
    """Sum over rows of the cross-entropy between targets and softmax(X W), plus penalty_j |W_j|^2 / 2 of each weight.

    Attributes
    ----------
    rows : (m, p) ndarray
    targets : (m, K) ndarray
        Probabilities of the classes, or (m, 1) of the second of two.
    penalty : (p, 1) ndarray
    """

    rows: FloatArray
    targets: Matrix
    penalty: Matrix

    def at(self, weights: Matrix) -> Value:
        (m, p), classes = self.rows.shape, weights.shape[1]
        found = total(partial(_block, weights), self.rows, self.targets, factors=classes)
        loss, lag, spread, curvature = (float(part) for part in found[-4:])
        shrunk = self.penalty * weights
        gradient = found[:-4].reshape(classes, p).T + shrunk
        return Value(loss + 0.5 * float(np.vdot(weights, shrunk)), gradient, lag, spread, curvature / m)

    def row_weights(self, weights: Matrix, rows: slice) -> Matrix:
        """What rows weigh in the Hessian, (m,)."""
        logits = weights.T @ self.rows[rows].T.astype(np.float64, copy=False)
        return _two_classes(logits)[2] if len(logits) == 1 else _classes(logits)[3]


def _block(weights: Matrix, rows: FloatArray, targets: Matrix) -> Matrix:
    rows = rows.astype(weights.dtype, copy=False)
    logits, wanted = weights.T @ rows.T, targets.T
    pulled = np.einsum("km,km->m", logits, wanted)
    if len(logits) == 1:
        high, low = np.maximum(logits[0], 0.0), np.minimum(logits[0], 0.0)
        chances, rest, curvature = _two_classes(logits)
    else:
        high, low = logits.max(axis=0), logits.min(axis=0)
        chances, rest, _, curvature = _classes(logits)
    lag = float(np.sum(high - pulled))
    gradient = (chances - wanted) @ rows
    told = float(np.sum(rest)) + lag, lag, float(np.sum(high - low)), float(np.sum(curvature))
    return np.concatenate((gradient.ravel(), told))


def _two_classes(logits: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Chance of the second class (1, m), the loss beyond the larger logit, and p (1 - p)."""
    small = np.exp(-np.abs(logits))
    whole = 1.0 + small
    return np.where(logits > 0.0, 1.0, small) / whole, np.log1p(small), (small / whole**2)[0]


def _classes(logits: Matrix) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Chances (K, m), the loss beyond the largest logit, that logit, and the mean curvature."""
    high = logits.max(axis=0)
    chances = np.exp(logits - high)
    whole = chances.sum(axis=0)
    chances /= whole
    squares = np.einsum("km,km->m", chances, chances)
    return chances, np.log(whole), high, (1.0 - squares) / (len(logits) - 1)
