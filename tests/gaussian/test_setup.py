"""Given teachers, the ceiling on the pseudo-labelled rows, unequal noise: theory and trials against drawn rows."""

import pickle

import numpy as np
import pytest
from scipy import stats

from tests import naive
from tests.conftest import COMPILED
from tests.models import GEOMETRIES, RISKS, random_models
from w2s_fast import GaussianModel, expected_risks, simulate
from w2s_fast.gaussian.setup import Setup

WAYS = ("ceiling", "noise", "teacher", "all three")
LARGEST_SCORE = 4.5  # standard errors, of some hundred comparisons: once in a thousand suites


def setup_of(way, model, rng):
    """Arguments of one departure from the paper, or of all."""
    arguments = {
        "ceiling": {"ceiling": "pseudo"},
        "noise": {"pseudo_noise_variance": float(rng.choice([0.0, 2.5 * model.noise_variance + 0.3]))},
        "teacher": {"teacher": rng.standard_normal(model.target.size)},
    }
    if way == "all three":
        return {name: value for one in arguments.values() for name, value in one.items()}
    return arguments[way]


def scores(model, n, N, trials, seed, ridge=0.0, **setup):
    """Standard errors between theory and the mean of trials, of the risks that vary."""
    expected = expected_risks(model, n, N, ridge, **setup)
    summary = simulate(model, n, N, trials=trials, seed=seed, ridge=ridge, **setup).summary()
    return [
        float((summary[name].mean - getattr(expected, name)) / summary[name].stderr)
        for name in RISKS
        if summary[name].stderr > 1e-12
    ]


@pytest.mark.compiled
@pytest.mark.parametrize("way", WAYS)
def test_means_agree_with_theory_over_random_models(way):
    found = []
    for model, rng in random_models(40, seed=3):
        n = max(model.d_weak, model.d_strong) + int(rng.integers(6, 50))
        N = model.d_strong + int(rng.integers(6, 50))
        found += scores(model, n, N, 400, 7, **setup_of(way, model, rng))
    found = np.array(found)
    assert len(found) > 100
    assert np.abs(found).max() < LARGEST_SCORE
    assert 0.8 < found.std() < 1.2


@pytest.mark.parametrize("way", WAYS)
def test_expectations_are_those_of_drawn_rows(way):
    """By plain loops, not by anything that is tested elsewhere here."""
    for geometry, model in GEOMETRIES.items():
        rng = np.random.default_rng(5)
        setup = setup_of(way, model, rng)
        risks = np.array([naive.trial(model, 16, 14, rng, **setup) for _ in range(300)])
        means, stderrs = risks.mean(axis=0), risks.std(axis=0, ddof=1) / np.sqrt(len(risks))
        expected = np.array(expected_risks(model, 16, 14, **setup))
        assert np.all(np.abs(means - expected) < LARGEST_SCORE * stderrs + 1e-12), geometry


SHAPES = {"plenty": (20, 15, 0.0), "few": (2, 2, 0.0), "student interpolates": (12, 3, 0.0), "ridge": (9, 4, 1.5)}


@pytest.mark.compiled
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("geometry", ["any angles", "coordinates", "rank deficient"])
def test_distribution_is_that_of_drawn_rows(geometry, way, shape):
    model, (n, N, ridge), rng = GEOMETRIES[geometry], SHAPES[shape], np.random.default_rng(8)
    setup, trials = setup_of(way, model, rng), 250
    drawn = np.array([naive.trial(model, n, N, rng, ridge, **setup) for _ in range(trials)]).T
    for method in ("wishart", "direct"):
        ours = simulate(model, n, N, trials=trials, seed=11, ridge=ridge, method=method, **setup)
        for name, theirs in zip(RISKS, drawn, strict=True):
            mine = getattr(ours, name)
            if np.ptp(theirs) < 1e-9:
                assert mine == pytest.approx(theirs)
            else:
                assert stats.ks_2samp(mine, theirs).pvalue > 1e-6  # of 384 p-values: once in some thousand suites


