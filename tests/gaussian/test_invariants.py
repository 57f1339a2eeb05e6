"""Trials from invariants: the joint law of drawn rows and of sufficient statistics, and of closed forms at any size."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tests.conftest import COMPILED
from tests.models import GEOMETRIES, MODELS, RISKS, SHAPES, same_distribution, tilted
from w2s_fast import GaussianModel, risk_distribution, simulate, w2s_variance
from w2s_fast.gaussian import simulate as module
from w2s_fast.gaussian.runners import Span
from w2s_fast.gaussian.simulate import method_at, run_spans


def values_of(model, n, N, trials, seed, method):
    blocks = [block for _, _, block in run_spans(model, [Span(n, N, 0, trials)], seed=seed, method=method)]
    return np.concatenate(blocks) - np.array([model.rho_weak, *(model.rho_strong,) * 3, 0, 0, 0, 0])


def smallest_pvalue(ours, theirs, rng, combinations=6):
    """Of two-sample tests of every value that varies, and of random combinations of the risks' logarithms."""
    varied = [k for k in range(8) if theirs[:, k].std() > 1e-9 * np.abs(theirs[:, k]).max()]
    pvalues = [stats.ks_2samp(ours[:, k], theirs[:, k]).pvalue for k in varied]
    risks = [k for k in varied if k < 4]
    logs = [np.log(np.maximum(values[:, risks], 1e-300)) for values in (ours, theirs)]
    combined = rng.standard_normal((combinations, len(risks)))
    return min(*pvalues, *(stats.ks_2samp(*(log @ weights for log in logs)).pvalue for weights in combined))


@pytest.mark.compiled
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_the_joint_law_is_that_of_sufficient_statistics(name, shape):
    model, (n, N) = MODELS[name], SHAPES[shape]
    n, N = max(n, model.d_weak, model.d_strong), max(N, model.d_strong)
    ours, theirs = (values_of(model, n, N, 2_000, seed, method) for seed, method in ((3, "invariants"), (4, "wishart")))
    assert smallest_pvalue(ours, theirs, np.random.default_rng(0)) > 2e-6  # 54 times 14 tests: once in 600 runs


