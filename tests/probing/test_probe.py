"""Probes on real features: the numbers of a plain implementation, whatever the shape of the sweep."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tests import naive
from w2s_fast import GaussianModel, probe, w2s_variance
from w2s_fast._random import stream
from w2s_fast.linalg.leastsq.policy import STORED
from w2s_fast.probing.design import SPLITS
from w2s_fast.probing.task import Task

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
    (pool,) = task.split(4)[0]
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
        ({"test": ("a", "b")}, ValueError, "test must be .weak, strong, y., got 2 items"),
        (
            {"test": (np.ones((2, 5)), np.ones((2, 9)), [1, 2])},
            ValueError,
            "test has widths .weak 5, strong 9, y 1., the other",
        ),
        ({"test": (np.ones((2, 6)), np.ones((3, 9)), [1, 2])}, ValueError, "strong of test has 3"),
        ({"test": {1}}, TypeError, "test must be row numbers, .weak, strong, y., a share or a number of rows, got .1"),
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


HARD = {
    "float16": lambda w, s: (w.astype(np.float16), s.astype(np.float16)),
    "dead and constant columns": lambda w, s: (
        np.column_stack((w, 0 * w[:, 0])),
        np.column_stack((s, 1 + 0 * s[:, 0])),
    ),
    "duplicated rows": lambda w, s: (np.repeat(w[::2], 2, axis=0), np.repeat(s[::2], 2, axis=0)),
    "duplicated columns": lambda w, s: (np.hstack((w, w)), np.hstack((s, s))),
    "scaled": lambda w, s: (1e4 * w, 1e-3 * s),
    "whole numbers": lambda w, s: ((10 * w).astype(np.int16), s),
}


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 1e-6])
@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("seed", [0, 1])
def test_hard_features_give_the_plain_errors_wherever_no_fit_is_flagged(case, ridge, intercept, seed):
    weak, strong, y = features(seed=seed)
    weak, strong = HARD[case](weak, strong)
    stored = rounding(np.float16, ridge) if case == "float16" else 0.0
    points = {"n": [5, 30, 60], "N": [7, 40, 80]}
    result = probe(weak, strong, y + 3, **points, trials=2, test=50, ridge=ridge, intercept=intercept)
    (pool,) = Task.of(weak, strong, y, 50).split(0)[0]
    test = np.setdiff1d(np.arange(200), pool)
    for trial in range(2):
        order = stream(0, SPLITS, trial).permutation(pool)
        for point, (n, N) in enumerate(zip(points["n"], points["N"], strict=True)):
            expected = naive.probe_errors(
                weak, strong, y + 3, order[:n], order[60 : 60 + N], test, ridge, 1e-12, intercept, stored
            )
            found = [getattr(result, name)[point, trial] for name in RISKS]
            trusted = [not getattr(result.ill_conditioned, name)[point, trial] for name in RISKS]
            assert np.compress(trusted, found) == pytest.approx(np.compress(trusted, expected), rel=1e-6)
            assert any(trusted)


@pytest.mark.parametrize("intercept", [False, True])
def test_unflagged_fits_are_right_to_six_digits_at_any_condition_shape_and_precision(intercept):
    rng, trusted, fits = np.random.default_rng(7), 0, 0
    for _ in range(60):
        d_weak, d_strong = rng.integers(2, 26, 2)
        dtype = rng.choice([np.float64, np.float32, np.float16])
        weak, strong = (
            (spread(rng, 160, d) * 10.0 ** rng.uniform(-3, 1)).astype(dtype) for d in (int(d_weak), int(d_strong))
        )
        y = rng.standard_normal(160) + weak[:, 0] + strong[:, -1]
        near = [d_strong - 1, d_strong, d_strong + 1, d_weak, d_weak + 1, d_strong // 2 + 1, 3 * d_strong]
        n, N = (int(max(size, 2)) for size in rng.choice(near, 2))
        n, N, ridge = min(n, 50), min(N, 60), rng.choice([0.0, 1e-6, 1.0])
        result = probe(weak, strong, y, n=n, N=N, trials=1, test=50, ridge=ridge, intercept=intercept)
        (pool,) = Task.of(weak, strong, y, 50).split(0)[0]
        order, test = stream(0, SPLITS, 0).permutation(pool), np.setdiff1d(np.arange(160), pool)
        expected = naive.probe_errors(
            weak, strong, y, order[:n], order[n : n + N], test, ridge, 1e-12, intercept, rounding(dtype, ridge)
        )
        unflagged = [not getattr(result.ill_conditioned, name)[0] for name in RISKS]
        found = [getattr(result, name)[0] for name in RISKS]
        assert np.compress(unflagged, found) == pytest.approx(np.compress(unflagged, expected), rel=1e-6)
        trusted, fits = trusted + sum(unflagged), fits + 4
    assert 0.5 * fits < trusted < fits


def rounding(dtype, ridge):
    """What numbers of this type are trusted to, without a ridge."""
    return STORED * float(np.finfo(np.float32).eps) if np.finfo(dtype).bits < 64 and not ridge else 0.0


def spread(rng, rows, d):
    """Gaussian rows whose singular values fall by a factor of 1 to 1e9."""
    u, v = (np.linalg.qr(rng.standard_normal((size, d)))[0] for size in (rows, d))
    return np.sqrt(rows) * (u * np.geomspace(1, 10.0 ** -rng.uniform(0, 9), d)) @ v


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 1e-6])
def test_many_rows_are_shortened_by_rotations_where_sums_fail(monkeypatch, ridge, intercept):
    weak, strong, y = features()
    doubled = np.hstack((strong, strong))
    arguments = {"n": 60, "N": [70, 90], "trials": 2, "ridge": ridge, "intercept": intercept}
    whole = probe(weak, doubled, y + 3, **arguments)
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.GATHERED", 100)
    short = probe(weak, doubled, y + 3, **arguments)
    for name in RISKS:
        assert getattr(short, name) == pytest.approx(getattr(whole, name), rel=1e-6)


def test_a_student_of_a_teacher_that_hangs_on_rounding_does_too():
    weak, strong, y = features()
    nearly = np.column_stack((weak, weak[:, 0] * (1 + 1e-9 * np.random.default_rng(0).standard_normal(200))))
    result = probe(nearly, strong, y, n=40, N=60, trials=3, ridge=0.0)
    assert result.ill_conditioned.weak.all()
    assert result.ill_conditioned.w2s.all()
    assert not result.ill_conditioned.ceiling.any()
    assert np.isnan(result.summary()["opr"].mean)


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells what memory is mapped from")
OUT_OF_CORE = """
    import resource, sys
    import numpy as np
    from w2s_fast import probe

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB

    rng = np.random.default_rng(0)
    folder, kind = sys.argv[1:]
    strong = folder + "/strong.npy" if kind != "memmap" else np.load(folder + "/strong.npy", mmap_mode="r")
    small = rng.standard_normal((300, 5))
    probe(small, small, small[:, 0] + rng.standard_normal(300), n=20, N=30, trials=2)  # compiles
    weak, y = rng.standard_normal((200_000, 3)), rng.standard_normal(200_000)
    before = peak()
    probe(weak, strong, y, n=[50, 100], N=4_000, trials=2, test=2_000, workers=1)
    print(peak() - before)
