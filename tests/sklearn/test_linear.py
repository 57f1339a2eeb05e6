"""LinearRegression, Ridge and RidgeCV: scikit-learn's numbers, errors and attributes, at any offset."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

import scipy.sparse
import sklearn.linear_model
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from w2s_fast.sklearn import LinearRegression, Ridge, RidgeCV

TARGETS = [(), (1,), (3,)]
SHAPES = [(400, 12), (60, 50), (30, 90), (51, 50), (4, 1)]
KINDS = {
    kind.__name__: (kind, getattr(sklearn.linear_model, kind.__name__)) for kind in (LinearRegression, Ridge, RidgeCV)
}


def problem(n, d, targets=(), dtype="f8", offset=3.0, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)) + offset, rng.standard_normal((n, *targets)) - offset
    return X.astype(dtype), y.astype(dtype)


def assert_same(ours, theirs, attributes, tolerance):
    for name in attributes:
        found, expected = getattr(ours, name), getattr(theirs, name)
        assert np.shape(found) == np.shape(expected), name
        assert np.allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max()), name


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_linear_regression_is_scikit_learns(shape, targets, fit_intercept):
    X, y = problem(*shape, targets)
    ours, theirs = (kind(fit_intercept=fit_intercept).fit(X, y) for kind in KINDS["LinearRegression"])
    if not hasattr(theirs, "tol") and shape[0] <= shape[1] and fit_intercept:  # scikit-learn 1.5 divides by rounding
        assert np.allclose(ours.predict(X), y)
        return
    assert_same(ours, theirs, ("coef_", "intercept_", "singular_", "rank_"), 1e-8)
    assert isinstance(ours.rank_, int)
    assert np.allclose(ours.predict(X), theirs.predict(X))
    single = LinearRegression(fit_intercept=fit_intercept).fit(X.astype("f4"), y.astype("f4"))
    assert single.coef_.dtype == single.singular_.dtype == np.float32
    assert np.allclose(single.predict(X), theirs.predict(X), atol=1e-2)


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 2.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_ridge_is_scikit_learns(shape, targets, fit_intercept, alpha):
    X, y = problem(*shape, targets)
    ours = Ridge(alpha, fit_intercept=fit_intercept).fit(X, y)
    theirs = sklearn.linear_model.Ridge(alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y)
    if alpha == 0.0 and shape[0] <= shape[1] + 1 and fit_intercept:  # theirs divides by rounding
        assert np.allclose(ours.predict(X).reshape(y.shape), y)
        return
    assert_same(ours, theirs, ("coef_", "intercept_"), 1e-7)
    assert (ours.n_iter_, ours.solver_) == (None, "cholesky")


@pytest.mark.parametrize("alpha_per_target", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_ridge_cv_is_scikit_learns(shape, targets, fit_intercept, alpha_per_target):
    X, y = problem(*shape, targets)
    settings = {"alphas": [1e-2, 1.0, 30.0, 1e4], "fit_intercept": fit_intercept, "store_cv_results": True}
    settings |= {"alpha_per_target": alpha_per_target}
    ours, theirs = (kind(**settings).fit(X, y) for kind in KINDS["RidgeCV"])
    assert_same(ours, theirs, ("coef_", "intercept_", "alpha_", "best_score_", "cv_results_"), 1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(25, 6), (12, 12), (13, 12), (10, 40)])
def test_errors_of_ridge_cv_are_those_of_leaving_each_row_out(shape, fit_intercept):
    X, y = problem(*shape)
    alphas = [0.05, 5.0]
    model = RidgeCV(alphas, fit_intercept=fit_intercept, store_cv_results=True).fit(X, y)
    for alpha, found in zip(alphas, model.cv_results_.T, strict=True):
        ridge = sklearn.linear_model.Ridge(alpha, fit_intercept=fit_intercept, solver="svd")
        assert np.allclose(found, (y - cross_val_predict(ridge, X, y, cv=LeaveOneOut())) ** 2)
    assert model.best_score_ == pytest.approx(-model.cv_results_.mean(axis=0).min())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(300, 12), (12, 30)])
def test_an_offset_costs_no_digits(name, shape):
    rng = np.random.default_rng(0)
    X, y = rng.integers(-99, 99, shape).astype(float), rng.integers(-99, 99, shape[0]).astype(float)
    kind = KINDS[name][0]
    near, far = kind().fit(X, y), kind().fit(X + 1e8, y)
    assert np.allclose(far.coef_, near.coef_, rtol=1e-8, atol=1e-9 * np.abs(near.coef_).max())


@given(st.data())
def test_long_rows_of_any_rank(data):
    """The shortest of all solutions, by the pseudo-inverse of a centred copy."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    d, rank = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    X = rng.standard_normal((80, rank)) @ rng.standard_normal((rank, d)) + data.draw(st.sampled_from([0.0, 50.0]))
    y = rng.standard_normal(80)
    model = LinearRegression().fit(X, y)
    expected = np.linalg.pinv(X - X.mean(axis=0), rcond=1e-6) @ (y - y.mean())
    assert model.rank_ == min(rank, d)
    assert np.allclose(model.coef_, expected, atol=1e-7 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", KINDS)
def test_weights_and_sparse_rows_are_left_to_scikit_learn(name):
    X, y = problem(60, 5)
    weights = np.random.default_rng(1).uniform(size=60)
    sparse = scipy.sparse.csr_matrix(np.where(np.abs(X) > 3, X, 0))
    for given_, settings in ((X, {"sample_weight": weights}), (sparse, {})):
        ours, theirs = (kind().fit(given_, y, **settings) for kind in KINDS[name])
        assert_same(ours, theirs, ("coef_", "intercept_"), 1e-9)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("LinearRegression", {"positive": True}),
        ("Ridge", {"positive": True}),
        ("Ridge", {"solver": "lsqr"}),
        ("Ridge", {"alpha": np.array([1.0, 2.0])}),
        ("RidgeCV", {"cv": 3}),
        ("RidgeCV", {"scoring": "r2"}),
        ("RidgeCV", {"gcv_mode": "svd"}),
        ("RidgeCV", {"alphas": 2.0}),
        ("RidgeCV", {"alphas": [7.0]}),
    ],
)
def test_other_ways_are_scikit_learns(name, settings):
    X, y = problem(60, 5, (2,))
    ours, theirs = (kind(**settings).fit(X, y) for kind in KINDS[name])
    assert_same(ours, theirs, ("coef_", "intercept_"), 1e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("LinearRegression", {"fit_intercept": "maybe"}),
        ("Ridge", {"alpha": -1.0}),
        ("Ridge", {"alpha": np.array([1.0, 2.0, 3.0])}),
        ("Ridge", {"solver": "none"}),
        ("RidgeCV", {"alphas": [1.0, 0.0]}),
        ("RidgeCV", {"alphas": [-1.0]}),
        ("RidgeCV", {"alphas": ["a", "b"]}),
        ("RidgeCV", {"gcv_mode": "none"}),
    ],
)
def test_errors_are_scikit_learns(name, settings):
    X, y = problem(20, 3)
    found = []
    for kind in KINDS[name]:
        with pytest.raises((ValueError, TypeError)) as error:
            kind(**settings).fit(X, y)
        found.append((type(error.value), str(error.value)))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", KINDS)
