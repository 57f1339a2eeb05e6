"""Sample complexity: the answers are the first sizes that exact theory gives, and simulation agrees at them."""

import numpy as np
import pytest

from tests.models import random_model
from w2s_fast import (
    GaussianModel,
    best_labels,
    expected_risks,
    paper_ratio_bounds,
    required_labels,
    required_pseudo_labels,
    simulate,
)

SEARCHED = 20_000


def first_reaching(model, wanted, n, N):
    """Walk along sizes until there is a gap and PGR reaches what is wanted."""
    risks = expected_risks(model, n, N)
    sizes = n if np.ndim(n) else N
    found = sizes[(risks.weak > risks.ceiling) & (risks.pgr >= wanted)]
    return int(found[0]) if found.size else None


def asked(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except ValueError:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_required_sizes_are_the_first_to_reach_the_wanted_pgr(seed):
    rng = np.random.default_rng(seed)
    r = int(rng.integers(4, 12))
    d_weak, d_strong = (int(rng.integers(1, r)) for _ in range(2))
    model = random_model(rng, r, d_weak, d_strong, float(rng.choice([0.0, 0.1, 3.0, 30.0])))
    wanted = float(rng.uniform(-1, 1))
    n, N = d_weak + 2 + int(rng.integers(0, 100)), d_strong + 2 + int(rng.integers(0, 100))
    expected = first_reaching(model, wanted, n, np.arange(d_strong + 2, SEARCHED))
    answer = asked(required_pseudo_labels, model, n, pgr=wanted)
    assert answer == expected or (expected is None and answer >= SEARCHED)
    expected = first_reaching(model, wanted, np.arange(d_weak + 2, SEARCHED), N)
    answer = asked(required_labels, model, N, pgr=wanted)
    assert answer == expected or (expected is None and answer >= SEARCHED)


@pytest.mark.parametrize("d_shared", [0, 10, 50, 90])
def test_best_labels_beat_all_others(d_shared):
    model = GaussianModel.paper(d_shared=d_shared)
    best = best_labels(model, 4_000)
    others = expected_risks(model, np.arange(202, 20_000), 4_000).pgr
    assert expected_risks(model, best, 4_000).pgr == pytest.approx(others.max(), rel=1e-12)


@pytest.mark.compiled
def test_simulation_agrees_at_the_answers():
    model = GaussianModel.paper(d_shared=50)
    for n, N in (
        (1_000, required_pseudo_labels(model, 1_000, pgr=0.6)),
        (required_labels(model, 2_000, pgr=0.65), 2_000),
        (best_labels(model, 4_000), 4_000),
    ):
        pgr = float(expected_risks(model, n, N).pgr)
        result = simulate(model, n, N, trials=4_000, seed=1)
        gap = float(np.mean(result.weak - result.ceiling))
        shortfall = (result.weak - result.w2s - pgr * (result.weak - result.ceiling)) / gap
        assert abs(shortfall.mean()) < 4 * shortfall.std(ddof=1) / np.sqrt(4_000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: required_pseudo_labels(m, 2000, pgr=0.9),
            r"no N reaches a PGR of 0.9: the most is 0.5736, at N = 1,",
        ),
        (lambda m: required_labels(m, 4000, pgr=0.9), r"no n reaches a PGR of 0.9: the most is 0.5415, at n = 893"),
        (lambda m: required_labels(m, 101, pgr=0.9), "N must be at least 102"),
        (lambda m: required_pseudo_labels(m, 201, pgr=0.9), "n must be at least 202"),
        (lambda m: required_pseudo_labels(m, 500, pgr=1.5), "pgr must be a finite number, at most 1, got 1.5"),
    ],
)
def test_what_cannot_be_reached_says_how_far_it_gets(call, message):
    with pytest.raises(ValueError, match=message):
        call(GaussianModel.paper(d_shared=90))


def test_without_a_gap_there_is_nothing_to_reach():
    model = GaussianModel([1.0, 5.0], [[0.0], [1.0]], [[1.0], [0.0]], 0.0)  # the teacher knows all that matters
    with pytest.raises(ValueError, match="there is no gap to recover"):
        required_pseudo_labels(model, 10, pgr=0.5)
    with pytest.raises(ValueError, match="there is no gap to recover"):
        best_labels(model, 10)