def test_ridge_and_few_rows_have_equivalents_too():
    rng = np.random.default_rng(2)
    weak, strong = (np.linalg.qr(rng.standard_normal((90, 40)))[0] * 10 ** rng.uniform(-1, 0, 40) for _ in range(2))
    model = GaussianModel(strong @ rng.standard_normal(40) + 0.3 * rng.standard_normal(90), weak, strong, 0.3)
    setup = setup_of("all three", model, rng)
    for n, N, ridge in ((60, 70, 2.0), (60, 25, 0.0), (20, 30, 1.0)):
        expected = expected_risks(model, n, N, ridge, **setup)
        assert expected.order.weak == 0.0
        assert 0.0 < expected.order.w2s < 0.1
        trials = 400 if COMPILED else 20
        summary = simulate(model, n, N, trials=trials, seed=4, ridge=ridge, **setup).summary()
        for name in RISKS:
            mean, stderr = summary[name]
            value, order = getattr(expected, name), getattr(expected.order, name)
            assert abs(mean - value) < LARGEST_SCORE * stderr + (order + 1e-12) * value


def test_fewer_rows_than_features_of_one_variance_stay_exact():
    rng = np.random.default_rng(6)
    weak, strong = (np.linalg.qr(rng.standard_normal((14, d)))[0] for d in (6, 5))
    model = GaussianModel(rng.standard_normal(14), weak, strong, 0.4)
    setup = setup_of("all three", model, rng)
    expected = expected_risks(model, 8, [1, 3], **setup)
    assert expected.exact.all()
    risks = np.array([[naive.trial(model, 8, N, rng, **setup) for _ in range(400)] for N in (1, 3)])
    means, stderrs = risks.mean(axis=1), risks.std(axis=1, ddof=1) / 20
    assert np.all(np.abs(means - np.array(expected).T)[:, :3] < LARGEST_SCORE * stderrs[:, :3] + 1e-12)
    assert np.all(np.abs(means - np.array(expected).T)[:, 3] < LARGEST_SCORE * stderrs[:, 3] + 1e-12)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_setups_that_change_nothing(geometry):
    model = GEOMETRIES[geometry]
    n, N = np.array([[9], [12]]), np.array([8, 30])
    known = model.weak_features.basis @ (model.weak_features.basis.T @ model.target)
    limit, given = expected_risks(model, np.inf, N), expected_risks(model, n, N, teacher=known)
    for name in ("weak", "w2s"):  # a teacher of infinitely many labels knows what it can
        np.testing.assert_allclose(getattr(given, name), np.broadcast_to(getattr(limit, name), (2, 2)), rtol=1e-12)
    same = expected_risks(model, n, N, pseudo_noise_variance=model.noise_variance)
    for one, other in zip(same, expected_risks(model, n, N), strict=True):
        assert np.array_equal(one, other)
    apart = expected_risks(model, n, N, ceiling="pseudo")
    np.testing.assert_array_equal(apart.ceiling, np.broadcast_to(expected_risks(model, N, n.T[0]).baseline, (2, 2)))


def test_risks_by_hand():
    axes = np.eye(4)
    model = GaussianModel([1.0, 2.0, 3.0, 0.0], axes[:, 1:], axes[:, :2], noise_variance=0.5)
    risks = expected_risks(model, 14, 23, teacher=[0.0, 1.0, 4.0, 2.0], pseudo_noise_variance=2.0)
    assert risks.weak == pytest.approx(1.0 + 1.0 + 1.0 + 4.0)
    assert risks.w2s == pytest.approx(9.0 + 1.0 + 1.0 + (16.0 + 4.0) * 2 / (23 - 3))
    assert risks.ceiling == pytest.approx(9.0 + (9.0 + (14 * 0.5 + 23 * 2.0) / 37) * 2 / (37 - 3))
    assert risks.baseline == pytest.approx(9.0 + (9.0 + 0.5) * 2 / (14 - 3))
    apart = expected_risks(model, 14, 23, ceiling="pseudo", pseudo_noise_variance=2.0)
    assert apart.ceiling == pytest.approx(9.0 + (9.0 + 2.0) * 2 / (23 - 3))
    perfect = expected_risks(model, 14, [23, np.inf], teacher=model.target)
    assert perfect.weak.tolist() == [0.0, 0.0]
    assert perfect.w2s == pytest.approx([9.0 + 9.0 * 2 / (23 - 3), 9.0])


