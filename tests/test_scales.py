"""Decompositions are equivariant over the whole range of their dtype, and streams may reuse their memory."""

import warnings

import numpy as np
import pytest
import scipy.sparse

from tests.accuracy import rounding
from w2s_fast import (
    MinNorm,
    Subspace,
    correlation_dimension,
    intrinsic_dimension,
    lstsq,
    min_norm,
    principal_angles,
    randomized_svd,
)
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.spectral import dimension

POWERS = {np.float32: (-100, -64, -30, 57, 100, 110), np.float64: (-1000, -566, -300, 300, 508, 1000)}
SCALES = [(dtype, power) for dtype, powers in POWERS.items() for power in powers]


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def low_rank(rows, columns, rank=20, noise=1e-3):
    return gaussian(rows, rank) @ gaussian(rank, columns, seed=1) + noise * gaussian(rows, columns, seed=2)


@pytest.mark.parametrize(("dtype", "power"), SCALES)
@pytest.mark.parametrize("n_iter", ["auto", 0, 9])
@pytest.mark.parametrize(
    ("shape", "k"),
    [((200, 100), 5), ((100, 500), 5), pytest.param((1200, 400), 8, marks=pytest.mark.compiled)],
    ids=str,
)
def test_truncated_svd_follows_any_scale(shape, k, dtype, power, n_iter):
    M = low_rank(*shape, noise=0.1).astype(dtype)
    U, s, Vt = randomized_svd(M, k, n_iter=n_iter, random_state=0)
    found = randomized_svd(np.ldexp(M, power), k, n_iter=n_iter, random_state=0)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(np.ldexp(found[1], -power), s, rtol=50 * eps)
    reconstructions = [(u * s) @ vt for u, vt in ((U, Vt), (found[0], found[2]))]
    assert np.linalg.norm(reconstructions[0] - reconstructions[1]) < 1e4 * eps * np.linalg.norm(s)


@pytest.mark.parametrize("power", [-1000, -540, 540, 1000])
def test_truncated_svd_of_sparse_matrices_follows_any_scale(power):
    M = scipy.sparse.random(300, 60, density=0.2, random_state=0, format="csr")
    scaled = M.copy()
    scaled.data = np.ldexp(M.data, power)
    np.testing.assert_array_equal(
        np.ldexp(randomized_svd(scaled, 5, random_state=0)[1], -power), randomized_svd(M, 5, random_state=0)[1]
    )
    assert np.array_equal(scaled.data, np.ldexp(M.data, power))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (20, 50), (50, 20)])
@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize("power", range(-120, 121, 8))
def test_weights_of_float32_follow_any_scale(shape, twins, power):
    """The dual of wide features has their scale twice: as float32 it lost digits, and then all of them."""
    X, Y = (gaussian(*shape, seed=seed).astype(np.float32) for seed in (0, 1))
    if twins and min(shape) > 2:
        X[:, 1], X[1] = X[:, 0], X[0]
    s = np.linalg.svd(X.astype(float))[1]
    condition = s[0] / s[s > 1e-6 * s[0]].min()
    for solve in (min_norm, lambda X, Y: MinNorm(X).solve(Y), lambda X, Y: lstsq(X, Y)[0]):
        expected = solve(X, Y[:, :2]).astype(float)
        for exponent in (-100, -60, 0, 60, 100):
            if abs(exponent - power) < 120:
                with np.errstate(over="ignore"), warnings.catch_warnings():  # residuals of lstsq, as NumPy's
                    warnings.simplefilter("ignore", RuntimeWarning)
                    found = solve(np.ldexp(X, power), np.ldexp(Y[:, :2], exponent))
                found = np.ldexp(found.astype(float), power - exponent)
                error = np.linalg.norm(found - expected, axis=0) / np.linalg.norm(expected, axis=0)
                assert error.max() <= rounding(np.float32, max(shape)) * condition


def test_singular_values_beyond_the_dtype_are_refused_by_name():
    with pytest.raises(ValueError, match="the singular values overflow float32: scale"):
        randomized_svd(np.full((400, 300), 3e38, np.float32), 3)


