"""Closed forms at points where they can be checked by hand; test_simulate.py checks them everywhere else."""

import numpy as np
import pytest

from w2s_fast import GaussianModel, expected_risks, paper_bounds, paper_ratio_bounds, w2s_variance
from w2s_fast.gaussian.theory import _at_one_point


@pytest.fixture
def model():
    return GaussianModel.paper(d_weak=8, d_strong=5, d_shared=2, d_target=14, ambient=100, noise_variance=0.3)


def test_risks_by_hand_for_coordinate_subspaces():
    axes = np.eye(4)
    model = GaussianModel([1.0, 2.0, 3.0, 0.0], axes[:, 1:], axes[:, :2], noise_variance=0.5)
    risks = expected_risks(model, n=14, N=23)
    v = (0.5 + 1.0) / (14 - 3 - 1)  # teacher misses the first coordinate
    assert risks.weak == pytest.approx(1.0 + 3 * v)
    assert risks.baseline == pytest.approx(9.0 + (0.5 + 9.0) * 2 / (14 - 3))
    assert risks.ceiling == pytest.approx(9.0 + (0.5 + 9.0) * 2 / (37 - 3))
    assert risks.w2s == pytest.approx(9.0 + 1.0 + v + (9.0 + 2 * v) * 2 / (23 - 3))


def test_sizes_broadcast(model):
    risks = expected_risks(model, np.array([[20], [30]]), [10, 20, 40])
    assert all(risk.shape == (2, 3) for risk in risks)
    assert risks.pgr.shape == risks.opr.shape == (2, 3)
    assert risks.w2s[1, 2] == expected_risks(model, 30, 40).w2s


def test_more_rows_never_hurt_and_the_limits_are_the_floors(model):
    rows = 2 ** np.arange(5, 60)
    risks = expected_risks(model, rows, rows)
    for risk in risks:
        assert np.all(np.diff(risk) <= 0)
    assert risks.weak[-1] == pytest.approx(model.rho_weak)
    assert risks.baseline[-1] == pytest.approx(model.rho_strong)


def test_infinity_is_the_limit(model):
    limit = expected_risks(model, [100, np.inf, np.inf], [np.inf, 100, np.inf])
    far = expected_risks(model, [100, 2**60, 2**60], [2**60, 100, 2**60])
    for mine, theirs in zip(limit, far, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12)
    assert limit.weak[2] == model.rho_weak
    assert limit.ceiling.tolist() == [model.rho_strong] * 3
    inherited, reduced = w2s_variance(model, 50, np.inf)
    assert (inherited > 0, float(reduced)) == (True, 0.0)


@pytest.mark.parametrize("nested", [False, True])
def test_rounding_makes_no_infinity_of_spaces_that_agree(nested):
    rng = np.random.default_rng(3)
    Q, turn, other = (np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (8, 3, 4))
    strong = Q[:, :4] @ other if nested else Q[:, :3] @ other[:3, :3]
    model = GaussianModel(rng.standard_normal(8), Q[:, :3] @ turn, strong, 0.01)
    assert model.d_shared == 3.0
    assert np.isfinite(expected_risks(model, 20, [4, 5, 6]).w2s).all()
    assert w2s_variance(model, 20, [4, 5])[1].tolist() == [0.0, 0.0]


def test_means_that_do_not_exist_are_inf(model):
    d = model.d_weak
    risks = expected_risks(model, [d - 2, d - 1, d, d + 1, d + 2], 100)
    assert np.isinf(risks.weak).tolist() == np.isinf(risks.w2s).tolist() == [False, True, True, True, False]
    d = model.d_strong
    w2s = expected_risks(model, 100, [d - 2, d - 1, d, d + 1, d + 2]).w2s
    assert np.isinf(w2s).tolist() == [False, True, True, True, False]


def test_without_noise_or_misfit_the_fit_is_perfect():
    model = GaussianModel([1.0, 0.0], np.eye(2), np.eye(2), noise_variance=0.0)
    assert [float(risk) for risk in expected_risks(model, 2, 2)] == [0.0, 0.0, 0.0, 0.0]
    assert np.isnan(expected_risks(model, 2, 2).pgr)


def test_variance_splits_into_inherited_and_reduced(model):
    inherited, reduced = w2s_variance(model, 50, 70)
    scale = 0.3 / (50 - 8 - 1)
    assert inherited == pytest.approx(scale * 2)
    assert reduced == pytest.approx(scale * (8 - 2) * 5 / 70)
    bounds = paper_bounds(model, 50, 70)
    assert bounds.w2s == pytest.approx(inherited + reduced + model.rho_weak + model.rho_strong)
    assert bounds.baseline == pytest.approx(model.rho_strong + 0.3 * 5 / 50)


