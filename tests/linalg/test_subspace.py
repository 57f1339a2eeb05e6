"""Subspaces: randomized results are judged by theorem and by the peer's conventions, the rest against oracles."""

import math
import re

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import naive
from tests.accuracy import rounding
from tests.matrices import assert_leading, assert_orthonormal, matrix, random
from w2s_fast import (
    Gram,
    Subspace,
    correlation_dimension,
    intrinsic_dimension,
    principal_angles,
    projected_correlation_dimension,
    randomized_svd,
)
from w2s_fast.kernels.sketch import NONZEROS, TILE_COLUMNS, add_sketch
from w2s_fast.linalg.rows import cutting, products
from w2s_fast.linalg.rows.sources import StreamRows
from w2s_fast.linalg.spectral import lanczos, operand, orthonormal, randomized
from w2s_fast.linalg.spectral.orthonormal import leading_eigenvectors

SPECTRA = {
    "flat": np.ones(20),
    "step": np.r_[np.ones(5), np.full(15, 1e-6)],
    "decay": 10.0 ** -np.arange(20.0),
    "slow": 1.0 / np.arange(1.0, 21.0),
    "low rank": np.r_[np.ones(3), np.zeros(17)],
    "zeros": np.zeros(20),
}
SPARSE = (scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.csr_matrix, scipy.sparse.coo_array)


def sketch(X, key, width, cuts=()):
    """S X, the rows added in blocks."""
    result = np.zeros((width, X.shape[1]), X.dtype)
    for start, stop in zip([0, *cuts], [*cuts, len(X)], strict=True):
        add_sketch(X[start:stop], start, np.uint64(key), result)
    return result


@pytest.mark.parametrize("width", [1, 3, 8, 9, 40])
@pytest.mark.parametrize("key", [0, 1, 2**64 - 1, 0x9E3779B97F4A7C15])
def test_the_sketch_is_the_product_with_the_sparse_sign_matrix(width, key):
    X = random(13, 4)
    S = naive.sparse_sign_matrix(key, width, 13, NONZEROS)
    np.testing.assert_allclose(np.sum(S**2, axis=0), 1.0)
    np.testing.assert_allclose(sketch(X, key, width), S @ X, rtol=1e-12, atol=1e-13)


