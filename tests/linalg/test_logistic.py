"""Logistic regression: the loss of scikit-learn's, what no weights are best for, and any scale."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.optimize

from tests.matrices import random
from w2s_fast.linalg.logistic import fit_nested, fit_softmax
from w2s_fast.linalg.logistic.objective import Objective

M, P, K = 240, 5, 4


def labelled(classes=K, m=M, seed=0, spread=1.0):
    """Features with a column of ones, chances of classes under some weights, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    X = np.column_stack((rng.standard_normal((m, P)), np.ones(m)))
    logits = spread * X @ rng.standard_normal((P + 1, classes))
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return X, chances, np.argmax(np.log(chances) + rng.gumbel(size=chances.shape), axis=1)


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


def features(kind):
    """Hard labels in 0..K-1, on features of a kind that fits go wrong on."""
    X, _, y = labelled()
    rng = np.random.default_rng(1)
    if kind == "collinear":
        X = np.hstack((X[:, :2] @ rng.standard_normal((2, 3)), X))
    elif kind == "constant columns":
        X = np.hstack((np.full((M, 1), 3.0), np.zeros((M, 1)), X))
    elif kind == "offset":
        X[:, :P] += 1e4
    elif kind == "unbalanced":
        y = np.where(rng.random(M) < 0.03, y, 0)
    elif kind == "wide":
        X, y = np.column_stack((rng.standard_normal((20, 40)), np.ones(20))), y[:20]
    elif kind == "few rows":
        X, y = X[: P + 3], y[: P + 3]
    elif kind == "separable":
        y = np.digitize(X[:, 0] + X[:, 1], [-1.0, 0.0, 1.0])
    elif kind == "almost separable":
        y = np.digitize(X[:, 0] + X[:, 1], [-1.0, 0.0, 1.0])
        y[:3] = y[:3][::-1]
    return X, y


def theirs(X, y, penalty, weights=None):
    """Weights of scikit-learn for the classes that there are, or the second of two."""
    linear_model, mean = pytest.importorskip("sklearn.linear_model"), X[:, :-1].mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        how = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
        model = linear_model.LogisticRegression(C=1 / penalty if penalty else np.inf, **how)
        model.fit(X[:, :-1] - mean, y, sample_weight=weights)  # it fails far from the origin
    found = np.vstack((model.coef_.T, model.intercept_ - model.coef_ @ mean))
    return found if len(model.classes_) > 2 else found[:, 0]


KINDS = ("plain", "collinear", "constant columns", "offset", "unbalanced", "wide", "few rows", "separable")
CASES = [(kind, penalty) for kind in (*KINDS, "almost separable") for penalty in (1e-6, 1e-2, 3.0)]
CASES += [(kind, 0.0) for kind in ("plain", "collinear", "constant columns", "offset", "almost separable")]


@pytest.mark.parametrize(("kind", "penalty"), CASES)
@pytest.mark.parametrize("classes", [2, K])
def test_losses_are_those_of_scikit_learn(kind, penalty, classes):
    X, y = features(kind)
    y = np.unique(y > 1 if classes == 2 else y, return_inverse=True)[1]
    targets = y.astype(float) if classes == 2 else np.eye(y.max() + 1)[y]
    fit = fit_softmax(X, targets, penalty=penalty, free_last=True)
    if fit.status == "separable":
        assert penalty == 0.0
        assert kind == "almost separable"  # of K classes some are separated from others
        return
    assert fit.status == "converged"
    assert fit.loss == pytest.approx(loss_of(X, targets, fit.weights, penalty, True), rel=1e-9)
    expected = loss_of(X, targets, theirs(X, y, penalty), penalty, True)
    assert fit.loss == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("penalty", [0.0, 0.5])
@pytest.mark.parametrize("classes", [2, K])
def test_soft_targets_are_weighted_rows(classes, penalty):
    X, chances, _ = labelled(classes)
    every = np.tile(np.arange(classes), M)
    weights = theirs(np.repeat(X, classes, axis=0), every, penalty, chances.ravel())
    targets = chances[:, 1] if classes == 2 else chances
    fit = fit_softmax(X, targets, penalty=penalty, free_last=True)
    assert fit.loss == pytest.approx(loss_of(X, targets, weights, penalty, True), rel=1e-9)
    np.testing.assert_allclose(chances_of(X, fit.weights), chances_of(X, weights), atol=1e-6)


