"""The trial by lanes on the CPU: the numbers of an explicit oracle, the distribution of drawn rows, its refusals."""

import numpy as np
import pytest
from scipy import stats

from tests import naive
from tests.conftest import COMPILED
from tests.models import GEOMETRIES, MODELS, RISKS, SHAPES, random_models, same_distribution, values_of
from w2s_fast import GaussianModel, expected_risks, simulate, w2s_variance
from w2s_fast._random import key
from w2s_fast.gaussian.coordinates import canonical


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_every_value_is_that_of_explicit_rows(name, shape):
    model, (n, N) = MODELS[name], SHAPES[shape]
    n, N = max(n, model.d_weak, model.d_strong), max(N, model.d_strong)
    values = values_of(model, n, N, 3, seed=8)
    rounding = 1e-14 * (
        np.sum(model.target**2) + model.noise_variance
    )  # of what the floors add and the test takes away
    for trial in range(3):
        expected = naive.lane_trial(canonical(model, False), key(8, (n, N)), trial, n, N)
        assert values[trial] == pytest.approx(expected, rel=1e-7, abs=rounding)


@pytest.mark.jit_speed
@pytest.mark.parametrize("shape", ["plenty", "teacher barely fits", "student interpolates"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_distribution_is_that_of_drawn_rows(name, shape):
    pvalue, correlation = same_distribution(GEOMETRIES[name], *SHAPES[shape], 1500, seed=13, method="philox")
    assert pvalue > 1e-5
    assert correlation < 6.0


@pytest.mark.jit_speed
def test_means_agree_with_theory_over_random_models():
    scores = []
    for model, rng in random_models(100, seed=3):
        n = max(model.d_weak, model.d_strong) + int(rng.integers(6, 50))
        N = model.d_strong + int(rng.integers(6, 50))
        result = simulate(model, n, N, trials=1000, seed=7, method="philox")
        expected, summary = expected_risks(model, n, N), result.summary()
        scores += [
            float((summary[name].mean - getattr(expected, name)) / summary[name].stderr)
            for name in RISKS
            if summary[name].stderr > 1e-12
        ]
    assert np.abs(scores).max() < 4.5
    assert 0.85 < np.std(scores) < 1.15


def test_both_streams_draw_one_distribution_in_the_paper_setting():
    model = GaussianModel.paper() if COMPILED else GaussianModel.paper(6, 4, 2, d_target=9)
    trials = 2_000 if COMPILED else 60
    ours, other = (simulate(model, 400, 500, trials=trials, seed=1, method=m) for m in ("philox", "wishart"))
    for name in RISKS:
        assert stats.ks_2samp(getattr(ours, name), getattr(other, name)).pvalue > 1e-3
    for (mean, stderr), exact in zip(ours.variance.in_sample, w2s_variance(model, 400, 500), strict=True):
        assert abs(mean - exact) < 4 * stderr


def test_a_seed_gives_the_same_bits_at_any_number_of_workers_trials_and_points():
    model = GEOMETRIES["any angles"]
    whole = simulate(model, [6, 9], 8, trials=37, seed=5, workers=1, method="philox")
    again = simulate(model, [6, 9], 8, trials=37, seed=5, workers=3, method="philox")
    alone = simulate(model, 9, 8, trials=20, seed=5, method="philox")
    for name in RISKS:
        assert np.array_equal(getattr(whole, name), getattr(again, name))
        assert np.array_equal(getattr(alone, name), getattr(whole, name)[1, :20])
    assert not np.any(alone.w2s == simulate(model, 9, 8, trials=20, seed=6, method="philox").w2s)


@pytest.mark.parametrize(
    "change",
    [{"ridge": 0.1}, {"n": 3}, {"N": 2}, {"n": [20, 3]}],
    ids=str,
)
def test_fits_that_it_does_not_make_are_refused(change):
    arguments = {"n": 20, "N": 15, "trials": 2, "method": "philox"} | change
    with pytest.raises(ValueError, match=r"takes ridge = 0, n >= 4 and N >= 3.*use method=.wishart. on the CPU"):
        simulate(GEOMETRIES["any angles"], **arguments)
