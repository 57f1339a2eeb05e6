"""How far students stay from their teachers: against drawn rows, and what it says of the gain."""

import numpy as np
import pytest

from tests import naive
from tests.models import GEOMETRIES
from w2s_fast import GaussianModel, expected_misfit, expected_risks


def drawn(model, n, N, rng, **setup):
    """Misfit on new rows and in sample, and the gain in sample, of one trial."""
    z, (teacher, _, _, student) = naive.fits(model, n, N, rng, **setup)
    rows = z[n:]
    away = np.mean((rows @ (student - teacher)) ** 2)
    gain = np.mean((rows @ (teacher - model.target)) ** 2) - np.mean((rows @ (student - model.target)) ** 2)
    return float(np.sum((student - teacher) ** 2)), float(away), float(gain)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_expectations_are_those_of_drawn_rows(geometry, given):
    model, rng, trials = GEOMETRIES[geometry], np.random.default_rng(4), 400
    setup = {"teacher": rng.standard_normal(9)} if given else {}
    found = np.array([drawn(model, 15, 12, rng, **setup)[:2] for _ in range(trials)])
    means, stderrs = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(trials)
    expected = [expected_misfit(model, 15, 12, population=new, **setup) for new in (True, False)]
    assert np.all(np.abs(means - expected) < 4.5 * stderrs + 1e-12)


def representable(rng):
    """A model at random angles whose student can represent the target."""
    weak, strong = (np.linalg.qr(rng.standard_normal((9, d)))[0] for d in (4, 3))
    return GaussianModel(strong @ rng.standard_normal(3), weak, strong, 0.5)


def test_the_gain_in_sample_is_the_misfit_where_the_student_can_represent_the_target():
    """Charikar et al. 2024, with equality since the class is linear, in each trial."""
    rng = np.random.default_rng(9)
    for _ in range(50):
        model = representable(rng)
        _, misfit, gain = drawn(model, 12, int(rng.integers(3, 20)), rng)
        assert gain == pytest.approx(misfit, rel=1e-7, abs=1e-9)  # three rows of three features may be nearly singular


def test_the_expected_gain_is_at_least_the_misfit_in_the_limit_and_less_for_few_rows():
    rng = np.random.default_rng(10)
    for _ in range(20):
        model = representable(rng)
        N = np.array([8.0, 100.0, np.inf])
        risks, misfit = expected_risks(model, 12, N), expected_misfit(model, 12, N)
        gain, unseen = risks.weak - risks.w2s, misfit[-1]
        assert gain[-1] >= misfit[-1] * (1 - 1e-9)
        lost = np.array([2 * 3 / (8 - 4), 2 * 3 / (100 - 4), 0.0])
        np.testing.assert_allclose(gain, misfit - lost * unseen, rtol=1e-9)


def test_there_is_no_bound_where_the_student_cannot_represent_the_target():
    axes = np.eye(2)
    model = GaussianModel([1.0, 1.0], axes, axes[:, :1], 0.0)  # the teacher knows all, the student half
    risks = expected_risks(model, 10, np.inf)
    assert risks.weak - risks.w2s == pytest.approx(-1.0)
    assert expected_misfit(model, 10, np.inf) == pytest.approx(1.0)


def test_ends():
    model = GaussianModel.paper(d_weak=8, d_strong=5, d_shared=2, d_target=14, ambient=100, noise_variance=0.3)
    few = expected_misfit(model, 20, [4, 5, 6, 7])
    assert np.isnan(few[0])
    assert np.isinf(few[1:3]).all()
    assert np.isfinite(few[3])
    assert expected_misfit(model, 20, [3, 5], population=False).tolist() == [0.0, 0.0]
    assert np.isinf(expected_misfit(model, [8, 9], 20, population=False)).all()
    assert np.isnan(expected_misfit(model, 7, 20))
    limit = expected_misfit(model, 20, np.inf)
    assert limit == expected_misfit(model, 20, np.inf, population=False)
    blocks = GaussianModel.from_blocks(shared=2, weak_only=6, strong_only=3, noise_variance=0.3)
    assert expected_misfit(blocks, 20, 30) == pytest.approx(0.3 * 6 / 11 * 29 / 24)


def test_models_are_asked_for_by_name():
    with pytest.raises(TypeError, match="model must be a GaussianModel, got str"):
        expected_misfit("paper", 10, 10)
    with pytest.raises(TypeError, match="population must be"):
        expected_misfit(GEOMETRIES["nested"], 10, 10, population=1)