def chances_of(X, weights):
    logits = X @ weights if weights.ndim == 2 else np.column_stack((np.zeros(len(X)), X @ weights))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_classes_that_no_row_has(penalty):
    X, _, y = labelled()
    y = np.where(y == 2, 0, y)
    everything, present = np.eye(K)[y], np.eye(3)[np.array([0, 1, 0, 2])[y]]
    fit, without = (fit_softmax(X, wanted, penalty=penalty, free_last=True) for wanted in (everything, present))
    assert fit.status == without.status == "converged"
    assert fit.loss == without.loss
    assert np.array_equal(fit.weights[:, [0, 1, 3]], without.weights)
    assert chances_of(X, fit.weights)[:, 2].max() == 0.0
    bounded = fit_softmax(X[:, :P], everything, penalty=0.5)  # without an intercept a penalty holds its weights
    assert bounded.status == "converged"
    assert np.isfinite(bounded.weights).all()
    assert fit_softmax(X[:, :P], present[:, :0:-1] * 0 + [0, 1], penalty=0.5).status == "converged"
    for wanted in (np.ones(M), np.zeros(M), np.eye(2)[np.ones(M, int)], np.eye(K)[np.full(M, 3)]):
        alone = fit_softmax(X, wanted, penalty=penalty, free_last=True)
        assert (alone.status, alone.loss) == ("converged", 0.0)
        assert not alone.weights[:-1].any()


@pytest.mark.parametrize("penalty", [0.0, 0.5])
@pytest.mark.parametrize("classes", [2, K])
@pytest.mark.parametrize("power", [-900, -400, 400, 900])
def test_any_scale_of_features(power, classes, penalty):
    X, chances, _ = labelled(classes)
    targets = chances[:, 1] if classes == 2 else chances
    plain = fit_softmax(X[:, :P], targets, penalty=penalty)
    if penalty and abs(power) > 500:
        with pytest.raises(ValueError, match=r"X is too (large|small) beside the penalty of"):
            fit_softmax(np.ldexp(X[:, :P], power), targets, penalty=penalty)
        return
    fit = fit_softmax(np.ldexp(X[:, :P], power), targets, penalty=np.ldexp(penalty, 2 * power))
    np.testing.assert_allclose(np.ldexp(fit.weights, power), plain.weights, rtol=1e-6)
    assert fit.loss == pytest.approx(plain.loss, rel=1e-12)


def test_beyond_the_range_of_float32():
    X, chances, _ = labelled(m=45_000)
    plain, fit = (fit_softmax(rows, chances) for rows in (X[:, :P], X[:, :P] * 2.0**200))
    np.testing.assert_allclose(fit.weights * 2.0**200, plain.weights, rtol=1e-6)


def test_an_intercept_alone():
    fit = fit_softmax(np.ones((4, 1)), [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], free_last=True)
    np.testing.assert_allclose(chances_of(np.ones((1, 1)), fit.weights), [[0.25, 0.25, 0.5]], atol=1e-9)


def test_losses_that_are_next_to_nothing():
    """Of one row, which is all but certain: no step is worth its rounding."""
    fit = fit_softmax(1e4 * random(1, 22), [[1.0, 0.0]], penalty=1e-8)
    assert fit.status == "converged"
    assert 0.0 < fit.loss < 1e-10


def test_a_start_that_is_certain_of_every_row():
    X, _, _ = labelled()
    targets = np.eye(3)[np.digitize(X[:, 0], [-1, 1])]
    fit = fit_softmax(X, targets, free_last=True)
    for start in (fit, 50 * fit.weights):
        assert fit_softmax(X, targets, free_last=True, start=start).status == "separable"
        held = fit_softmax(X, targets, free_last=True, start=start, penalty=0.5)
        assert held.status == "converged"
        assert held.loss == pytest.approx(fit_softmax(X, targets, free_last=True, penalty=0.5).loss, rel=1e-9)
    all_but_none = np.where(np.arange(M) == 0, 1.0 - 1e-18, 1.0)
    assert np.isfinite(fit_softmax(X, np.column_stack((1e-18 + 0 * all_but_none, all_but_none))).loss)


