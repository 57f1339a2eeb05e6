"""Rows less their mean without a centred copy: the numbers of one, whatever is worked out of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_fast import min_norm, randomized_svd
from w2s_fast.linalg.rows import products
from w2s_fast.linalg.rows.centred import Centred
from w2s_fast.linalg.rows.scatter import scatter
from w2s_fast.linalg.spectral.randomized import gram_is_cheaper

SHAPES = {"tall": (700, 40), "wide": (40, 700), "square": (60, 60)}


def rows(shape, dtype="f8", offset=0.0, order="C", seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((shape[0], min(shape))) / np.arange(1.0, min(shape) + 1)
    X = factors @ rng.standard_normal((min(shape), shape[1]))
    return np.asarray(X + offset * rng.standard_normal(shape[1]), dtype, order)


def centred(X):
    """What stands in for the copy, and the copy in float64."""
    mean = X.mean(axis=0, dtype=np.float64)
    return Centred.columns(X, mean), X.astype(np.float64) - mean


@given(st.data())
def test_parts_are_those_of_a_copy(data):
    cut = st.slices(9)
    dtype, order = data.draw(st.sampled_from(["f4", "f8"])), data.draw(st.sampled_from("CF"))
    X, copy = centred(rows((9, 9), dtype, 100.0, order))
    a, b, c = data.draw(cut), data.draw(cut), data.draw(cut)
    for found, expected in ((X[a], copy[a]), (X[a, b], copy[a, b]), (X.T[a, b][c], copy.T[a, b][c])):
        assert found.shape == expected.shape
        assert len(found) == len(expected)
        assert found.dtype == dtype
        assert np.array_equal(found.astype(np.float64), expected)
        assert np.array_equal(np.asarray(found), expected.astype(dtype))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(9_000, 40), (40, 2_500), (30, 7)])
def test_products_are_those_of_a_copy(shape, order):
    X, copy = centred(rows(shape, offset=10.0, order=order))
    rng = np.random.default_rng(1)
    V, Y = rng.standard_normal((shape[1], 3)), rng.standard_normal((shape[0], 3))
    kept = np.empty((shape[0], 3))
    pairs = (
        (products.gram(X), copy.T @ copy),
        (products.cross(X, Y), copy.T @ Y),
        (products.times(X, V), copy @ V),
        (products.gram_times(X, V, keep=kept), copy.T @ (copy @ V)),
        (products.residual_moment(X, V, Y), copy.T @ (Y - copy @ V)),
        (products.misfit(X, V, Y), np.linalg.norm(copy @ V - Y, axis=0)),
        (kept, copy @ V),
    )
    for found, expected in pairs:
        assert np.allclose(found, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


def test_the_array_is_read_and_never_written():
    X = rows((500, 30))
    X.flags.writeable = False
    before = X.copy()
    randomized_svd(centred(X)[0], 3, random_state=0)
    min_norm(X, X[:, 0], intercept=True)
    assert np.array_equal(X, before)


@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("n_iter", [0, "auto"])
@pytest.mark.parametrize(("shape", "k"), [((700, 40), 5), ((40, 700), 5), ((900, 700), 3), ((700, 900), 40)])
def test_randomized_svd_is_that_of_a_copy(shape, k, n_iter, offset):
    X, copy = centred(rows(shape, offset=offset))
    found = randomized_svd(X, k, n_iter=n_iter, random_state=0)
    for ours, expected in zip(found, randomized_svd(copy, k, n_iter=n_iter, random_state=0), strict=True):
        assert np.allclose(ours, expected, atol=1e-9 * np.abs(expected).max())


def test_both_routes_of_squares_were_taken():
    assert gram_is_cheaper(700, 40, 15)
    assert not gram_is_cheaper(900, 700, 13)


def test_centred_rows_of_any_scale_or_none_at_all():
    X = rows((60, 8))
    for exponent in (-600, 500):
        with np.errstate(over="ignore"):
            s = randomized_svd(centred(np.ldexp(X, exponent))[0], 3, random_state=0)[1]
        assert np.allclose(np.ldexp(s, -exponent), np.linalg.svd(X - X.mean(0), compute_uv=False)[:3])
    assert not randomized_svd(centred(np.full((20, 4), 7.0))[0], 2, random_state=0)[1].any()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        randomized_svd(Centred.columns(X, np.zeros(8)), 3, random_state=0)


def test_scatter_in_the_precision_of_rows():
    X = rows((5_000, 20), "f4", offset=1e3)
    exact = scatter(X)[1]
    rough = scatter(X, precision=np.float32)[1]
    assert np.abs(rough - exact).max() <= 1e-5 * np.abs(exact).max()
    assert not np.array_equal(rough, exact)


# min_norm with an intercept


def by_hand(X, Y, ridge):
    """Weights and intercept by the SVD of centred copies in float64."""
    X, Y = (A.astype(np.float64) for A in (X, Y))
    x_mean, y_mean = X.mean(axis=0), Y.mean(axis=0)
    U, s, Vt = np.linalg.svd(X - x_mean, full_matrices=False)
    keep = s > 1e-9 * s[0]
    weights = Vt[keep].T @ ((s[keep] / (s[keep] ** 2 + ridge) * (U[:, keep].T @ (Y - y_mean)).T).T)
    return weights, y_mean - x_mean @ weights


@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(4_000, 30), (300, 20), (41, 40), (30, 90), (5, 1), (2, 5), (1, 3)])
def test_min_norm_with_an_intercept(shape, dtype, ridge):
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal(size).astype(dtype) for size in (shape, (shape[0], 2)))
    weights, b = min_norm(X, Y, ridge=ridge, intercept=True)
    tolerance = 1e-9 if dtype == "f8" else 1e-4
    expected, intercept = by_hand(X, Y, ridge) if shape[0] > 1 else (np.zeros((shape[1], 2)), Y[0])
    assert weights.dtype == b.dtype == dtype
    assert np.allclose(weights, expected, atol=tolerance)
    assert np.allclose(b, intercept, atol=tolerance)
    one, its = min_norm(X, Y[:, 0], ridge=ridge, intercept=True)
    assert (one.shape, its.shape) == ((shape[1],), ())
    assert np.allclose(one, weights[:, 0], atol=tolerance)


@pytest.mark.parametrize("shape", [(3_000, 30), (30, 60)])
def test_an_intercept_at_a_far_offset(shape):
    """Numbers that are exact beside the offset, so that an exact method loses nothing by it."""
    rng = np.random.default_rng(0)
    X, Y = rng.integers(-99, 99, shape).astype(float), rng.integers(-99, 99, shape[0]).astype(float)
    weights, b = min_norm(X, Y, intercept=True)
    shifted, its = min_norm(X + 1e8, Y - 1e8, intercept=True)
    assert np.allclose(shifted, weights, atol=1e-9 * np.abs(weights).max())
    assert its == pytest.approx(b - 1e8 - 1e8 * shifted.sum(), abs=1e-6 * (1 + abs(shifted).sum()))


def test_constant_columns_get_no_weight():
    rng = np.random.default_rng(0)
    for rows_ in (400, 12):
        X = np.column_stack([rng.standard_normal((rows_, 3)), np.full(rows_, 0.1), np.full(rows_, 1e9)])
        y = X[:, 0] + 5.0
        weights, b = min_norm(X, y, intercept=True)
        assert np.allclose(weights, [1, 0, 0, 0, 0], atol=1e-12)
        assert b == pytest.approx(5.0)


def test_float32_whose_differences_are_rounding_is_not_taken_at_its_word():
    rng = np.random.default_rng(0)
    column = rng.standard_normal(500) * 1e-3 + 1e3
    X = np.column_stack([column, column * (1 + 1e-7 * rng.standard_normal(500))]).astype("f4")
    weights, _ = min_norm(X, column.astype("f4"), intercept=True)
    assert np.allclose(weights.sum(), 1.0, atol=0.2)
    assert np.abs(weights).max() < 2.0


def test_stacks_with_intercepts():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, 3, 20, 4)), rng.standard_normal((2, 3, 20)) + 9
    weights, b = min_norm(X, Y, intercept=True)
    assert (weights.shape, b.shape) == ((2, 3, 4), (2, 3))
    for place in np.ndindex(2, 3):
        expected, intercept = by_hand(X[place], Y[place], 0.0)
        assert np.allclose(weights[place], expected)
        assert b[place] == pytest.approx(intercept)


@pytest.mark.parametrize("exponent", [-700, -160, 160, 900])
def test_intercepts_follow_the_scale(exponent):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 4)) + 3, rng.standard_normal(50)
    weights, b = min_norm(X, y, intercept=True)
    scaled, its = min_norm(np.ldexp(X, exponent), y, intercept=True)
    assert np.allclose(np.ldexp(scaled, exponent), weights, rtol=1e-9)
    assert its == pytest.approx(b)
    scaled, its = min_norm(X, np.ldexp(y, exponent), intercept=True)
    assert np.allclose(np.ldexp(scaled, -exponent), weights, rtol=1e-9)
    assert np.ldexp(its, -exponent) == pytest.approx(b)


def test_what_an_intercept_cannot_be_had_for():
    with pytest.raises(ValueError, match="at least one row for an intercept"):
        min_norm(np.zeros((0, 2)), np.zeros(0), intercept=True)
    with pytest.raises(TypeError, match="intercept must be True or False"):
        min_norm([[1.0]], [1.0], intercept="yes")
    for bad in (np.nan, np.inf):
        X = np.ones((30, 2))
        X[4, 1] = bad
        with pytest.raises(ValueError, match="X holds 1 NaN or infinite"):
            min_norm(X, np.ones(30), intercept=True)
    weights, b = min_norm(np.zeros((3, 0)), [1.0, 2.0, 6.0], intercept=True)
    assert (weights.shape, float(b)) == ((0,), 3.0)


def test_rows_read_by_blocks_have_no_intercept_here():
    da = pytest.importorskip("dask.array")
    with pytest.raises(ValueError, match=r"use Gram\(centred=True\)"):
        min_norm(da.ones((8, 2), chunks=4), np.ones(8), intercept=True)
