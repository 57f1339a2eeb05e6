"""Probes on real features: the numbers of a plain implementation, whatever the shape of the sweep."""

import numpy as np
import pytest

from tests import naive
from w2s_fast import probe
from w2s_fast._random import stream
from w2s_fast.model.features import Task
from w2s_fast.model.probe import SPLITS

RISKS = ("weak", "baseline", "ceiling", "w2s")


def features(rows=200, d_weak=6, d_strong=9, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((rows, 12))
    y = z[:, 0] + 0.5 * z[:, 5] + rng.standard_normal(rows)
    scales = 10.0 ** rng.uniform(-2, 2, d_strong)
    weak = z @ rng.standard_normal((12, d_weak))
    return weak.astype(dtype), (z @ rng.standard_normal((12, d_strong)) * scales).astype(dtype), y


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("ridge", [0.0, 1e-6, 2.0])
@pytest.mark.parametrize(("n", "N"), [(40, 90), (5, 90), (40, 7), (3, 4), (6, 9)])
def test_errors_are_those_of_a_plain_implementation(n, N, ridge, dtype):
    weak, strong, y = features(dtype=dtype)
    result = probe(weak, strong, y, n=n, N=N, trials=3, test=50, ridge=ridge, seed=4)
    task = Task.of(weak, strong, y, 50, ridge)
    pool = task.split(4)[0]
    test = np.setdiff1d(np.arange(200), pool)
    assert len(test) == 50
    for trial in range(3):
        order = stream(4, SPLITS, trial).permutation(pool)
        expected = naive.probe_errors(weak, strong, y, order[:n], order[n : n + N], test, ridge)
        assert [getattr(result, name)[trial] for name in RISKS] == pytest.approx(expected, rel=1e-6)


def test_points_of_a_sweep_are_nested_and_broadcast():
    weak, strong, y = features()
    sweep = probe(weak, strong, y, n=[[20], [40]], N=[30, 60, 90], trials=4, test=0.25)
    assert sweep.w2s.shape == (2, 3, 4)
    assert np.array_equal(sweep.weak[0, 0], sweep.weak[0, 2])
    corner = probe(weak, strong, y, n=40, N=90, trials=4, test=0.25)
    assert corner.w2s == pytest.approx(sweep.w2s[1, 2], rel=1e-9)


def test_arrays_of_their_own_serve_as_test_rows():
    weak, strong, y = features()
    held = tuple(array[150:] for array in (weak, strong, y))
    result = probe(weak[:150], strong[:150], y[:150], n=30, N=60, trials=2, test=held)
    order = stream(0, SPLITS, 1).permutation(150)
    expected = naive.probe_errors(weak, strong, y, order[:30], order[30:90], np.arange(150, 200), 1e-6)
    assert [getattr(result, name)[1] for name in RISKS] == pytest.approx(expected, rel=1e-6)


def test_rank_deficient_features_are_solved_from_their_rows():
    weak, strong, y = features()
    doubled = np.hstack([weak, weak])
    plain = probe(weak, strong, y, n=40, N=60, trials=2, ridge=0.0)
    assert probe(doubled, strong, y, n=40, N=60, trials=2, ridge=0.0).weak == pytest.approx(plain.weak, rel=1e-8)


def test_small_errors_beside_large_labels_do_not_cancel():
    rng = np.random.default_rng(0)
    strong = np.column_stack((rng.standard_normal((300, 3)), np.ones(300)))
    y = strong[:, 0] + 1e6 + 1e-3 * rng.standard_normal(300)
    result = probe(strong[:, :2], strong, y, n=50, N=60, trials=3, ridge=0.0)
    assert np.all((result.baseline > 5e-7) & (result.baseline < 3e-6))


def test_scales_whose_squares_vanish_are_no_trouble():
    weak, strong, y = features()
    plain, tiny = (probe(weak * scale, strong, y, n=40, N=60, trials=2, ridge=0.0) for scale in (1.0, 1e-200))
    assert tiny.weak == pytest.approx(plain.weak, rel=1e-8)
    assert tiny.w2s == pytest.approx(plain.w2s, rel=1e-8)


def test_the_same_bits_at_any_number_of_workers():
    weak, strong, y = features()
    one, three = (probe(weak, strong, y, n=20, N=[30, 60], trials=7, workers=w) for w in (1, 3))
    assert all(np.array_equal(getattr(one, name), getattr(three, name)) for name in RISKS)


def test_progress_counts_trials_and_callers_arrays_stay():
    weak, strong, y = features()
    for array in (weak, strong, y):
        array.flags.writeable = False
    seen = []
    probe(weak, strong, y, n=20, N=30, trials=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.zeros(199)}, ValueError, "weak has 200, strong has 200, y has 199"),
        ({"y": np.full(200, np.nan)}, ValueError, "y holds 200 NaN"),
        ({"weak": np.zeros((0, 3)), "strong": np.zeros((0, 3)), "y": []}, ValueError, "weak must not be empty"),
        ({"weak": np.zeros(200)}, ValueError, "weak must have 2 dimension"),
        ({"n": 100, "N": 61}, ValueError, r"up to 161 rows a trial \(100 \+ 61\), but 160 are left"),
        ({"test": 200}, ValueError, "test takes 200 rows of 200"),
        ({"test": 1.5}, ValueError, "test must be a finite number, more than 0 and at most 1"),
        ({"test": 0}, ValueError, "test must be at least 1"),
        ({"test": (1, 2)}, ValueError, "test must be .weak, strong, y., a share or a number of rows, got 2 items"),
        ({"test": (np.ones((2, 5)), np.ones((2, 9)), [1, 2])}, ValueError, "test has widths .weak 5, strong 9, y 1., the other rows .weak 6"),
        ({"test": (np.ones((2, 6)), np.ones((3, 9)), [1, 2])}, ValueError, "strong of test has 3"),
        ({"test": "a"}, TypeError, "test must be .weak, strong, y., a share or a number of rows, got 'a'"),
        ({"progress": "yes"}, TypeError, "progress must be a function"),
        ({"n": [1, 2], "N": [1, 2, 3]}, ValueError, "do not broadcast to one grid"),
        ({"ridge": -1e-6}, ValueError, "ridge must be a finite number, at least 0"),
        ({"trials": 0}, ValueError, "trials must be at least 1"),
        ({"n": 2.5}, TypeError, "n must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    weak, strong, y = features()
    arguments = {"weak": weak, "strong": strong, "y": y, "n": 20, "N": 30, "trials": 2} | change
    with pytest.raises(error, match=message):
        probe(**arguments)
