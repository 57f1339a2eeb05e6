"""Features by the smaller Gram matrix: wide ones in float32, and columns or rows that span the others."""

import numpy as np
import pytest
import scipy.linalg

from tests.matrices import random, spectrum
from w2s_fast import MinNorm
from w2s_fast.linalg.leastsq.by_svd import SvdFactor
from w2s_fast.linalg.leastsq.cholesky import cholesky_solve
from w2s_fast.linalg.leastsq.spanned import SpannedFactor

EPS32, EPS64 = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)


def dependent(scale, m=14, n=6):
    """Columns of whole numbers, of which the last is a sum of two, times ``scale``, a whole number."""
    Z = np.round(256 * random(m, n))
    Z[:, -1] = scale * (Z[:, 0] + 3.0 * Z[:, 1])
    return Z


def shortest(A, y):
    """Least-squares weights by LAPACK, from the columns but the last (rows, of wide ones), which span it."""
    wide = A.shape[0] < A.shape[1]
    Z, rank = (A.T if wide else A), min(A.shape) - 1
    K = np.linalg.lstsq(Z[:, :rank], Z, rcond=None)[0].T  # Z = Z1 K'
    Q, R = np.linalg.qr(K)
    if wide:
        part = scipy.linalg.solve_triangular(R, Q.T @ y)
        return np.linalg.lstsq(Z[:, :rank].T, part, rcond=None)[0]
    part = np.linalg.lstsq(Z[:, :rank], y, rcond=None)[0]
    return Q @ scipy.linalg.solve_triangular(R, part, trans="T")


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("scale", [1.0, 8.0, 100.0, 1e4, 1e6, 1e7])
def test_columns_that_others_make_by_large_weights_cost_no_digits(scale, wide):
    Z = dependent(scale)
    A = Z.T if wide else Z
    y, condition = random(len(A), seed=5), np.linalg.cond(Z[:, :-1]) * scale
    expected = shortest(A, y)
    factor = MinNorm(A, rcond=1e-12)
    assert factor.rank == 5
    error = np.linalg.norm(factor.solve(y) - expected)
    assert error <= 1e3 * EPS64 * condition * np.linalg.norm(expected)


@pytest.mark.parametrize("wide", [False, True])
def test_a_cut_is_relative_to_all_columns(wide):
    Z = random(9, 3)
    Z[:, 1] *= 1e-2
    Z[:, 2] = 1e3 * Z[:, 0]
    A = Z.T if wide else Z
    factor = MinNorm(A, rcond=1e-3)
    assert factor.rank == 1
    expected = np.linalg.pinv(A, rcond=1e-3) @ np.ones(len(A))
    np.testing.assert_allclose(factor.solve(np.ones(len(A))), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("rcond", [None, 1e-9])
def test_equal_rows_of_all_scales_are_left_to_singular_values(rcond):
    A = random(3, 6) * np.array([[1e-43], [1e-50], [0.0]])
    A[2] = 2.0**200 * A[0]
    factor = MinNorm(A, rcond=rcond)
    assert isinstance(factor._factor, SvdFactor)
    assert factor.rank == 1
    np.testing.assert_allclose(factor.solve(np.array([0.0, 0.0, 1.0])), A[2] / (A[2] @ A[2]), rtol=1e-12)


@pytest.mark.parametrize("condition", [1e1, 1e3, 1e4])
@pytest.mark.parametrize("shape", [(60, 200), (300, 700)])
def test_weights_of_wide_float32_features_are_combinations_of_their_rows(shape, condition):
    values = np.geomspace(1.0, 1.0 / condition, min(shape))
    A = spectrum(values, *shape).astype(np.float32)
    factor = MinNorm(A)
    assert factor.route == "gram"
    weights = factor.solve(random(shape[0]).astype(np.float32)).astype(np.float64)
    basis = np.linalg.qr(A.T.astype(np.float64))[0]
    outside = np.linalg.norm(weights - basis @ (basis.T @ weights))
    assert outside <= EPS32 * np.linalg.norm(weights)


@pytest.mark.parametrize("wide", [False, True])
def test_float32_features_with_equal_rows_or_columns_keep_the_digits_of_float32(wide):
    Z = spectrum(np.geomspace(1.0, 1e-4, 40), 200, 40).astype(np.float32)
    Z[:, -1] = Z[:, 0]
    A = Z.T if wide else Z
    y = (A @ np.linalg.svd(A, full_matrices=False)[2][0]).astype(np.float32)  # along the largest of them
    factor = MinNorm(A)
    assert isinstance(factor._factor, SpannedFactor)
    expected = np.linalg.pinv(A.astype(np.float64), rcond=1e-10) @ y
    assert np.linalg.norm(factor.solve(y) - expected) <= EPS32 * np.linalg.norm(expected)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("others", [1, 30, 90])
@pytest.mark.parametrize("weight", [1.0, 9.0, 200.0])
def test_few_and_many_others_have_the_shortest_solution(weight, others, wide):
    """Few others of moderate weights are taken by their null space, all others by the range."""
    Z = random(300, 120)
    Z[:, -others:] = weight * (Z[:, : 120 - others] @ np.eye(120 - others, others, k=1) + Z[:, :1])
    A = Z.T if wide else Z
    Y = random(len(A), 5, seed=3)
    factor = MinNorm(A)
    assert isinstance(factor._factor, SpannedFactor)
    assert factor.rank == 120 - others
    expected = np.linalg.pinv(A, rcond=1e-11) @ Y
    assert np.linalg.norm(factor.solve(Y) - expected) <= 1e-11 * weight * np.linalg.norm(expected)


def test_no_columns_have_no_weights():
    assert cholesky_solve(np.zeros((0, 0)), np.zeros(0), np.zeros((0, 7))).shape == (0, 7)
