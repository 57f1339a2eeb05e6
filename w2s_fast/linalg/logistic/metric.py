"""Metrics of weights in which the Hessian is near the identity: from X'X, or from the rows where that fails.

The Hessian of K classes is a sum over rows of (diag(p) - p p') x x'. Where chances do not hang on the features much it
is that of the first factor's mean and X'X (at equal chances exactly, and never above half of X'X: Böhning 1992), so one
p x p matrix serves all classes, whatever the condition of the features. Where rows are all but certain of their
classes, those that are not make a matrix for each class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.policy import EPS64, GRAM_RCOND, Cutoff, column_norms
from w2s_fast.linalg.logistic.problem import Problem
from w2s_fast.linalg.rows.products import Matrix, gram

NO_COUPLING = 1e-12  # between classes of which every row is certain
LEAST_WEIGHT = 1e-3  # of the mean, that any row has: else directions of rows without doubt had no curvature at all


class Metric(NamedTuple):
    """M = (B B')^-1 on the directions that rows have: one for all classes, to go with their coupling, or one of each.

    Attributes
    ----------
    roots : list of (p, r) ndarray
        B, with B' M B = I.
    coupled : bool
        Whether M is X'X, of which the coupling of classes is to make the Hessian.
    null : (p, p - r) ndarray
        Directions along which no row has anything, nor a penalty.
    """

    roots: list[Matrix]
    coupled: bool
    null: Matrix

    def inverse_times(self, gradient: Matrix) -> Matrix:
        """M^-1 G of G (p, K)."""
        if self.coupled:
            return np.asarray(self.roots[0] @ (self.roots[0].T @ gradient))
        found = np.stack(
            [root @ (root.T @ column) for root, column in zip(self.roots, gradient.T, strict=True)], axis=1
        )
        return even(found)


def even(found: Matrix) -> Matrix:
    """Take the mean out of the columns of classes: where all change alike, nothing but the penalty does."""
    if found.shape[1] > 1:
        found -= found.mean(axis=1, keepdims=True)
    return found


class Root(NamedTuple):
    """B (p, r) and the null directions (p, p - r) of one matrix."""

    root: Matrix
    null: Matrix


def by_gram(gram: Matrix) -> Root | None:
    """Of a Gram matrix with its penalty, by Cholesky; None where that is not to be trusted."""
    from scipy.linalg.lapack import dtrtri

    squares = np.diagonal(gram)
    if not np.all(squares > 0.0):
        return None
    scale = 1.0 / np.sqrt(squares)
    scaled = gram * scale * scale[:, None]
    try:
        upper = np.linalg.cholesky(scaled).T
    except np.linalg.LinAlgError:
        return None
    root, _ = dtrtri(upper, lower=0)
    if not np.abs(scaled).sum(axis=0).max() * np.vdot(root, root) < 1.0 / GRAM_RCOND:
        return None
    return Root(scale[:, None] * root, np.empty((len(gram), 0)))


def by_rows(rows: FloatArray, weights: Matrix, penalty: Matrix) -> Root:
    """Of sum w_i x_i x_i' + diag(penalty) by orthogonal factorisations of the rows, which cut what is rounding."""
    penalised = penalty[:, 0] > 0.0
    stacked = np.vstack((rows * np.sqrt(weights)[:, None], np.diag(np.sqrt(penalty[:, 0]))[penalised]))
    norms = column_norms(stacked)
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0.0)
    stacked *= scale
    short = np.asarray(np.linalg.qr(stacked, mode="r")) if len(stacked) > stacked.shape[1] else stacked
    _, s, vt = np.linalg.svd(short, full_matrices=True)
    s = np.concatenate((s, np.zeros(len(vt) - len(s))))
    cut = Cutoff.of(rows.dtype, rows.shape, None, float(penalised.any()))
    keep = cut.of_values(rows.shape, float(penalised.any())).keeps(s, vt.T, np.ones(len(vt)))
    root = scale[:, None] * vt[keep].T / s[keep]
    unseen = np.where(norms > 0.0, scale, 1.0)[:, None] * vt[~keep].T
    return Root(root, unseen / np.maximum(np.linalg.norm(unseen, axis=0), EPS64))


def of_features(problem: Problem, coupling: Matrix) -> Metric:
    """X'X, and the penalty as it is beside the mean coupling of classes."""
    penalty = problem.penalty * max(len(coupling) - 1, 1) / max(float(np.trace(coupling)), NO_COUPLING)
    found = by_gram(problem.squares + np.diagflat(penalty))
    if found is None:
        found = by_rows(problem.rows, np.ones(len(problem.rows)), penalty)
    return Metric([found.root], True, found.null)


def of_classes(problem: Problem, curvatures: Matrix) -> Metric:
    """The diagonal blocks of the Hessian, of rows that weigh ``curvatures`` (m, K)."""
    return Metric([_of_weights(problem, weights) for weights in curvatures.T], False, np.empty((0, 0)))


def _of_weights(problem: Problem, weights: Matrix) -> Matrix:
    """Root of sum w_i x_i x_i' and the penalty, of the rows that weigh most and some of the others."""
    least = LEAST_WEIGHT * float(weights.mean())
    rows = problem.rows
    if len(rows) > problem.sample:
        heaviest, some = np.split(np.argsort(-weights, kind="stable"), [problem.sample // 2])
        stride = -(-2 * len(some) // problem.sample)
        shares = np.concatenate((weights[heaviest], stride * weights[some[::stride]]))
        rows = rows[np.concatenate((heaviest, some[::stride]))] * np.sqrt(shares)[:, None]
    else:
        rows = rows * np.sqrt(weights)[:, None]
    found = by_gram(gram(rows) + least * problem.squares + np.diagflat(problem.penalty))
    return by_rows(problem.rows, weights + least, problem.penalty).root if found is None else found.root