def test_the_sketch_leaves_no_seam_between_tiles():
    X = random(3, TILE_COLUMNS + 5)
    S = naive.sparse_sign_matrix(7, 10, 3, NONZEROS)
    np.testing.assert_allclose(sketch(X, 7, 10), S @ X, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sketch_does_not_know_how_rows_were_split(dtype):
    X = random(17, 3).astype(dtype)
    whole = sketch(X, 5, 6)
    for cuts in ([1], [8, 8], [3, 9, 16]):
        assert np.array_equal(sketch(X, 5, 6, cuts), whole)


@pytest.mark.parametrize("n_iter", [0, 1, 2, "auto"])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_error_obeys_the_theorem_and_factors_are_orthonormal(spectrum, n_iter):
    k, p, values = 4, 4, SPECTRA[spectrum]
    power = 4 if n_iter == "auto" else n_iter
    # Halko, Martinsson and Tropp 2011: corollary 10.10, and theorem 9.3 for the cut back to k.
    constant = 1 + math.sqrt(k / (p - 1)) + math.e * math.sqrt((k + p) * (20 - k)) / p
    rounded = rounding(float, 60) * values[0]
    bound = (1 + constant ** (1 / (2 * power + 1))) * values[k] + rounded
    for seed in range(5):
        M = matrix(values, seed=seed)
        U, s, Vt = randomized_svd(M, k, n_oversamples=p, n_iter=n_iter, random_state=seed)
        assert np.linalg.norm(M - U * s @ Vt, 2) <= bound
        assert np.all(s <= values[:k] + rounded)
        assert np.all(np.diff(s) <= 0)
        assert_orthonormal(U)
        assert_orthonormal(Vt.T)


KAHAN = 0.9 ** np.arange(20.0)[:, None] * (np.eye(20) - 0.4 * np.triu(np.ones((20, 20)), 1))
HARD = {name: matrix(values) for name, values in SPECTRA.items()} | {
    "spiked": matrix(np.r_[1e5, np.ones(19)]),
    "Kahan": KAHAN,
    "twins": np.repeat(random(50, 10), 2, axis=1),
    "offset": 1e8 + random(50, 20),
}


def use_krylov(monkeypatch):
    monkeypatch.setattr(randomized, "gram_is_cheaper", lambda *_: False)


@pytest.mark.parametrize("krylov", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("k", [1, 5, 15])
def test_every_route_is_orthonormal_and_nearly_optimal(name, k, dtype, krylov, monkeypatch):
    if krylov:
        use_krylov(monkeypatch)
    M = HARD[name].astype(dtype)
    U, s, Vt = randomized_svd(M, k, n_oversamples=3, random_state=0)
    assert_orthonormal(U.astype(float), rounding(dtype, 60))
    assert_orthonormal(Vt.T.astype(float), rounding(dtype, 60))
    values = np.linalg.svd(M.astype(float), compute_uv=False)
    least, rounded = np.linalg.norm(values[k:]), rounding(dtype, 60) * values[0]
    assert np.linalg.norm(M - (U * s).astype(float) @ Vt) <= 1.001 * least + rounded
    assert np.all(s <= values[:k] + rounded)


@pytest.mark.parametrize("krylov", [False, True])
@pytest.mark.parametrize(
    ("power", "k"),
    [
        (3.0, 13),
        *(
            pytest.param(*case, marks=pytest.mark.compiled)
            for case in ((1.5, 100), (1.5, 150), (1.25, 150), (2.0, 28), (2.0, 40), (2.0, 50))
        ),
    ],
)
def test_float32_finds_components_far_below_the_first(power, k, krylov, monkeypatch):
    """Eigenvectors that LAPACK finds in float32 would add 1 to 3 % to the error, squares in float32 up to 8 %."""
    monkeypatch.setattr(randomized, "gram_is_cheaper", lambda *_: not krylov)
    values = np.arange(1.0, 601.0) ** -power
    M = matrix(values, 900).astype("f4")

    def squared_error():
        U, s, Vt = (factor.astype(float) for factor in randomized_svd(M, k, random_state=0))
        return np.linalg.norm(M - U * s @ Vt) ** 2

    missed = math.sqrt(k) * np.finfo("f8").eps * np.sum(values**2)
    found = squared_error()
    assert found <= 1.0005**2 * np.sum(values[k:] ** 2) + missed
    monkeypatch.setattr(orthonormal, "resolves", lambda *_: False)
    assert found <= 1.0005**2 * squared_error()  # with float64's eigenvectors of the same squares


@pytest.mark.parametrize("power", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("k", [8, 30])
def test_a_krylov_space_is_as_good_as_the_peers_iterations(power, k, monkeypatch):
    """Within 1.0005 of the error after scikit-learn's 7 or 4 power iterations, here with the same kind of start."""
    use_krylov(monkeypatch)
    M = matrix(np.arange(1.0, 201.0) ** -power, 300)
    iterations = 7 if k < 20 else 4
    errors = []
    for seed in range(5):
        U, s, Vt = randomized_svd(M, k, random_state=seed)
        Q = random(200, k + 10, seed=seed)
        for _ in range(iterations):
            Q = np.linalg.qr(M.T @ (M @ Q))[0]
        Q = np.linalg.qr(M @ Q)[0]
        u, t, vt = np.linalg.svd(Q.T @ M)
        peer = Q @ u[:, :k] * t[:k] @ vt[:k]
        errors.append(np.linalg.norm(M - U * s @ Vt) / np.linalg.norm(M - peer))
    assert np.median(errors) <= 1.0005


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("groups", [1, 2, 4, 7])
def test_multiple_singular_values_are_found_as_often_as_they_come(groups, dtype, monkeypatch):
    """A Krylov space holds 64 directions of each at first."""
    use_krylov(monkeypatch)
    values = np.repeat(0.7 ** np.arange(groups), 100)
    M = matrix(values, 800).astype(dtype)
    _, s, Vt = randomized_svd(M, 90 * groups, random_state=0)
    np.testing.assert_allclose(s, values[: 90 * groups], rtol=1e-4, atol=rounding(dtype, 800))
    assert_orthonormal(Vt.T.astype(float), rounding(dtype, 800))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("rank", "k"), [(40, 20), (100, 60), (100, 30), (30, 60)])
def test_low_rank_is_found_by_a_space_of_little_more(rank, k, dtype, monkeypatch):
    """What X lacks is replaced by noise in a Krylov space, which must neither repeat directions nor go on with them."""
    use_krylov(monkeypatch)
    blocks, look = [], lanczos._Space.look
    monkeypatch.setattr(lanczos._Space, "look", lambda *of, **how: blocks.append(None) or look(*of, **how))
    values = np.r_[np.arange(1.0, rank + 1) ** -0.5, np.zeros(500 - rank)]
    M = matrix(values, 800).astype(dtype)
    U, s, Vt = (factor.astype(float) for factor in randomized_svd(M, k, random_state=0))
    np.testing.assert_allclose(s, values[:k], atol=1e-3)
    assert np.linalg.norm(M - U * s @ Vt) <= 1.0005 * np.linalg.norm(values[k:]) + rounding(dtype, 800)
    assert_orthonormal(U, rounding(dtype, 800))
    assert_orthonormal(Vt.T, rounding(dtype, 800))
    assert len(blocks) <= 4


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_clusters_of_eigenvalues_come_whole(dtype):
    """LAPACK's bisection finds fewer: SciPy's issue 13913."""
    for size in range(20, 200, 9):
        Q = np.linalg.qr(random(size + 30, size, seed=size))[0].astype(dtype)
        for k in {1, size // 20, size // 8, size // 4}:
            values, vectors = leading_eigenvectors(Q.T @ Q, k, dtype)
            np.testing.assert_allclose(values, np.ones(k), atol=rounding(dtype, size + 30))
            assert vectors.shape == (size, k)
            assert_orthonormal(vectors.astype(float), rounding(dtype, size + 30))


@pytest.mark.compiled
@pytest.mark.parametrize(("k", "iterations"), [(60, 7), (120, 4)])
@pytest.mark.parametrize("power", [1.0, 0.5, 0.25, 0.0])
def test_narrow_blocks_are_as_good_as_wide_iterations(power, k, iterations, monkeypatch):
    use_krylov(monkeypatch)
    M = random(1500, 1000) * np.arange(1.0, 1001.0) ** -power
    _, s, _ = randomized_svd(M, k, random_state=0)
    Q = random(1000, k + 10)
    for _ in range(iterations):
        Q = np.linalg.qr(M.T @ (M @ Q))[0]
    Q = np.linalg.qr(M @ Q)[0]
    peer = np.linalg.svd(Q.T @ M, compute_uv=False)[:k]
    error, peers = (np.sqrt(np.sum(M**2) - np.sum(values**2)) for values in (s, peer))
    assert error <= 1.0005 * peers


def test_tiles_of_a_wide_gram_matrix_leave_no_seam(monkeypatch):
    X = random(50, 33)
    whole = products.gram(X)
    monkeypatch.setattr(cutting, "UNTILED", 8)
    monkeypatch.setattr(cutting, "TILE_COLUMNS", 10)
    atol = len(X) * np.finfo(float).eps * whole.max()  # of sums in any order
    np.testing.assert_allclose(products.gram(X), whole, atol=atol)
    np.testing.assert_allclose(products.gram(StreamRows([X[:20], X[20:]], "X")), X.T @ X, atol=atol)


@pytest.mark.parametrize("krylov", [False, True])
def test_the_number_of_threads_changes_no_bit(krylov, monkeypatch):
    if krylov:
        use_krylov(monkeypatch)
    monkeypatch.setattr(cutting, "BLOCK_WORK", 1)
    M = random(300, 90)
    results = []
    for workers in (1, 3):
        monkeypatch.setattr("w2s_fast._threads.default_workers", lambda workers=workers: workers)
        results.append(randomized_svd(M, 5, random_state=0))
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_the_route_follows_the_operations():
    assert randomized.gram_is_cheaper(50_000, 768, 110)
    assert randomized.gram_is_cheaper(1_000_000, 2_000, 510)
    assert not randomized.gram_is_cheaper(20_000, 4_096, 210)


@pytest.mark.parametrize("seed", range(3))
def test_many_iterations_stay_as_accurate_as_few(seed):
    """The half of scikit-learn's test of normalizers that does not ask for iterations to diverge."""
    M = random(60, 40, seed=seed) + 3 * (random(60, 40, seed=seed + 9) > 0)
    errors = []
    for n_iter in (2, 5, 20, 50):
        U, s, Vt = randomized_svd(M, 10, n_iter=n_iter, power_iteration_normalizer="none", random_state=seed)
        errors.append(np.linalg.norm(M - U * s @ Vt))
    assert np.ptp(errors) < 0.02 * errors[0]


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (1, 1), (1, 4), (4, 1)])
def test_all_components_make_the_whole_decomposition(shape):
    M = random(*shape)
    U, s, Vt = randomized_svd(M, min(shape), random_state=0)
    np.testing.assert_allclose(s, np.linalg.svd(M, compute_uv=False), rtol=1e-12)
    np.testing.assert_allclose(U * s @ Vt, M, atol=1e-13)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("container", "dtype", "expected"),
    [(np.asarray, "f2", "f4"), (np.asarray, ">f8", "f8")]
    + [
        (kind, *pair)
        for kind in (np.asarray, *SPARSE)
        for pair in (("f8", "f8"), ("f4", "f4"), ("i4", "f8"), ("?", "f8"))
    ],
)
def test_shapes_and_dtypes_are_the_peers(container, dtype, expected, wide):
    dense = np.rint(30 * matrix(SPECTRA["slow"], 30)).astype(dtype)
    dense = dense.T if wide else dense
    U, s, Vt = randomized_svd(container(dense), 3, n_oversamples=20, random_state=0)
    assert (U.shape, s.shape, Vt.shape) == ((len(dense), 3), (3,), (3, dense.shape[1]))
    assert U.dtype == s.dtype == Vt.dtype == np.dtype(expected)
    exact = np.linalg.svd(dense.astype(float), compute_uv=False)[:3]
    np.testing.assert_allclose(s, exact, atol=rounding(expected, 30) * exact[0])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("transpose", ["auto", True, False])