def test_infinite_sizes_have_limits():
    model = GEOMETRIES["any angles"]
    setup = {"pseudo_noise_variance": 5.0}
    limit = expected_risks(model, [100, np.inf, np.inf], [np.inf, 100, np.inf], **setup)
    far = expected_risks(model, [100, 2**60, 2**60], [2**60, 100, 2**60], **setup)
    assert limit.ceiling == pytest.approx(far.ceiling, rel=1e-12)
    apart = expected_risks(model, np.inf, np.inf, ceiling="pseudo", **setup)
    assert apart.ceiling == model.rho_strong


def test_trials_are_the_papers_where_nothing_departs():
    model, how = GEOMETRIES["any angles"], {"trials": 20, "seed": 3}
    papers = simulate(model, 20, [2, 15], method="wishart", **how)
    same = simulate(model, 20, [2, 15], pseudo_noise_variance=model.noise_variance, **how)
    apart = simulate(model, 20, [2, 15], ceiling="pseudo", workers=2, **how)
    for name in RISKS:
        assert np.array_equal(getattr(papers, name), getattr(same, name))
        assert np.array_equal(getattr(papers, name), getattr(apart, name)) == (name != "ceiling")


def test_a_given_teacher_may_say_nothing_or_lie_anywhere():
    model = GEOMETRIES["any angles"]
    for teacher in (np.zeros(9), model.target, model.strong[:, 0], 1e-30 * np.ones(9)):
        found = simulate(model, 1, 20, trials=30, teacher=teacher)
        assert found.weak == pytest.approx(np.full(30, np.sum((teacher - model.target) ** 2)), abs=1e-12)
        assert np.all(np.asarray(found.variance) == 0.0)
    inside = simulate(model, 1, 20, trials=5, teacher=model.strong[:, 0])  # the student repeats what it can say
    assert inside.w2s == pytest.approx(inside.weak)


def test_setups_pickle():
    setup = pickle.loads(pickle.dumps(Setup("pseudo", 0.5, np.ones(3))))
    assert (setup.ceiling, setup.pseudo_noise, setup.teacher.tolist()) == ("pseudo", 0.5, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ceiling": "both"}, ValueError, "ceiling must be one of 'all', 'pseudo', got 'both'"),
        ({"pseudo_noise_variance": -1.0}, ValueError, "pseudo_noise_variance must be a finite number, at least 0"),
        ({"teacher": [1.0, 2.0]}, ValueError, "teacher must have as many latent weights as target, 9, got 2"),
        ({"teacher": np.full(9, np.nan)}, ValueError, "teacher holds 9 NaN"),
        ({"teacher": np.full(9, 1e80)}, ValueError, "teacher has entries beyond 1e\\+70"),
        ({"teacher": np.ones((9, 1))}, ValueError, "teacher must have 1 dimension"),
    ],
)
def test_bad_setups_are_refused(change, error, message):
    model = GEOMETRIES["any angles"]
    with pytest.raises(error, match=message):
        expected_risks(model, 20, 20, **change)
    with pytest.raises(error, match=message):
        simulate(model, 20, 20, trials=2, **change)


def test_what_cannot_run_them_is_refused():
    model = GEOMETRIES["any angles"]
    with pytest.raises(ValueError, match='"invariants" takes fitted teachers and one noise_variance'):
        simulate(model, 20, 20, trials=2, method="invariants", ceiling="pseudo", pseudo_noise_variance=2.0)
    blocks = GaussianModel.from_blocks(shared=2, weak_only=2, strong_only=2, noise_variance=0.1)
    with pytest.raises(ValueError, match=r"made of blocks and has no maps: .* a given teacher"):
        expected_risks(blocks, 20, 20, teacher=np.ones(6))
    assert expected_risks(blocks, 20, 20, ceiling="pseudo").ceiling == pytest.approx(0.1 * 4 / 15)