def test_columns_of_different_scales():
    X, chances, _ = labelled()
    scales = np.array([1e-200, 1e-3, 1.0, 1e5, 1e200, 1.0])
    plain, fit = (fit_softmax(features, chances, free_last=True) for features in (X, X * scales))
    np.testing.assert_allclose(fit.weights * scales[:, None], plain.weights, rtol=1e-6)
    twins = np.hstack((1e60 * X[:, :P], X * np.array([1e-60, 1e-3, 1.0, 1e5, 1e60, 1.0])))
    fit = fit_softmax(twins, chances, free_last=True)
    assert (fit.status, fit.loss) == ("converged", pytest.approx(plain.loss, rel=1e-9))


def test_few_rows_with_a_column_that_is_next_to_nothing():
    """As some models have among their features: its share of the gradient is rounding of the others."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 90)) / np.arange(1, 91)
    X[:, 7] *= 1e-30
    y = (X[:, 0] + 0.5 * rng.standard_normal(60) > 0).astype(float)
    fit, without = (fit_softmax(rows, y, penalty=0.1) for rows in (X, np.delete(X, 7, axis=1)))
    assert fit.status == without.status == "converged"
    assert fit.loss == pytest.approx(without.loss, rel=1e-12)


def test_weights_without_a_penalty_are_the_shortest():
    X, chances, _ = labelled()
    twins = np.hstack((X[:, :P], X))
    for rows, targets in ((twins, chances), (twins[:8], chances[:8]), (twins[:8], chances[:8, 0])):
        free, held = (
            fit_softmax(rows, targets, free_last=True, penalty=penalty, tolerance=1e-12) for penalty in (0.0, 1e-9)
        )
        np.testing.assert_allclose(free.weights, held.weights, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(free.weights[:P], free.weights[P : 2 * P], atol=1e-8)


@pytest.mark.parametrize("classes", [2, K])
def test_where_a_fit_begins_and_in_which_metric_is_for_speed_alone(classes):
    X, chances, _ = labelled(classes)
    targets = chances[:, 1] if classes == 2 else chances
    fit = fit_softmax(X, targets, penalty=0.5, free_last=True)
    fewer = fit_softmax(X[:200], targets[:200], penalty=0.5, free_last=True)
    for start in (fit, fewer, fewer.weights, 1e3 * random(*fit.weights.shape)):
        again = fit_softmax(X, targets, penalty=0.5, free_last=True, start=start, metric=X.T @ X)
        np.testing.assert_allclose(again.weights, fit.weights, atol=1e-6)
    assert fit_softmax(X, targets, penalty=0.5, free_last=True, start=fit).iterations <= 1
    assert repr(fit).startswith(f"SoftmaxFit(weights {fit.weights.shape}, loss=")


def test_what_another_fit_has_learned_of_other_features_is_left():
    X, chances, _ = labelled()
    fit = fit_softmax(X, chances, penalty=0.5, free_last=True)
    for rows, wanted, penalty in (
        (X[:4], chances[:4], 0.5),
        (X * 1e-150, chances, 0.5e-300),
        (X, np.eye(K)[np.arange(M) % 2], 0.5),
    ):
        begun, plain = (fit_softmax(rows, wanted, penalty=penalty, start=start) for start in (fit, None))
        assert begun.loss == pytest.approx(plain.loss, rel=1e-9)


def test_many_rows_go_by_float32_first():
    X, _, y = labelled(m=45_000)
    for rows in (X, X.astype("float32")):
        fit = fit_softmax(rows, np.eye(K)[y], free_last=True)
        objective = Objective(rows.astype(float), np.eye(K)[y], np.zeros((P + 1, 1)))
        assert fit.status == "converged"
        assert np.abs(objective.at(fit.weights).gradient).max() <= 1e-8 * len(X) * 1.1


def test_steps_in_float32_keep_the_sum_over_classes():
    """Nothing but the penalty, which is next to nothing, holds it."""
    X, chances, _ = labelled(m=45_000)
    targets = np.eye(K)[chances.argmax(axis=1)]
    fit = fit_softmax(X, targets, penalty=1e-4, free_last=True)
    objective = Objective(X, targets, np.where(np.arange(P + 1) < P, 1e-4, 0.0)[:, None])
    assert fit.status == "converged"
    assert np.abs(objective.at(fit.weights).gradient).max() <= 1e-8 * len(X) * 1.1
    assert np.abs(fit.weights.sum(axis=1)).max() <= 1e-9 * np.abs(fit.weights).max()


def test_more_classes_than_are_coupled():
    rng = np.random.default_rng(0)
    X = np.column_stack((rng.standard_normal((600, 4)), np.ones(600)))
    targets = np.eye(250)[rng.integers(0, 250, 600)]
    fit = fit_softmax(X, targets, penalty=0.5, free_last=True)
    assert fit.status == "converged"
    assert np.abs(Objective(X, targets, np.array([0.5] * 4 + [0.0])[:, None]).at(fit.weights).gradient).max() < 1e-5


def test_the_same_bits_for_any_number_of_threads():
    from w2s_fast._threads import ordered_map

    X, _, y = labelled(m=45_000)
    fits = [fit_softmax(X, np.eye(K)[y], free_last=True) for _ in range(2)]
    fits += list(ordered_map(lambda _: fit_softmax(X, np.eye(K)[y], free_last=True), range(2), 2))
    assert len({fit.weights.tobytes() for fit in fits}) == 1


def test_separable_rows_are_told():
    X, _, y = labelled()
    assert fit_softmax(X, (X[:, 0] > 0.3) * 1.0, free_last=True).status == "separable"
    assert fit_softmax(X, np.eye(3)[np.digitize(X[:, 0], [-1, 1])], free_last=True).status == "separable"
    one_sided = np.column_stack((X[:, 0] > 1.0, X))  # of these all are of one class, of the others not
    some = fit_softmax(one_sided, np.where(X[:, 0] > 1.0, 1.0, y > 1), free_last=True)
    assert some.status == "separable"
    assert some.loss > 10.0
    assert fit_softmax(X, (X[:, 0] > 0.3) * 1.0, penalty=1e-6, free_last=True).status == "converged"


def test_groups_of_classes_that_are_separated():
    """Classes overlap within either group, which any direction of separation must move as one."""
    X, _, y = labelled()
    groups = 2 * (X[:, 0] > 0.2) + y % 2
    assert fit_softmax(X, np.eye(K)[groups], free_last=True).status == "separable"
    assert fit_softmax(X, np.eye(3)[np.where(X[:, 0] > 0.2, 2, y % 2)], free_last=True).status == "separable"
    assert fit_softmax(X, np.eye(K)[y], free_last=True).status == "converged"


def can_be_separated(X, targets):
    """By a linear program: a direction along which no target falls behind another class, and one gets ahead of one."""
    p, ahead = X.shape[1], []
    for x, wanted in zip(X, targets, strict=True):
        for k, other in itertools.product(np.flatnonzero(wanted), range(targets.shape[1])):
            row = np.zeros((p, targets.shape[1]))
            row[:, k] += x
            row[:, other] -= x
            ahead.append(row.ravel())
    A = np.array(ahead)
    bounds = np.concatenate((np.zeros(len(A)), np.ones(len(A))))
    found = scipy.optimize.linprog(-A.sum(axis=0), np.vstack((-A, A)), bounds, bounds=(None, None))
    return -found.fun > 1e-6


@pytest.mark.parametrize("seed", range(40))
def test_separable_is_what_a_linear_program_says(seed):
    rng = np.random.default_rng(seed)
    m, p, classes = rng.integers(4, 40), rng.integers(1, 8), rng.integers(2, 5)
    X = rng.standard_normal((m, p))
    if seed % 3 == 0:
        X = np.round(X)
    free_last = seed % 2 == 0
    if free_last:
        X = np.column_stack((X, np.ones(m)))
    logits = X @ rng.standard_normal((X.shape[1], classes))
    half = classes // 2
    y = (
        rng.integers(0, classes, m),
        logits.argmax(axis=1),
        (3 * logits + rng.gumbel(size=(m, classes))).argmax(axis=1),
        np.where(X[:, 0] > 0, rng.integers(0, half, m), rng.integers(half, classes, m)),
    )[seed // 2 % 4]
    targets = np.eye(classes)[y]
    fit = fit_softmax(X, targets, free_last=free_last)
    present = targets[:, targets.any(axis=0)] if free_last else targets
    separable = present.shape[1] > 1 and can_be_separated(X, present)
    assert fit.status == ("separable" if separable else "converged")


@pytest.mark.parametrize("seed", range(40))
def test_fits_from_anywhere_come_to_the_same_loss(seed):
    rng = np.random.default_rng(seed)
    m, p, classes = rng.integers(1, 60), rng.integers(1, 25), rng.integers(2, 6)
    X = rng.standard_normal((m, p)) * 10.0 ** rng.uniform(-4, 4, p)
    if seed % 2:  # in float32 so little may be left of columns that their rank is a matter of taste
        X += 10.0 ** rng.uniform(-4, 4)
    if seed % 3 == 0:
        X = X[:, rng.integers(0, p, p)]
    targets = rng.dirichlet(np.full(classes, (0.05, 1.0, 10.0)[seed % 3]), m)
    penalty, dtype = (0.0, 1e-8, 1e-2, 1.0, 1e6)[seed % 5], ("float32", "float64")[seed % 2]
    X = np.column_stack((X, np.ones(m))).astype(dtype)
    first = fit_softmax(X, targets, penalty=penalty, free_last=True)
    start = rng.standard_normal(first.weights.shape)
    again = fit_softmax(X, targets, penalty=penalty, free_last=True, start=start, tolerance=1e-9)
    assert first.status == again.status == "converged"
    assert first.loss == pytest.approx(again.loss, rel=1e-7, abs=1e-10)


def test_soft_targets_near_certainty_are_not_separable():
    """Weights are finite, though rows are all but certain."""
    X = np.column_stack((np.repeat([-1.0, 1.0], 20), np.ones(40)))
    fit = fit_softmax(X, np.repeat([1e-7, 1.0 - 1e-7], 20), free_last=True, tolerance=1e-12)
    assert fit.status == "converged"
    np.testing.assert_allclose(fit.weights, [np.log(1e7), 0.0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"X": np.ones(5)}, "X must have 2 dimension"),
        ({"X": np.where(np.eye(5, 2) > 0, np.nan, 1.0)}, "X holds 2 NaN or infinite"),
        ({"X": np.empty((0, 2)), "targets": np.empty(0)}, "X must not be empty"),
        ({"targets": np.ones((5, 1))}, r"targets must have shape \(m,\), or \(m, K\) with K >= 2"),
        ({"targets": np.ones(4)}, "the same number of rows: X has 5, targets has 4"),
        ({"targets": np.ones((5, 2))}, "targets must be probabilities, got rows that sum to 1 but for 1"),
        ({"targets": np.full(5, 1.5)}, "targets must be probabilities, got rows below 0 or above 1"),
        ({"targets": np.full(5, -1.0)}, "targets must be probabilities, got rows below 0 or above 1"),
        ({"penalty": -1.0}, "penalty must be a finite number"),
        ({"tolerance": 0.0}, "tolerance must be a finite number, more than 0"),
        ({"start": np.ones(3)}, r"start must have shape \(2,\), got \(3,\)"),
        ({"metric": np.ones((3, 3))}, r"metric must have shape \(2, 2\), got \(3, 3\)"),
        ({"free_last": 1}, "free_last must be True or False"),
    ],
)
def test_what_is_refused(change, match):
    given = {"X": random(5, 2), "targets": np.linspace(0, 1, 5)} | change
    with pytest.raises((ValueError, TypeError), match=match):
        fit_softmax(given.pop("X"), given.pop("targets"), **given)


def nested(X, targets, sizes, **how):
    return fit_nested(X, targets, sizes, free_last=True, **how)


@pytest.mark.parametrize("classes", [2, K])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nested_fits_are_those_made_one_by_one(classes, dtype):
    X, chances, drawn = labelled(classes)
    X, sizes = X.astype(dtype), [M, 40, 3, 120, 40, 90]  # the third is fewer than the columns
    hard = np.eye(classes)[drawn]
    targets = [chances, hard, hard[::-1]]
    starts = [None, random(P + 1, classes, seed=5), None]
    squares = [X[:size].astype(float).T @ X[:size] for size in sizes]
    for how in ({}, {"starts": starts}, {"metrics": squares}):
        found = nested(X, targets, sizes, penalty=0.3, **how)
        for target, fits in zip(targets, found, strict=True):
            for size, fit in zip(sizes, fits, strict=True):
                alone = fit_softmax(X[:size], target[:size], penalty=0.3, free_last=True)
                assert fit.status == alone.status == "converged"
                assert fit.loss == pytest.approx(alone.loss, rel=1e-9)
                np.testing.assert_allclose(X[:size] @ fit.weights, X[:size] @ alone.weights, atol=1e-5)


def test_nested_fits_in_many_blocks_and_waves_are_those_made_one_by_one():
    X, _, drawn = labelled(m=9_000)
    X = np.hstack((random(9_000, 60, seed=8), X))
    targets, sizes = np.eye(K)[drawn], np.linspace(300, 9_000, 30).astype(int).tolist()
    (fits,) = nested(X, [targets], sizes, penalty=1.0)
    for place in (0, 1, 14, 28, 29):
        alone = fit_softmax(X[: sizes[place]], targets[: sizes[place]], penalty=1.0, free_last=True)
        assert fits[place].loss == pytest.approx(alone.loss, rel=1e-9)
        np.testing.assert_allclose(fits[place].weights, alone.weights, atol=1e-5)
    assert {fit.status for fit in fits} == {"converged"}
    assert np.mean([fit.iterations for fit in fits[15:-1]]) < fits[-1].iterations  # from a fit to much the same


def test_nested_fits_of_classes_that_come_late_and_of_rows_that_separate():
    X, y = np.column_stack((np.arange(9.0), np.ones(9))), np.array([0, 0, 1, 1, 0, 1, 2, 2, 2])
    (fits,) = nested(X, [np.eye(3)[y]], range(1, 10))
    alone = [fit_softmax(X[:size], np.eye(3)[y][:size], free_last=True) for size in range(1, 10)]
    assert [fit.status for fit in fits] == [fit.status for fit in alone]
    assert fits[4].weights[-1, 2] < -900  # nobody has that class yet
    (two,) = nested(X, [(y > 0).astype(float)], [4, 9])
    assert two[0].weights.shape == (2,)
    assert [fit.status for fit in two] == ["separable", "converged"]


@pytest.mark.parametrize("exponent", [-200, 200])
def test_nested_fits_at_any_scale(exponent):
    X, chances, _ = labelled()
    huge = X * np.append(np.full(P, 2.0**exponent), 1.0)
    (found,), (expected,) = (nested(rows, [chances], [50, M]) for rows in (huge, X))
    for fit, usual in zip(found, expected, strict=True):
        np.testing.assert_allclose(fit.weights[:-1] * 2.0**exponent, usual.weights[:-1], rtol=1e-4, atol=1e-6)


def test_nested_fits_refuse_sizes_and_metrics_that_do_not_fit():
    X, chances, _ = labelled()
    assert nested(X, [], []) == []
    assert nested(X, [chances], []) == [[]]
    with pytest.raises(ValueError, match=f"sizes must be at least 1 and at most {M}, got {M + 1}"):
        nested(X, [chances], [M + 1])
    with pytest.raises(ValueError, match="sizes must be at least 1 and at most 240, got 0"):
        nested(X, [chances], [0])
    with pytest.raises(ValueError, match="metrics must be as many as sizes, 2, got 1"):
        nested(X, [chances], [9, 10], metrics=[X.T @ X])
    with pytest.raises(ValueError, match="starts must be as many as targets, 1, got 2"):
        nested(X, [chances], [9], starts=[None, None])
    with pytest.raises(ValueError, match="X holds 6 NaN or infinite"):
        nested(np.where(np.arange(M)[:, None] == 7, np.nan, X), [chances], [9, M])
