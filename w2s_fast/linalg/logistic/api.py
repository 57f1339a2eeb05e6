"""Logistic regression of two classes and of several, by quasi-Newton steps in the metric of the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._check import FloatArray
from w2s_fast._threads import single_threaded_blas
from w2s_fast.linalg.logistic.curvature import Curvature
from w2s_fast.linalg.logistic.lockstep import answered
from w2s_fast.linalg.logistic.nested import solve_nested
from w2s_fast.linalg.logistic.problem import NOT_KNOWN, Problem, SoftmaxFit
from w2s_fast.linalg.logistic.reduced import solve
from w2s_fast.linalg.rows.products import Matrix

SUMS_TO_ONE = 1e-6  # how far probabilities may be off,
ROUNDING = 1e-13  # and from where on they are divided by their sums


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
        Probabilities of K >= 2 classes, which sum to 1 in each row up to 1e-6, or of the second of two classes.
    penalty : float
        Absolute.
    free_last : bool
        The last column of X is the intercept's ones, whose weights have no penalty.
    tolerance : float
        The descent has converged where the largest entry of the gradient is at most this much of |x_j| sqrt(m), with
        the norm of the column as some rows show it where there are many, and the next step would lower the loss by at
        most a hundredth of this much of it, or by its rounding, 2e-16 a row.
    start : SoftmaxFit, or (p, K) or (p,) array_like, optional
        Weights to begin with, 0 by default. A fit to some of the rows, or to other targets much like these, also tells
        what its steps have learned, which nearly halves their number for two classes.
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
    (problem,) = _checked(X, [targets], penalty, free_last, tolerance)
    given, memory = (start.weights, start.memory) if isinstance(start, SoftmaxFit) else (start, ())
    begin = _begun(given, targets, problem)
    known = _given(metric, "metric", (problem.rows.shape[1],) * 2)
    with single_threaded_blas():
        problem = replace(problem, squares=NOT_KNOWN if known is None else known, memory=memory)
        (found,) = answered([solve(problem, begin, Curvature())])
    return _as_asked(found, targets)


def fit_nested(
    X: Any,
    targets: Sequence[Any],
    sizes: Sequence[int],
    *,
    penalty: float = 0.0,
    free_last: bool = False,
    tolerance: float = 1e-8,
    starts: Sequence[Any] | None = None,
    metrics: Sequence[Any] | None = None,
) -> list[list[SoftmaxFit]]:
    """Fits of several targets to the first rows of X, of each of several sizes, which :func:`fit_softmax` makes singly.

    The fits to most rows come first, side by side. All others begin with that of their target, and descend side by side
    too: a pass over the rows serves all of them, and takes as long as its products where a single fit waits for memory.

    Parameters
    ----------
    X : (m, p) array_like
        float64 or float32.
    targets : sequence of (m, K) or (m,) array_like
        Each as in :func:`fit_softmax`.
    sizes : sequence of int
        From 1 to m.
    penalty, free_last, tolerance
        As in :func:`fit_softmax`.
    starts : sequence of (p, K) or (p,) array_like or None, optional
        Weights of each target that its fit to most rows begins with.
    metrics : sequence of (p, p) array_like, optional
        X'X of the first rows of each size, where they are known.

    Returns
    -------
    list of list of SoftmaxFit
        Of each target, in the order of the sizes.

    Raises
    ------
    ValueError, TypeError
        As in :func:`fit_softmax`, and for sizes that X has not.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast.linalg.logistic import fit_nested
    >>> X = np.column_stack((np.arange(6.0), np.ones(6)))
    >>> (fits,) = fit_nested(X, [[0, 1, 0, 1, 0, 1]], [2, 6], free_last=True)
    >>> [fit.status for fit in fits]
    ['separable', 'converged']
    """
    problems = _checked(X, targets, penalty, free_last, tolerance)
    m, p = np.shape(problems[0].rows) if problems else (0, 0)
    counts = [_check.integer(size, "sizes", minimum=1, maximum=m) for size in sizes]
    known = [_given(metric, "metrics", (p, p)) for metric in _one_each(metrics, "metrics", counts, "sizes")]
    begun = _one_each(starts, "starts", problems, "targets")
    begins = [_begun(start, *one) for start, *one in zip(begun, targets, problems, strict=True)]
    with single_threaded_blas():
        found = solve_nested(problems, dict(zip(counts, known, strict=True)), begins)
    return [[_as_asked(fits[size], target) for size in counts] for fits, target in zip(found, targets, strict=True)]


def _one_each(values: Sequence[Any] | None, name: str, others: Sequence[Any], whose: str) -> Sequence[Any]:
    if values is None:
        return [None] * len(others)
    if len(values) != len(others):
        raise ValueError(f"{name} must be as many as {whose}, {len(others)}, got {len(values)}")
    return values


def _begun(start: Any, targets: Any, problem: Problem) -> Matrix | None:
    """Weights (p, K) to begin with, of targets as they came."""
    (p,), classes = problem.rows.shape[1:], problem.targets.shape[1]
    if np.ndim(targets) == 2:
        return _given(start, "start", (p, classes))
    column = _given(start, "start", (p,))
    return None if column is None else column[:, None] * np.array([-0.5, 0.5])


def _as_asked(fit: SoftmaxFit, targets: Any) -> SoftmaxFit:
    """With one column of weights for both classes where targets came as one."""
    return fit._replace(weights=fit.weights[:, 1] - fit.weights[:, 0]) if np.ndim(targets) == 1 else fit


def _checked(X: Any, targets: Sequence[Any], penalty: Any, free_last: Any, tolerance: Any) -> list[Problem]:
    """Problems of the same rows, with a column of targets for each class and the penalty of each weight then."""
    penalty, tolerance = _check.real(penalty, "penalty"), _check.real(tolerance, "tolerance", open_left=True)
    features = _check.floats(X, "X", ndim=2, finite=False)
    if 0 in features.shape:
        raise ValueError(f"X must not be empty, got shape {features.shape}")
    found = []
    for target in targets:
        classes = _chances(target, features)
        each = 2.0 * penalty if np.ndim(target) == 1 else penalty  # each of two columns has half the weight
        penalties = np.full((features.shape[1], 1), each)
        if _check.boolean(free_last, "free_last"):
            penalties[-1] = 0.0
        found.append(Problem(features, classes, penalties, bool(free_last), tolerance, NOT_KNOWN))
    return found


def _chances(targets: Any, features: FloatArray) -> Matrix:
    """A column of chances for each class."""
    wanted = _check.floats(targets, "targets").astype(np.float64, copy=False)
    if wanted.ndim not in (1, 2) or wanted.shape[1:] == (1,):
        raise ValueError(f"targets must have shape (m,), or (m, K) with K >= 2, got {wanted.shape}")
    _check.same_rows(X=features, targets=wanted)
    classes = np.stack((1.0 - wanted, wanted), axis=1) if wanted.ndim == 1 else wanted
    if classes.min() < 0.0 or (off := np.abs(classes.sum(axis=1) - 1.0).max()) > SUMS_TO_ONE:
        what = "below 0 or above 1" if classes.min() < 0.0 else f"that sum to 1 but for {off:.1g}"
        raise ValueError(f"targets must be probabilities, got rows {what}: one column (m,) is of the second class")
    if off > ROUNDING:  # as of chances in float32: the gradient would not fall below that
        classes = classes / classes.sum(axis=1, keepdims=True)
    return classes


def _given(value: Any, name: str, shape: tuple[int, ...]) -> Matrix | None:
    if value is None:
        return None
    array = _check.floats(value, name).astype(np.float64, copy=False)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array
