"""The Hessian of logistic regression as its steps take it to be, beside the one that loops over rows make."""

import numpy as np
import pytest

from tests.matrices import random
from w2s_fast.linalg.logistic import curvature, fit_nested, fit_softmax
from w2s_fast.linalg.logistic.curvature import Curvature, coupled_squares, inverse_hessian_times
from w2s_fast.linalg.logistic.metric import of_features
from w2s_fast.linalg.logistic.problem import Problem
from w2s_fast.linalg.rows.products import gram

M, P, K = 600, 7, 4


def chances_of(logits):
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


def hessian_of(X, logits):
    """Sum of (x x') times diag(p) - p p', row by row."""
    total = np.zeros((X.shape[1] * logits.shape[1],) * 2)
    for x, row in zip(X, logits, strict=True):
        p = chances_of(row)
        total += np.kron(np.outer(x, x), np.diag(p) - np.outer(p, p))
    return total


def problem_of(X, free_last=True, penalty=0.3, classes=K):
    penalties = np.full((X.shape[1], 1), penalty)
    if free_last:
        penalties[-1] = 0.0
    targets = np.eye(classes)[np.arange(len(X)) % classes]
    return Problem(X, targets, penalties, free_last, 1e-8, gram(X))


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_sums_of_coupled_squares_are_those_of_a_loop(scale):
    X, logits = random(40, 3, seed=1), scale * random(40, K, seed=2)
    np.testing.assert_allclose(coupled_squares(X, logits), hessian_of(X, logits), atol=1e-12)


@pytest.mark.parametrize("free_last", [True, False])
@pytest.mark.parametrize("dependent", [True, False])
def test_along_the_weights_the_hessian_is_exact(free_last, dependent):
    """Steps are what the inverse makes of their gradients."""
    X = np.column_stack((random(M, P - 1, seed=1) * np.logspace(0, 3, P - 1), np.ones(M)))
    if dependent:  # the metric goes by the rows, and has fewer directions
        X[:, 1] = X[:, 0]
    problem, weights = (
        problem_of(X, free_last, 0.0 if dependent else 0.3),
        random(P, K, seed=3) / np.logspace(0, 3, P)[:, None],
    )
    metric = of_features(problem, np.eye(K) / K - 1 / K**2)
    along = Curvature().along(problem, metric, weights)
    k = along.directions.shape[1]
    assert k == K + 1
    np.testing.assert_allclose(
        X @ along.directions @ np.linalg.lstsq(X @ along.directions, X @ weights)[0], X @ weights
    )
    step = along.directions @ random(k, K, seed=4)
    step -= step.mean(axis=1, keepdims=True)
    gradient = (hessian_of(X, X @ weights) @ step.ravel()).reshape(P, K) / M + problem.penalty / M * step
    np.testing.assert_allclose(X @ along.inverse_times(gradient), X @ step, rtol=1e-6, atol=1e-6)


def test_on_other_directions_the_metric_serves():
    """Of features that are normal, the inverse of the Hessian is near that of the guess everywhere."""
    X = np.column_stack((random(100_000, P - 1, seed=1), np.ones(100_000)))
    problem, weights = problem_of(X, penalty=1e-3), random(P, K, seed=3)[:, :K]
    weights[2:-1] = 0.0  # they hold two directions
    logits = X @ weights
    chances = np.stack([chances_of(row) for row in logits])
    coupling = np.diag(chances.mean(axis=0)) - chances.T @ chances / len(X)
    exact = coupled_squares(X, logits) / len(X)
    metric = of_features(problem, coupling)
    along = Curvature().along(problem, metric, weights)
    uncoupled = curvature.inverse_coupling(coupling)
    step = random(P, K, seed=5)
    step -= step.mean(axis=1, keepdims=True)
    gradient = (exact @ step.ravel()).reshape(P, K)
    errors = [np.linalg.norm(inverse_hessian_times(metric, how, uncoupled, gradient) - step) for how in (None, along)]
    assert errors[1] < 0.15 * np.linalg.norm(step) < 0.5 * errors[0]


def test_fits_of_many_classes_take_half_the_steps(monkeypatch):
    rng = np.random.default_rng(0)
    X = np.column_stack((rng.standard_normal((4_000, 60)), np.ones(4_000)))
    labels = np.argmax(X @ rng.standard_normal((61, 8)) / 3.0 + rng.gumbel(size=(4_000, 8)), axis=1)
    with_it = fit_softmax(X, np.eye(8)[labels], penalty=1.0, free_last=True)
    monkeypatch.setattr(curvature, "LEAST_WORK", np.inf)
    without = fit_softmax(X, np.eye(8)[labels], penalty=1.0, free_last=True)
    assert with_it.loss == pytest.approx(without.loss, rel=1e-10)
    assert with_it.iterations <= 0.7 * without.iterations


@pytest.mark.parametrize("classes", [2, 3])
def test_nested_fits_that_share_a_metric_are_those_made_one_by_one(classes):
    rng = np.random.default_rng(1)
    X = np.column_stack((rng.standard_normal((4_600, 210)) + 0.5, np.ones(4_600)))
    targets = np.eye(classes)[np.argmax(X[:, :classes] + rng.gumbel(size=(len(X), classes)), axis=1)]
    sizes = [300, 2_200, 2_400, 4_000, 4_600]
    (found,) = fit_nested(X, [targets], sizes, penalty=1.0, free_last=True)
    for size, fit in zip(sizes, found, strict=True):
        alone = fit_softmax(X[:size], targets[:size], penalty=1.0, free_last=True)
        assert fit.status == "converged"
        assert fit.loss == pytest.approx(alone.loss, rel=1e-9)
        np.testing.assert_allclose(fit.weights, alone.weights, atol=1e-5)
