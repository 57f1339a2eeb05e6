"""The ceiling on the N rows alone from invariants: its joint law with the other risks, and exact laws at any size."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tests import naive
from tests.models import GEOMETRIES, MODELS, RISKS, tilted
from w2s_fast import GaussianModel, Study, expected_risks, risk_distribution, simulate, w2s_variance
from w2s_fast.gaussian import simulate as module

APART = {"ceiling": "pseudo", "method": "invariants"}


def drawn(model, n, N, trials, seed, method):
    """Risks (4, trials) above what no fit can avoid."""
    found = simulate(model, n, N, trials=trials, seed=seed, ceiling="pseudo", method=method)
    return np.array([getattr(found, name) for name in RISKS]) - floors(model)


def floors(model):
    return np.array([model.rho_weak, *(model.rho_strong,) * 3])[:, None]


def that_vary(values):
    return [k for k in range(4) if values[k].std() > 1e-9 * np.abs(values[k]).max()]


def assert_same_joint_law(ours, theirs, rng):
    """Two-sample tests of each risk and of random combinations of their logarithms; rank correlations."""
    varied, trials = that_vary(theirs), ours.shape[1]
    logs = [np.log(np.maximum(values[varied], 1e-300)) for values in (ours, theirs)]
    for weights in (*np.eye(len(varied)), *rng.standard_normal((6, len(varied)))):
        assert stats.ks_2samp(*(weights @ log for log in logs)).pvalue > 2e-6
    for i, j in itertools.combinations(range(len(varied)), 2):
        one, other = (np.arctanh(stats.spearmanr(log[i], log[j])[0]) for log in logs)
        assert abs(one - other) < 4.5 * np.sqrt(1.5 * (1 / trials + 1 / theirs.shape[1]))  # ranks spread wider


@pytest.mark.compiled
@pytest.mark.parametrize("n_more", [0, 9])
@pytest.mark.parametrize("name", MODELS)
def test_the_joint_law_is_that_of_sufficient_statistics(name, n_more):
    model = MODELS[name]
    n, N = max(model.d_weak, model.d_strong) + n_more, model.d_strong + 9 - n_more
    ours, theirs = (drawn(model, n, N, 2_000, seed, method) for seed, method in ((3, "invariants"), (4, "wishart")))
    assert_same_joint_law(ours, theirs, np.random.default_rng(0))


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["any angles", "coordinates"])
def test_the_joint_law_is_that_of_drawn_rows(name):
    """By plain loops, not by anything that is tested elsewhere here."""
    model, rng = GEOMETRIES[name], np.random.default_rng(5)
    rows = np.array([naive.trial(model, 16, 7, rng, ceiling="pseudo") for _ in range(700)]).T - floors(model)
    assert_same_joint_law(drawn(model, 16, 7, 4_000, 8, "invariants"), rows, rng)


@pytest.mark.compiled
def test_twenty_tilted_angles():
    model = tilted(np.linspace(0.05, 1.5, 20), seed=2)
    ours, theirs = (drawn(model, 26, 27, 1_500, seed, method) for seed, method in ((3, "invariants"), (4, "wishart")))
    assert_same_joint_law(ours, theirs, np.random.default_rng(1))


@pytest.mark.compiled
def test_one_row_more_is_caught():
    model = MODELS["many hidden"]
    ours, theirs = (
        drawn(model, 15, N, 4_000, seed, method) for N, seed, method in ((7, 3, "invariants"), (6, 4, "wishart"))
    )
    assert stats.ks_2samp(ours[2], theirs[2]).pvalue < 1e-6


@pytest.mark.compiled
@pytest.mark.parametrize(("n", "N"), [(400, 250), (400, 2**62), (10**9, 250)])
def test_exact_laws_in_the_paper_setting(n, N):
    """The ceiling is a baseline of N rows, whose law is known; the others are what they are beside any ceiling."""
    model, trials = GaussianModel.paper(), 10_000
    found = simulate(model, n, N, trials=trials, seed=9, **APART)
    law, of_ceiling = risk_distribution(model, n, N), risk_distribution(model, N, n).baseline
    for values, exact in ((found.weak, law.weak), (found.baseline, law.baseline), (found.ceiling, of_ceiling)):
        if exact.std() > 1e-9 * exact.mean():  # else what no fit can avoid leaves few digits
            assert stats.kstest(values, exact.cdf).pvalue > 1e-4
    expected = expected_risks(model, n, N, ceiling="pseudo")
    summary = found.summary()
    for name in RISKS:
        value = getattr(expected, name)
        assert abs(summary[name].mean - value) < 4.5 * summary[name].stderr + 1e-12 * value
    inherited, reduced = found.variance.in_sample
    for part, exact in zip((inherited, reduced), w2s_variance(model, n, N), strict=True):
        assert abs(part.mean - exact) < 4.5 * part.stderr


def test_bits_are_those_of_any_workers_and_chunks_and_others_stay_as_they_were(monkeypatch):
    model = GEOMETRIES["any angles"]
    whole = simulate(model, [6, 9], 8, trials=37, seed=5, workers=1, **APART)
    monkeypatch.setitem(module.LARGEST_CHUNK, "invariants", 5)
    again = simulate(model, [6, 9], 8, trials=37, seed=5, workers=3, **APART)
    for name in RISKS:
        assert np.array_equal(getattr(whole, name), getattr(again, name))
    auto, wishart = (simulate(model, 9, 8, trials=5, ceiling="pseudo", method=how) for how in ("auto", "wishart"))
    assert np.array_equal(auto.ceiling, wishart.ceiling)


def test_a_model_of_a_million_dimensions():
    model = GaussianModel.paper(
        d_weak=2_000_000, d_strong=1_000_000, d_shared=100_000, d_target=3_000_000, ambient=4_000_000
    )
    n, N = 4_000_000, [2_000_000, 10**9]
    found, expected = simulate(model, n, N, trials=4, ceiling="pseudo"), expected_risks(model, n, N, ceiling="pseudo")
    for name in RISKS:
        np.testing.assert_allclose(getattr(found, name).mean(axis=-1), getattr(expected, name), rtol=0.02)


@pytest.mark.parametrize("change", [{"pseudo_noise_variance": 2.0}, {"teacher": np.ones(9)}], ids=str)
def test_what_else_departs_from_the_paper_is_drawn_by_others(change):
    model = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=9, ambient=9)
    with pytest.raises(ValueError, match=r"takes fitted teachers and one noise_variance: use method=.wishart."):
        simulate(model, 20, 15, trials=2, **APART, **change)


def test_studies_draw_it_and_keep_it_in_their_files(tmp_path):
    model, path = GEOMETRIES["any angles"], tmp_path / "apart.sqlite"
    how = {"n": 9, "N": [8, 20], "seed": 4, "path": path} | APART
    Study(model, trials=5, **how).run(progress=False)
    study = Study(model, trials=8, **how).run(progress=False)
    alone = simulate(model, 9, [8, 20], trials=8, seed=4, **APART)
    np.testing.assert_allclose(study.summary()["ceiling"].mean, alone.ceiling.mean(axis=-1), rtol=1e-12)
    assert Study.open(path).scenarios[0].description.method == "invariants"
