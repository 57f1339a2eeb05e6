"""Simulation: exact in distribution, the same at any number of workers, in agreement with the authors' own."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.conftest import COMPILED
from tests.models import GEOMETRIES, RISKS, random_model, random_models, same_distribution, tilted
from w2s_fast import GaussianModel, expected_risks, simulate, w2s_variance
from w2s_fast.gaussian.coordinates import canonical
from w2s_fast.results.metrics import METRICS, quotients_of_means

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "authors_synthetic_d10.json").read_text(encoding="utf-8"))


@pytest.mark.compiled
@pytest.mark.parametrize("method", ["wishart", "invariants"])
def test_means_agree_with_theory_over_random_models(method):
    scores = []
    for model, rng in random_models(200, seed=0):
        # Five rows above the pole, where the risk has a variance, so that a standard error means something.
        n = max(model.d_weak, model.d_strong) + int(rng.integers(6, 50))
        N = model.d_strong + int(rng.integers(6, 50))
        expected = expected_risks(model, n, N)
        summary = simulate(model, n, N, trials=600, seed=7, method=method).summary()
        scores += [
            float((summary[name].mean - getattr(expected, name)) / summary[name].stderr)
            for name in RISKS
            if summary[name].stderr > 1e-12
        ]
    scores = np.array(scores)
    assert len(scores) > 700
    assert np.abs(scores).max() < 4.0
    assert 0.9 < scores.std() < 1.15
    assert abs(scores.mean()) < 0.15  # ratios of skewed risks make z lean a little to the left


SHAPES = {  # n, N against d_weak = 4, d_strong = 3
    "plenty": (20, 15),
    "teacher barely fits": (5, 12),
    "teacher interpolates": (4, 12),
    "teacher has fewer rows than features": (3, 12),
    "everything has fewer rows than features": (2, 1),
    "student has fewer rows than features": (12, 2),
    "student interpolates": (12, 3),
    "one row each": (1, 1),
}


@pytest.mark.compiled
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_distribution_is_that_of_drawn_rows(shape, geometry):
    pvalue, correlation = same_distribution(
        GEOMETRIES[geometry], *SHAPES[shape], trials=1500, seed=11, method="wishart"
    )
    assert pvalue > 1e-5  # of 192 p-values the smallest is about 0.005; below 1e-5 once in 500 runs
    assert correlation < 6.0  # the logs are not quite normal, so Fisher's z spreads a little wider than 1


@pytest.mark.compiled
@pytest.mark.parametrize("shape", ["plenty", "teacher has fewer rows than features", "student interpolates"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_ridge_distribution_is_that_of_drawn_rows(shape, geometry):
    pvalue, correlation = same_distribution(GEOMETRIES[geometry], *SHAPES[shape], trials=1500, seed=12, ridge=1.5)
    assert pvalue > 1e-5
    assert correlation < 6.0


@pytest.mark.parametrize("method", ["wishart", "direct"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_measured_variance_matches_the_theorem(method, geometry):
    model, n, N = GEOMETRIES[geometry], 30, 25
    trials = 4_000 if COMPILED else 200
    in_sample, population = simulate(model, n, N, trials=trials, seed=2, method=method).variance
    for measured, expected in (
        (in_sample, w2s_variance(model, n, N)),
        (population, w2s_variance(model, n, N, population=True)),
    ):
        for (mean, stderr), exact in zip(measured, expected, strict=True):
            assert abs(mean - exact) <= 4 * stderr + 1e-15


@pytest.mark.parametrize("shape", SHAPES)
def test_measured_variance_is_the_same_by_both_methods(shape):
    n, N = SHAPES[shape]
    trials = 2_000 if COMPILED else 100
    ours, oracle = (
        simulate(GEOMETRIES["any angles"], n, N, trials=trials, seed=seed, method=method, ridge=0.3).variance
        for seed, method in ((1, "wishart"), (2, "direct"))
    )
    for mine, theirs in zip((*ours.in_sample, *ours.population), (*oracle.in_sample, *oracle.population), strict=True):
        assert abs(mine.mean - theirs.mean) < 4.5 * np.hypot(mine.stderr, theirs.stderr)


ANGLES = [[0, 0, angle] for angle in (1e-3, 1e-4, 1e-6, 1e-9, 1e-11)] + [
    [0, 1e-7, 1e-3, 0.5],
    [1e-6, 1e-6, 1.57],
    [0, 0, 0],
]


@pytest.mark.parametrize("angles", ANGLES, ids=str)
def test_small_angles_are_told_apart(angles):
    model = tilted(np.array(angles, float))
    c = canonical(model, scales_matter=False)
    energy = np.sum(c.target_strong**2) + np.sum(c.target_outside**2) + c.target[-2] ** 2
    assert energy == pytest.approx(np.sum(model.target**2), rel=1e-6)
    summary = simulate(model, 20, 30, trials=2_000 if COMPILED else 100, seed=1).summary()
    for name, exact in expected_risks(model, 20, 30)._asdict().items():
        mean, stderr = summary[name]
        assert abs(mean - exact) < 4 * stderr + 1e-9 * exact


@pytest.mark.parametrize(
    ("scales", "n", "ridge"), [([1e9, 1, 1], 2, 1e-3), ([1e8, 1e8, 1], 20, 1.0), ([1e8, 1, 1], 20, 1.0)]
)
def test_ridge_on_features_of_unlike_scales(scales, n, ridge):
    maps = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0][:, :3] * scales
    model = GaussianModel(np.ones(6), maps, maps, 0.1)
    trials = 1_000 if COMPILED else 60
    ours, oracle = (
        simulate(model, n, 30, trials=trials, seed=seed, ridge=ridge, method=method)
        for seed, method in ((1, "wishart"), (2, "direct"))
    )
    for name in RISKS:
        assert stats.ks_2samp(getattr(ours, name), getattr(oracle, name)).pvalue > 1e-4


def test_the_reduced_part_is_measured_at_any_number_of_pseudo_labels():
    model = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=5, d_target=30)
    parts = simulate(model, 100, 10**12, trials=200, seed=1).variance
    for (mean, stderr), exact in zip(parts.in_sample, w2s_variance(model, 100, 10**12), strict=True):
        assert abs(mean - exact) < 4 * stderr
        assert stderr < 0.2 * exact


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_a_point_is_the_same_beside_points_of_few_rows(ridge):
    """Which take code of their own."""
    model = GaussianModel.paper(d_weak=6, d_strong=4, d_shared=2, d_target=9)
    beside = simulate(model, [3, 5, 20], 30, trials=20, seed=2, ridge=ridge)
    alone = simulate(model, 20, 30, trials=20, seed=2, ridge=ridge)
    for name in RISKS:
        assert np.array_equal(getattr(beside, name)[2], getattr(alone, name))


def test_direct_and_wishart_agree_on_tiny_runs():
    model = random_model(np.random.default_rng(3), r=5, d_weak=3, d_strong=2)
    for n, N in ((12, 10), (2, 10), (1, 1)):
        a = simulate(model, n, N, trials=60, seed=1, method="wishart")
        b = simulate(model, n, N, trials=60, seed=2, method="direct")
        assert all(stats.ks_2samp(getattr(a, name), getattr(b, name)).pvalue > 1e-3 for name in RISKS)


@pytest.mark.compiled
@pytest.mark.parametrize("sweep", ["vary_N_at_n2000", "vary_n_at_N4000"])
def test_every_point_agrees_with_the_authors_simulator(sweep):
    points = REFERENCE[sweep]
    model = GaussianModel.paper(d_shared=REFERENCE["d_shared"], noise_variance=REFERENCE["noise_variance"])
    trials = 200
    ours = simulate(model, [p["n"] for p in points], [p["N"] for p in points], trials=trials, seed=3)
    names = {"ew": "weak", "es": "baseline", "ec": "ceiling", "ew2s": "w2s", "pgr": "pgr", "opr": "opr"}
    scores = []
    for theirs, mine in names.items():
        mean, stderr = ours.summary()[mine]
        reference = np.array([p[theirs] for p in points])
        scores.append((mean - reference[:, 0]) / np.hypot(stderr, reference[:, 1] / np.sqrt(REFERENCE["trials"])))
    scores = np.array(scores)
    assert np.abs(scores).max() < 4.0
    # The signs of the authors' target are one draw; they move nothing but PGR and OPR at second order.
    assert abs(scores.mean()) < 0.3


def test_a_seed_gives_the_same_bits_at_any_number_of_workers_trials_and_points():
    model = random_model(np.random.default_rng(4), r=5, d_weak=3, d_strong=2)
    whole = simulate(model, [6, 9], 8, trials=37, seed=5, workers=1, method="wishart")
    for workers in (2, 5):
        again = simulate(model, [6, 9], 8, trials=37, seed=5, workers=workers, method="wishart")
        assert all(np.array_equal(getattr(whole, name), getattr(again, name)) for name in RISKS)
        assert np.array_equal(whole.variance, again.variance)
    alone = simulate(model, 9, 8, trials=20, seed=5, method="wishart")
    assert alone.w2s.shape == (20,)
    assert np.array_equal(alone.w2s, whole.w2s[1, :20])
    other = simulate(model, 9, 8, trials=20, seed=6, method="wishart")
    assert not np.any(alone.w2s == other.w2s)


@pytest.mark.parametrize("method", ["wishart", "invariants"])
def test_sample_sizes_up_to_two_to_the_62(method):
    model = random_model(np.random.default_rng(4), r=5, d_weak=3, d_strong=2)
    result = simulate(model, 2**62, 2**62, trials=3, method=method)
    assert result.weak == pytest.approx(np.full(3, model.rho_weak), rel=1e-6)
    assert result.baseline == pytest.approx(np.full(3, model.rho_strong), rel=1e-6)


def test_progress_counts_up_to_the_end():
    model = random_model(np.random.default_rng(4), r=4, d_weak=2, d_strong=2)
    seen = []
    simulate(model, [5, 6], 5, trials=20, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (40, 40)


def test_summary_has_mean_and_standard_error_of_every_metric():
    model = random_model(np.random.default_rng(4), r=4, d_weak=2, d_strong=2)
    result = simulate(model, [8, 9], 9, trials=6)
    summary = result.summary()
    assert tuple(summary) == (*METRICS, *quotients_of_means())
    assert result.trials == 6
    assert summary["w2s"].mean == pytest.approx(result.w2s.mean(axis=1))
    assert summary["w2s"].stderr == pytest.approx(result.w2s.std(axis=1, ddof=1) / np.sqrt(6))
    assert np.isnan(simulate(model, 8, 9, trials=1).summary()["w2s"].stderr)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"trials": 0}, ValueError, "trials must be at least 1, got 0"),
        ({"n": 0}, ValueError, "n must be at least 1"),
        ({"N": 2**62 + 1}, ValueError, "N must be at least 1 and at most"),
        ({"N": [4, 5, 6], "n": [4, 5]}, ValueError, r"n of shape \(2,\) and N of shape \(3,\) do not broadcast"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": True}, TypeError, "seed must be a whole number"),
        ({"ridge": -1.0}, ValueError, "ridge must be a finite number, at least 0"),
        ({"progress": 5}, TypeError, "progress must be a function of .done, total., got 5"),
        ({"model": None}, TypeError, "model must be a GaussianModel, got NoneType"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        (
            {"method": "magic"},
            ValueError,
            "method must be one of 'auto', 'invariants', .*, got 'magic'",
        ),
        ({"device": "tpu"}, ValueError, "device must be one of 'cpu', 'cuda', got 'tpu'"),
        ({"device": "cuda", "method": "wishart"}, ValueError, "device='cuda' runs method=\"invariants\" alone"),
        ({"method": "direct", "N": 10**8}, ValueError, "at most 10,000,000"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    model = random_model(np.random.default_rng(4), r=4, d_weak=2, d_strong=2)
    with pytest.raises(error, match=message):
        simulate(**({"model": model, "n": 5, "N": 5, "trials": 2} | change))