@pytest.mark.parametrize("container", [np.asarray, *SPARSE])
def test_signs_make_the_largest_entry_of_each_left_vector_positive(container, transpose, wide):
    """The peer decides on U of the matrix given, also where it decomposes the transpose."""
    M = matrix(SPECTRA["decay"], 30)
    M = M.T if wide else M
    U, s, Vt = randomized_svd(container(M), 4, transpose=transpose, random_state=0)
    assert np.all(U[np.argmax(np.abs(U), axis=0), range(4)] > 0)
    np.testing.assert_allclose(U * s @ Vt, M, atol=2e-4)
    as_found = randomized_svd(container(M), 4, transpose=transpose, random_state=0, flip_sign=False)
    np.testing.assert_allclose(np.abs(as_found[0]), np.abs(U), atol=1e-13)
    np.testing.assert_allclose(as_found[0] * s @ as_found[2], U * s @ Vt, atol=1e-13)


@pytest.mark.parametrize(("k", "n_iter", "iterations"), [(3, "auto", 7), (4, "auto", 4), (3, 0, None), (3, 2, 2)])
def test_auto_means_seven_iterations_for_few_components_else_four(k, n_iter, iterations, monkeypatch):
    asked, left_to_gain = [None], randomized.left_to_gain
    monkeypatch.setattr(randomized, "left_to_gain", lambda *given: asked.append(given[1]) or left_to_gain(*given))
    randomized_svd(scipy.sparse.csr_array(random(70, 40)), k, n_iter=n_iter, random_state=3)
    assert asked[-1] == iterations


