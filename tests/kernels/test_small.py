"""Small triangles against NumPy's and SciPy's."""

import numpy as np
import pytest
from scipy import linalg

from w2s_fast.kernels import small

SHAPES = [(1, 1), (2, 5), (5, 2), (4, 4), (18, 5), (0, 3), (3, 0)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("shape", SHAPES)
def test_triangle_is_that_of_qr(rng, shape, scale):
    rows, columns = shape
    kept, M = rng.standard_normal(shape) * scale, np.full((rows + 1, columns + 2), np.nan)
    M[:rows, :columns] = kept
    height = small.triangle(M, rows, columns)
    assert height == min(shape)
    R = M[:height, :columns]
    assert np.array_equal(R, np.triu(R))
    assert R.T @ R == pytest.approx(kept.T @ kept, rel=1e-13, abs=1e-14 * np.sum(kept**2))
    assert not np.any(M[height:rows, :columns])
    assert np.isnan(M[rows:]).all()
    assert np.isnan(M[:, columns:]).all()


def test_triangle_of_columns_that_are_zero_or_alike():
    M = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [2.0, 2.0, 0.0]])
    small.triangle(M, 3, 3)
    assert np.abs(M[0]) == pytest.approx([3.0, 3.0, 0.0])
    assert np.abs(M[1:]).max() < 1e-15


def test_triangular_systems(rng):
    R, B = np.triu(rng.standard_normal((6, 6))) + 3 * np.eye(6), rng.standard_normal((6, 5))
    for solve, trans in ((small.solve_upper, "N"), (small.solve_lower, "T")):
        found = B.copy()
        solve(R, 4, found, 1, 4)
        expected = linalg.solve_triangular(R[:4, :4], B[:4, 1:4], trans=trans)
        assert found[:4, 1:4] == pytest.approx(expected, rel=1e-13)
        found[:4, 1:4] = B[:4, 1:4]
        assert np.array_equal(found, B)


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_multiply_upper(rng, rows):
    R, B, out = np.triu(rng.standard_normal((5, 5))), rng.standard_normal((5, 4)), np.full((5, 4), np.nan)
    small.multiply_upper(R, rows, 5, B, 1, 3, out)
    assert out[:rows, 1:3] == pytest.approx((R @ B)[:rows, 1:3], rel=1e-14)
    assert np.isnan(out).sum() == 20 - 2 * rows
    small.multiply_upper(R, 5, 5, B, 0, 4, B)  # in place
    assert np.isfinite(B).all()


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_roots_of_the_identity_and_a_square(rng, size):
    x, U = rng.standard_normal(5) * size, np.zeros((5, 5))
    for column, axis in zip(U.T, np.eye(5), strict=True):
        out = np.zeros(5)
        small.multiply_by_root(x, 5, axis, out)
        column[:] = out
    assert np.array_equal(U, np.triu(U))
    assert U @ U.T == pytest.approx(np.eye(5) + np.outer(x, x), rel=1e-13, abs=1e-14 * size * size)
    Z = np.triu(rng.standard_normal((5, 5)))
    kept = Z.copy()
    small.divide_by_root(Z, 5, 5, x)
    exact = linalg.solve_triangular(U, kept.T, trans="T").T
    assert Z == pytest.approx(exact, rel=1e-9, abs=1e-12 * np.abs(exact).max())


def test_inner(rng):
    a, b = rng.standard_normal((2, 7))
    assert small.inner(a, b, 5) == pytest.approx(a[:5] @ b[:5])
