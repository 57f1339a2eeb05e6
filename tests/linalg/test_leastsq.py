"""min_norm is the shortest minimiser, by whatever route."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import hilbert

from tests import naive
from tests.conftest import COMPILED
from tests.matrices import random, spectrum
from w2s_fast import MinNorm, lstsq, min_norm
from w2s_fast.kernels.leastsq import inverse_norm
from w2s_fast.linalg.leastsq import by_stack
from w2s_fast.linalg.leastsq.cholesky import factor_gram
from w2s_fast.linalg.leastsq.policy import CUTOFF_MARGIN

EPS = np.finfo(float).eps
SHAPES = [(1, 1), (1, 4), (4, 1), (3, 7), (7, 3), (5, 5)]


@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize("labels", [(), (2,)])
@pytest.mark.parametrize("lead", [(0,), (1,), (3,), (2, 3)])
def test_a_stack_of_problems_is_each_problem(m, n, labels, lead):
    a, b = random(*lead, m, n), random(*lead, m, *labels, seed=2)
    weights = min_norm(a, b)
    assert weights.shape == (*lead, n, *labels)
    for i in np.ndindex(lead):
        np.testing.assert_allclose(weights[i], np.linalg.lstsq(a[i], b[i])[0], rtol=1e-10, atol=1e-12)


@st.composite
def problems(draw):
    """Small whole numbers of any shape and rank, with duplicated and zero rows and columns, at any scale."""
    m, n = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    whole = st.integers(-3, 3).map(float)
    X = draw(arrays(np.float64, (m, n), elements=whole))
    X[draw(st.integers(0, m - 1))] = X[0] * draw(whole)
    X[:, draw(st.integers(0, n - 1))] = X[:, 0] * draw(whole)
    return X, draw(arrays(np.float64, (m, *draw(st.sampled_from([(), (2,)]))), elements=whole))


@given(problems(), st.sampled_from([0.0, 1e-2, 5.0]), st.sampled_from([1e-100, 1.0, 1e6, 1e150]))
def test_min_norm_agrees_with_the_singular_value_decomposition(problem, ridge, scale):
    X, Y = problem
    weights = min_norm(scale * X, Y, ridge=ridge * scale * scale, rcond=1e-10)
    np.testing.assert_allclose(scale * weights, naive.min_norm(X, Y, 1e-10, ridge), rtol=1e-9, atol=1e-11)


@given(problems())
def test_no_weights_fit_better_and_none_as_good_are_shorter(problem):
    X, Y = problem
    weights = min_norm(X, Y)
    residual = Y - X @ weights
    np.testing.assert_allclose(X.T @ residual, 0.0, atol=1e-10)  # so nothing fits better
    row_space = np.linalg.pinv(X, rcond=1e-10) @ X
    np.testing.assert_allclose(row_space @ weights, weights, atol=1e-10)  # so nothing as good is shorter


@given(problems(), st.floats(1e-3, 1e8))
def test_ridge_weights_solve_the_normal_equations(problem, ridge):
    X, Y = problem
    weights = min_norm(X, Y, ridge=ridge)
    size = (np.sum(X**2) + ridge) * np.linalg.norm(weights)
    np.testing.assert_allclose(X.T @ (Y - X @ weights), ridge * weights, rtol=1e-9, atol=1e-10 + 1e-11 * size)


@pytest.mark.parametrize("decades", range(15))
@pytest.mark.parametrize(("m", "n"), [(20, 8), (8, 20), (8, 8)])
def test_error_is_that_of_an_orthogonal_factorisation_at_any_condition(m, n, decades):
    condition = 10.0**decades
    X, truth = spectrum(np.logspace(0, -decades, 8), m, n), random(n)
    for noise in (0.0, 1e-3):
        Y = X @ truth + noise * random(m, seed=3)
        reference = np.linalg.lstsq(X, Y)[0]
        size = np.linalg.norm(reference)
        misfit = np.linalg.norm(Y - X @ reference)  # Higham 2002, theorem 20.1
        bound = 50 * EPS * condition * (size + condition * misfit)
        assert np.linalg.norm(min_norm(X, Y) - reference) <= bound


@pytest.mark.parametrize(
    "X",
    [hilbert(n) for n in (2, 5, 8, 11)] + [np.vander(np.linspace(0, 1, 15), n) for n in (3, 6, 9)],
    ids=lambda X: f"{X.shape}",
)
def test_notorious_matrices_leave_no_residual(X):
    for A in (X, X.T):
        Y = A @ np.ones(A.shape[1])
        weights = min_norm(A, Y)
        assert np.linalg.norm(Y - A @ weights) <= 100 * EPS * np.linalg.norm(A) * np.linalg.norm(weights)
        s = np.linalg.svd(A, compute_uv=False)
        kept = s[s > EPS * max(A.shape) * s[0]][-1]  # what the smallest value that is not cut makes of rounding
        assert np.linalg.norm(weights) <= np.sqrt(A.shape[1]) * (1 + 10 * EPS * s[0] / kept)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-150, 1e150, 1e160, 1e300])
@pytest.mark.parametrize(("m", "n"), [(6, 3), (3, 6), (1, 3), (3, 1)])
def test_scales_whose_squares_overflow_or_vanish_are_no_trouble(m, n, scale):
    X, Y = random(m, n), random(m)
    for solve in (min_norm, lambda X, Y: lstsq(X, Y)[0]):
        np.testing.assert_allclose(scale * solve(scale * X, Y), solve(X, Y), rtol=1e-11)
    np.testing.assert_allclose(min_norm(X, scale * Y) / scale, min_norm(X, Y), rtol=1e-11)


@pytest.mark.parametrize("scales", [[1e150, 1, 1, 1, 1e-150], [1e8, 1e4, 1, 1e-4, 1e-8], [1e-150] * 5])
def test_rows_of_unlike_scales_agree_with_the_singular_value_decomposition(scales):
    X, Y = (a * np.reshape(scales, (-1, *(1,) * (a.ndim - 1))) for a in (random(5, 3), random(5)))
    condition = 1e8  # at most, of the three rows that fix the weights, or of the one that the others vanish beside
    np.testing.assert_allclose(min_norm(X, Y), naive.min_norm(X, Y, 5 * EPS), rtol=50 * EPS * condition)


@pytest.mark.parametrize("X", [np.zeros((4, 2)), np.zeros((2, 4)), np.zeros((0, 3)), np.zeros((3, 0))], ids=np.shape)
@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_features_that_say_nothing_have_weights_of_zero(X, ridge):
    weights = min_norm(X, np.ones((len(X), 2)), ridge=ridge)
    assert weights.shape == (X.shape[1], 2)
    assert not weights.any()


@given(st.integers(1, 6), st.integers(1, 6), st.floats(1e-7, 0.99), st.sampled_from([0.0, 1e-4, 2.0]), st.data())
def test_rcond_cuts_whatever_route_is_taken(m, n, rcond, ridge, data):
    k = min(m, n)
    values = [
        1.0,
        *data.draw(st.lists(st.sampled_from([1.0, 0.3, 0.1, 1e-2, 1e-4, 1e-6]), min_size=k - 1, max_size=k - 1)),
    ]
    assume(all(abs(np.log(value / rcond)) > 1e-6 for value in values))
    X, Y = spectrum(values, m, n), random(m)
    expected = naive.min_norm(X, Y, rcond, ridge)
    error = np.linalg.norm(min_norm(X, Y, rcond=rcond, ridge=ridge) - expected)
    assert error <= 1e-7 * max(1.0, np.linalg.norm(expected))


@pytest.mark.parametrize("side", [4, 500])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("decades", "route"), [(0, "gram"), (1, "gram"), (3, "gram"), (4, "gram"), (6, "gram"), (9, "svd"), (12, "svd")]
)
def test_the_gram_route_takes_the_well_conditioned_alone(side, wide, decades, route):
    X = spectrum(np.logspace(0, -decades, side), side + 30, side)
    factor = MinNorm(X.T if wide else X)
    assert factor.route == route
    assert factor.rank == side
    assert 0.2 <= factor.condition / 10**decades <= 0.2 * side + 5


@pytest.mark.parametrize(("m", "n"), [(60, 30), (30, 60)])
def test_threads_change_nothing(m, n, monkeypatch):
    X, Y = random(200, m, n), random(200, m, 2)
    X[7, :, 1] = X[7, :, 0]  # one problem for the singular value decomposition
    assert 200 * max(m, n) * min(m, n) ** 2 > by_stack.THREADED_WORK
    threaded = min_norm(X, Y)
    assert np.array_equal(threaded, min_norm(X, Y))
    monkeypatch.setattr(by_stack, "THREADED_WORK", np.inf)
    np.testing.assert_allclose(threaded, min_norm(X, Y), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(threaded[7], naive.min_norm(X[7], Y[7]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("m", "n"), [(6, 3), (3, 6)])
def test_float32_comes_back_as_float32_solved_in_float64(m, n):
    X, Y = random(m, n).astype(np.float32), random(m).astype(np.float32)
    weights = min_norm(X, Y)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, naive.min_norm(X, Y).astype(np.float32), rtol=1e-6)
    assert min_norm(X, Y.astype(np.float64)).dtype == min_norm(X.astype(np.int64), Y).dtype == np.float64


@pytest.mark.parametrize(("m", "n"), [(6, 3), (3, 6)])
def test_every_layout_gives_the_same_and_is_left_alone(m, n):
    X, Y = random(m, n), random(m, 2)
    expected = min_norm(X, Y)
    for (name, features), (_, labels) in zip(naive.layouts(X), naive.layouts(Y), strict=True):
        for solve in (min_norm, lambda a, b: lstsq(a, b)[0]):
            np.testing.assert_allclose(solve(features, labels), expected, rtol=1e-11, atol=1e-13, err_msg=name)
        assert np.array_equal(features, X), name
        assert np.array_equal(labels, Y), name


@pytest.mark.parametrize(
    ("X", "Y", "settings", "error", "message"),
    [
        ([1.0], [1.0], {}, ValueError, r"at least 2 dimensions \(\.\.\., m, n\), got shape \(1,\)"),
        (np.eye(2), 1.0, {}, ValueError, r"to go with X of shape \(2, 2\), got \(\)"),
        (np.eye(2), np.ones(3), {}, ValueError, r"must have shape \(\.\.\., m\) or \(\.\.\., m, k\).* got \(3,\)"),
        (np.ones((5, 2, 2)), np.ones(2), {}, ValueError, r"of shape \(5, 2, 2\), got \(2,\)"),
        (np.eye(2), [np.nan, 1.0], {}, ValueError, "Y holds 1 NaN or infinite value"),
        ([[np.inf, 1.0]], [1.0], {}, ValueError, "X holds 1 NaN or infinite value"),
        ([[1j, 1.0]], [1.0], {}, TypeError, "X must hold real numbers, got dtype complex128"),
        (np.eye(2), np.array([None, 1]), {}, TypeError, "Y must hold real numbers, got dtype object"),
        (np.eye(2), np.ones(2), {"rcond": 1.0}, ValueError, r"rcond must be.*got 1\.0"),
        (np.eye(2), np.ones(2), {"rcond": -0.5}, ValueError, r"rcond must be.*got -0\.5"),
        (np.eye(2), np.ones(2), {"rcond": np.nan}, ValueError, "rcond must be.*got nan"),
        (np.eye(2), np.ones(2), {"rcond": "tiny"}, TypeError, "rcond must be a number, got 'tiny'"),
    ],
)
def test_bad_input_is_refused_by_name(X, Y, settings, error, message):
    with pytest.raises(error, match=message):
        min_norm(X, Y, **settings)


def test_float32_features_are_cut_at_their_own_precision():
    X = random(30, 3).astype(np.float32)
    X = np.column_stack((X, X[:, 0] * np.float32(1 / 3)))  # deficient up to float32 rounding
    expected = naive.min_norm(X, X[:, 1], 30 * np.finfo(np.float32).eps)
    np.testing.assert_allclose(min_norm(X, X[:, 1]), expected, atol=1e-5)


@pytest.mark.parametrize("settings", [{"ridge": -1.0}, {"ridge": np.inf}, {"rcond": -1}], ids=str)
def test_min_norm_refuses_what_lstsq_has_not_or_takes(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be a finite number, at least 0"):
        min_norm(np.eye(2), np.ones(2), **settings)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_condition_is_never_overrated_and_underrated_within_the_margin(d, seed):
    X = random(d + 1, d, seed=seed)
    lower, scale, rcond = factor_gram(X.T @ X, 0.1)
    inverse = np.linalg.inv(X.T @ X + 0.1 * np.eye(d))
    norm = np.abs(inverse).sum(axis=0).max()
    assert norm / CUTOFF_MARGIN <= inverse_norm(lower, scale) <= norm * (1 + 1e-9)
    scaled = (X.T @ X + 0.1 * np.eye(d)) * np.outer(scale, scale)
    true = 1 / (np.abs(scaled).sum(axis=0).max() * np.abs(np.linalg.inv(scaled)).sum(axis=0).max())
    assert true * (1 - 1e-9) <= rcond <= CUTOFF_MARGIN * true


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e5])
def test_a_ridge_lets_no_rounding_of_repeated_rows_through(scale):
    """Repeated rows with different labels: their difference has a singular value of rounding alone."""
    X = scale * np.random.default_rng(1).standard_normal((3, 6))
    X[1] = X[0]
    y = np.array([1.0, -1.0, 0.5])
    expected = np.linalg.pinv(X, rcond=1e-12) @ y  # the ridge hardly matters
    for weights in (min_norm(X, y, ridge=1e-10 * scale**2), MinNorm(X, ridge=1e-10 * scale**2).solve(y)):
        np.testing.assert_allclose(weights, expected, atol=1e-8 * np.abs(expected).max())
    assert MinNorm(X, ridge=1e-10 * scale**2).rank == 2


@pytest.mark.parametrize("share", [1e-4, 1e-6, 1e-8, 1e-10])
def test_float32_with_an_offset_and_a_ridge_is_as_good_as_float64(share):
    rng = np.random.default_rng(1)
    X = (1e6 + rng.standard_normal((56, 8))).astype(np.float32)
    y = rng.standard_normal(56).astype(np.float32)
    ridge = share * np.linalg.norm(X.astype(float), 2) ** 2
    augmented = np.vstack((X, np.sqrt(ridge) * np.eye(8))).astype(float)
    exact = np.linalg.lstsq(augmented, np.r_[y, np.zeros(8)], rcond=0)[0]
    for weights in (MinNorm(X, ridge=ridge).solve(y), min_norm(X, y, ridge=ridge)):
        assert weights.dtype == np.float32
        assert np.linalg.norm(weights - exact) < 1e-6 * np.linalg.norm(exact)


def test_nearly_equal_columns_are_seen_by_the_condition_estimate():
    """Their difference is orthogonal to even weights, to signs of them and to what alternates far from them."""
    X = np.eye(40)[:, :34].copy()
    X[:, 10] = np.eye(40)[36] + 1e-3 * np.eye(40)[37]
    X[:, 12] = np.eye(40)[36] - 1e-3 * np.eye(40)[37]
    X[:, 0] *= 100
    factor = MinNorm(X, rcond=1e-4)
    assert factor.rank == lstsq(X, np.ones(40), 1e-4)[2] == 33
    np.testing.assert_allclose(min_norm(X, np.ones(40), rcond=1e-4)[[10, 12]], 0.5)


@pytest.mark.skipif(not COMPILED, reason="as Python, the kernel warns of what it then refuses")
@pytest.mark.parametrize(
    ("X", "y", "expected"),
    [
        (np.full((1, 2), 1e-96), [1e135], [5e230, 5e230]),
        (np.full((2, 1), 1e120), [1e200, 1e200], [1e80]),
        ([[1.0], [1.0]], [1e308, 1e308], [1e308]),
    ],
)
def test_products_that_overflow_do_not_make_nan(X, y, expected):
    np.testing.assert_allclose(min_norm(X, y), expected, rtol=1e-14)


def test_a_coarse_cutoff_costs_no_digits():
    rng = np.random.default_rng(0)
    X, y = 1.0 + 1e-7 * rng.standard_normal((400, 120)), rng.standard_normal(400)
    u, s, vt = np.linalg.svd(X, full_matrices=False)
    exact = vt[0] * (u[:, 0] @ y) / s[0]
    assert np.linalg.norm(min_norm(X, y, rcond=1e-3) - exact) < 1e-13 * np.linalg.norm(exact)


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (0, 0)])
def test_a_factor_of_nothing_solves(shape):
    factor = MinNorm(np.ones(shape))
    assert np.array_equal(factor.solve(np.ones(shape[0])), np.zeros(shape[1]))
