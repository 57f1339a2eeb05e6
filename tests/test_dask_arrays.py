"""Sums and spectra of Dask arrays have the bits of one machine that reads the same blocks."""

import threading

import numpy as np
import pytest

from tests.array_calls import CALLS, COLUMNS, HEIGHTS, ROWS, Here, X, Y, differ
from tests.clusters import local_cluster
from tests.conftest import COMPILED
from w2s_fast import (
    CoMoments,
    Gram,
    MinNorm,
    Moments,
    Subspace,
    correlation_dimension,
    intrinsic_dimension,
    lstsq,
    min_norm,
    principal_angles,
    randomized_svd,
)
from w2s_fast.linalg.rows import tree

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")


def there(array, heights=HEIGHTS, columns=-1):
    return da.from_array(array, chunks=(heights, columns) if array.ndim == 2 else (heights,))


@pytest.fixture(params=["threads", "synchronous", "cluster"], scope="module")
def scheduler(request):
    if request.param != "cluster":
        with dask.config.set(scheduler=request.param):
            yield request.param
        return
    if not COMPILED:
        pytest.skip("workers take seconds to start kernels as Python")
    distributed = pytest.importorskip("distributed")
    with local_cluster() as cluster, distributed.Client(cluster) as client:
        yield client


def same(name, X, Y, here, labels):
    return not differ(CALLS[name](X, Y, {}), CALLS[name](here, labels, {}))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_bits_are_those_of_one_machine(scheduler, name):
    for dtype in (np.float64, np.float32):
        mine, labels = X.astype(dtype), Y.astype(dtype)
        assert same(name, there(mine), there(labels), Here(mine), labels)
    assert same(name, there(X, columns=7), there(Y, heights=(350, 350)), Here(X), Y)  # cut otherwise
    assert same(name, there(X), Y, Here(X), Y)  # labels that are here


def test_bits_are_the_same_where_sums_have_leaves(monkeypatch):
    monkeypatch.setattr(tree, "LEAF_BYTES", 15 * 8 * COLUMNS)  # two blocks
    monkeypatch.setattr(tree, "FANOUT", 3)
    heights = (10,) * 70
    with dask.config.set(scheduler="synchronous"):
        for name in ("Gram", "Gram centred", "Moments", "CoMoments", "Subspace, rank", "correlation_dimension"):
            assert same(name, there(X, heights), Y, Here(X, heights), Y), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_angles_are_those_of_arrays(dtype):
    weak, strong = X[:, :5].astype(dtype), X @ np.random.default_rng(2).standard_normal((COLUMNS, 7))
    wide = np.hstack((strong, strong[:, :2])).astype(dtype)  # two columns depend on others
    expected = principal_angles(weak, wide)
    assert len(expected) == 5
    for a, b in ((there(weak), there(wide)), (there(weak), wide), (weak, there(wide))):
        np.testing.assert_allclose(principal_angles(a, b), expected, atol=1e3 * np.finfo(dtype).eps)
    assert np.array_equal(principal_angles(weak, there(wide)), principal_angles(weak, Here(wide)))
    assert correlation_dimension(there(weak), there(wide)) == pytest.approx(np.sum(np.cos(expected) ** 2))