@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 32, 33, 70])
def test_products_of_sparse_matrices_are_scipys(container, dtype, columns, monkeypatch):
    monkeypatch.setattr(operand, "SERIAL_WORK", 0)
    A = operand.checked(container(np.where(random(50, 40) > 1.0, random(50, 40, seed=1), 0.0).astype(dtype)))
    V, Q, kept = random(40, columns).astype(dtype), random(50, columns).astype(dtype), np.empty((50, columns), dtype)
    close = {"rtol": 0, "atol": rounding(dtype, 50)}
    np.testing.assert_allclose(operand.image(A, V), A @ V, **close)
    np.testing.assert_allclose(operand.transposed_image(A, Q), A.T @ Q, **close)
    np.testing.assert_allclose(operand.gram_image(A, V, keep=kept), A.T @ (A @ V), **close)
    np.testing.assert_allclose(kept, A @ V, **close)
    assert operand.gram_image(A, V).dtype == dtype


@pytest.mark.parametrize("power", [-40, -31, -30, -29, 20, 30])
def test_sparse_matrices_of_float32_are_decomposed_at_any_scale(power):
    whole = random(123, 68)
    whole[:, 34:] = whole[:, :34]
    M = scipy.sparse.csr_array(np.ldexp(np.where(np.abs(whole) > 0.7, whole, 0.0), power).astype(np.float32))
    U, s, Vt = randomized_svd(M, 14, n_iter=9, random_state=0)
    exact = np.linalg.svd(M.toarray().astype(float), compute_uv=False)
    np.testing.assert_allclose(s, exact[:14], rtol=1e-4)
    assert_orthonormal(Vt.T.astype(float), 1e-5)
    assert_orthonormal(U.astype(float), 1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("spectrum", ["slow", "decay", "step", "low rank", "zeros"])
def test_sparse_matrices_leave_no_more_error_than_the_peer_does(spectrum, wide, dtype):
    peer = pytest.importorskip("sklearn.utils.extmath").randomized_svd
    block = np.kron(np.eye(6), matrix(SPECTRA[spectrum], 40)).astype(dtype)  # each singular value six times
    M = scipy.sparse.csr_array(block.T if wide else block)
    errors = []
    for decompose in (peer, randomized_svd):
        U, s, Vt = decompose(M, 24, random_state=0)
        errors.append(np.linalg.norm(M.toarray() - (U.astype(float) * s) @ Vt))
    assert errors[1] <= 1.001 * errors[0] + rounding(dtype, 240)
    assert_orthonormal(Vt[s > rounding(dtype, 240)].T.astype(float), rounding(dtype, 240))


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_same_seed_gives_the_same_bits(container):
    M = container(random(40, 30))
    for state in (lambda: 7, lambda: np.random.RandomState(7), lambda: np.random.default_rng(7)):
        first, again = (randomized_svd(M, 3, n_iter=1, random_state=state()) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    generator = np.random.default_rng(7)
    states = (0, 1, generator, generator, None, None)
    found = [float(randomized_svd(M, 3, n_iter=0, random_state=state)[1][0]) for state in states]
    assert len(set(found)) == len(found)  # other seeds, a generator further on and no seed give other sketches


@pytest.mark.parametrize("n_iter", [0, 2, 9])
def test_rows_are_read_block_by_block(n_iter, monkeypatch):
    M = matrix(SPECTRA["slow"])
    whole = randomized_svd(M, 4, n_iter=n_iter, random_state=0)
    monkeypatch.setattr(cutting, "BLOCK_WORK", 1)
    for a, b in zip(randomized_svd(M, 4, n_iter=n_iter, random_state=0), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    "settings", [{"svd_lapack_driver": "gesvd"}, {"power_iteration_normalizer": "LU"}, {"n_oversamples": 0}]
)
def test_settings_change_nothing_in_a_matrix_of_low_rank(settings):
    M = matrix(SPECTRA["low rank"])
    U, s, Vt = randomized_svd(M, 3, random_state=0, **settings)
    np.testing.assert_allclose(U * s @ Vt, M, atol=1e-13)


@pytest.mark.parametrize(("dtype", "scale"), [("f8", 1e-200), ("f8", 1e200), ("f4", 1e-25), ("f4", 1e25)])
def test_scales_whose_squares_overflow_or_vanish_are_no_trouble(dtype, scale):
    M = matrix(SPECTRA["slow"])
    s = randomized_svd((scale * M).astype(dtype), 3, random_state=0)[1]
    np.testing.assert_allclose(s / s.dtype.type(scale), SPECTRA["slow"][:3], rtol=1e-4)


def test_the_callers_matrix_is_left_alone():
    M = random(8, 5)
    for name, same in naive.layouts(M):
        U, s, Vt = randomized_svd(same, 5, random_state=0)
        np.testing.assert_allclose(U * s @ Vt, M, atol=1e-13, err_msg=name)
        assert np.array_equal(same, M), name


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (1, 6), (6, 1), (1, 1)], ids=str)
@pytest.mark.parametrize(
    "settings", [{}, {"n_iter": 0}, {"n_iter": 9}, {"n_oversamples": 0}, {"transpose": True}], ids=str
)
def test_more_components_than_there_are_give_all(shape, settings):
    M = random(*shape)
    for kind in (np.asarray, scipy.sparse.csr_array):
        for components in (min(shape), min(shape) + 1, 100 * max(shape)):
            U, s, Vt = randomized_svd(kind(M), components, random_state=0, **settings)
            assert (U.shape, s.shape, Vt.shape) == ((shape[0], min(shape)), (min(shape),), (min(shape), shape[1]))
            np.testing.assert_allclose(U * s @ Vt, M, atol=1e-12)


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_sparse_entries_in_two_parts_count_once(container):
    whole = container(scipy.sparse.random_array((300, 80), density=0.2, rng=np.random.default_rng(0)))
    parts = np.repeat(whole.data, 2) * np.tile([-3.0, 4.0], whole.nnz)
    halved = container((parts, np.repeat(whole.indices, 2), 2 * whole.indptr), shape=whole.shape)
    for found, expected in zip(*(randomized_svd(M, 5, random_state=0) for M in (halved, whole)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-8)
    assert halved.nnz == 2 * whole.nnz  # what the caller holds stays


@pytest.mark.parametrize("shape", [(8, 20), (8, 2_000), (300, 900)])
def test_nan_of_wide_matrices_is_found_where_it_is(shape):
    M = random(*shape)
    M[5, 17] = np.nan
    with pytest.raises(ValueError, match=r"M holds 1 NaN or infinite value\(s\), the first at index \(5, 17\)"):
        randomized_svd(M, 3, random_state=0)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "f4", "f8", "?"])
