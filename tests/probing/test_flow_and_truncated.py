"""Gradient flow against the solution of its differential equation, truncated ridge against ridge on what is left."""

import numpy as np
import pytest
import scipy.linalg

from tests.matrices import random, spectrum
from w2s_fast import min_norm, probe
from w2s_fast.probing.data import Features
from w2s_fast.probing.estimators.flow import Flow
from w2s_fast.probing.estimators.ridge import Ridge
from w2s_fast.probing.estimators.truncated import Truncated
from w2s_fast.probing.fits import Learner

# The sketch's hashes wrap around on purpose; only as plain Python, without the compiler, do they warn of it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")


def fitted(estimator, X, Y, intercept=False, by_sums=True):
    """Weights, by sums where the estimator takes them."""
    features = Features.of(X, "X")
    learner = Learner(features, features, estimator, intercept)
    index = np.arange(len(X))
    sums = learner.sums_of(index, Y) if by_sums else None
    return learner.fit(index, lambda: Y, sums).weights


def flowed(X, Y, time):
    """dw/dt = X'(Y - X w) from 0, as a linear equation of [w, 1]: the exponential of its matrix."""
    p, c = X.shape[1], Y.shape[1]
    generator = np.block([[-X.T @ X, X.T @ Y], [np.zeros((c, p + c))]])
    return scipy.linalg.expm(time * generator)[:p, p:]


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("by_sums", [False, True])
@pytest.mark.parametrize("shape", [(30, 6), (5, 9), (2, 3)])
@pytest.mark.parametrize("ridge", [0.3, 20.0])
def test_flow_solves_its_equation(shape, by_sums, intercept, ridge):
    X, Y = random(*shape) + 0.5, random(shape[0], 2, seed=2)
    found = fitted(Flow(ridge), X, Y, intercept, by_sums)
    if intercept:
        weights = flowed(X - X.mean(axis=0), Y - Y.mean(axis=0), 1 / ridge)
        np.testing.assert_allclose(found[:-1], weights, atol=1e-12)
        np.testing.assert_allclose(found[-1], Y.mean(axis=0), atol=1e-12)  # of columns less their means
    else:
        np.testing.assert_allclose(found, flowed(X, Y, 1 / ridge), atol=1e-12)


@pytest.mark.parametrize("by_sums", [False, True])
def test_flow_from_its_start_to_its_end(by_sums):
    X, Y = random(30, 6), random(30, 2, seed=2)
    early = fitted(Flow(1e12), X, Y, by_sums=by_sums)
    np.testing.assert_allclose(early, X.T @ Y / 1e12, rtol=1e-9)
    least = min_norm(X, Y)
    for ridge in (0.0, 1e-30, 1e-9, 1e-3):
        np.testing.assert_allclose(fitted(Flow(ridge), X, Y, by_sums=by_sums), least, rtol=1e-9)


def test_flow_goes_nowhere_along_directions_without_features():
    X = spectrum([5.0, 2.0, 1e-9], 30, 4)
    Y = random(30, 2, seed=2)
    for by_sums in (False, True):
        found = fitted(Flow(1.0), np.hstack((X, np.full((30, 1), 3.0))), Y, True, by_sums)
        centred = X - X.mean(axis=0)
        np.testing.assert_allclose(found[:-1], flowed(centred, Y - Y.mean(axis=0), 1.0), atol=1e-9)


@pytest.mark.parametrize("power", [-300, 300])
def test_flow_at_any_scale(power):
    X, Y = random(30, 6), random(30, 2, seed=2)
    scaled = fitted(Flow(np.ldexp(0.5, 2 * power)), np.ldexp(X, power), Y)
    np.testing.assert_allclose(np.ldexp(scaled, power), fitted(Flow(0.5), X, Y), rtol=1e-12)


@pytest.mark.parametrize("fit", ["flow", "truncated"])
def test_probes_and_decompositions_take_them(fit):
    X, y = random(200, 6), random(200, seed=2)
    found = probe(X[:, :4], X, y, n=40, N=80, fit=fit, ridge=0.5, trials=3, test=50, decompose=True)
    assert found.decomposition is not None
    assert np.isfinite(found.w2s).all()


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("rows", [60, 12])
def test_truncated_is_ridge_on_the_leading_directions(rows, intercept):
    X, Y = spectrum([9.0, 5.0, 3.0, 2.0, 1e-7, 1e-7], rows, 20), random(rows, 2, seed=2)
    if intercept:
        X = X - X.mean(axis=0)
    leading = np.linalg.svd(X)[2][:4].T
    weights = leading @ min_norm(X @ leading, Y - (Y.mean(axis=0) if intercept else 0.0), ridge=0.5)
    found = fitted(Truncated(0.5, rank=4), X, Y, intercept)
    np.testing.assert_allclose(found[:20], weights, atol=1e-6)
    if intercept:
        np.testing.assert_allclose(found[20], Y.mean(axis=0), atol=1e-6)
    assert np.array_equal(found, fitted(Truncated(0.5, rank=4), X, Y, intercept))
    many = fitted(Truncated(0.5, rank=4), X, random(rows, 9, seed=3), intercept)
    assert np.linalg.matrix_rank(many[:20]) == 4


@pytest.mark.parametrize("rows", [60, 12])
def test_truncated_leaves_narrow_features_alone(rows):
    X, Y = random(rows, 20), random(rows, 2, seed=2)
    for estimator in (Truncated(0.5), Truncated(0.5, rank=20)):
        np.testing.assert_allclose(fitted(estimator, X, Y), fitted(Ridge(0.5), X, Y), rtol=1e-9)
