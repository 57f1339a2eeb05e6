"""``lstsq`` by the smaller Gram matrix: what NumPy says, where that is well-conditioned, and not elsewhere."""

import numpy as np
import pytest

from tests.matrices import random, spectrum
from w2s_fast.linalg.leastsq import by_squares

SHAPES = [(300, 60), (150, 90), (60, 300), (4_000, 400)]
EPS = float(np.finfo(np.float64).eps)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("condition", [1.0, 30.0, 500.0])
@pytest.mark.parametrize("k", [0, 1, 7])
def test_numpys_answers(shape, condition, k):
    a = spectrum(np.geomspace(1.0, 1.0 / condition, min(shape)), *shape)
    b = random(shape[0], k, seed=4)
    found, peer = by_squares.lstsq(a, b, EPS * max(shape)), np.linalg.lstsq(a, b)
    assert found is not None
    for mine, theirs in zip(found, peer, strict=True):
        assert np.shape(mine) == np.shape(theirs)
        assert np.asarray(mine).dtype == np.asarray(theirs).dtype
    x, residuals, rank, s = found
    assert rank == peer[2]
    np.testing.assert_allclose(s, peer[3], rtol=1e-10)
    assert np.linalg.norm(x - peer[0]) <= 1e3 * EPS * condition**2 * np.linalg.norm(peer[0])
    np.testing.assert_allclose(residuals, peer[1], rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_is_worked_on_in_float64(dtype):
    a, b = random(300, 40).astype(dtype), random(300, 2, seed=1).astype(dtype)
    x, residuals, _, s = by_squares.lstsq(a, b, EPS * 300)
    right = np.linalg.lstsq(a.astype(float), b.astype(float))
    for mine, theirs in ((x, right[0]), (residuals, right[1]), (s, right[3])):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, theirs, rtol=4 * np.finfo(dtype).eps if dtype == np.float32 else 1e-12)


def test_labels_in_the_span_leave_next_to_nothing():
    a = random(500, 40)
    x, residuals, *_ = by_squares.lstsq(a, a @ np.ones((40, 1)), EPS * 500)
    np.testing.assert_allclose(x, 1.0, rtol=1e-13)
    assert residuals < (1e-13 * np.linalg.norm(a)) ** 2


@pytest.mark.parametrize(
    ("what", "a"),
    [
        ("few numbers", random(50, 5)),
        ("nearly square", random(120, 100)),
        ("complex", random(300, 40) + 0j),
        ("of a condition of 5,000", spectrum(np.geomspace(1.0, 2e-4, 60), 300, 60)),
        ("two equal columns", random(300, 40)[:, [*range(40), 0]]),
        ("a column of zeros", np.hstack((random(300, 40), np.zeros((300, 1))))),
        ("columns of unlike units", random(300, 40) * np.geomspace(1.0, 1e4, 40)),
        ("huge", 1e200 * random(300, 40)),
        ("tiny", 1e-200 * random(300, 40)),
    ],
)
def test_other_features_are_left_to_the_svd(what, a):
    assert by_squares.lstsq(a, np.ones((len(a), 1)), EPS * len(a)) is None, what


def test_labels_beyond_squares_are_left_to_the_svd():
    assert by_squares.lstsq(random(300, 40), np.full((300, 1), 1e200), EPS * 300) is None


@pytest.mark.parametrize(("cut", "serves"), [(1e-3, True), (0.05, False), (-1.0, True), (2.0, True)])
def test_the_cut_is_lapacks(cut, serves):
    a = spectrum(np.geomspace(1.0, 0.1, 60), 300, 60)
    assert (by_squares.lstsq(a, np.ones((300, 1)), cut) is not None) == serves