@pytest.mark.parametrize("kind", ["coo", "csr"])
def test_sparse_entries_of_equal_place_are_added_without_overflow(kind, dtype):
    entries, (rows, columns) = np.array([100, 100, 100, 3, 50], dtype), ([0, 0, 0, 1, 2], [0, 0, 0, 1, 2])
    M = scipy.sparse.coo_array((entries, (rows, columns)), shape=(5, 4))
    if kind == "csr":
        M = scipy.sparse.csr_array((entries, columns, [0, 3, 4, 5, 5, 5]), shape=(5, 4))
    dense = np.zeros(M.shape)
    np.add.at(dense, (rows, columns), entries.astype(float))
    s = randomized_svd(M, 2, random_state=0)[1]
    np.testing.assert_allclose(s, np.linalg.svd(dense, compute_uv=False)[:2], rtol=1e-6)
    np.testing.assert_array_equal(Gram().update(M).xtx, dense.T @ dense)


@pytest.mark.parametrize("dtype", ["i1", "f4", "f8", "?"])
@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
@pytest.mark.filterwarnings("ignore:Calculating SVD:scipy.sparse.SparseEfficiencyWarning")
def test_every_kind_of_sparse_matrix(kind, dtype):
    M = np.diag([5, 4, 0, 2]).astype(dtype)
    s = randomized_svd(scipy.sparse.coo_array(M).asformat(kind), 2, random_state=0)[1]
    np.testing.assert_allclose(s, np.linalg.svd(M.astype(float), compute_uv=False)[:2], rtol=1e-6)


