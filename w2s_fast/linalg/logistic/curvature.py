"""The Hessian a row as a metric of the features tells it, and along the weights, where it is least like that.

The curvature of a row hangs on its features through the logits alone. For normal features X the Hessian differs from
the product of its mean coupling of classes and X'X along X'X W and X'1 only (Stein's lemma), and for others most there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from w2s_fast._check import FloatArray
from w2s_fast.linalg.logistic.metric import LEAST_COUPLING, NO_COUPLING, Metric, of_features
from w2s_fast.linalg.logistic.problem import Problem
from w2s_fast.linalg.rows.products import Matrix, cross, gram, times

MOST_COUPLED = 200  # classes whose coupling is taken apart at each step; of more the diagonal serves
MOST_ALONG = 256  # unknowns along the weights: more take long to decompose
LEAST_WORK = 2 * 10**5  # multiplications of a pass, for which it pays to look along the weights,
WORK_ALONG = 2.5  # and for the cube of the unknowns
SAMPLE_ALONG = 20  # rows for each of them,
ROWS_ALONG = 1_000  # and at least
DEPENDENT = 1e-8  # of the largest direction, up to which one is rounding


class Along(NamedTuple):
    """Directions (p, k) that hold the weights, and the inverse (k K, k K) of the Hessian on them.

    The directions are orthonormal in the metric.
    """

    directions: Matrix
    inverse: Matrix

    def inverse_times(self, gradient: Matrix) -> Matrix:
        inside = self.directions.T @ gradient
        return np.asarray(self.directions @ (self.inverse @ inside.ravel()).reshape(inside.shape))

    def by_metric(self, gradient: Matrix) -> Matrix:
        """What the metric alone makes of the gradient along these directions."""
        return np.asarray(self.directions @ (self.directions.T @ gradient))


class Curvature:
    """What is known of the Hessian a row, for fits to about as many of the same rows: the first that asks makes it."""

    def __init__(self) -> None:
        self._metric: Metric | None = None
        self._weights: Matrix | None = None
        self._along: Along | None = None

    def metric(self, problem: Problem, coupling: Matrix) -> Metric:
        if self._metric is None:
            self._metric = of_features(problem, coupling)
        return self._metric

    def along(self, problem: Problem, metric: Metric, weights: Matrix) -> Along | None:
        """Along weights (p, K) of K >= 3 classes, as some of the rows tell."""
        if self._weights is None or not np.array_equal(self._weights, weights):
            self._weights, self._along = weights, _along(problem, metric, weights)
        return self._along


def worth_along(problem: Problem, classes: int) -> bool:
    """Whether to look along the weights costs less than the steps that it saves: of two classes these are few."""
    unknowns = classes * (classes + 1)
    work = max(LEAST_WORK, WORK_ALONG * unknowns**3)
    return 2 < classes and unknowns <= MOST_ALONG and problem.rows.size * classes >= work


def _along(problem: Problem, metric: Metric, weights: Matrix) -> Along:
    classes = weights.shape[1]
    rows = problem.some_rows(max(ROWS_ALONG, SAMPLE_ALONG * classes**2))
    turned = np.column_stack((metric.ones(rows, problem.free_last), metric.inverse @ weights))
    found, sizes, shares = np.linalg.svd(turned, full_matrices=False)
    new = sizes > DEPENDENT * sizes[0]
    directions = metric.root @ found[:, new]
    images = times(rows, directions)
    hessian = coupled_squares(images, images @ (sizes[new, None] * shares[new, 1:])) / len(rows)
    penalty = directions.T @ (problem.penalty / len(problem.rows) * directions)
    level = float(np.trace(hessian)) / len(hessian)  # the same change of all classes changes nothing
    unseen = np.kron(np.eye(len(penalty)), np.full((classes, classes), level / classes))
    return Along(directions, _inverse(hessian + np.kron(penalty, np.eye(classes)) + unseen))


def coupled_squares(images: FloatArray, logits: FloatArray) -> Matrix:
    """Sum over rows of x x' times diag(p) - p p': (k K, k K) of images (m, k) and logits (m, K)."""
    (m, k), classes = images.shape, logits.shape[1]
    pairs = (images[:, :, None] * images[:, None, :]).reshape(m, -1)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = odds / odds.sum(axis=1, keepdims=True)
    found = -gram((images[:, :, None] * chances[:, None, :]).reshape(m, -1)).reshape(k, classes, k, classes)
    each = np.arange(classes)
    found[:, each, :, each] += cross(pairs, chances).T.reshape(classes, k, k)
    return found.reshape(k * classes, k * classes)


def inverse_coupling(coupling: Matrix) -> Matrix:
    """Of the mean coupling (K, K) of classes, which between those of which no row is in doubt is taken as small."""
    classes, diagonal = len(coupling), np.diagonal(coupling)
    if not 1 < classes <= MOST_COUPLED:
        least = max(LEAST_COUPLING * float(diagonal.max()), NO_COUPLING)
        return np.diag(1.0 / np.maximum(diagonal, least))
    level = float(diagonal.sum()) / (classes - 1)
    return _inverse(coupling + level / classes)  # the same change of all classes changes nothing


def _inverse(matrix: Matrix) -> Matrix:
    """Of a symmetric matrix, whose small eigenvalues are taken for larger ones."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors / np.maximum(values, max(LEAST_COUPLING * values[-1], NO_COUPLING)) @ vectors.T)


def inverse_hessian_times(metric: Metric, along: Along | None, uncoupled: Matrix, gradient: Matrix) -> Matrix:
    """The inverse of the Hessian a row, times G (p, K)."""
    found = metric.inverse_times(gradient)
    if along is not None:
        found -= along.by_metric(gradient)
    found = found @ uncoupled
    if along is not None:
        found += along.inverse_times(gradient)
    return found
