"""WeakToStrong: the four fits, and the metrics that the rest of the package makes of their risks."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from w2s_fast import GaussianModel, expected_risks
from w2s_fast.sklearn import LinearRegression, Ridge, WeakToStrong


def first_columns(X):
    return X[:, :4]


def times(X, matrix):
    return X @ matrix


def data(n=300, d=6, targets=()):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    truth = X @ rng.standard_normal((d, *targets))
    return X, truth, truth + rng.standard_normal(truth.shape)


def test_the_four_fits_are_what_they_are_called():
    X, truth, y = data()
    weak = make_pipeline(FunctionTransformer(first_columns), LinearRegression())
    study = WeakToStrong(weak, Ridge(), labelled=100, random_state=3).fit(X, y)
    labelled, others, labels, _ = train_test_split(X, y, train_size=100, random_state=3)
    teacher = clone(weak).fit(labelled, labels)
    fits = {
        "weak": teacher,
        "baseline": Ridge().fit(labelled, labels),
        "ceiling": Ridge().fit(X, y),
        "w2s": Ridge().fit(others, teacher.predict(others)),
    }
    risks = study.risks(X, truth)
    for name, fit in fits.items():
        assert getattr(risks, name) == pytest.approx(np.mean((fit.predict(X) - truth) ** 2))
    assert (study.n_labelled_, study.n_pseudo_labelled_) == (100, 200)
    assert np.array_equal(study.predict(X), fits["w2s"].predict(X))
    assert study.score(X, y) == fits["w2s"].score(X, y)
    assert risks.pgr == pytest.approx((risks.weak - risks.w2s) / (risks.weak - risks.ceiling))
    assert risks.opr == pytest.approx(risks.baseline / risks.w2s)


def test_the_risks_are_those_of_the_theory():
    model = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=8, ambient=20, noise_variance=0.5)
    rng, trials = np.random.default_rng(0), 60
    weak, strong, target = model.weak, model.strong, model.target
    X = rng.standard_normal((trials, 90, len(target)))
    y = X @ target + 0.5**0.5 * rng.standard_normal((trials, 90))
    teacher, student = (
        make_pipeline(FunctionTransformer(times, kw_args={"matrix": matrix}), LinearRegression(fit_intercept=False))
        for matrix in (weak, strong)
    )
    test = rng.standard_normal((2_000, len(target)))
    found = np.array(
        [
            WeakToStrong(teacher, student, labelled=30, random_state=trial)
            .fit(X[trial], y[trial])
            .risks(test, test @ target)
            for trial in range(trials)
        ]
    )
    expected = np.array(expected_risks(model, 30, 60))
    stderr = found.std(axis=0, ddof=1) / trials**0.5
    assert np.all(np.abs(found.mean(axis=0) - expected) < 5 * stderr + 0.05 * expected)


def test_several_targets_have_risks_of_their_own():
    X, truth, y = data(targets=(2,))
    study = WeakToStrong(random_state=0).fit(X, y)
    assert study.predict(X).shape == (300, 2)
    risks = study.risks(X, truth)
    assert all(np.shape(risk) == (2,) for risk in risks)
    assert risks.pgr.shape == (2,)


def test_it_is_an_estimator():
    X, _, y = data()
    study = WeakToStrong(Ridge(2.0), labelled=0.3, random_state=0)
    assert clone(study).get_params()["teacher__alpha"] == 2.0
    with pytest.raises(NotFittedError):
        study.risks(X, y)
    assert not hasattr(study, "n_features_in_")
    assert cross_val_score(study, X, y).min() > 0.5
    study.fit(X, y)
    assert study.n_features_in_ == 6
    assert np.array_equal(pickle.loads(pickle.dumps(study)).predict(X), study.predict(X))
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    assert list(study.fit(frame, y).feature_names_in_) == list("abcdef")


@pytest.mark.parametrize("labelled", [0, 1.5, -0.1, 300])
def test_parts_that_leave_nothing_are_refused(labelled):
    X, _, y = data()
    with pytest.raises(ValueError, match="train_size"):
        WeakToStrong(labelled=labelled).fit(X, y)
