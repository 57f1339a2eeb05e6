"""Laws of the risks against trials that know nothing of them, against quadrature, and in their limits."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tests.models import MODELS, RISKS, random_models, tilted
from w2s_fast import GaussianModel, expected_risks, risk_distribution, simulate
from w2s_fast.gaussian.bands import risk_bands
from w2s_fast.gaussian.coordinates import geometry
from w2s_fast.gaussian.covariance import InverseChi2, _quadratics
from w2s_fast.gaussian.laws import NumericalLaw, PointMass, scaled_f
from w2s_fast.gaussian.student import (
    Scalars,
    ScalarSampler,
    chance_by_shared,
    chance_by_spread,
    chance_of_pgr,
    chance_to_beat,
    pgr_of,
)

TRIALS = 2_000
LEAST_P = 1e-4  # some hundred p-values are looked at, all of fixed seeds
PROBABILITIES = np.array([0.001, 0.05, 0.5, 0.95, 0.999])


def coordinate_model(a, b, c, target_weak=0.0, target_strong=0.0, outside=0.0, noise_variance=0.3):
    """Angles of 0 and 90 degrees: dimensions of both, of the teacher's own, of the student's own."""
    axes = np.eye(a + b + c + 1)
    target = 0.7 * (np.arange(a + b + c + 1) < a) + outside * axes[-1]
    target += target_weak * axes[a] if target_weak else 0.0
    target += target_strong * axes[a + b] if target_strong else 0.0
    both, own, students = axes[:, :a], axes[:, a : a + b], axes[:, a + b : a + b + c]
    return GaussianModel(target, np.hstack((both, own)), np.hstack((both, students)), noise_variance)


COORDINATES = {
    "all blocks": coordinate_model(3, 4, 2, 0.8, 0.5, 0.3),
    "one dimension each": coordinate_model(1, 1, 1, 0.8, 0.5),
    "nothing shared": coordinate_model(0, 3, 2, 0.4, 0.6),
    "two of the student's own": coordinate_model(2, 1, 2),
    "student within teacher": coordinate_model(2, 3, 0, 0.5),
    "teacher within student": coordinate_model(2, 0, 3, 0.0, 0.5),
    "noise alone": coordinate_model(3, 2, 2, outside=0.4),
}
EVERY = MODELS | COORDINATES | {"tilted": tilted(np.array([0.2, 0.9, 1.4]))}


def against(law, values):
    """P-value of values against a law; constants must agree."""
    if isinstance(law, PointMass):
        return float(np.allclose(values, law.value, rtol=1e-12))
    at = np.quantile(values, [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
    if isinstance(law, NumericalLaw):  # whose integrals take milliseconds each: counts between a few values
        inside = np.diff(law.cdf(at), prepend=0.0, append=1.0)
        counts = np.histogram(values, [-np.inf, *at, np.inf])[0]
        return stats.chisquare(counts, inside * values.size).pvalue if np.ptp(values) else 1.0
    return stats.kstest(values, law.cdf).pvalue


def sizes(model, rng=None):
    """From as few rows as there are features to plenty."""
    more = (17, 12) if rng is None else rng.choice([0, 1, 3, 8, 40], size=2)
    return max(model.d_weak, model.d_strong) + int(more[0]), model.d_strong + int(more[1])


def pvalues(model, n, N, seed, count=TRIALS, **options):
    trials = simulate(model, n, N, trials=count, seed=seed, workers=1, **options)
    laws = risk_distribution(model, n, N)
    found = {name: against(getattr(laws, name), getattr(trials, name)) for name in RISKS}
    drawn = laws.w2s.rvs(count, random_state=seed)
    wins, chance = int(np.sum(trials.w2s < trials.weak)), laws.p_student_beats_teacher
    constant = isinstance(laws.w2s, PointMass)
    found["draws"] = 1.0 if constant else stats.ks_2samp(drawn, trials.w2s).pvalue
    if 0.001 < chance < 0.999:  # below, an integral good to 1e-3 has too few digits
        found["wins"] = stats.binomtest(wins, count, chance).pvalue
    return found


@pytest.mark.parametrize("name", EVERY)
def test_trials_follow_the_laws(name):
    model = EVERY[name]
    found = pvalues(model, *sizes(model), seed=1)
    assert min(found.values()) > LEAST_P, found


def test_trials_of_random_models_at_any_sizes_follow_the_laws():
    for model, rng in random_models(9, seed=4):
        n, N = sizes(model, rng)
        found = pvalues(model, n, N, seed=2)
        assert min(found.values()) > LEAST_P, (found, model, n, N)


@pytest.mark.parametrize("name", ["all blocks", "any angles"])
def test_trials_that_draw_every_row_follow_the_laws(name):
    model = EVERY[name]
    found = pvalues(model, *sizes(model), seed=3, count=300, method="direct")
    assert min(found.values()) > LEAST_P, found


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("name", ["freedom", "student_freedom"])
def test_a_degree_of_freedom_too_many_or_too_few_is_seen(name, off):
    model = COORDINATES["all blocks"]
    laws = risk_distribution(model, 8, 6)
    sampler = laws.sampler
    wrong = ScalarSampler(
        sampler.geometry,
        sampler.variance,
        sampler.freedom + off * (name == "freedom"),
        sampler.student_freedom + off * (name == "student_freedom"),
    )
    values = simulate(model, 8, 6, trials=TRIALS, seed=5, workers=1).w2s - model.rho_strong
    excess = wrong.drawn(np.random.default_rng(0), 20 * TRIALS).student
    assert stats.ks_2samp(values, excess).pvalue < 1e-6


@pytest.mark.parametrize("name", ["weak", "baseline", "ceiling"])
def test_another_dimension_is_seen(name):
    model = COORDINATES["all blocks"]
    values = getattr(simulate(model, 10, 7, trials=TRIALS, seed=6, workers=1), name)
    law = getattr(risk_distribution(model, 10, 7), name)
    d, freedom = law.args
    other = stats.f(
        d + 1, freedom - 1, loc=law.kwds["loc"], scale=law.kwds["scale"] * (d + 1) / d * freedom / (freedom - 1)
    )
    assert stats.kstest(values, law.cdf).pvalue > LEAST_P
    assert stats.kstest(values, other.cdf).pvalue < 1e-6


@pytest.mark.parametrize("name", EVERY)
def test_means_are_those_of_the_theory_and_variances_those_of_the_laws(name):
    model = EVERY[name]
    n, N = sizes(model)
    laws, means = risk_distribution(model, n, N), expected_risks(model, n, N)
    for place, risk in enumerate(RISKS):
        law = getattr(laws, risk)
        assert law.mean() == pytest.approx(float(getattr(means, risk)), rel=1e-12)
        assert law.var() == pytest.approx(laws.covariance[place, place], rel=1e-9)
        assert law.std() == pytest.approx(math.sqrt(law.var()))


@pytest.mark.parametrize("name", ["all blocks", "noise alone", "any angles", "tilted", "nothing shared"])
def test_covariances_are_those_of_trials(name):
    model = EVERY[name]
    n, N = 5 * max(model.d_weak, model.d_strong) + 10, 4 * model.d_strong + 15
    trials = simulate(model, n, N, trials=6_000, seed=8, workers=1)
    risks = np.array([getattr(trials, risk) for risk in RISKS])
    apart = risks - risks.mean(axis=1, keepdims=True)
    products = apart[:, None] * apart
    z = (products.mean(axis=-1) - risk_distribution(model, n, N).covariance) / products.std(axis=-1) * np.sqrt(6_000)
    known = np.isfinite(z)
    pairs = [(0, 3), (1, 2)] + [(0, 1)] * (name == "noise alone")
    assert known.sum() == 4 + 2 * len(pairs)
    assert all(known[pair] for pair in pairs)
    assert np.abs(z[known]).max() < 4.5  # of products, whose tails are heavy


def test_covariances_keep_their_digits_where_risks_hardly_vary():
    model = COORDINATES["all blocks"]
    found = risk_distribution(model, 10**12, 10**12).covariance
    scale = np.sqrt(np.diag(found))
    near = risk_distribution(model, 10**6, 10**6).covariance
    # Student and teacher inherit normal fluctuations of the target's own parts, of order 1 / n; the others 1 / n^2.
    assert found[0, 0] * 1e24 == pytest.approx(near[0, 0] * 1e12, rel=1e-4)
    assert np.all(scale > 0)
    assert found[1, 2] / found[2, 2] == pytest.approx(1.0, rel=1e-9)


def test_products_of_quadratic_forms_have_their_exact_covariance():
    own = geometry(EVERY["any angles"])
    rng = np.random.default_rng(0)
    first, second, _ = _quadratics(own)
    g, s = rng.standard_normal((400_000, first.curve.size)), np.sqrt(0.3 / rng.chisquare(30, 400_000))
    values = [q.start + 2 * s * (g @ q.line) + s**2 * (g**2 @ q.curve) for q in (first, second)]
    product = (values[0] - values[0].mean()) * (values[1] - values[1].mean())
    z = (product.mean() - first.covariance(second, 0.3, InverseChi2.of(30))) / product.std() * np.sqrt(400_000)
    assert abs(z) < 4


@pytest.mark.parametrize("name", ["all blocks", "any angles", "no noise", "student within teacher"])
def test_moments_of_the_student_are_those_of_its_cdf(name):
    model = EVERY[name]
    law = risk_distribution(model, 60, 50).w2s
    low, high = law.ppf(1e-5), law.ppf(1 - 1e-5)
    edges = np.linspace(low, high, 120)
    share = np.diff(law.cdf(edges))
    middle = 0.5 * (edges[1:] + edges[:-1])
    assert share @ middle == pytest.approx(law.mean(), rel=2e-3)
    assert share @ (middle - law.mean()) ** 2 == pytest.approx(law.var(), rel=2e-2)


@pytest.mark.parametrize("name", ["all blocks", "any angles", "tilted", "one dimension each"])
def test_quantiles_are_where_the_cdf_says(name):
    model = EVERY[name]
    law = risk_distribution(model, *sizes(model)).w2s
    assert law.cdf(law.ppf(PROBABILITIES)) == pytest.approx(PROBABILITIES, abs=1e-3)
    assert law.sf(law.median()) == pytest.approx(0.5, abs=1e-3)
    assert law.interval(0.9) == pytest.approx((law.ppf(0.05), law.ppf(0.95)))
    assert (law.ppf(0.0), law.ppf(1.0)) == (model.rho_strong, np.inf)
    assert np.isnan(law.ppf([-0.1, 1.1, np.nan])).all()
    assert law.cdf([-1.0, np.inf]).tolist() == [0.0, 1.0]
    assert np.shape(law.rvs((2, 3), random_state=0)) == (2, 3)
    assert np.shape(law.rvs(random_state=0)) == ()


def test_what_the_student_need_not_relearn_is_certain():
    scalars = Scalars(*(np.array([value]) for value in (0.0, 0.0, 2.0, 0.0, 0.0, 1.0, -0.9)))
    assert [float(chance_by_spread(scalars, excess, 3, 5.0)[0]) for excess in (0.5, 1.9, 2.0, 9.0)] == [0, 0, 1, 1]


@pytest.mark.parametrize("name", ["all blocks", "one dimension each", "student within teacher"])
def test_two_ways_to_integrate_agree(name):
    model = EVERY[name]
    laws = risk_distribution(model, 30, 20)
    own, scalars = laws.sampler.geometry, laws._scalars
    for risk in laws.w2s.ppf([0.05, 0.5, 0.95]):
        excess = risk - model.rho_strong
        one = chance_by_shared(scalars, excess, own.shared).mean(axis=1)
        other = chance_by_spread(scalars, excess, own.d_strong, laws.sampler.student_freedom).mean(axis=1)
        apart = one - other
        assert abs(apart.mean()) < 6 * apart.std(ddof=1) / np.sqrt(apart.size) + 1e-6


def test_the_stated_error_of_the_students_cdf_holds():
    """Against the same integral by trials of the scalars."""
    for name in ("all blocks", "tilted"):
        law = risk_distribution(EVERY[name], 30, 20).w2s
        draws = law.rvs(100_000, random_state=1)
        for p in (0.05, 0.5, 0.95):
            at = law.ppf(p)
            assert law.stderr(at) < 2e-3
            assert abs(np.mean(draws <= at) - p) < 4 * np.hypot(law.stderr(at), np.sqrt(p * (1 - p) / 100_000))


@pytest.mark.parametrize(("a", "b"), [(1, 3), (3, 1), (10, 190), (2, 2)])
def test_pgr_is_beta_in_the_limit_whatever_the_noise(a, b):
    model = coordinate_model(a, b, 2)
    law = risk_distribution(model, a + b + 5, np.inf).pgr
    assert law.mean() == pytest.approx(1 - model.d_shared / model.d_weak)
    trials = simulate(model, a + b + 5, 10**14, trials=2_000, seed=1, workers=1)
    assert stats.kstest(trials.pgr, law.cdf).pvalue > LEAST_P
    assert stats.kstest(trials.pgr, stats.beta(b / 2, (a + 1) / 2).cdf).pvalue < 1e-4
    drawn = risk_distribution(model, a + b + 5, np.inf).sampler.drawn(np.random.default_rng(0), TRIALS)
    assert stats.kstest(pgr_of(drawn, 0.0), law.cdf).pvalue > LEAST_P


@pytest.mark.parametrize("name", ["all blocks", "nothing shared", "any angles", "tilted", "one dimension each"])
def test_pgr_elsewhere_in_the_limit(name):
    model = EVERY[name]
    n = model.d_weak + model.d_strong + 6
    law = risk_distribution(model, n, np.inf).pgr
    trials = simulate(model, n, 10**14, trials=TRIALS, seed=2, workers=1)
    assert against(law, trials.pgr) > LEAST_P
    assert stats.ks_2samp(law.rvs(TRIALS, random_state=3), trials.pgr).pvalue > LEAST_P


def test_chances_of_pgr_are_those_of_its_draws_with_gaps_of_either_sign():
    rng = np.random.default_rng(0)
    shape = (1, 200_000)
    unit, shared = np.ones(shape), rng.chisquare(3, shape)
    fixed = [np.full(shape, value) for value in (0.4, 0.0, 0.1)]
    scalars = Scalars(unit, shared, *fixed, np.zeros(shape), np.zeros(shape))
    for lead in (-2.0, 0.5):
        values = pgr_of(scalars, lead)
        for pgr in (-1.0, 0.0, 0.3, 2.0):
            chance = float(chance_of_pgr(scalars, 3, lead, pgr).mean())
            assert np.mean(values <= pgr) == pytest.approx(chance, abs=5e-3)


@pytest.mark.parametrize(
    ("a", "b", "c", "N"), [(10, 190, 90, 120), (3, 2, 4, 9), (1, 1, 0, 1), (0, 3, 2, 4), (2, 1, 1, 3), (1, 1, 2, 9)]
)
def test_chance_to_beat_the_teacher(a, b, c, N):
    """The same as an integral by SciPy over the ratio of two chi2 and a chi2 of the student's."""
    model = coordinate_model(a, b, c)
    laws = risk_distribution(model, a + b + c + 3, N)
    chance = laws.p_student_beats_teacher
    other = risk_distribution(model, 10**6, N).p_student_beats_teacher
    assert other == pytest.approx(chance, rel=1e-12)  # n plays no part
    scalars = laws._scalars
    numerical = chance_by_spread(scalars, scalars.error + scalars.shared, a + c, N - a - c + 1).mean()
    assert numerical == pytest.approx(chance, abs=1e-3)
    rng = np.random.default_rng(0)
    count = 200_000
    ratio = np.sqrt(rng.chisquare(a, count) / rng.chisquare(b, count)) if a else np.zeros(count)
    g, rest = rng.standard_normal(count), rng.chisquare(a + c - 1, count) if a + c > 1 else 0.0
    k = rng.chisquare(N - a - c + 1, count)
    share = np.mean(g**2 + rest + 2 * ratio * np.sqrt(k) * g < k)
    assert abs(share - chance) < 4 * np.sqrt(max(chance * (1 - chance), 1e-6) / count)