def test_a_limit_is_said_to_be_one():
    with pytest.raises(ValueError, match=r"no N reaches a PGR of 0\.99: it tends to 0\.55"):
        required_pseudo_labels(GaussianModel.paper(d_shared=90, d_target=20, noise_variance=1.0), 260, pgr=0.99)


def test_ratio_bounds_lie_below_the_exact_ratios():
    for d_shared in (0, 10, 50, 90):
        model = GaussianModel.paper(d_shared=d_shared)
        n, N = np.array([[400], [1000], [3000]]), np.array([400, 1000, 10_000])
        pgr, opr = paper_ratio_bounds(model, n, N)
        exact = expected_risks(model, n, N)
        assert np.all(pgr <= exact.pgr)
        assert np.all(opr[:, 1:] <= exact.opr[:, 1:] * 1.02)  # the bound writes N for N - d_strong - 1


def test_ratio_bounds_need_noise_and_enough_labels():
    assert np.isnan(paper_ratio_bounds(GaussianModel.paper(noise_variance=0.0), 2000, 2000)).all()
    assert np.isnan(paper_ratio_bounds(GaussianModel.paper(), 201, 2000)).all()


@pytest.mark.parametrize("scale", [1e-60, 1.0, 1e60])
def test_answers_do_not_depend_on_units(scale):
    axes = np.eye(4)
    model = GaussianModel(
        np.array([1, 0.5, 0.1, 0]) * scale, axes[:, [0, 1, 3]], axes[:, :2], noise_variance=0.3 * scale**2
    )
    assert required_pseudo_labels(model, 100, pgr=0.2) == 6


def test_a_size_near_the_limit_is_found_and_is_the_smallest():
    model = GaussianModel.paper(3, 14, 1, 1e-4, d_target=5)
    N = required_pseudo_labels(model, 69, pgr=0.0531211234)
    before, at = expected_risks(model, 69, [N - 1, N]).pgr
    assert before < 0.0531211234 <= at


@pytest.fixture(scope="module")
def small():
    return GaussianModel.paper(d_weak=8, d_strong=5, d_shared=2, d_target=12)


def share_of_trials(model, n, N, pgr):
    """By trials that the search has not seen."""
    trials = simulate(model, n, N, trials=8_000, seed=99)
    return np.mean((trials.weak > trials.ceiling) & (trials.pgr >= pgr))


@pytest.mark.parametrize(
    ("axis", "fixed", "pgr", "certainty"), [("N", 60, 0.4, 0.9), ("N", 60, 0.6, 0.5), ("n", 40, 0.6, 0.7)]
)
@pytest.mark.compiled
def test_trials_reach_the_wanted_pgr_as_often_as_wanted(small, axis, fixed, pgr, certainty):
    required = required_pseudo_labels if axis == "N" else required_labels
    size = required(small, fixed, pgr=pgr, certainty=certainty)
    assert size == required(small, fixed, pgr=pgr, certainty=certainty)
    at, before = (
        share_of_trials(small, *((fixed, x) if axis == "N" else (x, fixed)), pgr)
        for x in (size, max(int(0.8 * size), 10))
    )
    error = np.sqrt(certainty * (1 - certainty) * (1 / 4_000 + 1 / 8_000))
    assert at > certainty - 5 * error
    assert before < certainty + 3 * error


def test_low_quantiles_of_pgr_peak_later_than_its_mean(small):
    """At the size of the largest mean too few trials reach it; at a larger one enough do."""
    best = required_pseudo_labels(small, 60, pgr=float(expected_risks(small, 60, np.arange(7, 200)).pgr.max()))
    assert share_of_trials(small, 60, best, 0.7) < share_of_trials(small, 60, 4 * best, 0.7)


def test_a_certainty_that_no_size_has_says_how_far_it_gets(small):
    with pytest.raises(ValueError, match=r"no N reaches a PGR of 0.95 in 99.9 % of trials: the most is \d+"):
        required_pseudo_labels(small, 60, pgr=0.95, certainty=0.999, trials=500)
    for certainty in (0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="certainty must be"):
            required_labels(small, 60, pgr=0.5, certainty=certainty)