"""


@pytest.mark.compiled
@LINUX
@pytest.mark.parametrize("kind", ["path", "memmap", "transpose"])
def test_features_in_files_take_memory_for_blocks_alone(tmp_path, kind):
    with (tmp_path / "strong.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": kind == "transpose", "shape": (200_000, 320)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in range(40):
            file.write(np.random.default_rng(block).standard_normal((5_000, 320), np.float32).tobytes())
    program = [sys.executable, "-c", textwrap.dedent(OUT_OF_CORE), str(tmp_path), kind]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 112  # of the file's 244; a block of rows takes 16, twice that while it is converted


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "kind", ["path", pytest.param("memmap", marks=LINUX), pytest.param("memmap reversed", marks=LINUX)]
)
@pytest.mark.parametrize("change", ["in place", "saved anew", "replaced", "deleted"])
def test_a_file_that_changes_amid_a_probe_is_refused(tmp_path, order, kind, change):
    weak, strong, y = features()
    path = tmp_path / "strong.npy"
    np.save(path, np.asarray(strong, order=order))

    def spoil(done, total):
        if done != 2:
            return
        if change == "in place":
            os.utime(path, ns=(0, 0))  # a clock may tick less often than this test
            np.load(path, mmap_mode="r+")[:] = 0.0
        elif change == "saved anew":
            np.save(path, strong[:3])  # shorter: to read what was mapped would end the process
        elif change == "replaced":
            np.save(tmp_path / "other.npy", strong)
            os.replace(tmp_path / "other.npy", path)
        else:
            path.unlink()

    given = path if kind == "path" else np.load(path, mmap_mode="r")[:, :: -1 if kind == "memmap reversed" else 1]
    with pytest.raises(ValueError, match=r"strong.npy' changed while it was read: start again"):
        probe(weak, given, y, n=20, N=[30, 90], trials=40, workers=1, progress=spoil)


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_not_finite_is_told_from_a_file_by_blocks(order, tmp_path, monkeypatch):
    weak, strong, y = features()
    strong[[3, 150], [1, 0]] = np.nan, np.inf
    np.save(tmp_path / "strong.npy", np.asarray(strong, order=order))
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.GATHERED", 90)
    with pytest.raises(ValueError, match=r"strong holds 2 NaN or infinite value\(s\), the first at index \(3, 1\)"):
        probe(weak, tmp_path / "strong.npy", y, n=20, N=30, trials=1)


def test_doubts_in_words():
    weak, strong, y = features()
    nearly = np.column_stack((strong, strong[:, 0] * (1 + 1e-9 * np.random.default_rng(0).standard_normal(200))))
    found = probe({"all": weak}, {"nearly": nearly}, np.column_stack((y, -y)), n=40, N=[60, 90], trials=3, ridge=0.0)
    doubts = found["all", "nearly"].doubts
    assert "ceiling ill-conditioned" in doubts.in_words((0, 1))
    assert doubts.of("opr").shape == (2, 2)
    assert not doubts.of("weak").any()
    assert doubts.of("accuracy_w2s").all()


def test_fits_that_hang_on_rounding_are_flagged_and_their_ratios_left_out():
    weak, strong, y = features()
    nearly = np.column_stack((strong, strong[:, 0] * (1 + 1e-9 * np.random.default_rng(0).standard_normal(200))))
    result = probe(weak, nearly, y, n=40, N=[60, 90], trials=3, ridge=0.0)
    assert result.ill_conditioned.w2s.all()
    assert not result.ill_conditioned.weak.any()
    assert np.isnan(result.summary()["opr"].mean).all()
    assert np.isnan(result.summary()["pgr_of_means"].mean).all()
    assert np.isfinite(result.summary()["w2s"].mean).all()


def test_a_ceiling_no_better_than_the_teacher_leaves_no_ratio():
    weak, strong, y = features()
    result = probe(strong, weak[:, :1], y, n=40, N=[60, 90], trials=5)
    assert result.doubts.no_gap.all()
    assert np.isnan(result.summary()["pgr"].mean).all()
    assert np.isfinite(result.summary()["opr"].mean).all()


def test_ratios_of_means_are_those_of_the_mean_errors():
    weak, strong, y = features(rows=400)
    result = probe(weak[:, :2], strong, y, n=40, N=[100, 200], trials=8)
    means = result.summary()
    gap = means["weak"].mean - means["ceiling"].mean
    assert means["pgr_of_means"].mean == pytest.approx((means["weak"].mean - means["w2s"].mean) / gap)
    assert means["opr_of_means"].mean == pytest.approx(means["baseline"].mean / means["w2s"].mean)
    assert np.all(means["pgr_of_means"].stderr > 0)


@pytest.mark.parametrize("nested", [True, False])
def test_pairs_and_label_columns_share_work_but_not_results(nested):
    weak, strong, y = features()
    labels = np.column_stack((y, y**2))
    teachers, students = {"all": weak, "some": weak[:, :3]}, {"s": strong, "t": strong[:, :4]}
    arguments = {"n": [20, 40, 20], "N": [50, 50, 90], "trials": 3, "nested": nested, "label_noise": 0.0}
    found = probe(teachers, students, labels, **arguments, decompose=True)
    assert set(found) == {(t, s) for t in teachers for s in students}
    for (t, s), pair in found.items():
        assert pair.w2s.shape == (3, 2, 3)
        alone = probe(teachers[t], students[s], labels[:, 1], **arguments, decompose=True)
        for name in RISKS:
            assert getattr(pair, name)[:, 1] == pytest.approx(getattr(alone, name), rel=1e-9)
        for mine, theirs in zip(pair.decomposition, alone.decomposition, strict=True):
            assert mine[:, 1] == pytest.approx(theirs, rel=1e-6)


def test_points_that_are_not_nested_draw_rows_of_their_own():
    weak, strong, y = features()
    nested, free = (probe(weak, strong, y, n=20, N=[30, 90], trials=3, nested=flag) for flag in (True, False))
    assert np.array_equal(nested.weak[0], nested.weak[1])
    assert np.all(free.weak[0] != free.weak[1])
    alone = probe(weak, strong, y, n=20, N=90, trials=3, nested=False)
    assert alone.w2s == pytest.approx(free.w2s[1], rel=1e-12)


def test_signs_have_accuracies():
    weak, strong, y = features()
    signs = np.where(y > 0, 1, -1)
    result = probe(weak, strong, signs, n=40, N=90, trials=3, test=50)
    assert probe(weak, strong, y, n=40, N=90, trials=1).accuracy is None
    task = Task.of(weak, strong, signs, 50)
    (pool,), _, test = task.split(0)
    order = stream(0, SPLITS, 2).permutation(pool)
    teacher = naive.min_norm(weak[order[:40]], signs[order[:40]], 0.0, 1e-6)
    assert result.accuracy.weak[2] == np.mean(np.sign(weak[test] @ teacher) == signs[test])
    assert result.summary()["accuracy_ceiling"].mean == pytest.approx(result.accuracy.ceiling.mean())
    assert result.accuracy.pgr.shape == (3,)


def test_noise_is_drawn_for_training_labels_alone_and_repeats():
    _, strong, _ = features(rows=4000, d_strong=12)
    exact = strong @ np.ones(12)
    arguments = {"n": 1000, "N": 1500, "trials": 40, "ridge": 0.0}
    result = probe(strong, strong, exact, **arguments, label_noise=2.0)
    assert probe(strong, strong, exact, **arguments).weak.max() < 1e-18 * exact.var()
    expected = 4.0 * 12 / (1000 - 13)
    assert result.weak.mean() == pytest.approx(expected, rel=0.3)
    again = probe(strong, strong, exact, **arguments, label_noise=2.0, workers=1)
    assert np.array_equal(result.w2s, again.w2s)


def test_variance_splits_as_the_theorem_has_it():
    rng = np.random.default_rng(3)
    d_weak, d_strong, d_shared, n, N, noise = 12, 8, 4, 100, 60, 1.0
    z = rng.standard_normal((6000, d_weak + d_strong - d_shared))
    weak, strong = z[:, :d_weak] @ rng.standard_normal((d_weak, d_weak)), z[:, d_weak - d_shared :]
    y = z[:, d_weak - d_shared]  # both can represent it
    result = probe(weak, strong, y, n=n, N=N, trials=400, ridge=0.0, label_noise=noise, decompose=True, test=1000)
    model = GaussianModel(
        np.eye(z.shape[1])[d_weak - d_shared], np.eye(z.shape[1])[:, :d_weak], np.eye(z.shape[1])[:, -d_strong:], noise
    )
    inherited, reduced = w2s_variance(model, n, N, population=True)
    parts = result.decomposition
    assert parts.inherited == pytest.approx(inherited, rel=0.1)
    assert parts.reduced == pytest.approx(reduced, rel=0.15)
    assert parts.discrepant == pytest.approx(noise * (d_weak - d_shared) / (n - d_weak - 1), rel=0.1)
    assert abs(parts.weak_bias) < 1e-3
    assert parts.weak_bias + parts.weak_variance == pytest.approx(result.weak.mean(), rel=1e-9)
    assert parts.w2s_bias + parts.w2s_variance == pytest.approx(result.w2s.mean(), rel=1e-9)


def save(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, one=array, other=array)
        return f"{path}#one"
    else:
        header = json.dumps({"one": {"dtype": "F32", "shape": array.shape, "data_offsets": [0, 4 * array.size]}})
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + array.astype("<f4").tobytes())
    return path


@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors"])
def test_files_give_what_arrays_give(tmp_path, kind):
    weak, strong, y = (array.astype(np.float32) for array in features())
    paths = [save(tmp_path / (name + kind), array) for name, array in (("w", weak), ("s", strong), ("y", y))]
    arguments = {"n": 20, "N": 50, "trials": 2}
    assert np.array_equal(probe(*paths, **arguments).w2s, probe(weak, strong, y, **arguments).w2s)


def test_pickles_are_refused(tmp_path):
    _, strong, y = features()
    np.save(tmp_path / "w.npy", np.array([{}, 1], object), allow_pickle=True)
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04]")
    (tmp_path / "v.npy").write_bytes(b"\x80\x04]")
    for name, message in (("w.npy", "weak"), ("w.pkl", "file of type .npy"), ("v.npy", "cannot read")):
        with pytest.raises((ValueError, TypeError), match=message):
            probe(tmp_path / name, strong, y, n=20, N=30, trials=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weak": np.ones((200, 3))}, "weak is constant: all 200 rows are the same"),
        ({"strong": {"a": np.ones((200, 3))}}, r"strong\['a'\] is constant"),
        ({"y": np.ones(200)}, "y has one value, 1, in every row"),
        ({"y": np.column_stack((np.arange(200), np.ones(200)))}, "y has one value in column 1"),
        ({"weak": {}}, "weak must name at least one model"),
        ({"weak": {"a": np.full((200, 2), np.nan)}}, r"weak\['a'\] holds 400 NaN"),
        ({"label_noise": -1}, "label_noise must be a finite number, at least 0"),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused(change, message):
    weak, strong, y = features()
    with pytest.raises(ValueError, match=message):
        probe(**{"weak": weak, "strong": strong, "y": y, "n": 20, "N": 30, "trials": 1} | change)


@pytest.mark.parametrize("amplitude", [1.0, 1e4, 1e6])
@pytest.mark.parametrize("ridge", [0.0, 1e-6])
def test_a_column_that_hardly_varies_among_a_fits_rows_does_no_harm(ridge, amplitude):
    """Beside an intercept it is constant there, up to rounding: five rows of 3,000 have something else."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3_000, 3))
    X[:, 2] = 0.0
    X[:5, 2] = amplitude
    y = X[:, 0] + 0.1 * rng.standard_normal(3_000)
    how = {"n": 20, "N": 40, "trials": 5, "test": 200, "ridge": ridge, "intercept": True}
    found, without = probe(X, X, y, **how), probe(X[:, :2], X[:, :2], y, **how)
    for name in ("weak", "baseline", "ceiling", "w2s"):
        np.testing.assert_allclose(getattr(found, name), getattr(without, name), rtol=1e-5)
        assert not getattr(found.ill_conditioned, name).any()


def test_models_whose_names_are_the_same_as_text_are_refused():
    X = np.random.default_rng(0).standard_normal((60, 4))
    with pytest.raises(ValueError, match=r"weak must name each model differently, also as text, got \[1, '1'\]"):
        probe({1: X, "1": 2 * X}, X, X[:, 0], n=10, N=20, trials=1)


def test_labels_whose_errors_overflow_are_refused_and_huge_features_are_not():
    X = np.random.default_rng(0).standard_normal((60, 4))
    with pytest.raises(ValueError, match=r"y has labels beyond 1e\+70"):
        probe(X, X, X[:, 0] * 1e200, n=10, N=20, trials=1)
    with pytest.raises(ValueError, match="label_noise must be a finite number"):
        probe(X, X, X[:, 0], n=10, N=20, trials=1, label_noise=1e200)
    assert probe(X * 1e200, X, X[:, 0], n=10, N=20, trials=2).weak.max() < 1e-20


def test_labels_whose_errors_vanish_are_refused_by_name():
    weak, strong, y = features()
    with pytest.raises(ValueError, match="y varies by less than 1e-70, whose errors vanish: scale it up"):
        probe(weak, strong, 1e-160 * y, n=20, N=30, trials=2)