@pytest.fixture
def global_state():
    """NumPy's global RandomState, as it was once the test is over."""
    state = np.random.mtrand._rand
    before = state.get_state()
    yield state
    state.set_state(before)


@pytest.mark.parametrize("name", ["None", "np.random", "RandomState"])
@pytest.mark.parametrize(
    "call",
    [
        lambda M, state: randomized_svd(M, 3, n_iter=0, random_state=state)[1][0],
        lambda M, state: projected_correlation_dimension(M[:, :20], M, energy=0.6, random_state=state),
    ],
    ids=["randomized_svd", "projected_correlation_dimension"],
)
def test_numpys_global_seed_is_followed(call, name, global_state):
    M, state = random(60, 50), {"None": None, "np.random": np.random, "RandomState": global_state}[name]
    global_state.seed(5)
    first, second = call(M, state), call(M, state)
    assert first != second
    global_state.seed(5)
    assert (call(M, state), call(M, state)) == (first, second)
    global_state.seed(6)
    assert call(M, state) != first


@pytest.mark.parametrize(
    ("M", "settings", "error", "message"),
    [
        (np.eye(3), {"n_components": 0}, ValueError, "n_components must be at least 1, got 0"),
        (np.eye(3), {"n_components": -1}, ValueError, "n_components must be at least 1, got -1"),
        (np.eye(3), {"n_components": 1.0}, TypeError, "n_components must be a whole number, got 1.0"),
        (np.eye(3), {"n_oversamples": -1}, ValueError, "n_oversamples must be at least 0, got -1"),
        (np.eye(3), {"n_iter": -1}, ValueError, "n_iter must be at least 0, got -1"),
        (np.eye(3), {"n_iter": "many"}, TypeError, "n_iter must be a whole number, got 'many'"),
        (
            np.eye(3),
            {"power_iteration_normalizer": "no"},
            ValueError,
            "power_iteration_normalizer must be one of 'auto'",
        ),
        (np.eye(3), {"svd_lapack_driver": "no"}, ValueError, "svd_lapack_driver must be one of 'gesdd', 'gesvd', got"),
        (np.eye(3), {"random_state": "seed"}, TypeError, "random_state"),
        (np.eye(3), {"random_state": -1}, ValueError, "random_state must be at least 0"),
        (np.eye(3), {"transpose": "maybe"}, ValueError, "transpose must be"),
        (np.eye(3), {"transpose": 1}, ValueError, "transpose must be True or False, got 1"),
        (np.eye(3), {"flip_sign": "no"}, TypeError, "flip_sign must be True or False, got 'no'"),
        (np.eye(3).astype(str), {}, ValueError, "M must hold real numbers"),
        (np.ones((0, 3)), {}, ValueError, r"M must not be empty, got shape (0, 3)"),
        (np.ones(3), {}, ValueError, "M must have 2 dimension(s), got shape (3,)"),
        (np.eye(3) * np.nan, {}, ValueError, "M holds 9 NaN or infinite value(s)"),
        (scipy.sparse.csr_array([[np.inf, 0.0]]), {}, ValueError, "M holds 1 NaN or infinite value(s)"),
        (scipy.sparse.coo_array(np.ones(3)), {}, ValueError, "M must have 2 dimension(s), got shape (3,)"),
        (np.eye(3) * 1j, {}, TypeError, "M must hold real numbers, got dtype complex128"),
        (scipy.sparse.csr_array([[1j, 0.0]]), {}, TypeError, "M must hold real numbers, got dtype complex128"),
    ],
)
def test_bad_input_is_refused_by_name(M, settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        randomized_svd(M, **{"n_components": 1, "random_state": 0} | settings)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (6, 6)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_is_the_leading_singular_vectors(shape, dtype, tmp_path):
    X = random(*shape).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    k = naive.intrinsic_dimension(X, 0.8)
    sources = [X, X.tolist(), np.load(tmp_path / "X.npy", mmap_mode="r"), [X[:2], X[2:3], X[3:]], iter([X[:0], X])]
    for source in sources:
        assert_leading(Subspace.fit(source, energy=0.8), X, k)
    assert_leading(Subspace.fit(X, rank=2), X, 2)
    assert_leading(Subspace.fit(iter([X[:1], X[1:]]), rank=2), X, 2)
    assert Subspace.fit(X).rank == naive.intrinsic_dimension(X, 0.99)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3), (0, 3), (3, 0), (0, 0)])