def test_chance_to_beat_has_its_digits():
    """One shared, one own direction each: z is Cauchy times a cosine, an integral of two dimensions."""

    def integrand(angle, ratio_angle):
        z = np.cos(angle) / np.tan(ratio_angle)
        longest = 1 / (np.sqrt(1 + z * z) + z) if z > 0 else np.sqrt(1 + z * z) - z
        return stats.f.cdf(longest**2 * 7 / 2, 2, 7) / np.pi * (2 / np.pi)

    expected = integrate.dblquad(integrand, 0, np.pi / 2, 0, np.pi, epsabs=1e-9)[0]
    assert chance_to_beat(1, 1, 2, 7.0) == pytest.approx(expected, abs=1e-8)


def test_infinity_is_the_limit():
    for name in ("all blocks", "any angles"):
        model = EVERY[name]
        for finite, limit in (((40, 10**13), (40, np.inf)), ((10**13, 40), (np.inf, 40))):
            near, at = risk_distribution(model, *finite), risk_distribution(model, *limit)
            for risk in RISKS:
                if isinstance(getattr(at, risk), PointMass):
                    assert getattr(near, risk).ppf([0.01, 0.99]) == pytest.approx(getattr(at, risk).value, rel=1e-4)
                else:
                    assert getattr(near, risk).ppf(0.95) == pytest.approx(getattr(at, risk).ppf(0.95), rel=2e-3)
            assert near.p_student_beats_teacher == pytest.approx(at.p_student_beats_teacher, abs=2e-3)
        both = risk_distribution(model, np.inf, np.inf)
        assert both.w2s.value == pytest.approx(float(expected_risks(model, np.inf, np.inf).w2s))
        assert np.all(both.covariance == 0)


