"""A further kind of fit is one class and an entry in the registry: probes, decompositions and studies then take it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from w2s_fast import Study, probe
from w2s_fast._random import stream
from w2s_fast.probing.coding import Coding
from w2s_fast.probing.design import SPLITS, Design
from w2s_fast.probing.estimators.registry import ESTIMATORS
from w2s_fast.probing.estimators.ridge import Ridge
from w2s_fast.probing.fits import Fit
from w2s_fast.probing.probe import run_design
from w2s_fast.probing.task import Task

ROWS, N_LABELLED, N_PSEUDO = 300, 40, 90


@dataclass(frozen=True)
class Median:
    """Says the median label of the rows that it was shown, whatever their features: a pass over labels, no sums."""

    penalty: float
    coding: Coding

    uses_sums: ClassVar[bool] = False
    is_linear: ClassVar[bool] = False
    classifies: ClassVar[bool] = False
    holds_rows: ClassVar[bool] = False

    def fit(self, learner, index, labels, sums, start=None):
        assert sums is None
        weights = np.zeros((learner.columns, labels().shape[1]))
        weights[-1] = np.median(labels(), axis=0)
        return Fit(weights)

    def predict(self, rows, weights):
        return rows @ weights


@dataclass(frozen=True)
class Slopes:
    """Fits each column by itself and says the mean of what they say: by sums alone."""

    penalty: float
    coding: Coding

    uses_sums: ClassVar[bool] = True
    is_linear: ClassVar[bool] = True
    classifies: ClassVar[bool] = False
    holds_rows: ClassVar[bool] = False

    def fit(self, learner, index, labels, sums, start=None):
        assert sums.n_rows == len(index)
        return Fit(sums.moments / np.diagonal(sums.gram)[:, None] / learner.columns)

    def predict(self, rows, weights):
        return rows @ weights


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((ROWS, 6))
    y = strong @ rng.standard_normal(6) + rng.standard_normal(ROWS)
    return Task.of(strong[:, :3] + rng.standard_normal((ROWS, 3)), strong, y, test=100, intercept=False)


@pytest.fixture
def further(monkeypatch):
    for name, kind in (("median", Median), ("slopes", Slopes)):
        monkeypatch.setitem(ESTIMATORS, name, kind)


def run(task, name, **options):
    design = Design.of(replace(task, fit=name), N_LABELLED, N_PSEUDO, seed=3, **options)
    return design, run_design(design, 4)["weak", "strong"]


def test_ridge_is_the_kind_that_there_is(task):
    _, found = run(task, "ridge")
    expected = probe(
        task.rows.weak, task.rows.strong, task.rows.y, n=N_LABELLED, N=N_PSEUDO, trials=4, test=100, seed=3
    )
    assert np.array_equal(found.w2s, expected.w2s)
    assert isinstance(Design.of(task, 40, 90, seed=3).students["strong"].estimator, Ridge)


def test_a_kind_of_fit_by_passes(task, further):
    with_ones = replace(task, intercept=True)
    design, found = run(with_ones, "median")
    y, hidden = task.rows.y, design.test_labels[:, 0]
    for trial in range(4):
        order = stream(3, SPLITS, trial).permutation(design.pools[0])
        labelled, everything = order[:N_LABELLED], order[: N_LABELLED + N_PSEUDO]
        weak = np.mean((np.median(y[labelled]) - hidden) ** 2)
        for name in ("weak", "baseline", "w2s"):  # a student of one label has its median
            assert getattr(found, name)[trial] == pytest.approx(weak)
        assert found.ceiling[trial] == pytest.approx(np.mean((np.median(y[everything]) - hidden) ** 2))


def test_a_kind_of_fit_by_sums(task, further):
    design, found = run(task, "slopes", decompose=True)
    rows, y, hidden = task.rows, task.rows.y, design.test_labels[:, 0]

    def fitted(X, labels):
        return X.T @ labels / np.sum(X**2, axis=0) / X.shape[1]

    for trial in range(4):
        order = stream(3, SPLITS, trial).permutation(design.pools[0])
        first, others = order[:N_LABELLED], order[N_LABELLED : N_LABELLED + N_PSEUDO]
        teacher = fitted(rows.weak[first], y[first])
        student = fitted(rows.strong[others], rows.weak[others] @ teacher)
        test = design.test_index
        assert found.weak[trial] == pytest.approx(np.mean((rows.weak[test] @ teacher - hidden) ** 2))
        assert found.w2s[trial] == pytest.approx(np.mean((rows.strong[test] @ student - hidden) ** 2))
    assert found.decomposition is not None


def test_decompositions_refuse_what_is_not_linear(task, further):
    with pytest.raises(ValueError, match="decompose takes fits that are linear in their labels, got 'median'"):
        run(task, "median", decompose=True)


def test_studies_tell_kinds_of_fit_apart(task, further):
    first, second = (Study(replace(task, fit=name), n=40, N=90, trials=2) for name in ("ridge", "slopes"))
    assert first.scenarios[0].description.sha256 != second.scenarios[0].description.sha256
    assert second.run(progress=False).is_complete