@pytest.fixture
def here():
    """The scheduler that sees what is patched."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.usefixtures("here")
def test_passes_over_wide_arrays(monkeypatch):
    for limit in ("LARGEST_GRAM", "CERTIFIED_FROM"):
        monkeypatch.setattr(f"w2s_fast.linalg.spectral.dimension.{limit}", 4)
    for how in ({"rank": 3}, {"energy": 0.8}):
        mine, theirs = (Subspace.fit(rows, **how, random_state=0) for rows in (there(X), Here(X)))
        assert np.array_equal(mine.basis, theirs.basis)
        assert mine.certificate == theirs.certificate
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.UNTILED", 8)
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.TILE_COLUMNS", 10)
    mine, theirs = (correlation_dimension(rows, rows, energy=0.9) for rows in (there(X), Here(X)))
    assert mine == theirs


@pytest.mark.parametrize("rows", [700, 24, 9])
@pytest.mark.parametrize("rank", [24, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_least_squares_are_those_of_an_array(rows, rank, dtype):
    mixing = np.linalg.qr(np.random.default_rng(2).standard_normal((COLUMNS, COLUMNS)))[0]
    few = (X[:rows, :rank] @ mixing[:rank]).astype(dtype)
    labels = Y[:rows].astype(dtype)
    lazy = there(few, (rows - 5, 5))
    eps = float(np.finfo(dtype).eps)
    for how in ({}, {"ridge": 0.5}):
        mine, expected = min_norm(lazy, there(labels, (3, rows - 3)), **how), min_norm(few, labels, **how)
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, expected, rtol=1e4 * eps, atol=1e4 * eps * np.abs(expected).max())
    x, residuals, found, s = lstsq(lazy, labels[:, 0])
    right, squares, told, values = lstsq(few, labels[:, 0])
    np.testing.assert_allclose(s, values, atol=100 * eps * values[0])
    if dtype == np.float64:  # NumPy's cut takes float32's rounding for rank
        assert found == told
        assert residuals.shape == squares.shape
        np.testing.assert_allclose(x, right, atol=1e4 * eps * np.abs(right).max())
        np.testing.assert_allclose(residuals, squares, atol=1e4 * eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("flip_sign", [True, False])
def test_a_truncated_svd_leaves_its_tall_factor_where_the_rows_are(scheduler, dtype, flip_sign):
    mine = X.astype(dtype)
    how = {"n_components": 4, "random_state": 0, "flip_sign": flip_sign}
    (U, s, Vt), (left, values, right) = (randomized_svd(rows, **how) for rows in (there(mine), Here(mine)))
    assert isinstance(U, da.Array)
    assert U.chunks == (HEIGHTS, (4,))
    U = U.compute()
    assert all(np.array_equal(a, b) for a, b in ((U, left), (s, values), (Vt, right)))
    assert U.dtype == s.dtype == Vt.dtype == dtype
    _, expected, _ = np.linalg.svd(mine, full_matrices=False)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(s, expected[:4], rtol=1e-6)
    np.testing.assert_allclose(U.T @ U, np.eye(4), atol=100 * eps)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(4), atol=100 * eps)
    assert np.linalg.norm(mine - U * s @ Vt) <= (1 + 1e-6) * np.linalg.norm(expected[4:])
    if flip_sign:
        assert all(column[np.argmax(np.abs(column))] > 0 for column in U.T)


@pytest.mark.parametrize("n_iter", [0, 1, 4])
def test_errors_of_a_truncated_svd_are_no_larger_than_the_peers(n_iter):
    peer = pytest.importorskip("sklearn.utils.extmath").randomized_svd
    slow = np.random.default_rng(3).standard_normal((ROWS, COLUMNS))  # singular values that hardly fall
    how = {"n_components": 5, "n_oversamples": 2, "n_iter": n_iter}
    errors = np.zeros(2)
    for seed in range(20):
        for place, (decompose, rows) in enumerate(((randomized_svd, Here(slow)), (peer, slow))):
            U, s, Vt = decompose(rows, **how, random_state=seed)
            errors[place] += np.linalg.norm(slow - U * s @ Vt)
    assert errors[0] <= errors[1]


def test_a_truncated_svd_of_lower_rank_or_another_scale():
    deficient = X[:, :3] @ np.random.default_rng(2).standard_normal((3, COLUMNS))
    U, s, Vt = randomized_svd(there(deficient), 5, random_state=0)
    np.testing.assert_allclose(np.asarray(U) * s @ Vt, deficient, atol=1e-12)
    assert np.all(s[3:] <= 1e-13 * s[0])
    for power in (-560, 540):
        _, scaled, _ = randomized_svd(there(np.ldexp(X, power)), 3, random_state=0)
        np.testing.assert_allclose(np.ldexp(scaled, -power), np.linalg.svd(X)[1][:3], rtol=1e-6)
    with pytest.raises(ValueError, match="NaN"):
        randomized_svd(there(np.where(X > 2, np.nan, X)), 3)
    assert not randomized_svd(there(np.zeros((9, 3)), (4, 5)), 2)[1].any()


@pytest.mark.parametrize("power", [-560, 540])
def test_a_scale_of_its_own_is_found(power):
    scaled = np.ldexp(X, power)
    assert intrinsic_dimension(there(scaled), 0.9) == intrinsic_dimension(X, 0.9)


def test_each_pass_reads_every_block_once():
    reads, lock = [], threading.Lock()

    def read(block):
        with lock:
            reads.append(len(block))
        return block

    counted = there(X).map_blocks(read, dtype=X.dtype, meta=np.zeros((0, 0)))
    with dask.config.set(scheduler="threads"):  # of this process, whatever cluster is there
        Gram().update(counted)
    assert sorted(reads) == sorted(HEIGHTS)


def test_progress_hears_of_the_end():
    told = []
    Subspace.fit(there(X), rank=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(ROWS, ROWS)]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named_by_its_row(bad):
    damaged = X.copy()
    damaged[347, 5] = damaged[620, 1] = bad
    for call in (intrinsic_dimension, lambda rows: Subspace.fit(rows, rank=2)):
        with pytest.raises(ValueError, match=r"X holds 2 NaN or infinite value\(s\), the first at index \(347, 5\)"):
            call(there(damaged))
    for kind in (Gram, Moments, CoMoments):
        with pytest.raises(ValueError, match="NaN or infinite"):
            kind().update(there(damaged))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (da.zeros(5), r"X must have 2 dimension\(s\), got shape \(5,\)"),
        (there(X)[there(X)[:, 0] > 0], r"X has chunks of unknown sizes: call its compute_chunk_sizes\(\) first"),
        (there(X).astype(complex), "X must hold real numbers, got dtype complex128"),
    ],
)
def test_what_cannot_be_read_by_rows_is_refused(array, message):
    for call in (intrinsic_dimension, Gram().update):
        with pytest.raises(ValueError, match=message):
            call(array)


def test_rows_that_do_not_match_are_refused():
    for labels in (there(Y[:600], heights=(300, 300)), Y[:600]):
        with pytest.raises(ValueError, match="X has 700, Y has 600"):
            Gram().update(there(X), labels)
    with pytest.raises(ValueError, match="A has 700, B has 350"):
        correlation_dimension(there(X), there(X[:350], (350,)), energy=0.9)
    with pytest.raises(TypeError, match=r"B must be a Dask array or an array in memory beside one, got Here"):
        correlation_dimension(there(X), Here(X), energy=0.9)


def test_what_no_cluster_serves_is_refused_as_before():
    with pytest.raises(TypeError, match="X is a Dask Array, which NumPy would gather"):
        MinNorm(there(X))


def test_what_is_summed_stays_as_it_was(scheduler):
    """A task that is run again, or whose result several take, finds what it was given unchanged."""
    lazy = there(X).persist()
    first, second = Gram().update(lazy).xtx, Gram().update(lazy).xtx
    assert np.array_equal(first, second)
