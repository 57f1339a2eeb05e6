"""Whether rows can be separated: a direction of weights along which the loss falls for ever, and none is best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from w2s_fast._check import FloatArray
from w2s_fast.linalg.logistic.problem import Problem
from w2s_fast.linalg.rows.products import Matrix, cross, times

ROUNDING = 1e-8  # of the largest logit of a direction: lags up to that are rounding
SHARE = 1e-3  # of the logits of the weights that the direction keeps: less is what rounding left of it
IN_DOUBT = (1e-2, 1e-4, 1e-6)  # p (1 - p) of a class that a row has settled on: there are rows of which it falls to 0
FEW_PASSES, MOST_PASSES = 20, 300


def separates(problem: Problem, weights: Matrix, curvatures: Matrix, root: Matrix) -> bool:
    """Whether weights (p, K) that the descent has come to hold a direction that separates rows.

    Rows end in doubt between some classes, whose logits a separating direction must change alike, while those of other
    classes may only fall. What is left of the weights after projection on the first condition is looked at row by row:
    that the logits of a target are nowhere below another, and somewhere above one, is proof.

    Parameters
    ----------
    curvatures : (m, K) ndarray
        p (1 - p) of each class and row at these weights.
    root : (p, r) ndarray
        Of the metric, in which the projection takes few passes.
    """
    rows, targets = problem.rows, problem.targets
    if curvatures.min() > IN_DOUBT[0]:
        return False
    whole = float(np.abs(times(rows, weights)).max())
    some = slice(None, None, max(len(rows) // problem.sample, 1))
    left = _standing_still(rows[some], weights, curvatures[some] > IN_DOUBT[0], root, FEW_PASSES)
    if np.abs(times(rows, left)).max() <= SHARE * whole:  # of all rows even less is left
        return False
    for level in IN_DOUBT:
        direction = _standing_still(rows, weights, curvatures > level, root, MOST_PASSES)
        lag, spread = lags(times(rows, direction), targets)
        if spread.max() > SHARE * whole and lag.max() <= ROUNDING * spread.max():
            return True
    return False


def lags(logits: FloatArray, targets: FloatArray) -> tuple[Matrix, Matrix]:
    """Largest logit of each row (m, K) less the mean one under its targets, and less the least one."""
    if logits.shape[1] == 1:
        logits, targets = np.hstack((np.zeros_like(logits), logits)), np.hstack((1.0 - targets, targets))
    high = logits.max(axis=1)
    return high - np.einsum("mk,mk->m", logits, targets), high - logits.min(axis=1)


def _standing_still(
    rows: FloatArray, weights: Matrix, doubt: npt.NDArray[np.bool_], root: Matrix, passes: int
) -> Matrix:
    """Weights less the least change, in the metric, that leaves logits of classes in doubt in each row alike."""
    from scipy.sparse.linalg import LinearOperator, lsmr

    classes, count = weights.shape[1], np.maximum(doubt.sum(axis=1, keepdims=True), 1)

    def apart(logits: FloatArray) -> FloatArray:
        kept = logits * doubt
        return kept if classes == 1 else kept - doubt * (kept.sum(axis=1, keepdims=True) / count)

    def image(step: Matrix) -> FloatArray:
        return apart(times(rows, root @ step.reshape(-1, classes))).ravel()

    def adjoint(logits: Matrix) -> FloatArray:
        return (root.T @ cross(rows, apart(logits.reshape(-1, classes)))).ravel()

    shape = len(rows) * classes, root.shape[1] * classes
    operator = LinearOperator(shape, matvec=image, rmatvec=adjoint, dtype=np.float64)
    change = lsmr(operator, apart(times(rows, weights)).ravel(), atol=1e-14, btol=1e-14, maxiter=passes)[0]
    return weights - root @ change.reshape(-1, classes)