@pytest.mark.compiled
@pytest.mark.parametrize("falling", [lambda i: 1 / i, lambda i: i**-0.5, lambda i: 0.98**i])
@pytest.mark.parametrize("k", [10, 60])
def test_more_iterations_are_never_worse(falling, k):
    """Up to what the first of the routes leaves anyway: their errors are within it of the least there is."""
    values = falling(np.arange(1.0, 301.0))
    u, v = (np.linalg.qr(gaussian(size, 300, seed=size))[0] for size in (900, 300))
    M = (u * values) @ v.T
    least = np.linalg.norm(values[k:])
    left = []
    for n_iter in (1, 4, 7, 8, 9, 12, 20, 60):
        U, s, Vt = randomized_svd(M, k, n_iter=n_iter, random_state=0)
        left.append(np.linalg.norm(M - (U * s) @ Vt) / least - 1)
    assert np.all(np.diff(left) <= 1e-12)
    assert left[2] < 1e-3
    assert left[-1] < 1e-12


@pytest.mark.parametrize("power", [-1020, -566, -530, 500, 900])
@pytest.mark.parametrize("source", ["array", "wide", "list"])
def test_intrinsic_dimensions_follow_any_scale(power, source):
    X = low_rank(120, 300) if source == "wide" else low_rank(300, 120)
    scaled = np.ldexp(X, power)
    given = [scaled[:100], scaled[100:]] if source == "list" else scaled
    assert intrinsic_dimension(given, 0.999) == intrinsic_dimension(X, 0.999) == 20
    other = [X[:100], X[100:]] if source == "list" else X
    assert correlation_dimension(given, other, energy=0.999) == pytest.approx(20, abs=1e-6)
    assert correlation_dimension(other, given, energy=0.999) == pytest.approx(20, abs=1e-6)


@pytest.mark.compiled
@pytest.mark.parametrize("power", [-566, 500])
def test_intrinsic_dimensions_that_are_proved_follow_any_scale(power):
    X = low_rank(2_200, 2_100)
    assert intrinsic_dimension(np.ldexp(X, power), 0.999) == 20


@pytest.mark.parametrize("power", [-1020, -566, 520, 900])
def test_eigenvalues_beyond_float64_are_refused_by_name(power):
    with pytest.raises(
        ValueError, match=r"the eigenvalues of X'X, near 2\*\*-?\d+, are beyond float64: scale X by 2\*\*"
    ):
        Subspace.fit(np.ldexp(low_rank(300, 40), power), rank=3)


@pytest.mark.parametrize("power", [-100, -70, 57, 100])
@pytest.mark.parametrize("source", ["array", "list"])
def test_eigenvalues_of_float32_rows_follow_its_whole_range(monkeypatch, power, source):
    """Also where rows are too wide for X'X, and products are taken in float32."""
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 64)
    X = low_rank(150, 100, 8).astype(np.float32)
    scaled = np.ldexp(X, power)
    whole, given = ([rows[:60], rows[60:]] if source == "list" else rows for rows in (X, scaled))
    plain, found = (Subspace.fit(rows, rank=3, random_state=0) for rows in (whole, given))
    np.testing.assert_allclose(np.ldexp(found.eigenvalues, -2 * power), plain.eigenvalues, rtol=1e-5)
    assert intrinsic_dimension(given) == intrinsic_dimension(whole)


def test_an_iterator_whose_squares_vanish_is_refused_by_name():
    for call in (intrinsic_dimension, lambda rows: correlation_dimension(rows, iter([np.ones((30, 2))]), energy=0.9)):
        with pytest.raises(ValueError, match=r"the squares of [XA] vanish: scale it first"):
            call(iter([np.ldexp(gaussian(30, 4), -600)]))
    assert intrinsic_dimension(iter([np.zeros((30, 4))])) == intrinsic_dimension(np.zeros((30, 4))) == 0


# Streams


