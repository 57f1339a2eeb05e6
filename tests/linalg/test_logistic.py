"""Logistic regression: the loss of scikit-learn's, what no weights are best for, and any scale."""

import numpy as np
import pytest

from tests.matrices import random
from w2s_fast.linalg.logistic import fit_softmax
from w2s_fast.linalg.logistic.objective import Objective

M, P, K = 240, 5, 4


def labelled(classes=K, m=M, seed=0, spread=1.0):
    """Features with a column of ones, chances of classes under some weights, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    X = np.column_stack((rng.standard_normal((m, P)), np.ones(m)))
    logits = spread * X @ rng.standard_normal((P + 1, classes))
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return X, chances, np.array([rng.choice(classes, p=row) for row in chances])


def loss_of(X, targets, weights, penalty, free_last):
    """The objective, row by row."""
    total = 0.0
    for x, wanted in zip(X.astype(float), targets, strict=True):
        two = np.ndim(wanted) == 0
        logits = np.array([0.0, x @ weights]) if two else x @ weights
        chances = np.array([1.0 - wanted, wanted]) if two else wanted
        total += logits.max() + np.log(np.sum(np.exp(logits - logits.max()))) - logits @ chances
    return total + 0.5 * penalty * np.sum(weights[: -1 if free_last else None] ** 2)


@pytest.mark.parametrize("classes", [1, K])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_those_of_the_loss(classes, dtype):
    X, chances, _ = labelled(max(classes, 2))
    X = X.astype(dtype)
    targets = chances[:, :1] if classes == 1 else chances
    objective = Objective(X, targets, np.full((P + 1, 1), 0.7))
    weights, step = random(P + 1, classes, seed=2), random(P + 1, classes, seed=3)
    value = objective.at(weights)
    wanted = targets[:, 0] if classes == 1 else targets
    assert value.loss == pytest.approx(loss_of(X, wanted, weights[:, 0] if classes == 1 else weights, 0.7, False))
    h = 1e-5
    slope = (objective.at(weights + h * step).loss - objective.at(weights - h * step).loss) / (2 * h)
    assert np.vdot(value.gradient, step) == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("penalty", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("classes", [2, K])
def test_no_weights_nearby_are_better(classes, penalty):
    X, chances, _ = labelled(classes)
    fit = fit_softmax(X, chances, penalty=penalty, free_last=True)
    assert fit.status == "converged"
    assert fit.loss == pytest.approx(loss_of(X, chances, fit.weights, penalty, True), rel=1e-12)
    for seed in range(5):
        step = 1e-3 * random(*fit.weights.shape, seed=seed)
        step -= step.mean(axis=1, keepdims=True)
        assert loss_of(X, chances, fit.weights + step, penalty, True) > fit.loss


def test_two_columns_are_one_column():
    X, chances, _ = labelled(2)
    two, one = (fit_softmax(X, wanted, penalty=0.5, free_last=True) for wanted in (chances, chances[:, 1]))
    halved = fit_softmax(X, chances, penalty=1.0, free_last=True)
    np.testing.assert_allclose(halved.weights[:, 1] - halved.weights[:, 0], one.weights, rtol=1e-7)
    assert two.loss < halved.loss


def test_separable_rows_are_told():
    X, _, y = labelled()
    assert fit_softmax(X, (X[:, 0] > 0.3) * 1.0, free_last=True).status == "separable"
    assert fit_softmax(X, np.eye(3)[np.digitize(X[:, 0], [-1, 1])], free_last=True).status == "separable"
    one_sided = np.column_stack((X[:, 0] > 1.0, X))  # of these all are of one class, of the others not
    some = fit_softmax(one_sided, np.where(X[:, 0] > 1.0, 1.0, y > 1), free_last=True)
    assert some.status == "separable"
    assert some.loss > 10.0
    assert fit_softmax(X, (X[:, 0] > 0.3) * 1.0, penalty=1e-6, free_last=True).status == "converged"
