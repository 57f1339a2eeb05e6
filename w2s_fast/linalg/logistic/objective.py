"""The loss of logistic regression and its gradient, in one pass over blocks of rows on threads.

Weights (p, K) are of K >= 3 classes, or K = 1 column of two. Within a block classes lie along the first axis, so that
reductions over them run along vector registers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.rows.products import Matrix, over_rows, times, total


class Value(NamedTuple):
    """What one pass found.

    Attributes
    ----------
    loss : float
        Cross-entropy of all rows, and the penalty.
    gradient : (p, K) ndarray
    coupling : (K, K) ndarray
        Mean of diag(p) - p p' over the rows, or of p (1 - p).
    lag : float
        Sum over the rows of the largest logit less the mean one under the targets: 0 where weights separate the rows.
    spread : float
        Sum over the rows of the largest logit less the least one.
    """

    loss: float
    gradient: Matrix
    coupling: Matrix
    lag: float
    spread: float


@dataclass(frozen=True, eq=False)
class Objective:
    """Sum over rows of the cross-entropy between targets and softmax(X W), plus penalty_j |W_j|^2 / 2 of each weight.

    Attributes
    ----------
    rows : (m, p) ndarray
    targets : (m, K) ndarray
        Probabilities of the classes, or (m, 1) of the second of two.
    penalty : (p, 1) ndarray
    precision : dtype
        Of products; sums over blocks are in float64.
    """

    rows: FloatArray
    targets: FloatArray
    penalty: Matrix
    precision: Any = np.float64

    def rounded(self) -> Objective:
        """The same in float32."""
        rows, targets = (_rounded(array) for array in (self.rows, self.targets))
        return replace(self, rows=rows, targets=targets, precision=np.float32)

    def at(self, weights: Matrix) -> Value:
        (m, p), classes = self.rows.shape, weights.shape[1]
        cast = weights.astype(self.precision, copy=False)
        found = total(partial(_block, cast), self.rows, self.targets, factors=classes)
        gradient, squares, (loss, lag, spread) = np.split(found, (p * classes, p * classes + classes**2))
        shrunk = self.penalty * weights
        loss += 0.5 * float(np.vdot(weights, shrunk))
        coupling = squares.reshape(classes, classes) / m
        return Value(float(loss), gradient.reshape(p, classes) + shrunk, coupling, float(lag), float(spread))

    def chances(self, weights: Matrix) -> Matrix:
        """Probabilities of the classes (m, K), or of the second of two (m, 1)."""
        return np.ascontiguousarray(_chances(np.ascontiguousarray(times(self.rows, weights).T))[0].T, np.float64)

    def hessian_times(self, chances: Matrix, step: Matrix) -> Matrix:
        """The Hessian where chances are these, times a step (p, K)."""
        found = total(partial(_turned, step), self.rows, chances, factors=step.shape[1])
        return np.asarray(found + self.penalty * step)


def _rounded(array: FloatArray) -> FloatArray:
    if array.dtype == np.float32:
        return array
    copy = np.empty(array.shape, np.float32)
    for _ in over_rows(_copy, array, copy, factors=1):
        pass
    return copy


def _copy(source: FloatArray, target: FloatArray) -> None:
    np.copyto(target, source)


def _block(weights: FloatArray, rows: FloatArray, targets: FloatArray) -> Matrix:
    """Gradient, coupling, loss, lag and spread of some rows, one behind the other."""
    rows = rows.astype(weights.dtype, copy=False)
    logits = np.ascontiguousarray((rows @ weights).T)
    wanted = targets.T
    pulled = np.einsum("km,km->m", logits, wanted)
    chances, rest, high, low = _chances(logits)
    squares = chances @ chances.T
    coupling = np.diag(chances.sum(axis=1)) - squares
    lag = float(np.sum(high - pulled, dtype=np.float64))
    chances -= wanted
    gradient = rows.T @ np.ascontiguousarray(chances.T)
    told = float(np.sum(rest, dtype=np.float64)) + lag, lag, float(np.sum(high - low, dtype=np.float64))
    return np.concatenate((gradient.ravel(), coupling.ravel(), told))


def _turned(step: Matrix, rows: FloatArray, chances: Matrix) -> FloatArray:
    rows = rows.astype(step.dtype, copy=False)
    moved = rows @ step
    if step.shape[1] == 1:
        moved *= chances * (1.0 - chances)
    else:
        moved -= np.einsum("mk,mk->m", moved, chances)[:, None]
        moved *= chances
    return rows.T @ moved


def _chances(logits: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Chances (K, m), the loss beyond the largest logit, that logit and the least one; that of a first of two is 0."""
    if len(logits) == 1:
        (logit,) = logits
        small = np.exp(-np.abs(logit))
        chances = np.where(logit > 0.0, logit.dtype.type(1.0), small) / (1.0 + small)
        return chances[None], np.log1p(small), np.maximum(logit, 0.0), np.minimum(logit, 0.0)
    high, low = logits.max(axis=0), logits.min(axis=0)
    chances = np.exp(logits - high)
    whole = chances.sum(axis=0)
    chances /= whole
    return chances, np.log(whole), high, low