@pytest.mark.parametrize("name", ["all blocks", "any angles", "no noise"])
def test_bands_are_intervals_of_the_laws(name):
    model = EVERY[name]
    n, N = np.array([[12], [200]]), np.array([9.0, 100, np.inf])
    bands = risk_bands(model, n, N, 0.9)
    for place in np.ndindex(2, 3):
        laws = risk_distribution(model, n[place[0], 0], N[place[1]])
        for risk in RISKS:
            found = [end[place] for end in bands[risk]]
            assert found == pytest.approx(getattr(laws, risk).interval(0.9), rel=0.05 if risk == "w2s" else 1e-9)


def test_bands_end_where_fits_interpolate():
    model = COORDINATES["all blocks"]  # of d_weak = 7, d_strong = 5
    known = {name: np.isfinite(low) for name, (low, _) in risk_bands(model, [4, 5, 7, 7], [3, 3, 4, 5], 0.9).items()}
    assert known["weak"].tolist() == [False, False, True, True]
    assert known["baseline"].tolist() == [False, True, True, True]
    assert known["ceiling"].all()
    assert known["w2s"].tolist() == [False, False, False, True]


@pytest.mark.parametrize("freedom", [1e12, 1e13, 2e13, 1e15, 1e18, 2.0**63])
def test_quantiles_hold_at_any_number_of_rows(freedom):
    law = scaled_f(0.0, freedom, 10, freedom)
    assert law.ppf(PROBABILITIES) == pytest.approx(stats.chi2(10).ppf(PROBABILITIES), rel=1e-10)


