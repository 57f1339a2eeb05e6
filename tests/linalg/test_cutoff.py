"""One rank policy: what numbers can be trusted to as they came, whatever the route, the rows and the scale."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import accuracy
from tests.conftest import COMPILED
from tests.matrices import spectrum
from w2s_fast import MinNorm, min_norm
from w2s_fast.kernels.leastsq import clears_cutoff
from w2s_fast.linalg.leastsq import by_svd
from w2s_fast.linalg.leastsq.cholesky import factor_gram
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN, FEW, GRAM_RCOND, STORED, Cutoff, arithmetic, gram_serves

EPS32 = float(np.finfo(np.float32).eps)


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def weights_by_every_route(X, y):
    """Of single problems, of stacks by Gram matrices and by singular values, and of factors."""
    stack = np.stack([X] * 4)
    cut = Cutoff.of(X.dtype, X.shape, None)
    routes = {
        "min_norm": min_norm(X, y),
        "a stack": min_norm(stack, np.stack([y] * 4))[2],
        "MinNorm": MinNorm(X).solve(y),
        "the SVD": by_svd.factor(X, 0.0, cut).solve(y[:, None])[:, 0],
    }
    return routes, {MinNorm(X).rank, by_svd.factor(X, 0.0, cut).rank}


@pytest.mark.compiled
@pytest.mark.parametrize("rows", [1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("spread", [(10, 15), (1e-1, 15), (10, 1e-2)])
def test_float32_columns_keep_their_rank_however_many_rows_there_are(rows, spread):
    """Two sensors a fixed offset above 0: NumPy finds 2 a - b, and so must every call, in float32."""
    rng = np.random.default_rng(rows)
    X = np.column_stack([rng.normal(offset, size, rows) for offset, size in zip((170, 70), spread, strict=True)])
    X = X.astype(np.float32)
    y = (2 * X[:, 0] - X[:, 1]).astype(np.float32)
    exact = np.linalg.lstsq(X.astype(float), y.astype(float))[0]
    condition = np.linalg.cond(X.astype(float))
    for weights in (min_norm(X, y), MinNorm(X).solve(y), min_norm(X[None], y[None])[0]):
        np.testing.assert_allclose(weights, exact, rtol=1e-14 * condition**2 + 2 * EPS32)
    assert MinNorm(X).rank == 2


@pytest.mark.compiled
@pytest.mark.parametrize("copies", [1, 10, 100])
def test_rows_that_repeat_change_neither_rank_nor_weights(copies):
    X = (gaussian(900, 60) @ np.diag(np.geomspace(1, 1e-5, 60)) + 1.0).astype(np.float32)
    y = gaussian(900, seed=1).astype(np.float32)
    tiled = MinNorm(np.tile(X, (copies, 1)))
    exact = np.linalg.lstsq(X.astype(float), y.astype(float))[0]
    assert tiled.rank == 60
    np.testing.assert_allclose(tiled.solve(np.tile(y, copies)), exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("scales", [(1, 1e-4, 1e-9), (1e8, 1, 1e4), (1e-20, 1e-19, 1e-21)], ids=str)
@pytest.mark.parametrize("shape", [(40, 3), (3, 40), (3, 3)], ids=str)
def test_float32_columns_of_unlike_scales_are_all_trusted(scales, shape):
    """A column is right to its own last place: how long others are is no reason to doubt it."""
    Z = gaussian(max(shape), 3) * scales
    X = (Z if shape[0] >= shape[1] else Z.T).astype(np.float32)[: shape[0], : shape[1]]
    y = gaussian(shape[0], seed=1).astype(np.float32)
    exact = np.array(accuracy.exact_least_squares(*fractions(X, y)), float) if shape[0] >= 3 == shape[1] else None
    routes, ranks = weights_by_every_route(X, y)
    assert ranks == {3}
    for name, weights in routes.items():
        if exact is not None:
            np.testing.assert_allclose(weights, exact, rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(weights, routes["min_norm"], rtol=1e-3, atol=1e-30, err_msg=name)


def fractions(X, y):
    return [[Fraction(float(x)) for x in row] for row in X], [Fraction(float(value)) for value in y]


COMBINATIONS = {
    "twins": lambda Z: np.column_stack((Z, Z[:, 0])),
    "a third": lambda Z: np.column_stack((Z, Z[:, 0] * Z.dtype.type(np.float32(1 / 3)))),
    "a sum": lambda Z: np.column_stack((Z, Z[:, 0] + Z[:, 1])),
    "a mean": lambda Z: np.column_stack((Z, Z.mean(axis=1))),
    "a product": lambda Z: Z @ gaussian(Z.shape[1], Z.shape[1] + 1, seed=9).astype(np.float32).astype(Z.dtype),
    "a long sum": lambda Z: np.column_stack((Z, Z.dtype.type(1e4) * Z[:, 0] + Z[:, 1])),
}


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("rows", [12, 300, pytest.param(50_000, marks=pytest.mark.compiled)])
@pytest.mark.parametrize("combine", COMBINATIONS.values(), ids=COMBINATIONS.keys())
@pytest.mark.parametrize("wide", [False, True])
def test_what_float32_rounding_alone_makes_independent_is_not(combine, rows, offset, wide):
    Z = (gaussian(rows, 8) + offset).astype(np.float32)
    X = combine(Z)
    X = np.ascontiguousarray(X.T) if wide else X
    y = gaussian(len(X), seed=2).astype(np.float32)
    exact = combine(Z.astype(float))  # in float64 rounding is far below
    inverse = np.linalg.pinv(exact.T if wide else exact, rcond=1e-12)
    routes, ranks = weights_by_every_route(X, y)
    assert ranks == {8}
    allowed = 10 * EPS32 * np.linalg.norm(inverse, 2) * np.linalg.norm(exact, 2)  # first-order perturbation theory
    if allowed < 1e-2:
        for name, weights in routes.items():
            assert np.linalg.norm(weights - inverse @ y) < allowed * np.linalg.norm(inverse, 2) * np.linalg.norm(y), (
                name
            )


def test_products_of_many_terms_in_float32_are_of_the_rank_of_their_factors():
    X = gaussian(2_000, 1_000).astype(np.float32)[:, :1_000] @ gaussian(1_000, 50, seed=1).astype(np.float32)
    assert MinNorm(X @ gaussian(50, 80, seed=2).astype(np.float32)).rank == 50


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_of_labels_is_not_that_of_features(dtype):
    X = (gaussian(200, 6) @ gaussian(6, 9, seed=1)).astype(np.float32)
    y = gaussian(200, seed=2).astype(dtype)
    reference = np.linalg.pinv(X.astype(float), rcond=1e-5) @ y
    for weights in (min_norm(X, y), MinNorm(X).solve(y), min_norm(X[None], y[None])[0]):
        assert weights.dtype == dtype
        np.testing.assert_allclose(weights, reference, atol=1e-5 * np.abs(reference).max())


@pytest.mark.compiled
@pytest.mark.parametrize("rows", [100_000, 3_000_000])
def test_twin_columns_of_float64_are_one_among_many_rows(rows):
    x = gaussian(rows, 2) + 1e3
    X = np.column_stack((x, x[:, 0], x[:, 0] / 3 + x[:, 1] * 0.7))
    cut = Cutoff.of(X.dtype, X.shape, None)
    assert MinNorm(X).rank == by_svd.factor(X, 0.0, cut).rank == 2


@pytest.mark.parametrize("seed", [936305835, *range(50)])
@pytest.mark.parametrize("problems", [1, 5])
def test_what_lapack_leaves_of_a_zero_is_never_divided_by(seed, problems):
    """Of the first of these, OpenBLAS for AVX2 leaves 32 eps, more than NumPy cuts: its solution is 10^14 too long."""
    X = spectrum(np.ones(19), 30, 30, seed)
    y = np.random.default_rng(seed).standard_normal(30)
    solved = min_norm(*(np.repeat(array[None], problems, axis=0) for array in (X, y)))
    assert np.linalg.norm(solved, axis=1) == pytest.approx(np.linalg.norm(X.T @ y))
    assert MinNorm(X).rank == 19


def test_cutoffs_do_not_grow_with_rows():
    few, many = (Cutoff.of(np.float32, (rows, 150), None) for rows in (150, 10**9))
    assert few == many == Cutoff(150 * np.finfo(float).eps, STORED * EPS32)
    assert arithmetic((10**9, 3)) == FEW * np.finfo(float).eps
    assert arithmetic((7, 3)) == FEW * np.finfo(float).eps
    assert Cutoff.of(np.float32, (9, 3), 0.5) == Cutoff(0.5)


@pytest.mark.skipif(not COMPILED, reason="as Python, kernels warn of what they then refuse")
@given(st.integers(-1070, 1000), st.integers(-1070, 1000), st.sampled_from([(6, 3), (3, 6), (4, 4)]), st.booleans())
@example(-259, 254, (6, 3), True)
@example(-320, 320, (6, 3), False)
@example(320, -320, (3, 6), False)
def test_weights_follow_any_scale_of_features_and_labels(x_power, y_power, shape, deficient):
    """From the smallest normal number to the largest, and beyond, where numbers are whole in few bits."""
    rng = np.random.default_rng(abs(x_power))
    X, y = (rng.integers(-8, 9, size).astype(float) for size in (shape, shape[0]))
    if deficient:
        X[:, -1] = X[:, 0]
        X[-1] = X[0]
    expected = min_norm(X, y)
    power = y_power - x_power
    large, tall = np.ldexp(X, x_power), np.ldexp(y, y_power)
    if np.abs(expected).max() and power + math.log2(np.abs(expected).max()) >= 1024:
        for solve in (lambda: min_norm(large, tall), lambda: MinNorm(large).solve(tall)):
            with pytest.raises(ValueError, match="the weights overflow float64: scale"):
                solve()
        return
    wanted = np.ldexp(expected, power)
    found = [min_norm(large, tall), MinNorm(large).solve(tall), *min_norm([large] * 5, [tall] * 5)]
    for weights in found:
        np.testing.assert_allclose(weights, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max() + 5e-324)


@pytest.mark.skipif(not COMPILED, reason="as Python, kernels warn of what they then refuse")
@pytest.mark.parametrize("power", [-140, -130, -100, -60, 60, 100, 120])
@pytest.mark.parametrize("shape", [(300, 20), (20, 300), (9_000, 40)], ids=str)
def test_float32_weights_follow_its_whole_range(power, shape):
    X, y = gaussian(*shape).astype(np.float32), gaussian(shape[0], seed=1).astype(np.float32)
    with np.errstate(over="ignore"):
        scaled, expected = np.ldexp(X, power), np.ldexp(min_norm(X, y), -power)
    kept = np.finfo(np.float32).smallest_subnormal / np.ldexp(1.0, power)  # what subnormal numbers keep of features
    if not np.isfinite(expected).all():
        with pytest.raises(ValueError, match="the weights overflow float32: scale"):
            min_norm(scaled, y)
        return
    for weights in (min_norm(scaled, y), MinNorm(scaled).solve(y)):
        np.testing.assert_allclose(weights, expected, rtol=1e-4 + 1e3 * kept, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("x", "ridge"), [(1e-300, 1e-250), (1e-300, 1e-620), (1e200, 1.0), (1e-200, 1e-400)])
def test_ridge_follows_the_scale_of_features(x, ridge):
    exact = Fraction(x) / (Fraction(x) ** 2 + Fraction(ridge))
    np.testing.assert_allclose(min_norm([[x]], [1.0], ridge=ridge), [float(exact)], rtol=1e-14)
    np.testing.assert_allclose(MinNorm([[x]], ridge=ridge).solve([1.0]), [float(exact)], rtol=1e-14)


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 3), (7, 3), (3, 7), (20, 5)], ids=str)
def test_stacks_of_deficient_problems_are_solved_by_compiled_code(shape, dtype, ridge, monkeypatch):
    def refused(*args):
        raise AssertionError("no problem of a moderate scale is left to Python")

    monkeypatch.setattr("w2s_fast.linalg.leastsq.min_norm._by_rows", refused)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, *shape)), rng.standard_normal((50, shape[0], 2)).astype(dtype)
    X[::2, :, -1] = X[::2, :, 0]
    X[::2, -1] = X[::2, 0]
    X[7] = 0.0
    X = X.astype(dtype)
    found = min_norm(X, Y, ridge=ridge)
    for weights, features, labels in zip(found, X.astype(float), Y, strict=True):
        squares = features.T @ features + ridge * np.eye(shape[1])
        expected = np.linalg.pinv(squares, rcond=1e-11 if dtype == np.float64 else 1e-9) @ features.T @ labels
        np.testing.assert_allclose(weights, expected, atol=3e-4 if dtype == np.float32 else 1e-8)


def test_one_problem_with_nan_is_named_in_a_stack_of_deficient_ones():
    X = np.ones((20, 3, 3))
    X[13, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"X\[13\] holds 1 NaN"):
        min_norm(X, np.ones((20, 3)))


@pytest.mark.parametrize("ridge", [0.0, 1e-6])
@pytest.mark.parametrize("rcond", [0.0, 1e-4])
def test_gpus_take_no_gram_matrix_that_the_cpu_refuses(ridge, rcond):
    """The kernel's rule has a second look that the GPU's has not; neither may be the laxer one by more than that."""
    X, served = np.random.default_rng(0).standard_normal((50, 6)), set()
    for size in np.logspace(0, -7, 15):
        product = (X * [1, 1, 1, 1, 1, size]).T @ (X * [1, 1, 1, 1, 1, size])
        lower, scale, gram_rcond = factor_gram(product, ridge)
        serves = gram_serves(gram_rcond, float(scale.max()), float(np.trace(product)), ridge, Cutoff(rcond))
        served.add(serves)
        if serves:
            assert gram_rcond > GRAM_RCOND
            assert clears_cutoff(product, lower, scale, gram_rcond, ridge, rcond, CUTOFF_MARGIN)
    assert served == ({True, False} if rcond else {True})