def test_variance_needs_as_many_pseudo_labels_as_features(model):
    assert np.isnan(w2s_variance(model, 50, 4)[1])


@pytest.mark.parametrize(
    ("n", "N", "error", "message"),
    [
        (0, 5, ValueError, "n must be at least 1, got 0"),
        (5, [3, -1], ValueError, "N must be at least 1, got -1"),
        (5.5, 5, TypeError, "n must be whole numbers or infinity, got 5.5"),
        (np.nan, 5, TypeError, "n must be whole numbers or infinity, got nan"),
        (-np.inf, 5, ValueError, "n must be at least 1"),
        ("5", 5, TypeError, "n must be a whole number"),
        ([[1], [1, 2]], 5, TypeError, "n must be a whole number"),
        (5, [], TypeError, "N must be a whole number or a non-empty array"),
        (2**63, 5, ValueError, "n must be at least 1 and at most"),
    ],
)
def test_bad_sizes_are_refused(model, n, N, error, message):
    with pytest.raises(error, match=message):
        expected_risks(model, n, N)


@pytest.mark.parametrize("function", [expected_risks, paper_bounds, w2s_variance])
def test_a_model_is_asked_for_by_name(function):
    with pytest.raises(TypeError, match="model must be a GaussianModel, got str"):
        function("paper", 10, 10)


def test_infinite_variance_stays_infinite_in_the_limit_of_pseudo_labels():
    axes = np.eye(4)
    model = GaussianModel([1, 0.5, 0, 0], axes[:, 1:], axes[:, :2], noise_variance=0.1)
    n = model.d_weak + 1
    for population in (False, True):
        assert np.all(np.isinf(w2s_variance(model, n, np.inf, population=population)))
    assert np.isinf(expected_risks(model, n, np.inf).w2s)
    assert np.isinf(paper_bounds(model, n, np.inf).w2s)


def test_ratio_bounds_have_their_limit_in_labels():
    model = GaussianModel([1, 0, 0, 0], np.eye(4), np.eye(4)[:, :2], noise_variance=0.1)
    pgr, opr = paper_ratio_bounds(model, [10**15, np.inf], 10)
    np.testing.assert_allclose(pgr, 0.4)
    np.testing.assert_allclose(opr, 1 / 1.2)


@pytest.mark.parametrize("ceiling", ["all", "pseudo"])
@pytest.mark.parametrize("noise", [0.0, 0.3, 1e139])
def test_one_point_has_the_bits_of_a_grid(noise, ceiling):
    models = (
        GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9, ambient=30, noise_variance=noise),
        (
            GaussianModel.from_blocks(
                shared=1, weak_only=3, strong_only=2, noise_variance=noise, angles=[0.5], target_s=[1.0], target_q=[0.2]
            )
        ),
    )
    sizes = [1, 3, 4, 5, 6, 7, 8, 20, 10**12, 2**62, float("inf")]
    for model in models:
        for n in sizes:
            grid = expected_risks(model, n, np.array(sizes), ceiling=ceiling) if n >= 6 else None
            for index, N in enumerate(sizes):
                at = _at_one_point(model, n, N, 0.0, ceiling)
                assert (at is not None) == (n >= max(model.d_weak, model.d_strong) and N >= model.d_strong)
                if at is not None and grid is not None:
                    for risk, order, whole in zip(at, at.order, grid, strict=True):
                        assert type(risk) is np.float64
                        assert risk.tobytes() == whole[index].tobytes()
                        assert order.shape == ()
                        assert order == 0.0


def test_one_point_is_what_was_checked_alone(model):
    assert _at_one_point(model, 2000, 4000, 0.0, "all") is not None
    for wrong in (True, np.int64(2000), 2000.0, [2000], np.nan, -np.inf, 2**62 + 1, 0, "2000", None):
        assert _at_one_point(model, wrong, 4000, 0.0, "all") is None
        assert _at_one_point(model, 2000, wrong, 0.0, "all") is None
    for ridge, ceiling in ((False, "all"), (0.1, "all"), ([0.0], "all"), (0.0, "none"), (0.0, ["all"]), (None, "all")):
        assert _at_one_point(model, 2000, 4000, ridge, ceiling) is None
    assert _at_one_point(None, 2000, 4000, 0.0, "all") is None
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        expected_risks(model, 0, 4000)