def test_tails_without_moments():
    model = COORDINATES["all blocks"]
    laws = risk_distribution(model, model.d_weak, model.d_strong)
    assert np.isinf([laws.weak.mean(), laws.w2s.mean(), laws.weak.var(), laws.w2s.var()]).all()
    assert laws.w2s.cdf(laws.w2s.ppf(0.999)) == pytest.approx(0.999, abs=1e-4)
    within = risk_distribution(COORDINATES["teacher within student"], 20, 5)  # what the student's rows add is nothing
    assert np.isfinite([within.w2s.mean(), within.w2s.var(), within.covariance[0, 3]]).all()


def test_without_noise_risks_do_not_vary():
    model = coordinate_model(2, 2, 1, noise_variance=0.0)
    laws = risk_distribution(model, 9, 8)
    for risk in RISKS:
        law = getattr(laws, risk)
        assert isinstance(law, PointMass)
        assert law.value == pytest.approx(0.0, abs=1e-12)
    assert laws.p_student_beats_teacher == 0.0
    point = PointMass(2.0)
    assert (point.cdf(1.9), point.cdf(2.0), point.sf(2.0), point.median(), point.std()) == (0.0, 1.0, 0.0, 2.0, 0.0)
    assert point.interval(0.9) == (2.0, 2.0)
    assert point.rvs((2,)).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("n", "N", "error", "message"),
    [
        (6, 10, ValueError, r"n must be at least 7, as many rows as features, got 6: .* use simulate"),
        (10, 4, ValueError, r"N must be at least 5, as many rows as features, got 4"),
        ([10, 11], 10, ValueError, r"n must be one number or infinity, got an array of shape \(2,\)"),
        (10.5, 10, TypeError, "n must be whole numbers or infinity"),
        (0, 10, ValueError, "n must be at least 1"),
    ],
)
def test_other_sizes_are_refused(n, N, error, message):
    with pytest.raises(error, match=message):
        risk_distribution(COORDINATES["all blocks"], n, N)


def test_what_has_no_law_is_refused():
    model = COORDINATES["noise alone"]
    with pytest.raises(ValueError, match=r"got N = 50: take simulate\(...\).pgr"):
        _ = risk_distribution(model, 20, 50).pgr
    with pytest.raises(ValueError, match="there is no gap to recover"):
        _ = risk_distribution(model, np.inf, np.inf).pgr
    with pytest.raises(TypeError, match="model must be a GaussianModel"):
        risk_distribution("paper", 20, 50)
    assert repr(risk_distribution(model, 20, np.inf)).startswith("<RiskDistribution at n = 20, N = inf: d_weak ")
