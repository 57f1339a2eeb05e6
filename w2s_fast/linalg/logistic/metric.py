"""Metrics of weights in which the Hessian is near the identity: from X'X, or from the rows where that fails.

The Hessian of K classes is a sum over rows of (diag(p) - p p') x x'. Where chances do not hang on the features much it
is that of the first factor's mean and X'X (at equal chances exactly, and never above half of X'X: Böhning 1992), so one
p x p matrix serves all classes, whatever the condition of the features. Where rows are all but certain of their
classes, those that are not make a matrix for each class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from w2s_fast._cached import cached_property
from w2s_fast._check import FloatArray
from w2s_fast.linalg.leastsq.policy import EPS64, GRAM_RCOND, Cutoff, column_norms
from w2s_fast.linalg.logistic.problem import Problem
from w2s_fast.linalg.rows.products import Matrix, gram, total
from w2s_fast.linalg.rows.thin import inner_products

LEAST_COUPLING = 1e-4  # of the largest, of classes of which no row is in doubt
NO_COUPLING = 1e-12  # between classes of which every row is certain
LEAST_WEIGHT = 1e-3  # of the mean, that any row has: else directions of rows without doubt had no curvature at all
MISJUDGED = np.log(4.0)  # of the ratio of a column's square to that which some rows tell


@dataclass(frozen=True, eq=False)
class Metric:
    """M = (B B')^-1 on the directions that rows have.

    Attributes
    ----------
    root : (p, r) ndarray
        B, with B' M B = I.
    inverse : (r, p) ndarray
        B^-1.
    null : (p, p - r) ndarray
        Directions along which no row has anything, nor a penalty.
    """

    root: Matrix
    inverse: Matrix
    null: Matrix

    @cached_property
    def _dual(self) -> Matrix:
        return np.asarray(self.root @ self.root.T)

    def inverse_times(self, gradient: Matrix) -> Matrix:
        """M^-1 G of G (p, K)."""
        return self._dual @ gradient

    def ones(self, rows: FloatArray, last: bool) -> Matrix:
        """B^-1 e of the weights e whose logits are 1 (r,): those of the last feature, or as some rows tell."""
        return self.inverse[:, -1] if last else self.root.T @ rows.mean(axis=0, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ClassMetrics:
    """A metric for each class, of which the roots (p, p) are known."""

    roots: list[Matrix]

    def inverse_times(self, gradient: Matrix) -> Matrix:
        """M^-1 G of G (p, K)."""
        columns = zip(self.roots, gradient.T, strict=True)
        return even(np.stack([root @ (root.T @ column) for root, column in columns], axis=1))


def even(found: Matrix) -> Matrix:
    """Take the mean out of the columns of classes: where all change alike, nothing but the penalty does."""
    if found.shape[1] > 1:
        found -= found.mean(axis=1, keepdims=True)
    return found


def by_gram(gram: Matrix) -> Metric | None:
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
    return Metric(scale[:, None] * root, upper / scale, np.empty((len(gram), 0)))


def by_rows(rows: FloatArray, weights: Matrix, penalty: Matrix) -> Metric:
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
    root, inverse = scale[:, None] * vt[keep].T / s[keep], s[keep, None] * vt[keep] * norms
    unseen = np.where(norms > 0.0, scale, 1.0)[:, None] * vt[~keep].T
    return Metric(root, inverse, unseen / np.maximum(np.linalg.norm(unseen, axis=0), EPS64))


def of_features(problem: Problem, coupling: Matrix) -> Metric:
    """X'X a row, and the penalty as it is beside the mean coupling of classes."""
    rows = len(problem.rows)
    penalty = problem.penalty / rows * max(len(coupling) - 1, 1) / max(float(np.trace(coupling)), NO_COUPLING)
    found = by_gram(problem.squares / rows + np.diagflat(penalty))
    return by_rows(problem.rows, np.full(rows, 1.0 / rows), penalty) if found is None else found


def of_classes(problem: Problem, curvatures: Matrix) -> ClassMetrics:
    """The diagonal blocks of the Hessian, of rows that weigh ``curvatures`` (m, K)."""
    means = curvatures.mean(axis=0)
    least = LEAST_WEIGHT * np.maximum(means, LEAST_COUPLING * means.max())
    squares = total(_squares, problem.rows, curvatures, factors=curvatures.shape[1])
    return ClassMetrics([_of_weights(problem, *each) for each in zip(curvatures.T, squares.T, least, strict=True)])


def _squares(rows: FloatArray, weights: Matrix) -> Matrix:
    """Squared norms (p, K) of the columns of rows with these weights (m, K)."""
    return inner_products(np.square(rows, dtype=np.float64), weights)


def _of_weights(problem: Problem, weights: Matrix, squares: Matrix, least: float) -> Matrix:
    """Root of sum w_i x_i x_i' and the penalty.

    Where rows are many it is made of those that weigh most and some of the others. Columns that are in few rows are
    scaled to the norm that all rows give them; others are not, as the rank would change with them.
    """
    rows = problem.rows
    if len(rows) > problem.sample:
        heaviest, some = np.split(np.argsort(-weights, kind="stable"), [problem.sample // 2])
        stride = -(-2 * len(some) // problem.sample)
        shares = np.concatenate((weights[heaviest], stride * weights[some[::stride]]))
        rows = rows[np.concatenate((heaviest, some[::stride]))] * np.sqrt(shares)[:, None]
    else:
        rows = rows * np.sqrt(weights)[:, None]
    product = gram(rows) + least * problem.squares
    known, diagonal = squares + least * np.diagonal(problem.squares), np.diagonal(product)
    ratios = np.divide(known, diagonal, out=np.ones_like(known), where=diagonal > 0.0)
    scale = np.sqrt(np.where(np.abs(np.log(ratios)) > MISJUDGED, ratios, 1.0))
    found = by_gram(product * scale * scale[:, None] + np.diagflat(problem.penalty))
    return (by_rows(problem.rows, weights + least, problem.penalty) if found is None else found).root
