"""PCA and TruncatedSVD: scikit-learn's numbers, errors and attributes, and a few digits more."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

import scipy.sparse
import sklearn.decomposition
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from w2s_fast.sklearn import PCA, Ridge, TruncatedSVD

SPECTRUM = ("singular_values_", "explained_variance_", "explained_variance_ratio_")
ATTRIBUTES = ("components_", *SPECTRUM, "mean_", "noise_variance_", "n_components_", "n_samples_", "n_features_in_")


def rows(n, d, dtype="f8", decay=0.8, offset=3.0, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return (rng.standard_normal((n, d)) * decay ** np.arange(d) @ Q + offset).astype(dtype)


def by_svd(X, k):
    """Mean, singular values and components, signed by their largest entries, of a centred copy in float64."""
    X = X.astype(np.float64)
    mean = X.mean(axis=0)
    s, Vt = np.linalg.svd(X - mean, full_matrices=False)[1:]
    largest = Vt[np.arange(len(Vt)), np.abs(Vt).argmax(axis=1)]
    return mean, s[:k], (Vt * np.sign(largest)[:, None])[:k]


def assert_same(ours, theirs, attributes, tolerance):
    for name in attributes:
        found, expected = getattr(ours, name), getattr(theirs, name)
        assert np.shape(found) == np.shape(expected), name
        assert np.asarray(found).dtype == np.asarray(expected).dtype, name
        size = np.abs(expected).max()
        assert np.allclose(found, expected, rtol=0, atol=tolerance * size), name


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("solver", ["auto", "covariance_eigh", "randomized", "full", "arpack"])
@pytest.mark.parametrize(("n", "d"), [(400, 12), (60, 20), (20, 40)])
def test_pca_is_scikit_learns(n, d, solver, dtype, whiten):
    X = rows(n, d, dtype)
    settings = {"svd_solver": solver, "whiten": whiten, "random_state": 0, "n_oversamples": d}
    ours, theirs = (kind(4, **settings).fit(X) for kind in (PCA, sklearn.decomposition.PCA))
    tolerance = 1e-9 if dtype == "f8" else 2e-4
    assert_same(ours, theirs, ATTRIBUTES, tolerance)
    images = theirs.transform(X)
    for found in (ours.transform(X), PCA(4, **settings).fit_transform(X)):
        assert found.dtype == images.dtype
        assert np.allclose(found, images, atol=10 * tolerance * np.abs(images).max())
    assert np.allclose(ours.inverse_transform(images), theirs.inverse_transform(images), atol=1e-2)
    assert np.allclose(ours.score(X), theirs.score(X), rtol=1e-4 if dtype == "f8" else 0.1)


@pytest.mark.parametrize("n_components", [None, 3, 0.9, "mle"])
def test_every_kind_of_n_components(n_components):
    X = rows(400, 12)
    assert_same(PCA(n_components).fit(X), sklearn.decomposition.PCA(n_components).fit(X), ATTRIBUTES, 1e-7)


@pytest.mark.parametrize("solver", ["covariance_eigh", "randomized", "full"])
@pytest.mark.parametrize("shape", [(600, 30), (30, 200)])
def test_an_offset_costs_no_digits(shape, solver):
    X = np.rint(rows(*shape, offset=0.0) * 1e4)
    mean, s, components = by_svd(X, 3)
    pca = PCA(3, svd_solver=solver, random_state=0).fit(X + 1e8)
    assert np.allclose(pca.singular_values_, s, rtol=1e-9)
    assert np.allclose(pca.components_, components, atol=1e-9)
    assert np.allclose(pca.mean_, mean + 1e8, rtol=1e-15)
    images = (X - mean) @ components.T
    assert np.allclose(pca.transform(X + 1e8), images, atol=1e-9 * np.abs(images).max())
    assert np.allclose(PCA(3, svd_solver=solver, random_state=0).fit_transform(X + 1e8), images, atol=1e-5)


def test_all_singular_values_have_the_digits_of_a_decomposition():
    """Which a scatter matrix would leave to those above 1e-8 of the largest."""
    for n in (200, 3_000):
        X = rows(n, 30, decay=0.35)
        _, s, _ = by_svd(X, None)
        pca = PCA(svd_solver="full").fit(X)
        assert np.abs(pca.singular_values_ - s).max() < 1e-14 * s[0]
        assert pca.singular_values_[-1] == pytest.approx(s[-1], rel=0.2)


def test_float32_keeps_small_components_too():
    X = rows(2_000, 12, "f4", decay=0.2)
    _, s, components = by_svd(X, None)
    pca = PCA().fit(X)
    assert pca.components_.dtype == pca.mean_.dtype == np.float32
    assert np.allclose(pca.singular_values_, s, rtol=1e-3)  # the last is 2e-8 of the first
    assert np.abs(np.abs(pca.components_[:8] * components[:8]).sum(axis=1) - 1).max() < 1e-4


@pytest.mark.parametrize("solver", ["auto", "covariance_eigh", "randomized"])
def test_fit_writes_to_nothing_that_came(solver):
    for order in "CF":
        X = np.asarray(rows(300, 8), order=order)
        before = X.copy()
        X.flags.writeable = False
        PCA(2, svd_solver=solver, copy=False).fit_transform(X[::2])
        assert np.array_equal(X, before)


@given(cuts=st.lists(st.integers(8, 192), max_size=4), offset=st.sampled_from([0.0, 1e8]))
def test_parts_are_the_whole(cuts, offset):
    X = rows(200, 5) + offset
    pca = PCA(3)
    for part in np.split(X, sorted(set(cuts))):
        if len(part) and pca.partial_fit(part).n_samples_ == len(X):
            break
    whole = PCA(3, svd_solver="covariance_eigh").fit(X)
    assert_same(pca, whole, ATTRIBUTES, 1e-7)
    assert not hasattr(pca.fit(X), "_seen")


def test_parts_that_do_not_fit():
    pca = PCA(3)
    with pytest.raises(ValueError, match=r"n_components=3 must be between 0 and min\(n_samples, n_features\)=2"):
        pca.partial_fit(rows(2, 5))
    pca.partial_fit(rows(9, 5))
    with pytest.raises(ValueError, match="4 features"):
        pca.partial_fit(rows(9, 4))
    with pytest.raises(TypeError, match=r"PCA\.partial_fit takes dense rows"):
        pca.partial_fit(scipy.sparse.eye(5).tocsr())


@pytest.mark.parametrize("settings", [{"n_components": 9}, {"n_components": -1}, {"svd_solver": "none"}, {"tol": -1.0}])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_errors_are_scikit_learns(settings, bad):
    X = rows(60, 5)
    X[3, 2] = X[3, 2] if bad is None else bad
    words = []
    for kind in (PCA, sklearn.decomposition.PCA):
        with pytest.raises((ValueError, TypeError)) as error:
            kind(**settings).fit(X)
        words.append(str(error.value))
    assert words[0] == words[1]


def test_what_is_left_to_scikit_learn_comes_out_as_there():
    X = scipy.sparse.random(80, 30, 0.2, "csr", random_state=0)
    for kind, theirs in ((PCA, sklearn.decomposition.PCA), (TruncatedSVD, sklearn.decomposition.TruncatedSVD)):
        settings = {"svd_solver": "arpack"} if kind is PCA else {"algorithm": "arpack"}
        ours, expected = (made(3, random_state=0, **settings).fit(X) for made in (kind, theirs))
        assert_same(ours, expected, ("components_", *SPECTRUM), 1e-9)
    pca = PCA(3, svd_solver="covariance_eigh").fit(X)
    assert np.allclose(pca.transform(X), PCA(3, svd_solver="covariance_eigh").fit(X.toarray()).transform(X.toarray()))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "wrap", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_array], ids=lambda f: f.__name__
)
def test_truncated_svd_is_scikit_learns(wrap, dtype):
    dense = rows(120, 30, dtype)
    dense[np.abs(dense) < 2.5] = 0.0
    X = wrap(dense)
    ours = TruncatedSVD(4, n_iter=20, random_state=0)
    theirs = sklearn.decomposition.TruncatedSVD(4, algorithm="arpack", random_state=0)
    images, expected = ours.fit_transform(X), theirs.fit_transform(X)
    assert images.dtype == dtype
    assert np.allclose(images, expected, atol=1e-3 * np.abs(expected).max())
    assert_same(ours, theirs, ("components_", *SPECTRUM), 1e-3)
    assert np.array_equal(ours.transform(X), images) or np.allclose(ours.transform(X), images, atol=1e-5)
    with pytest.raises(ValueError, match=r"n_components\(31\) must be <= n_features\(30\)"):
        TruncatedSVD(31).fit(X)


@pytest.mark.parametrize(
    "model", [PCA(2, svd_solver="covariance_eigh"), PCA(2).partial_fit(rows(30, 5)), TruncatedSVD(2)]
)
def test_estimators_of_the_ecosystem(model):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rows(120, 5), columns=list("abcde"))
    with pytest.raises(NotFittedError):
        clone(model).transform(X)
    model = clone(model).fit(X)
    images = model.transform(X)
    assert list(model.feature_names_in_) == list("abcde")
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(X), images)
    named = clone(model).set_output(transform="pandas")
    kind = type(model).__name__.lower()
    assert list(named.fit_transform(X).columns) == [f"{kind}0", f"{kind}1"]
    pipeline = make_pipeline(StandardScaler(), model, Ridge())
    search = GridSearchCV(pipeline, {f"{kind}__n_components": [1, 3]}, cv=3).fit(X, X["a"])
    assert search.best_params_ == {f"{kind}__n_components": 3}


def test_the_same_seed_gives_the_same_bits():
    X = rows(300, 100)
    first, second = (PCA(3, svd_solver="randomized", random_state=7).fit_transform(X) for _ in range(2))
    assert np.array_equal(first, second)
    np.random.seed(3)  # noqa: NPY002  # which scikit-learn's random_state=None follows
    first = PCA(3, svd_solver="randomized", iterated_power=0).fit(X).components_
    np.random.seed(3)  # noqa: NPY002
    assert np.array_equal(first, PCA(3, svd_solver="randomized", iterated_power=0).fit(X).components_)