class Reused:
    """Row blocks that all come in one buffer, again and again or once."""

    def __init__(self, X, step):
        self.X, self.step = X, step

    def __iter__(self):
        buffer = np.empty((self.step, self.X.shape[1]), self.X.dtype)
        for start in range(0, len(self.X), self.step):
            block = self.X[start : start + self.step]
            buffer[: len(block)] = block
            yield buffer[: len(block)]
            buffer[:] = np.nan  # whoever looks later sees it


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_blocks_may_come_in_one_buffer(once, dtype, monkeypatch):
    monkeypatch.setattr(cutting, "BLOCK_WORK", 1)
    X = (100 * low_rank(4_000, 60)).astype(dtype)
    if dtype == np.int32:
        monkeypatch.setattr(Reused, "__iter__", integers)

    def blocks():
        rows = Reused(X, 100)
        return iter(rows) if once else rows

    expected = Subspace.fit([X], rank=5)
    found = Subspace.fit(blocks(), rank=5)
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-10)
    assert intrinsic_dimension(blocks()) == intrinsic_dimension([X])
    shared = correlation_dimension(blocks(), blocks(), energy=0.9)
    assert shared == pytest.approx(correlation_dimension(X, X, energy=0.9), rel=1e-10)


def integers(self):
    buffer = np.empty((self.step, self.X.shape[1]), self.X.dtype)
    for start in range(0, len(self.X), self.step):
        buffer[:] = self.X[start : start + self.step]
        yield buffer
        buffer[:] = -1


@pytest.mark.parametrize("kind", ["energy", "rank", "one view"])
def test_wide_blocks_may_come_in_one_buffer(kind, monkeypatch):
    monkeypatch.setattr(dimension, "LARGEST_GRAM", 64)
    monkeypatch.setattr(dimension, "CERTIFIED_FROM", 64)
    X = low_rank(2_000, 100, 6)
    rows = Reused(X, 100)
    asked = {"energy": 0.999} if kind == "energy" else {"rank": 4}
    found = Subspace.fit(iter(rows) if kind == "one view" else rows, random_state=0, **asked)
    given = iter([X[i : i + 100] for i in range(0, 2_000, 100)]) if kind == "one view" else [X]
    expected = Subspace.fit(given, random_state=0, **asked)
    assert found.rank == expected.rank
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-6)


# Precision that numbers came in


@pytest.mark.parametrize("rows", [45, 400, 20_000])
@pytest.mark.parametrize("inner", [20, 300])
def test_float32_bases_have_the_rank_that_they_had_before_rounding(rows, inner):
    def of_rank_20(columns, seed):
        factor = gaussian(20, inner, seed=seed) @ gaussian(inner, columns, seed=seed + 1)
        return gaussian(rows, 20, seed=seed + 2), factor

    (a, a_right), (b, b_right) = of_rank_20(40, 10), of_rank_20(60, 20)
    exact = principal_angles(a, b)
    low = [X.astype(np.float32) @ factor.astype(np.float32) for X, factor in ((a, a_right), (b, b_right))]
    found = principal_angles(*low)
    assert found.shape == (20,)
    np.testing.assert_allclose(found, exact, atol=2e-3)
    assert correlation_dimension(*low) == pytest.approx(np.sum(np.cos(exact) ** 2), rel=1e-2)
    assert correlation_dimension(*low, energy=1.0) == pytest.approx(np.sum(np.cos(exact) ** 2), rel=1e-2)
    assert intrinsic_dimension(low[0], 1.0) == Subspace.fit(low[0], energy=1.0).rank == 20
    assert principal_angles(low[0].astype(float), low[1].astype(float)).shape == (min(40, rows),)


def test_float32_columns_of_unlike_scales_keep_their_angles():
    axes = np.eye(50)[:, :6]
    scaled = (axes * 10.0 ** np.arange(0, -12, -2)).astype(np.float32)
    assert principal_angles(scaled, axes).shape == (6,)
    assert correlation_dimension(scaled, axes) == pytest.approx(6)
