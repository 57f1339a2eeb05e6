"""Logistic regression where steps go wrong: heavy tails, noise of float32, rare classes, rare columns."""

import numpy as np
import pytest

from tests.matrices import random
from w2s_fast.linalg.logistic import fit_softmax, lockstep
from w2s_fast.linalg.logistic.descent import Point, searched
from w2s_fast.linalg.logistic.lockstep import answered
from w2s_fast.linalg.logistic.metric import of_classes
from w2s_fast.linalg.logistic.objective import Objective
from w2s_fast.linalg.logistic.problem import Problem
from w2s_fast.linalg.rows.products import gram


def drawn(logits, seed=0):
    """Hard targets that follow the logits."""
    noise = np.random.default_rng(seed).gumbel(size=logits.shape)
    return np.eye(logits.shape[1])[np.argmax(logits + noise, axis=1)]


@pytest.fixture
def passes(monkeypatch):
    """How many passes over the rows have asked for values."""
    count, values = [0], lockstep.values

    def counted(questions):
        count[0] += 1
        return values(questions)

    monkeypatch.setattr(lockstep, "values", counted)
    return count


def test_a_step_a_thousand_times_too_long_is_cut():
    """One row makes the slope at the start steep, and most others the slope beyond flat: secants creep there."""
    X = np.vstack((np.full((1, 1), 1e5), np.ones((900, 1))))
    objective = Objective(X, (np.arange(901) == 0)[:, None] + 0.0, np.zeros((1, 1)))
    start = Point(np.zeros((1, 1)), objective.at(np.zeros((1, 1))))
    (end,) = answered([searched(objective, start, np.ones((1, 1)))])
    assert end is not None
    assert end.value.loss < start.value.loss


def test_chances_in_float32_sum_to_1():
    X = np.column_stack((random(300, 6, seed=1), np.ones(300)))
    odds = np.exp(X @ random(7, 5, seed=2))
    chances = odds / odds.sum(axis=1, keepdims=True)
    expected = fit_softmax(X, chances, penalty=1e-3, free_last=True, tolerance=1e-10)
    for targets in (chances.astype(np.float32), chances * (1 + 9e-7)):
        fit = fit_softmax(X, targets, penalty=1e-3, free_last=True, tolerance=1e-10)
        assert fit.status == "converged"
        np.testing.assert_allclose(fit.weights, expected.weights, atol=1e-4)


def test_moves_next_to_nothing_keep_the_sum_over_classes():
    """What a fit has learned by its last steps holds that sum to few digits."""
    rng = np.random.default_rng(0)
    X = rng.integers(-3, 4, (20, 10)).astype(float)
    targets = 0.999 * np.eye(5)[rng.integers(0, 5, 20)] + 0.001 / 5
    whole = fit_softmax(X, targets, penalty=1e3, tolerance=1e-10)
    fit = fit_softmax(X[:13], targets[:13], penalty=1e3, tolerance=1e-10, start=whole)
    assert fit.status == "converged"
    assert np.abs(fit.weights.sum(axis=1)).max() <= 1e-12 * np.abs(fit.weights).max()


def test_the_loss_of_one_row_is_rounding():
    fit = fit_softmax([[3.2e7, -3.1e7]], np.eye(5)[[3]], penalty=1.0, tolerance=1e-10)
    assert fit.status == "converged"
    assert fit.loss < 1e-11


def test_weights_are_not_shortened_along_rounding():
    """Twins in float32 differ by rounding, which beside columns of other units is most of a null direction."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 6)) * 10.0 ** np.array([6, -8, -5, 3, -3, 0])
    X[:, 5] = 3e3 * X[:, 0]
    targets = drawn((X / X.std(axis=0))[:, :4])
    X = np.column_stack((X, np.ones(400))).astype(np.float32)
    fit, without = (fit_softmax(rows, targets, free_last=True) for rows in (X, np.delete(X, 5, axis=1)))
    assert fit.status == without.status == "converged"
    assert fit.loss == pytest.approx(without.loss, rel=1e-6)


@pytest.mark.parametrize("offset", [1e4, 1e5])
def test_slopes_that_are_rounding_in_float32_take_few_passes(passes, offset):
    X = random(20_000, 20, seed=1)
    fit = fit_softmax(X + offset, drawn(X[:, :3]))
    assert fit.status == "converged"
    assert passes[0] <= 40


def test_columns_that_no_sampled_row_has_take_few_passes(passes):
    X = random(2_000, 40, seed=2)
    X[:, 0] = np.arange(2_000) % 50 == 1
    fit = fit_softmax(X, drawn(X[:, :3]), penalty=1e-6)
    assert fit.status == "converged"
    assert passes[0] <= 30


def test_rows_that_separate_take_a_pass_a_step(passes):
    X = random(3_000, 100, seed=3) / np.arange(1, 101)
    fit = fit_softmax(X, np.eye(8)[np.argmax(X @ random(100, 8, seed=4), axis=1)])
    assert fit.status == "separable"
    assert passes[0] <= 1.3 * fit.iterations + 3


def problem_of(X):
    return Problem(X, np.eye(3)[np.arange(len(X)) % 3], np.zeros((X.shape[1], 1)), True, 1e-8, gram(X))


def test_metrics_of_classes_bound_one_that_no_row_has_a_chance_of():
    """Its step goes into all others by the mean over classes."""
    X = np.column_stack((random(60, 3, seed=5), np.ones(60)))
    curvatures = np.column_stack((random(60, 2, seed=6) ** 2, np.full(60, 1e-120)))
    gradient = random(4, 3, seed=7)
    expected = of_classes(problem_of(X), curvatures[:, :2]).inverse_times(gradient[:, :2])
    found = of_classes(problem_of(X), curvatures).inverse_times(gradient)
    assert np.abs(found).max() <= 1e9 * np.abs(expected).max()


def test_metrics_of_classes_know_the_norms_of_columns_in_few_rows():
    """Rows are more than make a metric: the one that has the first column is left out, or stands for many."""
    X = np.column_stack((np.arange(400) == 3, random(400, 2, seed=8), np.ones(400)))
    curvatures = random(400, 3, seed=9) ** 2
    curvatures[3] = 0.01
    expected = curvatures[3] + 1e-3 * curvatures.mean(axis=0)
    found = [np.linalg.inv(root @ root.T)[0, 0] for root in of_classes(problem_of(X), curvatures).roots]
    np.testing.assert_allclose(found, expected)
