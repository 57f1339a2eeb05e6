"""A problem brought to where the descent is well-posed: classes that occur, moderate scales, few columns."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from w2s_fast import _check
from w2s_fast.linalg.leastsq.policy import Cutoff, column_norms
from w2s_fast.linalg.logistic.curvature import Curvature
from w2s_fast.linalg.logistic.fit import fitted
from w2s_fast.linalg.logistic.lockstep import Asking
from w2s_fast.linalg.logistic.problem import NOT_KNOWN, Problem, SoftmaxFit
from w2s_fast.linalg.rows.base import ScaleError
from w2s_fast.linalg.rows.products import Matrix, gram
from w2s_fast.linalg.rows.scale import exponents, scaled, scaled_back

SMALLEST, LARGEST = 1e-130, 1e130  # norms of columns of which products neither vanish nor overflow
DEPENDENT = 1e-7  # of the largest part of a row that is new beside those before it: its direction may be rounding
ABSENT = 1e3  # by which the intercept of a class that no row has is below the others: its chance is 0 in float64


def solve(problem: Problem, start: Matrix | None, curvature: Curvature) -> Asking[SoftmaxFit]:
    """Fit weights (p, K), by what is known of the curvature."""
    present = problem.targets.max(axis=0) > 0.0
    if not problem.free_last or present.all():
        return (yield from _of_classes(problem, start, curvature))
    weights = np.zeros((problem.rows.shape[1], len(present)))
    some = replace(problem, targets=problem.targets[:, present])
    found = yield from _of_classes(some, None if start is None else start[:, present], curvature)
    weights[:, present] = found.weights
    weights[-1, ~present] = found.weights[-1].min() - ABSENT
    return found._replace(weights=weights)


def _of_classes(problem: Problem, start: Matrix | None, curvature: Curvature) -> Asking[SoftmaxFit]:
    """Fit classes each of which some row has, two of them by the difference of their weights."""
    classes = problem.targets.shape[1]
    if classes == 1:
        return SoftmaxFit(np.zeros((problem.rows.shape[1], 1)), 0.0, 0.0, 0, "converged")
    if classes > 2:
        begin = None if start is None else start - start.mean(axis=1, keepdims=True)
        return (yield from _at_any_scale(problem, begin, curvature))
    halved = replace(problem, targets=problem.targets[:, 1:], penalty=problem.penalty / 2)
    begin = None if start is None else start[:, 1:] - start[:, :1]
    found = yield from _at_any_scale(halved, begin, curvature)
    return found._replace(weights=found.weights * np.array([-0.5, 0.5]))


def _at_any_scale(problem: Problem, start: Matrix | None, curvature: Curvature) -> Asking[SoftmaxFit]:
    """Fit, of features whose squares overflow or vanish after a change of their units."""
    rows = problem.rows
    known, norms = _squared(problem)
    if np.all((norms > SMALLEST) & (norms < LARGEST)):
        with suppress(ScaleError):
            return (yield from _narrow(known, norms, start, curvature))
    _check.all_finite(rows, "X")
    penalised = bool(problem.penalty.any())
    powers = np.broadcast_to(exponents(rows) if penalised else exponents(rows, axis=0), rows.shape[1:]).copy()
    if problem.free_last:
        powers[-1] = 0
    with np.errstate(over="ignore", under="ignore"):
        penalty = np.ldexp(problem.penalty, -2 * powers[:, None])
    if not np.array_equal(penalty > 0.0, problem.penalty > 0.0) or not np.isfinite(penalty).all():
        size = "small" if powers.min() < 0 else "large"
        raise ValueError(f"X is too {size} beside the penalty of {problem.penalty.max():g}: change its units")
    moderate = replace(problem, rows=scaled(rows, -powers), penalty=penalty, squares=NOT_KNOWN, memory=(), rounded=None)
    first = None if start is None else scaled(start, powers[:, None])
    found = yield from _narrow(*_squared(moderate), first, Curvature())
    weights = scaled_back(found.weights, -powers[:, None], np.float64, "the weights")
    return found._replace(weights=weights, memory=())


def _squared(problem: Problem) -> tuple[Problem, Matrix]:
    """The problem with X'X, or about that where there are many rows, and the norms of the columns."""
    rows, squares = problem.rows, problem.squares
    if problem.is_wide:
        return problem, column_norms(rows)
    if not squares.size:
        squares = problem.sampled_squares()
    norms = np.sqrt(np.diagonal(squares))
    if not norms.all():
        unseen, norms = norms == 0.0, column_norms(rows)
        squares = squares + np.diag(np.where(unseen, norms, 0.0) ** 2)
    return replace(problem, squares=squares), norms


def _narrow(problem: Problem, norms: Matrix, start: Matrix | None, curvature: Curvature) -> Asking[SoftmaxFit]:
    """Fit in the span of the rows where these are fewer than the columns that share a penalty."""
    rows, ones = (problem.rows[:, :-1], problem.rows[:, -1:]) if problem.free_last else (problem.rows, None)
    p = rows.shape[1]
    if not problem.is_wide:
        return (yield from fitted(problem, start, norms, curvature))
    basis, upper = np.linalg.qr(rows.T.astype(np.float64, copy=False))
    short = upper.T
    diagonal = np.abs(np.diagonal(upper))
    if diagonal.min() <= DEPENDENT * diagonal.max():
        u, s, vt = np.linalg.svd(upper)
        keep = Cutoff.of(rows.dtype, rows.shape, None).keeps(s, vt.T, np.linalg.norm(upper, axis=0))
        basis, short = basis @ u[:, keep], vt[keep].T * s[keep]
    if ones is not None:
        basis = np.block([[basis, np.zeros((p, 1))], [np.zeros((1, basis.shape[1])), np.ones((1, 1))]])
        short = np.hstack((short, ones))
    penalty = np.full((short.shape[1], 1), problem.penalty[0, 0])
    if ones is not None:
        penalty[-1] = 0.0
    inside = replace(problem, rows=short, penalty=penalty, squares=gram(short), memory=(), rounded=None)
    least = DEPENDENT * norms.max()  # the basis has rounding as large in columns that are smaller
    begin = None if start is None else basis.T @ start
    found = yield from fitted(inside, begin, np.maximum(norms, least), Curvature(), basis)
    return found._replace(weights=basis @ found.weights, memory=())
