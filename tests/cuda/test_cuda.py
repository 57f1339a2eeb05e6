"""The CUDA kernels against the oracles of the CPU: on a GPU, or in the simulator, in a process of its own.

``NUMBA_ENABLE_CUDASIM=1 python -m pytest tests/cuda/test_cuda.py``
"""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests import naive, strict_arrays
from tests.accuracy import rounding
from tests.models import GEOMETRIES, MODELS, RISKS, SHAPES, values_of
from w2s_fast import GaussianModel, Study, Subspace, cuda, simulate
from w2s_fast._random import key, key64, stream
from w2s_fast.features import sketching
from w2s_fast.linalg.accumulate.gram import Gram
from w2s_fast.linalg.accumulate.moments import Moments

try:
    from w2s_fast.cuda import kernels, trials
    from w2s_fast.cuda._shim import SIMULATED, array_library, to_host

    put = array_library().asarray
except RuntimeError as missing:
    pytest.skip(f"{missing} (or NUMBA_ENABLE_CUDASIM=1)", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # words modulo 2**64
MANY = 1 if SIMULATED else 100  # times the sizes that the simulator can bear


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal([0, 1, 10, -3, 1e3], 1, (70 * MANY + 3, 5))


@pytest.fixture
def tiny_blocks(monkeypatch):
    monkeypatch.setattr(trials, "BLOCK_THREADS", 8)


@pytest.mark.parametrize("shape", ["plenty", "teacher interpolates", "fewest rows"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("tiny_blocks")
def test_trials_are_those_of_the_cpu(name, shape):
    model, (n, N) = MODELS[name], SHAPES[shape]
    n, N = max(n, model.d_weak, model.d_strong), max(N, model.d_strong)
    count = 2 * MANY
    ours, theirs = (values_of(model, n, N, count, seed=8, device=device) for device in ("cuda", "cpu"))
    rounding = 1e-13 * (np.sum(model.target**2) + model.noise_variance)
    assert ours == pytest.approx(theirs, rel=1e-6, abs=rounding)


@pytest.mark.parametrize(("block", "most"), [(4, 4), (2, 1024), (16, 1024)])
def test_trials_do_not_depend_on_the_launch(monkeypatch, block, most):
    """Fewer threads than trials, as many, and more: the same bits."""
    model = GEOMETRIES["any angles"]
    monkeypatch.setattr(trials, "BLOCK_THREADS", 8)
    expected = values_of(model, 20, 15, 5, seed=3, device="cuda")
    monkeypatch.setattr(trials, "BLOCK_THREADS", block)
    monkeypatch.setattr(trials, "THREADS", most)
    assert np.array_equal(values_of(model, 20, 15, 5, seed=3, device="cuda"), expected)


@pytest.mark.usefixtures("tiny_blocks")
def test_simulate_takes_the_device_and_repeats_its_bits(monkeypatch):
    model = GEOMETRIES["any angles"]
    whole = simulate(model, [6, 9], 8, trials=5, seed=5, device="cuda")
    monkeypatch.setattr("w2s_fast.gaussian.simulate.LARGEST_LAUNCH", 2)
    alone = simulate(model, 9, 8, trials=3, seed=5, device="cuda")
    cpu = simulate(model, [6, 9], 8, trials=5, seed=5, method="invariants")
    for name in RISKS:
        assert np.array_equal(getattr(alone, name), getattr(whole, name)[1, :3])
        assert getattr(whole, name) == pytest.approx(getattr(cpu, name), rel=1e-9)


@pytest.mark.usefixtures("tiny_blocks")
def test_a_study_begun_on_the_gpu_goes_on_anywhere(tmp_path):
    def study(trials):
        model, path = GEOMETRIES["any angles"], tmp_path / "study.sqlite"
        return Study(model, n=[6, 9], N=8, method="invariants", trials=trials, path=path, keep_trials=True)

    study(2).run(progress=False, device="cuda")
    both = study(4).run(progress=False)
    cpu = simulate(GEOMETRIES["any angles"], [6, 9], 8, trials=4, method="invariants")
    for name in RISKS:
        assert getattr(both.result, name) == pytest.approx(getattr(cpu, name), rel=1e-9)
    assert [run["device"] for run in both.runs] == ["cuda", "cpu"]


@pytest.mark.skipif(SIMULATED, reason="the paper's size takes minutes in the simulator")
def test_the_paper_setting_on_a_gpu():
    model = GaussianModel.paper()
    ours, cpu = (
        simulate(model, 2000, 4000, trials=500, seed=1, **how) for how in ({"device": "cuda"}, {"method": "invariants"})
    )
    for name in RISKS:
        assert getattr(ours, name) == pytest.approx(getattr(cpu, name), rel=1e-8)


@pytest.mark.parametrize("size", [0, 1, 5, 4 * 256 + 3])
def test_words_and_normals_are_those_of_numpy(size):
    words = to_host(cuda.random_words(size, seed=3, point=(5, 7), trial=9))
    assert np.array_equal(words, stream(3, (5, 7), 9).bit_generator.random_raw(size))
    normals = to_host(cuda.random_normals(size, seed=3, point=(5, 7), trial=9))
    assert normals == pytest.approx(naive.normals(naive.philox_words(key(3, (5, 7)), 9, 0, size)), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 5, 8, 40])
def test_sketch_is_that_of_the_oracle(rows, dtype, width, monkeypatch):
    monkeypatch.setattr("w2s_fast.cuda.arrays.BLOCK_BYTES", 8 * width * (len(rows) // 3))  # four blocks of rows
    S = naive.sparse_sign_matrix(key64(4), width, len(rows))
    found = to_host(cuda.sketch(put(rows.astype(dtype)), width, random_state=4))
    assert found.dtype == dtype
    rounded = rounding(dtype, len(rows)) * np.abs(S).max() * np.linalg.norm(rows, axis=0).max()
    np.testing.assert_allclose(found, S @ rows.astype(dtype), rtol=0, atol=rounded)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_are_those_of_the_oracle(rows, dtype):
    rows = rows.astype(dtype)
    device = cuda.Moments().update(put(rows[:1])).update(put(rows[1:40])).update(put(rows[40:]))
    exact = rows.astype(np.float64)
    assert to_host(device.mean) == pytest.approx(naive.mean(exact), rel=1e-12)
    assert to_host(device.variance(ddof=1)) == pytest.approx(naive.variance(exact, ddof=1), rel=1e-10)
    left, right = cuda.Moments().update(put(rows[:30])), cuda.Moments().update(put(rows[30:]))
    merged = cuda.Moments().merge(left).merge(right).merge(cuda.Moments())
    assert merged.count == len(rows)
    assert to_host(merged.mean) == pytest.approx(naive.mean(exact), rel=1e-12)
    assert to_host(merged.m2) == pytest.approx(to_host(device.m2), rel=1e-10)


def test_moments_hard_cases(rows):
    blocks, still = rows[:, :4].reshape(-1, 2, 2), rows * [1, 1, 0, 1, 1]
    for samples in (rows[:, 0], blocks, np.asfortranarray(rows), rows[::-2], rows[:0], still):
        device, host = cuda.Moments().update(put(samples)), Moments().update(samples)
        assert device.count == host.count
        assert to_host(device.mean) == pytest.approx(host.mean, rel=1e-12, nan_ok=True)
        assert device.to_host().variance() == pytest.approx(host.variance(), rel=1e-10, nan_ok=True)
    again = cuda.Moments().update(put(rows))
    assert np.array_equal(to_host(again.m2), to_host(cuda.Moments().update(put(rows)).m2))
    assert cuda.Moments().to_host().count == 0
    shifted = cuda.Moments().update(put(np.array([1e9, 1e9 + 1, 1e9 + 2])))
    assert float(shifted.variance()) == pytest.approx(2 / 3)
    rows[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"block holds 1 NaN or infinite value.s., the first at index .3, 2."):
        cuda.Moments().update(put(rows))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("labels", [None, 1, 2])
def test_gram_is_that_of_the_cpu(rows, centred, labels, tmp_path, monkeypatch):
    monkeypatch.setattr("w2s_fast.cuda.arrays.BLOCK_BYTES", 8 * 5 * len(rows) // 3)  # several blocks of rows
    Y = None if labels is None else rows[:, 0] if labels == 1 else rows[:, :2] ** 2
    device, host = cuda.Gram(centred=centred), Gram(centred=centred)
    for part in (slice(0, 20), slice(20, None)):
        given = [rows[part]] if Y is None else [rows[part], Y[part]]
        device.merge(cuda.Gram(centred=centred).update(*map(put, given)))
        host.update(*given)
    device.downdate(cuda.Gram(centred=centred))
    device.save(tmp_path / "g.npz")
    loaded = cuda.Gram.load(tmp_path / "g.npz")
    for name in ("xtx", "xty", "yty", "x_mean"):
        for ours in (device, loaded, device.to_host()):
            value = getattr(ours, name)
            assert (value is None) == (getattr(host, name) is None)
            if value is not None:
                assert to_host(value) == pytest.approx(getattr(host, name), rel=1e-9, abs=1e-6)
    if labels:
        for ridge, rcond in ((0.0, None), (2.0, None), ([0.1, 3.0], None), (0.0, 1e-6)):
            found = to_host(device.solve(ridge, rcond))
            assert found == pytest.approx(host.solve(ridge, rcond), rel=1e-6, abs=1e-9)


def test_sums_of_float32_products_are_trusted_no_more_than_on_the_cpu(tmp_path):
    X = np.random.default_rng(0).standard_normal((500, 3), dtype=np.float32)
    X[:, 2] = X[:, 0] + X[:, 2] / 1_000
    host = Gram(product_dtype="float32").update(X, X[:, 1])
    host.save(tmp_path / "g.npz")
    with pytest.raises(np.linalg.LinAlgError, match="products in float32"):
        cuda.Gram.load(tmp_path / "g.npz").solve()
    assert to_host(cuda.Gram().update(put(X), put(X[:, 1])).solve()) == pytest.approx([0.0, 1.0, 0.0], abs=1e-5)


def test_gram_refuses_what_the_cpu_refuses(rows):
    twice = np.column_stack((rows, rows[:, 0]))
    with pytest.raises(np.linalg.LinAlgError, match="too ill-conditioned"):
        cuda.Gram().update(put(twice), put(rows[:, 1])).solve()
    with pytest.raises(np.linalg.LinAlgError, match="too ill-conditioned"):
        cuda.Gram().update(put(twice), put(rows[:, 1])).solve([0.0, 1.0])
    with pytest.raises(ValueError, match="X has 5 columns, the rows before have 6"):
        cuda.Gram().update(put(twice)).update(put(rows))
    with pytest.raises(TypeError, match="product_dtype='float32' is the host's alone, these sums are on the GPU"):
        cuda.Gram(product_dtype="float32")
    with pytest.raises(TypeError, match="other is on the host, this one on the GPU: copy one of them"):
        cuda.Gram().merge(Gram().update(rows))
    with pytest.raises(TypeError, match="other is on the GPU, this one on the host"):
        Moments().merge(cuda.Moments().update(put(rows)))


@pytest.mark.parametrize(
    "case", ["tall", "wide", "deficient", "ill-conditioned", "float32", "ridge", "deficient ridge", "empty"]
)
def test_min_norm_is_that_of_the_oracle(rows, case):
    X = rows.T if case == "wide" else rows
    if "deficient" in case:
        X = np.column_stack((rows, rows[:, :2]))
    if case == "ill-conditioned":
        X = rows * [1, 1, 1, 1, 1e-3] + rows[:, :1] * 1e6
    if case == "float32":
        X = X.astype(np.float32)
    if case == "empty":
        X = rows[:0]
    ridge = 0.7 if "ridge" in case else 0.0
    Y = np.random.default_rng(1).standard_normal((len(X), 2)).astype(X.dtype)
    tolerance = 1e-4 if case == "float32" else 1e-7
    for labels in (Y, Y[:, 0]):
        found = to_host(cuda.min_norm(put(X), put(labels), ridge=ridge))
        expected = np.zeros((5, *labels.shape[1:]))
        if case != "empty":
            expected = naive.min_norm(X, labels, rcond=1e-13, ridge=ridge)
        assert found.dtype == X.dtype
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("n_iter", [0, 4])
def test_randomized_svd_reconstructs_low_rank_and_bounds_the_rest(rows, wide, n_iter):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 12)) + 1e-3 * rng.standard_normal((60, 12))
    X = X.T if wide else X
    U, s, Vt = map(to_host, cuda.randomized_svd(put(X), 3, n_oversamples=4, n_iter=n_iter, random_state=0))
    best = np.linalg.svd(X, compute_uv=False)
    assert s == pytest.approx(best[:3], rel=1e-4)
    assert np.linalg.norm(X - U * s @ Vt) < 1.05 * np.linalg.norm(best[3:])
    assert U.T @ U == pytest.approx(np.eye(3), abs=1e-12)
    assert np.all(U[np.argmax(np.abs(U), axis=0), range(3)] > 0)


def test_subspace_of_rows_that_stream_in(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    host = Subspace.fit(rows, energy=0.9999)
    for source in (put(rows), tmp_path / "rows.npy", [rows[:10], rows[10:]]):
        found = cuda.fit_subspace(source, energy=0.9999)
        assert found.rank == host.rank
        assert found.energy == pytest.approx(host.energy)
        basis = to_host(found.basis)
        assert basis @ basis.T == pytest.approx(host.basis @ host.basis.T, abs=1e-9)
    assert cuda.fit_subspace(put(rows), rank=2).rank == 2
    with pytest.raises(ValueError, match="rank must be at least 1 and at most 5"):
        cuda.fit_subspace(put(rows), rank=6)
    with pytest.raises(ValueError, match="give rank or energy, not both"):
        cuda.fit_subspace(put(rows), rank=2, energy=0.5)


def test_row_blocks_cover_the_rows_once(rows):
    for source in (put(rows), [rows[:10], rows[10:]], rows.tolist()):
        assert np.array_equal(np.concatenate([to_host(block) for block in cuda.row_blocks(source)]), rows)
    assert [len(block) for block in cuda.row_blocks(put(rows[:7]), rows=3)] == [3, 3, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X: cuda.sketch(X, 0), "width must be at least 1"),
        (lambda X: cuda.randomized_svd(X, 0), "n_components must be at least 1, got 0"),
        (lambda X: cuda.randomized_svd(X[:0], 1), "M must not be empty"),
        (lambda X: cuda.min_norm(X, X[:2]), "same number of rows"),
        (lambda X: cuda.min_norm(X, X[..., None]), "Y must have 1 or 2 dimensions"),
        (lambda X: cuda.min_norm(X[0], X[0]), "X must have 2 dimension"),
        (lambda X: cuda.min_norm(X.astype(complex), X), "X must hold real numbers"),
        (lambda X: cuda.random_words(-1), "size must be at least 0"),
    ],
)
def test_bad_arguments_are_refused(rows, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(put(rows))


def test_numbers_of_other_types_are_widened(rows):
    whole = rows.astype(np.int64)
    assert to_host(cuda.Gram().update(put(whole)).xtx) == pytest.approx(naive.gram(whole, whole))
    assert cuda.sketch(put(rows[:, :2].astype(np.float16)), 3).dtype == np.float32


def test_names_are_listed_once_and_others_refused():
    assert sorted(cuda._HOME) == cuda.__all__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cuda.nonsense


def test_kernels_take_the_source_of_the_cpu():
    assert kernels.on_device(kernels.trial.run_trials) is kernels.on_device(kernels.trial.run_trials)


@pytest.mark.skipif(SIMULATED, reason="the simulator compiles nothing")
def test_the_next_process_finds_what_this_one_compiled(tmp_path):
    program = """
from w2s_fast import cuda
from w2s_fast.cuda import kernels
cuda.random_words(5)
print(len(kernels.fill_words.stats.cache_hits), len(kernels.fill_words.stats.cache_misses))
"""
    found = []
    for _ in range(2):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert found == [["0", "1"], ["1", "0"]]


@pytest.fixture
def strict(monkeypatch):
    """Strict arrays in the place of CuPy's; kernels still run in the simulator."""
    if not SIMULATED:
        pytest.skip("a GPU has the real ones")
    from w2s_fast.cuda import accumulate, arrays, random, solve

    library = strict_arrays.library()
    for module in (accumulate, arrays, random, solve, trials):
        monkeypatch.setattr(module, "array_library", lambda: library)
        if hasattr(module, "to_host"):
            monkeypatch.setattr(module, "to_host", lambda array: array.values)
    names = ("fill_normals", "fill_signs", "fill_words", "merge_parts", "part_moments", "run_trials")
    for name in names:
        monkeypatch.setattr(kernels, name, strict_arrays.on_device(getattr(kernels, name)))
    return library.asarray


@pytest.mark.usefixtures("tiny_blocks")
def test_nothing_leaves_the_gpu_unasked(strict, rows, tmp_path):
    """All of it once, on arrays that refuse to become NumPy's or to mix with them."""
    X, Y = strict(rows), strict(rows[:, :2] ** 2)
    kinds = strict_arrays.StrictArray
    for centred in (False, True):
        gram = cuda.Gram(centred=centred).update(X, Y).merge(cuda.Gram(centred=centred).update(X, Y))
        gram.downdate(cuda.Gram(centred=centred).update(X[:9], Y[:9]))
        gram.save(tmp_path / "g.npz")
        for weights in (gram.solve(), gram.solve(1.0), gram.solve([0.5, 1.0]), gram.solve(rcond=1e-6)):
            assert isinstance(weights, kinds)
        assert cuda.Gram.load(tmp_path / "g.npz").to_host().n_rows == gram.n_rows
    moments = cuda.Moments().update(X).merge(cuda.Moments().update(X))
    assert isinstance(moments.mean, kinds)
    assert isinstance(moments.variance(), kinds)
    assert isinstance(moments.to_host().mean, np.ndarray)
    still = strict(np.column_stack((rows, np.ones(len(rows)))))  # whose deviations vanish, as they should
    assert float(cuda.Moments().update(still).variance()[5]) == 0.0
    assert float(cuda.Gram(centred=True).update(still).xtx[5, 5]) == 0.0
    doubled = strict(np.column_stack((rows, rows)))
    for weights in (
        cuda.min_norm(X, Y),
        cuda.min_norm(X.T, Y[:5]),
        cuda.min_norm(doubled, Y, ridge=0.1),
        cuda.min_norm(doubled, Y),
    ):
        assert isinstance(weights, kinds)
    assert all(isinstance(factor, kinds) for factor in cuda.randomized_svd(X.T, 2, random_state=0))
    assert isinstance(cuda.fit_subspace(rows, rank=2).basis, kinds)
    assert isinstance(cuda.random_words(5), kinds)
    assert isinstance(values_of(GEOMETRIES["any angles"], 20, 15, 1, seed=3, device="cuda"), np.ndarray)
    rows[3, 2] = np.nan
    for refuse in (cuda.Moments().update, cuda.Gram().update, lambda bad: cuda.sketch(bad, 3)):
        with pytest.raises(ValueError, match="1 NaN or infinite value"):
            refuse(strict(rows))


@pytest.mark.skipif(not SIMULATED, reason="a GPU runs them at their sizes: python -m bench.cuda")
@pytest.mark.usefixtures("tiny_blocks")
def test_the_gpu_benchmarks_run():
    """Their own comparisons with the CPU's results hold, on NumPy in the place of CuPy."""
    from bench import cuda as benchmarks

    def peer(X, y):
        return np.linalg.lstsq(X, y, rcond=None)

    def called(*calls, **_):
        for call in calls:
            call()
        return [0.0] * len(calls)

    library = SimpleNamespace(**vars(np) | {"asnumpy": np.asarray, "linalg": SimpleNamespace(lstsq=peer)})
    rates = {"float32": 1.0, "float64": 1.0}
    benchmarks.streams(library, 1_100, 6, rates, called)
    benchmarks.factorisations(library, 60, 9, 2, rates, called)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sketches_of_gradients_are_those_of_the_cpu(monkeypatch, dtype):
    """The same map, by pieces; sums in another order."""
    monkeypatch.setattr(sketching, "LEAST_BUCKETS", 512)
    monkeypatch.setattr("w2s_fast.cuda.gradients.PART_STRETCHES", 2)
    x = np.random.default_rng(0).standard_normal((2, 900)).astype(dtype)
    found = [kind(sketching.Sketch(20, 7), 2, dtype) for kind in (cuda.SketchedRows, sketching.SketchedRows)]
    for rows, move in zip(found, (put, np.asarray), strict=True):
        for piece in (slice(500, 900), slice(500)):
            rows.add(move(np.ascontiguousarray(x[:, piece])), 2**20 - 300 + piece.indices(900)[0])
    ours, theirs = to_host(found[0].columns()), found[1].columns()
    assert ours.dtype == dtype
    assert ours == pytest.approx(theirs, abs=float(900 * np.finfo(dtype).eps * np.abs(x).sum(axis=1).max()))