def test_input_that_is_refused(name):
    ours, theirs = KINDS[name]
    X, y = problem(20, 3)
    holes = X.copy()
    holes[1, 1] = np.nan
    for bad in ((holes, y), (X, y[:9]), (X[:0], y[:0]), (X[0], y), (X, np.full(20, np.inf)), (X.astype(complex), y)):
        words = []
        for kind in (ours, theirs):
            with pytest.raises((ValueError, TypeError)) as error:
                kind().fit(*bad)
            words.append(str(error.value))
        assert words[0] == words[1].replace("_RidgeGCV", "RidgeCV")


@pytest.mark.parametrize("name", KINDS)
def test_fit_writes_to_nothing_that_came(name):
    for order in "CF":
        X, y = (np.asarray(array, order=order) for array in problem(300, 8, (2,)))
        before = X.copy(), y.copy()
        for array in (X, y):
            array.flags.writeable = False
        KINDS[name][0]().fit(X[::2], y[::2])
        assert np.array_equal(X, before[0])
        assert np.array_equal(y, before[1])


@pytest.mark.parametrize("name", KINDS)
def test_estimators_of_the_ecosystem(name):
    pandas = pytest.importorskip("pandas")
    X, y = problem(90, 4)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = clone(KINDS[name][0]()).fit(frame, y)
    assert list(model.feature_names_in_) == list("abcd")
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(frame), model.predict(frame))
    grid = {f"{name.lower()}__fit_intercept": [True, False]}
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=3).fit(frame, y)
    assert search.best_params_ == {f"{name.lower()}__fit_intercept": True}


@pytest.mark.parametrize("dtype", ["f2", "i4", "f4"])
def test_other_numbers(dtype):
    X, y = problem(60, 5)
    X, y = np.rint(10 * X).astype(dtype), np.rint(10 * y).astype(dtype)
    for ours, theirs in KINDS.values():
        assert_same(ours().fit(X, y), theirs().fit(X, y), ("coef_", "intercept_"), 1e-3)
