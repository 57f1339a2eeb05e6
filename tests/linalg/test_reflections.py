"""QR of long matrices, in one piece and in blocks whose triangles are merged."""

import numpy as np
import pytest

from tests.accuracy import backward_error, rounding
from w2s_fast import lstsq, min_norm
from w2s_fast.linalg.leastsq import by_qr
from w2s_fast.linalg.leastsq.policy import Cutoff
from w2s_fast.linalg.leastsq.reflections import MergedReflections, Reflections
from w2s_fast.linalg.leastsq.triangles import _inverse_squared, clears
from w2s_fast.linalg.rows.centred import Centred

RNG = np.random.default_rng(0)
ROWS, COLUMNS = 1_200, 60


def conditioned(condition, m=ROWS, n=COLUMNS, rng=RNG):
    """Rows whose singular values fall evenly by so much, by their logarithms."""
    left, right = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
    return left * np.geomspace(1.0, 1.0 / condition, n) @ right.T


def upright(R):
    """Rows with the signs that make a positive diagonal."""
    return np.where(np.diagonal(R) < 0, -1.0, 1.0)[:, None] * R


def factored(X, Y):
    """R and Q'Y of X = Q R."""
    R = by_qr.triangle(X, Y)
    np.testing.assert_array_equal(np.tril(R, -1), 0.0)
    n = X.shape[1]
    return R[:n, :n], R[:n, n:]


def assert_factors(X, Y):
    """The Gram matrices [X Y]'[X Y] of what came and what is left agree, to rounding of the columns."""
    R, moment = factored(X, Y)
    X, Y = np.asarray(X, np.float64), np.asarray(Y, np.float64)
    sizes, labels = np.linalg.norm(X, axis=0), np.linalg.norm(Y, axis=0)
    bound = rounding(np.float64, len(X))
    assert np.all(np.abs(R.T @ R - X.T @ X) <= bound * np.outer(sizes, sizes))
    assert np.all(np.abs(R.T @ moment - X.T @ Y) <= bound * np.outer(sizes, labels))
    assert np.all(np.linalg.norm(moment, axis=0) <= labels * (1 + bound))
    return R, moment


@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 7), (5, 5), (8, 5), (64, 64), (65, 65), (200, 130), (700, 1), (30, 0), (0, 4)]
)
def test_reflections_of_any_shape(shape):
    X = RNG.standard_normal(shape)
    found = Reflections(X[:, :2], X[:, 2:])
    expected = upright(np.linalg.qr(X, mode="r"))
    np.testing.assert_allclose(upright(found.R), expected, rtol=0, atol=rounding(np.float64, max(shape)))
    if shape[0] >= shape[1]:
        Q = found.times(np.eye(shape[1]))
        np.testing.assert_allclose(Q @ found.R, X, rtol=0, atol=rounding(np.float64, shape[0]))
        np.testing.assert_allclose(Q.T @ Q, np.eye(shape[1]), rtol=0, atol=rounding(np.float64, shape[0]))


@pytest.mark.parametrize("n", [0, 1, 5, 32, 33, 100])
def test_two_triangles_are_merged(n):
    a, b = (np.triu(RNG.standard_normal((n, n))) for _ in range(2))
    found = MergedReflections(a, b)
    top, bottom = found.times(np.eye(n))
    both = np.concatenate((top, bottom))
    bound = rounding(np.float64, 2 * n)
    np.testing.assert_array_equal(np.tril(found.R, -1), 0.0)
    np.testing.assert_allclose(both @ found.R, np.concatenate((a, b)), rtol=0, atol=bound)
    np.testing.assert_allclose(both.T @ both, np.eye(n), rtol=0, atol=bound)


@pytest.mark.parametrize("part", [0, 1])
def test_nan_and_infinity_are_seen_in_what_comes_out(part):
    X = RNG.standard_normal((50, 4))
    for value in (np.nan, np.inf):
        X[part, part] = value
        assert not np.isfinite(Reflections(X).R).all()


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e7, 1e10, 1e13])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_triangles_are_those_of_the_rows(condition, dtype):
    X = conditioned(condition).astype(dtype)
    Y = RNG.standard_normal((len(X), 3)).astype(dtype)
    R, _ = assert_factors(X, Y)
    if condition <= 1e7 and dtype == np.float64:
        expected = upright(np.linalg.qr(X)[1])
        assert np.linalg.norm(upright(R) - expected) <= condition * rounding(np.float64, len(X)) * np.linalg.norm(R)
    values, expected = np.linalg.svd(R, compute_uv=False), np.linalg.svd(X.astype(np.float64), compute_uv=False)
    assert np.abs(values - expected).max() <= rounding(np.float64, len(X)) * expected[0]


@pytest.mark.parametrize("layout", ["F", "strided", "read-only", "centred", "one label", "no labels"])
def test_rows_and_labels_may_lie_as_they_like(layout):
    X, Y = conditioned(1e6), RNG.standard_normal((1_200, 2))
    plain = factored(X, Y)
    if layout == "F":
        found = factored(np.asfortranarray(X), np.asfortranarray(Y))
    elif layout == "strided":
        wide = np.zeros((2_400, 120))
        wide[::2, ::2] = X
        found = factored(wide[::2, ::2], np.repeat(Y, 2, axis=1)[:, ::2])
    elif layout == "read-only":
        X.flags.writeable = Y.flags.writeable = False
        found = factored(X, Y)
    elif layout == "centred":
        mean = X.mean(axis=0)
        found, plain = factored(Centred.columns(X, mean), Y), factored(X - mean, Y)
    else:
        kept = slice(0, 1 if layout == "one label" else 0)
        found, plain = factored(X, Y[:, kept]), (plain[0], plain[1][:, kept])
    bound = 1e6 * rounding(np.float64, 1_200)
    for mine, expected in zip(found[:2], plain[:2], strict=True):
        assert mine.shape == expected.shape
        assert np.linalg.norm(mine - expected) <= bound * max(np.linalg.norm(expected), 1.0)


