"""Logistic regression of two classes and of several, by quasi-Newton steps in the metric of the features."""

from __future__ import annotations

from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.logistic.problem import Problem, SoftmaxFit
from w2s_fast.linalg.logistic.reduced import NOT_KNOWN, solve
from w2s_fast.linalg.rows.products import Matrix

SUMS_TO_ONE = 1e-6  # how far probabilities may be off


def fit_softmax(
    X: Any,
    targets: Any,
    *,
    penalty: float = 0.0,
    free_last: bool = False,
    tolerance: float = 1e-8,
    start: Any = None,
    metric: Any = None,
) -> SoftmaxFit:
    """Weights that minimise the cross-entropy between targets and softmax(X W), plus penalty / 2 |W|^2.

    The objective is scikit-learn's ``LogisticRegression`` with ``C = 1 / penalty``. Two classes have one column of
    weights w, and chances 1 / (1 + exp(-X w)) of the second.

    Parameters
    ----------
    X : (m, p) array_like
        float64 or float32.
    targets : (m, K) or (m,) array_like
        Probabilities of K >= 2 classes, which sum to 1 in each row, or of the second of two classes.
    penalty : float
        Absolute.
    free_last : bool
        The last column of X is the intercept's ones, whose weights have no penalty.
    tolerance : float
        The descent has converged where the largest entry of the gradient is at most this much of |x_j| sqrt(m), with
        the norm of the column as some rows show it where there are many, and the next step would lower the loss by at
        most this much of it.
    start : SoftmaxFit, or (p, K) or (p,) array_like, optional
        Weights to begin with, 0 by default. A fit to some of the rows, or to other targets much like these, also tells
        what its steps have learned, which nearly halves their number.
    metric : (p, p) array_like, optional
        X'X, where it is known.

    Returns
    -------
    SoftmaxFit
        Its ``status`` is "separable" where no weights are best: without a penalty, if along some direction of weights
        the logits of a row's target fall behind another class in no row, and get ahead of one in some, the loss falls
        for ever. The rule: the fit ends when the gradient is down to the tolerance; its weights are then projected on
        the directions that move alike all classes between which a row is still in doubt; what is left proves that rows
        are separable if no row loses by it, up to 1e-8 of the largest logit, and some row wins. "stalled" is what did
        not come to the tolerance.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, NaN or infinity, targets that are no probabilities, a negative penalty, features of a
        scale at which the penalty overflows or vanishes.

    Notes
    -----
    A class that no row has, beside a free intercept, has chances of 0 in the limit: its weights are 0 and its intercept
    is 1,000 below the least other. Of many weights that do, those without a penalty are the shortest.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.linalg.logistic import fit_softmax
    >>> X = np.column_stack((np.arange(6.0), np.ones(6)))
    >>> fit = fit_softmax(X, [0, 0, 1, 0, 1, 1], free_last=True)
    >>> fit.weights.round(3), fit.status
    (array([ 1.214, -3.035]), 'converged')
    >>> fit_softmax(X, [0, 0, 0, 1, 1, 1], free_last=True).status
    'separable'
    """
    features, classes, penalties = _checked(X, targets, _check.real(penalty, "penalty"), free_last)
    p, vector = features.shape[1], np.ndim(targets) == 1
    given, memory = (start.weights, start.memory) if isinstance(start, SoftmaxFit) else (start, ())
    begin = _given(given, "start", (p,) if vector else (p, classes.shape[1]))
    if begin is not None and vector:
        begin = begin[:, None] * np.array([-0.5, 0.5])
    tolerance = _check.real(tolerance, "tolerance", open_left=True)
    known = _given(metric, "metric", (p, p))
    squares = NOT_KNOWN if known is None else known
    with single_threaded_blas():
        found = solve(Problem(features, classes, penalties, bool(free_last), tolerance, squares, memory), begin)
    weights = found.weights[:, 1] - found.weights[:, 0] if vector else found.weights
    return found._replace(weights=weights)


def _checked(X: Any, targets: Any, penalty: float, free_last: Any) -> tuple[FloatArray, Matrix, Matrix]:
    """Features, a column of targets for each class, and the penalty of each weight then."""
    features = _check.floats(X, "X", ndim=2, finite=False)
    wanted = _check.floats(targets, "targets").astype(np.float64, copy=False)
    if wanted.ndim not in (1, 2) or wanted.shape[1:] == (1,):
        raise ValueError(f"targets must have shape (m,), or (m, K) with K >= 2, got {wanted.shape}")
    _check.same_rows(X=features, targets=wanted)
    if 0 in features.shape:
        raise ValueError(f"X must not be empty, got shape {features.shape}")
    vector = wanted.ndim == 1
    classes = np.stack((1.0 - wanted, wanted), axis=1) if vector else wanted
    if classes.min() < 0.0 or (off := np.abs(classes.sum(axis=1) - 1.0).max()) > SUMS_TO_ONE:
        what = "below 0 or above 1" if classes.min() < 0.0 else f"that sum to 1 but for {off:.1g}"
        raise ValueError(f"targets must be probabilities, got rows {what}: one column (m,) is of the second class")
    penalties = np.full((features.shape[1], 1), 2.0 * penalty if vector else penalty)  # each of two has half the weight
    if _check.boolean(free_last, "free_last"):
        penalties[-1] = 0.0
    return features, classes, penalties


def _given(value: Any, name: str, shape: tuple[int, ...]) -> Matrix | None:
    if value is None:
        return None
    array = _check.floats(value, name).astype(np.float64, copy=False)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array
