"""Ridge and few rows: exact where a closed form exists, equivalents elsewhere, both against simulated trials."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

from tests.models import GEOMETRIES
from w2s_fast import GaussianModel, best_ridge, expected_risks, simulate
from w2s_fast.gaussian.equivalents import Spectrum, effective_ridge, stage
from w2s_fast.gaussian.stages import Spaces
from w2s_fast.results.risks import ExpectedRisks, Risks

FITS = Risks._fields
LARGEST_SCORE = 4.5  # standard errors, of some hundred comparisons: once in a thousand suites


def alike(d_weak, d_strong, seed=0, noise_variance=0.4):
    """A model at random angles whose features are all of one variance, teacher's and student's."""
    rng = np.random.default_rng(seed)
    r = d_weak + d_strong // 2 + 2
    weak, strong = (np.linalg.qr(rng.standard_normal((r, d)))[0] for d in (d_weak, d_strong))
    return GaussianModel(rng.standard_normal(r) / np.sqrt(r), 3.0 * weak, 0.5 * strong, noise_variance)


def spread(d, seed, decades=1.0, noise_variance=0.3):
    """A model at random angles whose features differ in variance."""
    rng = np.random.default_rng(seed)
    r = 2 * d + d // 2
    weak, strong = (
        np.linalg.qr(rng.standard_normal((r, d)))[0] * 10 ** rng.uniform(-decades / 2, 0, d) for _ in range(2)
    )
    target = weak @ rng.standard_normal(d) + strong @ rng.standard_normal(d) + 0.3 * rng.standard_normal(r)
    return GaussianModel(target / np.linalg.norm(target), weak, strong, noise_variance)


def scores(model, n, N, ridge, trials, seed):
    """Standard errors between theory and mean of each fit."""
    expected = expected_risks(model, n, N, ridge)
    summary = simulate(model, n, N, trials=trials, seed=seed, ridge=ridge).summary()
    return np.array([(getattr(expected, fit) - summary[fit].mean) / summary[fit].stderr for fit in FITS])


# The effective ridge


def test_effective_ridge_solves_its_equation_over_twenty_decades():
    """In rational arithmetic the equation changes sign within 1e-12 of the answer."""
    rng = np.random.default_rng(1)
    for _ in range(150):
        values = np.sort(10 ** rng.uniform(-rng.choice([1, 5, 20]), 0, rng.integers(1, 7)))
        counts = rng.integers(1, 30, values.size).astype(float)
        rows = float(rng.choice([1, rng.integers(1, 2 * counts.sum() + 2), counts[-1], counts.sum(), 2.0**40]))
        ridge = float(10 ** rng.uniform(-20, 20)) if rows >= counts.sum() or rng.random() < 0.7 else 0.0
        kappa = Fraction(effective_ridge(values, counts, np.array([rows]), np.array([ridge]))[0])
        pairs = [(Fraction(count), Fraction(value)) for count, value in zip(counts, values, strict=True)]
        below, above = (
            sum(count * value / (value + x) for count, value in pairs) + Fraction(ridge) / x - Fraction(rows)
            for x in (kappa * (1 - Fraction(1, 10**12)), kappa * (1 + Fraction(1, 10**12)))
        )
        assert below > 0 > above, (values, counts, rows, ridge)


def test_sizes_and_ridges_are_solved_for_themselves():
    values, counts = np.array([0.01, 0.3, 1.0]), np.array([5.0, 4.0, 6.0])
    rows, ridge = np.array([3.0, 15.0, 400.0, 7.0]), np.array([0.0, 1e-3, 50.0, 2.0])
    together = effective_ridge(values, counts, rows, ridge)
    alone = [effective_ridge(values, counts, rows[[i]], ridge[[i]])[0] for i in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


# Exact


@pytest.mark.compiled
@pytest.mark.parametrize(("n", "N"), [(6, 20), (25, 4), (5, 6), (1, 2)])
def test_few_rows_of_features_alike_are_exact(n, N):
    model = alike(10, 8)
    assert expected_risks(model, n, N).exact
    assert np.abs(scores(model, n, N, 0.0, 4_000, seed=n)).max() < LARGEST_SCORE


@pytest.mark.compiled
def test_a_wrong_formula_would_be_seen():
    """The classical variance of few rows, n / (d - n), lies many standard errors off."""
    model, n = alike(10, 8), 6
    right = expected_risks(model, n, 20).weak
    classical = right + (model.noise_variance + model.rho_weak) * (n / (10 - n) - n / (10 - n - 1))
    mean, stderr = simulate(model, n, 20, trials=4_000, seed=n).summary()["weak"]
    assert abs(right - mean) < LARGEST_SCORE * stderr
    assert abs(classical - mean) > 2 * LARGEST_SCORE * stderr


def test_few_rows_of_a_shared_space_by_hand():
    """Weak and strong the same four directions: the student sees a random part of what the teacher saw of them."""
    axes = np.eye(5)
    model = GaussianModel([1.0, 2.0, 0.0, 2.0, 3.0], axes[:, :4], axes[:, :4], 0.5)
    n, N, d, energy, noise = 2, 1, 4, 9.0, 9.5
    risks = expected_risks(model, n, N)
    variance = noise * n / (d - n - 1)
    assert risks.weak == pytest.approx(9.0 + (1 - n / d) * energy + variance)
    assert risks.baseline == pytest.approx(risks.weak)
    said = n / d * energy + variance  # squared length of what the teacher says; all of it lies in V_s
    assert risks.w2s == pytest.approx(9.0 + energy + N / d * (said - 2 * n / d * energy))


def test_closed_forms_stay_where_they_hold():
    model = spread(10, 2)
    plain, among = expected_risks(model, 30, 40), expected_risks(model, [30, 6, 30], [40, 40, 5])
    assert [float(getattr(among, fit)[0]) for fit in FITS] == [float(risk) for risk in plain]
    assert plain.exact
    assert among.exact.tolist() == [True, False, False]
    assert among.order.ceiling.tolist() == [0.0, 0.0, 0.0]


# Equivalents


CASES = (  # n and N over d, and the ridge over what the features of d rows weigh
    (0.5, 1.5, 0.03),
    (0.6, 0.7, 0.0),
    (0.9, 0.7, 0.1),
    (1.0, 1.0, 0.03),
    (2.0, 0.6, 1.0),
    (0.7, 2.0, 0.0),
)


@pytest.mark.compiled
def test_equivalents_agree_with_simulation():
    """Both kinds of features, either side of the peak, ridges small and large: within 2 % and what trials can tell."""
    d = 100
    found, errors = [], []
    for index, (below, above, strength) in enumerate(CASES):
        model = spread(d, index, decades=1.0) if index % 2 or strength == 0 else alike(d, d, index)
        n, N = int(below * d), int(above * d)
        ridge = strength * d * np.mean(np.sum(model.weak**2, axis=0))
        expected = expected_risks(model, n, N, ridge)
        summary = simulate(model, n, N, trials=20, seed=index, ridge=ridge).summary()
        for fit in FITS:
            (mean, stderr), value = summary[fit], float(getattr(expected, fit))
            assert abs(value / mean - 1) < 0.02 + LARGEST_SCORE * stderr / mean, (index, fit)
            if getattr(expected.order, fit) < 1e-2:
                found.append((value - mean) / stderr)
                errors.append((value / mean - 1, stderr / mean))
    error, stderr = np.array(errors).T
    weight = 1 / stderr**2
    assert np.sqrt(np.mean(np.square(found))) < 1.6  # 1 but for the correlations of fits to the same rows
    assert abs(np.average(error, weights=weight)) < 0.003 + 4 * weight.sum() ** -0.5


@pytest.mark.compiled
def test_errors_more_than_halve_where_dimensions_double():
    """From 6 to 12 directions they fall fourfold; simulated to a fifth of them."""
    errors = []
    for d, trials in ((6, 20_000), (12, 12_000)):
        model = np.linalg.qr(np.random.default_rng(3).standard_normal((3 * d, 2 * d)))[0]
        weak, strong = (model[:, half] * np.exp(np.linspace(-1, 1, d)) for half in (slice(d), slice(d, None)))
        target = (weak + strong).sum(axis=1)
        model = GaussianModel(target / np.linalg.norm(target), weak, strong, 0.3)
        expected = expected_risks(model, d, d, 0.1 * d)
        mean, stderr = simulate(model, d, d, trials=trials, seed=1, ridge=0.1 * d).summary()["weak"]
        errors.append((abs(expected.weak / mean - 1), 3 * stderr / mean, float(expected.order.weak)))
    (large, _, order), (small, uncertain, _) = errors
    assert small < large / 2 + uncertain
    assert 0.005 < large < order  # there is an error to see


def test_means_and_second_moments_of_a_fit():
    """Each number of a stage, direction by direction, against K and the weights of drawn rows."""
    d, rows, ridge, trials = 12, 9, 0.6, 4_000
    values = np.array([0.1, 0.4, 1.0])
    groups = np.repeat([0, 1, 2], 4)
    found = stage(Spectrum(values, np.full(3, 4.0), groups, 1.0), np.array([float(rows)]), np.array([ridge]))
    rng, root = np.random.default_rng(0), np.sqrt(values[groups])
    X = rng.standard_normal((trials, rows, d)) * root
    inverse = np.linalg.inv(np.swapaxes(X, 1, 2) @ X + ridge * np.eye(d))
    K = ridge * root[:, None] * inverse / root
    fits = root[:, None] * (inverse @ np.swapaxes(X, 1, 2))
    drawn = {
        "lost": np.einsum("tii->ti", K),
        "bias": np.sum(K**2, axis=1),
        "variance": np.sum(fits**2, axis=2),
    }
    told = {"lost": found.lost[0], "bias": found.bias[0], "variance": found.shape[0] * found.variance[0]}
    for name, each in drawn.items():
        by_group = each.reshape(trials, 3, 4).mean(axis=2)
        mean, stderr = by_group.mean(axis=0), by_group.std(axis=0) / np.sqrt(trials)
        assert np.all(np.abs(told[name] - mean) < 0.3 * found.order * mean + LARGEST_SCORE * stderr), name
    together = np.mean(K[:, 0, 4] * K[:, 4, 0])  # errors of one direction that the other's target makes
    assert found.crossed[0, 0] * found.crossed[0, 1] == pytest.approx(together, rel=0.25)


# Limits


def test_a_vanishing_ridge_is_none():
    for model, n, N in (
        (alike(30, 24), 20, 15),
        (alike(30, 24), 28, 22),
        (alike(30, 24), 32, 26),
        (spread(20, 1), 9, 7),
    ):
        none, little = expected_risks(model, n, N), expected_risks(model, n, N, 1e-11)
        for one, other in zip(none, little, strict=True):
            assert other == pytest.approx(one, rel=2e-4)  # cos and sin of few rows differ by 1 / d**2 in the student


def test_an_endless_ridge_says_nothing():
    model = spread(10, 3)
    for ridge in (1e14, 1e100, 1e160, 1e300):
        for risk in expected_risks(model, [3, 30], [5, 40], ridge):
            assert risk == pytest.approx(np.sum(model.target**2), rel=1e-9)


def test_endless_rows_leave_the_floor_whatever_the_ridge():
    model = spread(10, 4)
    risks = expected_risks(model, np.inf, np.inf, [0.0, 3.0])
    assert risks.weak == pytest.approx(model.rho_weak)
    assert risks.ceiling == pytest.approx(model.rho_strong)
    far = expected_risks(model, 2**60, 2**60, 3.0)
    limit = expected_risks(model, np.inf, np.inf, 3.0)
    for one, other in zip(limit, far, strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    assert limit.exact


def test_features_of_other_units_need_a_ridge_of_other_units():
    for model in GEOMETRIES.values():
        for scale in (1e-100, 1e-3, 1e100):
            scaled = GaussianModel(model.target, model.weak * scale, model.strong * scale, model.noise_variance)
            for n, N in ((2, 9), (9, 2), (2, 2), (20, 20)):
                for one, other in zip(
                    expected_risks(model, n, N, 0.3), expected_risks(scaled, n, N, 0.3 * scale**2), strict=True
                ):
                    assert other == pytest.approx(one, rel=1e-9)


def test_nothing_is_undefined_or_below_its_floor():
    sizes = np.array([1, 2, 3, 4, 5, 6, 9, 2.0**50, np.inf])
    for model in GEOMETRIES.values():
        for ridge in (0.0, 1e-12, 0.1, 1e9):
            risks = expected_risks(model, sizes[:, None], sizes, ridge)
            floors = model.rho_weak, *(model.rho_strong,) * 3
            for risk, order, floor in zip(risks, risks.order, floors, strict=True):
                assert not np.isnan(risk).any()
                assert not np.isnan(order).any()
                assert np.all(risk >= floor - 1e-12)


def test_students_of_a_space_that_holds_the_teacher_overfit_nothing():
    """Within one row of as many as directions a student has no mean, unless the teacher leaves nothing to overfit."""
    axes = np.eye(6)
    nested = GaussianModel(np.ones(6), axes[:, :3], axes[:, :5], 0.3)
    assert np.isfinite(expected_risks(nested, 30, [4, 5, 6]).w2s).all()
    apart = GaussianModel(np.ones(6), axes[:, 2:], axes[:, :5], 0.3)
    assert np.isinf(expected_risks(apart, 30, [4, 5, 6]).w2s).all()


# What callers see


def test_ridges_broadcast_and_bad_ones_are_refused():
    model = spread(8, 5)
    grid = expected_risks(model, [[5], [20]], 6, [0.0, 0.1, 3.0])
    assert grid.weak.shape == grid.order.w2s.shape == grid.exact.shape == (2, 3)
    assert grid.w2s[1, 2] == pytest.approx(expected_risks(model, 20, 6, 3.0).w2s, rel=1e-13)
    for ridge, error, message in (
        (-0.1, ValueError, "ridge must be one or several finite"),
        ([], ValueError, "ridge must be"),
        ("1", TypeError, "ridge"),
        (np.nan, ValueError, "ridge"),
        (np.inf, ValueError, "ridge"),
    ):
        with pytest.raises(error, match=message):
            expected_risks(model, 5, 6, ridge)


def test_expected_risks_are_risks_that_pickle_with_their_order():
    risks = expected_risks(spread(8, 5), 5, [6, 30], 0.1)
    assert isinstance(risks, Risks)
    weak, _, ceiling, w2s = risks
    np.testing.assert_array_equal(risks.pgr, (weak - w2s) / (weak - ceiling))
    back = pickle.loads(pickle.dumps(risks))
    np.testing.assert_array_equal(back.order, risks.order)
    assert ExpectedRisks(*risks).exact.all()


# The best ridge


def test_best_ridge_of_features_alike_is_the_ratio_of_noise_to_signal():
    """Known in closed form: d noise / energy, whatever n."""
    axes = np.eye(40)
    model = GaussianModel(np.ones(40) / 6, axes[:, :24], 2.0 * axes[:, 10:30], 0.8)
    wanted = 24 * (0.8 + model.rho_weak) / (24 / 36)
    best = best_ridge(model, [10, 30, 200], 50)
    assert best.teacher == pytest.approx(np.full(3, wanted), rel=2e-2)
    assert best.weak == pytest.approx(expected_risks(model, [10, 30, 200], 50, best.teacher).weak)


def test_no_other_ridge_is_better():
    model = spread(20, 7, decades=2.0)
    sizes = np.array([8, 19, 60]), np.array([30, 12, 100])
    best = best_ridge(model, *sizes)
    spaces = Spaces.of(model)
    for n, N, teacher_ridge, student_ridge, weak, w2s in zip(*sizes, *best, strict=True):
        others = np.geomspace(1e-6, 1e6, 300)
        assert np.all(expected_risks(model, n, N, others).weak >= weak * (1 - 1e-9))
        ridges = np.append(others, student_ridge)
        teacher = spaces.teacher(np.full(ridges.size, float(n)), np.full(ridges.size, teacher_ridge))
        risks = model.rho_strong + spaces.student_risk(teacher, spaces.student(np.full(ridges.size, float(N)), ridges))
        assert np.all(risks >= w2s * (1 - 1e-9))
        assert risks[-1] == pytest.approx(w2s)


def test_ridges_that_never_help_are_none_and_those_that_always_do_have_no_end():
    axes = np.eye(4)
    clean = GaussianModel([1.0, 1.0, 0.0, 0.0], axes[:, :2], axes[:, :2], 0.0)
    assert best_ridge(clean, 20, 20)[:2] == (0.0, 0.0)
    hopeless = GaussianModel([0.0, 0.0, 1.0, 0.0], axes[:, :2], axes[:, :2], 1.0)
    assert best_ridge(hopeless, 20, 20)[:2] == (np.inf, 0.0)
    assert best_ridge(hopeless, 20, 20).weak == 1.0