@pytest.mark.parametrize("scale", [1e-250, 1e-140, 1e140, 1e250])
def test_columns_of_any_scale(scale):
    scales = np.where(np.arange(60) % 2, scale, 1.0)
    X = conditioned(1e4)
    R, _ = factored(X * scales, X[:, :1])
    plain = upright(np.linalg.qr(X)[1])
    assert np.linalg.norm(upright(R) / scales - plain) <= 1e4 * rounding(np.float64, 1_200) * np.linalg.norm(plain)


def test_a_direction_that_one_row_has_alone_is_seen():
    X = conditioned(1e2)
    X[:, 7], X[31, 7] = 0.0, 1.0
    X[:, 9], X[1_100, 9] = X[:, 8], X[1_100, 8] + 1e-9
    assert_factors(X, RNG.standard_normal((1_200, 1)))


@pytest.mark.parametrize("what", ["zeros", "constants", "a dead column", "equal columns", "low rank"])
def test_rows_of_lower_rank(what):
    X = conditioned(1e2)
    if what == "zeros":
        X[:] = 0.0
    elif what == "constants":
        X[:, :2] = 1.0
    elif what == "a dead column":
        X[:, 5] = 0.0
    elif what == "equal columns":
        X[:, 5] = X[:, 6]
    else:
        X = X[:, :30] @ RNG.standard_normal((30, 60))
    assert_factors(X, RNG.standard_normal((ROWS, 1)))


@pytest.mark.parametrize("n", [2, 40, 300])
@pytest.mark.parametrize("condition", [1.0, 1e5, 1e12])
def test_the_norm_of_an_inverse_is_hardly_underrated(n, condition):
    lower = np.linalg.qr(conditioned(condition, 2 * n, n))[1].T
    smallest = np.linalg.svd(lower, compute_uv=False)[-1]
    assert 1.0 / 3 <= _inverse_squared(lower) * smallest**2 <= 1.02
    relative = smallest / np.linalg.norm(lower)  # which stands for the largest singular value
    assert clears(lower, Cutoff(relative / 6))
    assert not clears(lower, Cutoff(1.1 * relative))


def test_a_singular_triangle_is_not_clear():
    lower = np.tril(np.ones((5, 5)))
    lower[4, 4] = 0.0
    assert not clears(lower, Cutoff(0.0))
    lower[4] = lower[3] * (1 + 1e-17)
    assert not clears(lower, Cutoff(1e-15))


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10, 1e15])
@pytest.mark.parametrize("labels", ["noise", "of the columns"])
def test_least_squares_this_way(condition, labels):
    rng = np.random.default_rng(1)
    X = conditioned(condition, ROWS, COLUMNS, rng)
    y = rng.standard_normal(ROWS) if labels == "noise" else X @ rng.standard_normal(COLUMNS)
    x, residuals, rank, s = lstsq(X, y)
    expected = np.linalg.lstsq(X, y)
    assert rank == expected[2]
    np.testing.assert_allclose(s, expected[3], rtol=0, atol=rounding(np.float64, ROWS) * s[0])
    if rank == COLUMNS:
        sensitivity = condition * rounding(np.float64, ROWS)
        scale = np.linalg.norm(y) ** 2 if labels == "noise" else np.linalg.norm(y) ** 2 * sensitivity
        assert abs(residuals[0] - expected[1][0]) <= sensitivity * scale
        for found in (x, min_norm(X, y)):
            assert backward_error(X, y, found) <= rounding(np.float64, ROWS)


@pytest.mark.parametrize("condition", [1.0, 1e6, 1e12])
def test_columns_of_q_are_orthonormal(condition):
    X = conditioned(condition)
    found = by_qr._factored(X)
    Q = found.times(np.eye(COLUMNS))
    assert np.linalg.norm(Q.T @ Q - np.eye(COLUMNS), 2) <= rounding(np.float64, ROWS)
    assert np.linalg.norm(Q @ found.R - X) <= rounding(np.float64, ROWS) * np.linalg.norm(X)


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
def test_shortest_solutions_this_way(condition):
    X = np.ascontiguousarray(conditioned(condition).T)
    Y = RNG.standard_normal((COLUMNS, 2))
    expected = np.linalg.lstsq(X, Y)
    for x in (lstsq(X, Y)[0], min_norm(X, Y)):
        size = np.linalg.norm(expected[0])
        assert np.linalg.norm(x - expected[0]) <= condition * rounding(np.float64, ROWS) * size
        assert np.linalg.norm(X @ x - Y) <= rounding(np.float64, ROWS) * np.linalg.norm(X) * size


@pytest.mark.parametrize("shape", [(450, 225), (38, 761)])
def test_columns_of_all_scales_pass_without_a_warning(shape):
    A = np.random.default_rng(0).standard_normal(shape)
    longer = 0 if shape[0] > shape[1] else 1
    A *= np.expand_dims(np.geomspace(1e-150, 1e150, min(shape)), longer)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(min_norm(A, np.ones(len(A)))).all()