@pytest.mark.compiled
@pytest.mark.parametrize("shape", ["plenty", "teacher barely fits", "student interpolates"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_law_is_that_of_drawn_rows(name, shape):
    pvalue, correlation = same_distribution(GEOMETRIES[name], *SHAPES[shape], 1500, seed=13, method="invariants")
    assert pvalue > 1e-5
    assert correlation < 6.0


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["any angles", "coordinates", "many hidden", "nested"])
def test_risks_and_variance_parts_go_together_as_in_drawn_rows(name):
    """Rank correlations of all eight values but the two pairs that the documentation leaves out."""
    model, trials = MODELS[name], 3_000
    n, N = max(model.d_weak, model.d_strong) + 2, model.d_strong + 2
    ours, theirs = (values_of(model, n, N, trials, seed, method) for seed, method in ((5, "invariants"), (6, "direct")))
    varied = [k for k in range(8) if theirs[:, k].std() > 1e-9 * np.abs(theirs[:, k]).max()]
    for i, j in itertools.combinations(varied, 2):
        if (i, j) != (2, 4):  # the ceiling, and what is inherited on the pseudo-labelled rows
            one, other = (np.arctanh(stats.spearmanr(values[:, i], values[:, j])[0]) for values in (ours, theirs))
            assert abs(one - other) < 4.5 * np.sqrt(2 * 1.5 / trials), (i, j)  # ranks spread a little wider


@pytest.mark.compiled
@pytest.mark.parametrize("angles", [[0.3, 0.9, 1.2, 0, 0], [0.1] * 7, list(np.linspace(0.05, 1.5, 20))], ids=len)
def test_tilted_angles_of_any_number(angles):
    model = tilted(np.array(angles, float), seed=2)
    n, N = model.d_weak + 6, model.d_strong + 7
    ours, theirs = (values_of(model, n, N, 1_500, seed, method) for seed, method in ((3, "invariants"), (4, "wishart")))
    assert smallest_pvalue(ours, theirs, np.random.default_rng(1)) > 1e-5


@pytest.mark.compiled
@pytest.mark.parametrize(("n", "N"), [(400, 150), (400, 4000), (400, 2**62), (10**9, 150), (10**9, 2**62)])
def test_exact_laws_and_variances_in_the_paper_setting(n, N):
    model, trials = GaussianModel.paper(), 20_000
    values = values_of(model, n, N, trials, 9, "invariants")
    law = risk_distribution(model, n, N)
    for name, floor, column in (("weak", model.rho_weak, 0), ("baseline", model.rho_strong, 1)):
        assert stats.kstest(values[:, column] + floor, getattr(law, name).cdf).pvalue > 1e-4
    error = values[:, 2].mean() + model.rho_strong - law.ceiling.mean()
    assert abs(error) < 4.5 * law.ceiling.std() / trials**0.5 + 1e-12 * model.rho_strong
    squares = (values[:, 3] - values[:, 3].mean()) ** 2
    assert abs(squares.mean() - law.w2s.var()) < 4.5 * squares.std() / trials**0.5 + 1e-12 * model.rho_strong**2
    for k, exact in enumerate((*w2s_variance(model, n, N), *w2s_variance(model, n, N, population=True))):
        assert abs(values[:, 4 + k].mean() - exact) < 4.5 * values[:, 4 + k].std() / trials**0.5


@pytest.mark.compiled
def test_a_degree_of_freedom_more_is_caught():
    """The tests above would see it: here the rows of one of two models are one more."""
    model = MODELS["many hidden"]
    ours, theirs = (
        values_of(model, n, 6, 4_000, seed, method) for n, seed, method in ((15, 3, "invariants"), (14, 4, "wishart"))
    )
    assert smallest_pvalue(ours, theirs, np.random.default_rng(0)) < 1e-6


def test_a_seed_gives_the_same_bits_at_any_number_of_workers_trials_chunks_and_points(monkeypatch):
    model = GEOMETRIES["any angles"]
    whole = simulate(model, [6, 9], 8, trials=37, seed=5, workers=1, method="invariants")
    monkeypatch.setitem(module.LARGEST_CHUNK, "invariants", 5)
    again = simulate(model, [6, 9], 8, trials=37, seed=5, workers=3, method="invariants")
    alone = simulate(model, 9, 8, trials=20, seed=5, method="invariants")
    for name in RISKS:
        assert np.array_equal(getattr(whole, name), getattr(again, name))
        assert np.array_equal(getattr(alone, name), getattr(whole, name)[1, :20])
    assert not np.any(alone.w2s == simulate(model, 9, 8, trials=20, seed=6, method="invariants").w2s)


@pytest.mark.parametrize("change", [{"ridge": 0.1}, {"n": 3}, {"N": 2}, {"n": [20, 3]}], ids=str)
def test_fits_that_it_does_not_make_are_refused(change):
    arguments = {"n": 20, "N": 15, "trials": 2, "method": "invariants"} | change
    with pytest.raises(ValueError, match=r"takes ridge = 0, n >= 4 and N >= 3.*use method=.wishart. on the CPU"):
        simulate(GEOMETRIES["any angles"], **arguments)


@pytest.mark.compiled
def test_auto_takes_the_cheaper_method_that_can():
    model = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9)
    assert method_at(model, 6, 4) == "invariants"
    assert method_at(model, 5, 4) == method_at(model, 6, 3) == method_at(model, 6, 4, ridge=0.1) == "wishart"
    many = tilted(np.linspace(0.1, 1.4, 13))
    assert method_at(many, 50, 50) == "wishart"
    assert method_at(many, 50, 50, method="direct") == "direct"
    mixed = simulate(model, [3, 20], 30, trials=20, seed=2)
    for n, method, row in ((3, "wishart", 0), (20, "invariants", 1)):
        alone = simulate(model, n, 30, trials=20, seed=2, method=method)
        assert all(np.array_equal(getattr(mixed, name)[row], getattr(alone, name)) for name in RISKS)


def test_no_noise_and_no_target():
    """Risks are zero where there is nothing to learn, and nothing divides by it."""
    model = GaussianModel(np.zeros(5), np.eye(5)[:, :3], np.eye(5)[:, 1:4], 0.0)
    values = values_of(model, 9, 9, 10 if COMPILED else 2, 0, "invariants")
    assert np.abs(values).max() < 1e-300