def test_zeros_have_no_dimension(shape):
    X = np.zeros(shape)
    found = Subspace.fit(X)
    assert (intrinsic_dimension(X), found.rank, found.basis.shape, found.energy) == (0, 0, (shape[1], 0), 0.0)
    if min(shape) > 1:
        assert_orthonormal(Subspace.fit(X, rank=2).basis)


@pytest.mark.parametrize("rank", [2, 5, 10])
def test_a_basis_is_orthonormal_beyond_the_rank_of_the_rows(rank):
    assert_orthonormal(Subspace.fit(random(10, 2) @ random(2, 40), rank=rank).basis)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.floats(0.01, 0.99), st.sampled_from([1e-8, 1.0, 1e5]))
def test_intrinsic_dimension_counts_the_energy(values, energy, scale):
    squares = np.cumsum(np.sort(np.square(values))[::-1])
    assume(np.min(np.abs(squares / squares[-1] - energy)) > 1e-9)
    X = scale * matrix(np.array(values, float), 9)
    expected = int(np.sum(squares < energy * squares[-1])) + 1
    assert naive.intrinsic_dimension(X, energy) == expected
    for source in (X, X.T, iter([X[:4], X[4:]])):
        assert intrinsic_dimension(source, energy) == expected


def test_intrinsic_dimension_is_exact_on_ties():
    assert [intrinsic_dimension(np.eye(4), energy) for energy in (0.25, 0.5, 0.75, 1.0)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("X", "settings", "error", "message"),
    [
        (np.eye(3), {"rank": 1, "energy": 0.5}, ValueError, "give rank or energy, not both"),
        (np.eye(3), {"rank": 0}, ValueError, "rank must be at least 1 and at most 3, got 0"),
        (np.ones((2, 3)), {"rank": 3}, ValueError, "rank must be at least 1 and at most 2, got 3"),
        ([np.ones((2, 3))], {"rank": 3}, ValueError, "rank must be at least 1 and at most 2, got 3"),
        (np.eye(3), {"energy": 0}, ValueError, "energy must be a finite number, more than 0 and at most 1, got 0.0"),
        (np.eye(3), {"energy": 1.5}, ValueError, "energy must be a finite number, more than 0 and at most 1, got 1.5"),
        (np.ones(3), {}, ValueError, "X must have 2 dimension(s), got shape (3,)"),
        ("text", {}, FileNotFoundError, "X: there is no file 'text'"),
        (3, {}, TypeError, "X must be a 2-D array, a path or an iterable of row blocks, got int"),
        ([], {}, ValueError, "X holds no row blocks"),
        ([np.eye(2), np.eye(3)], {}, ValueError, "block 1 of X has 3 columns, the ones before have 2"),
        ([np.eye(2), np.ones(2)], {}, ValueError, "block 1 of X must have 2 dimension(s)"),
        ([np.eye(2), np.eye(2) * np.nan], {}, ValueError, "block 1 of X holds 4 NaN or infinite value(s)"),
        (np.eye(2) * np.nan, {}, ValueError, "X holds 4 NaN or infinite value(s), the first at index (0, 0)"),
    ],
)
def test_bad_features_are_refused_by_name(X, settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Subspace.fit(X, **settings)


@pytest.mark.parametrize("angles", [[0.3], [1.5, 1.0, 0.2], [np.pi / 2, 1.2, 1e-9], [1e-6, 1e-12], [0.0, 0.0]], ids=str)
def test_angles_are_found_to_full_precision(angles):
    k, axes = len(angles), np.eye(2 * len(angles) + 1)
    A, B = axes[:, :k], axes[:, :k] * np.cos(angles) + axes[:, k : 2 * k] * np.sin(angles)
    mixed = A @ random(k, k), B @ (np.eye(k) + 0.1 * random(k, k, seed=2))
    for pair in ((A, B), (B, A), mixed):
        atol = rounding(float, len(axes)) * sum(map(np.linalg.cond, pair))  # Knyazev and Argentati 2002
        np.testing.assert_allclose(principal_angles(*pair), angles, rtol=0, atol=atol)
        assert correlation_dimension(*pair) == pytest.approx(np.sum(np.cos(angles) ** 2), abs=2 * k * atol)


@pytest.mark.parametrize("shapes", [(5, 3, 2), (5, 2, 3), (6, 4, 4), (3, 3, 1), (4, 6, 2)])
@pytest.mark.parametrize("deficient", [False, True])
def test_angles_agree_with_singular_values_of_the_bases(shapes, deficient):
    D, k, m = shapes
    A, B = random(D, k), random(D, m, seed=2)
    if deficient:
        A = np.column_stack([A[:, :1], A[:, :1], np.zeros(D)])
    expected = naive.principal_angles(A, B)
    np.testing.assert_allclose(principal_angles(A, B), expected, atol=1e-7)
    np.testing.assert_allclose(principal_angles(A, B), scipy.linalg.subspace_angles(A, B), atol=1e-7)
    assert correlation_dimension(A, B) == pytest.approx(np.sum(np.cos(expected) ** 2), abs=1e-12)
    span = Subspace.fit(A.T, energy=1 - 1e-9)
    assert correlation_dimension(span, B) == pytest.approx(correlation_dimension(A, B), abs=1e-7)


def test_a_span_of_zeros_has_no_angles():
    assert principal_angles(np.zeros((3, 2)), np.eye(3)).shape == (0,)
    assert correlation_dimension(np.eye(3), np.zeros((3, 2))) == 0.0


@pytest.mark.parametrize("function", [principal_angles, correlation_dimension])
def test_spans_that_cannot_be_compared_are_refused_by_name(function):
    with pytest.raises(ValueError, match="A and B must live in the same space: A has 3 rows, B 4"):
        function(np.eye(3), np.eye(4))
    with pytest.raises(ValueError, match=r"B must not be empty, got shape \(3, 0\)"):
        function(np.eye(3), np.ones((3, 0)))
    with pytest.raises(ValueError, match=r"A must have 2 dimension\(s\), got shape \(3,\)"):
        function(np.ones(3), np.eye(3))
    with pytest.raises(ValueError, match="B holds 1 NaN"):
        function(np.eye(2), [[np.nan], [1.0]])


@pytest.mark.parametrize("smallest", [1e-3, 1e-6, 1e-9])
def test_small_angles_are_scipys(smallest):
    """Among themselves; scipy loses them beside large ones, which is why exactly known angles are the test above."""
    angles = smallest * np.array([3.0, 2.0, 1.0])
    axes = np.eye(8)
    B = axes[:, :3] * np.cos(angles) + axes[:, 3:6] * np.sin(angles)
    found, scipys = principal_angles(axes[:, :3], B), scipy.linalg.subspace_angles(axes[:, :3], B)
    np.testing.assert_allclose(found, angles, rtol=0, atol=rounding(float, 8))
    np.testing.assert_allclose(found, scipys, rtol=0, atol=2 * rounding(float, 8))


def test_dimensions_that_are_shared_are_no_more_than_there_are():
    for seed in range(40):
        rows = np.random.default_rng(seed).standard_normal((200, 12))
        assert projected_correlation_dimension(rows[:, :5], rows, energy=1.0, random_state=seed) <= 5
        assert correlation_dimension(rows[:, :5], rows) <= 5
        assert correlation_dimension(rows[:, :5], rows, energy=1.0) <= 5
