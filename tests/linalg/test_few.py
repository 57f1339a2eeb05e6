"""A few rows in one compiled call: right where it answers, and silent where the general routes are to."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.matrices import spectrum
from w2s_fast import CoMoments, Gram, Moments, lstsq, min_norm
from w2s_fast.linalg.accumulate.gram_sums import Sums
from w2s_fast.linalg.leastsq import few
from w2s_fast.linalg.rows import few as few_rows

EPS = 2.0**-52
SHAPES = [(1, 1), (3, 1), (5, 5), (20, 5), (64, 16), (200, 5)]
ODD = {
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=0)[::2],
    "of another byte order": lambda X: X.astype(">f8"),
    "integers": lambda X: X.astype(np.int64),
    "with NaN": lambda X: np.where(X == X[3, 2], np.nan, X),
    "with infinity": lambda X: np.where(X == X[3, 2], np.inf, X),
    "tiny": lambda X: X * 1e-120,
    "huge": lambda X: X * 1e120,
    "of lower rank": lambda X: X @ np.diag([1.0, 1.0, 0.0, 1.0, 1.0]),
    "with equal columns": lambda X: X[:, [0, 1, 2, 3, 3]],
    "wide": lambda X: X.T.copy(),
    "large": lambda X: np.tile(X, (20, 1)),
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_solve_what_numpy_solves(rng, shape, dtype):
    X, y = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[0]).astype(dtype)
    weights, residuals, rank, s = np.linalg.lstsq(X.astype(np.float64), y.astype(np.float64), rcond=None)
    eps = float(np.finfo(dtype).eps)
    tolerance = 100 * eps * float(s[0] / s[-1])
    found = few.lstsq(X, y)
    assert found is not None
    assert found[0] == pytest.approx(weights, rel=tolerance, abs=tolerance * np.abs(weights).max())
    assert found[1] == pytest.approx(residuals, rel=tolerance)
    assert found[2] == rank
    assert found[3] == pytest.approx(s, rel=100 * eps)
    assert all(part.dtype == dtype for part in (found[0], found[1], found[3]))
    alone = few.min_norm(X, y)
    assert alone is not None
    assert alone.dtype == dtype
    assert alone == pytest.approx(weights, rel=tolerance, abs=tolerance * np.abs(weights).max())


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 16),
    digits=st.floats(0.0, 13.0),
    scale=st.integers(-200, 200),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_solved_has_a_small_backward_error(rows, columns, digits, scale, seed):
    rng = np.random.default_rng(seed)
    rows = max(rows, columns)
    values = np.geomspace(1.0, 10.0**-digits, columns)
    X = np.ascontiguousarray(spectrum(values, rows, columns, seed) * 2.0**scale)
    y = rng.standard_normal(rows)
    size = float(np.linalg.norm(X, 2))
    for found in (few.min_norm(X, y), (few.lstsq(X, y) or [None])[0]):
        if found is not None:
            left = y - X @ found
            grain = 50 * rows * EPS * size
            assert np.linalg.norm(X.T @ left) <= grain * (np.linalg.norm(left) + size * np.linalg.norm(found))
    if (solved := few.lstsq(X, y)) is not None:
        assert np.abs(solved[3] - np.linalg.svd(X, compute_uv=False)).max() <= 50 * rows * EPS * size


def test_gram_matrices_serve_up_to_their_condition_and_triangles_beyond(rng):
    y = rng.standard_normal(30)
    for condition, by_gram, by_triangle in ((1e2, True, True), (1e7, False, True), (1e17, False, False)):
        X = np.ascontiguousarray(spectrum(np.geomspace(1.0, 1.0 / condition, 6), 30, 6))
        assert (few.min_norm(X, y) is not None) == by_gram
        assert (few.lstsq(X, y) is not None) == by_triangle


@pytest.mark.parametrize("kind", ODD)
def test_everything_else_goes_the_general_way(rng, kind):
    X = ODD[kind](rng.standard_normal((24, 5)) * 10)
    y = np.ones(len(X))
    if kind != "of lower rank":
        assert few.lstsq(X, y) is None
    assert few.min_norm(X, y) is None
    if "with" not in kind or "equal" in kind:
        assert min_norm(X, y) == pytest.approx(np.linalg.pinv(np.asarray(X, np.float64)) @ y, rel=1e-6)
        assert lstsq(X, y)[0] == pytest.approx(np.linalg.lstsq(X, y, rcond=None)[0], rel=1e-6)


@pytest.mark.parametrize("kind", ["Fortran", "strided"])
def test_the_same_numbers_have_one_solution(rng, kind):
    X, y = rng.standard_normal((24, 5)), rng.standard_normal(24)
    assert np.array_equal(min_norm(ODD[kind](X), y), min_norm(X, y))
    assert np.array_equal(lstsq(ODD[kind](X), y.tolist())[0], lstsq(X.tolist(), y)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_problems_of_a_stack_are_solved_as_alone(rng, dtype):
    A, b = rng.standard_normal((3, 50, 12, 4)).astype(dtype), rng.standard_normal((3, 50, 12)).astype(dtype)
    A[1, 7, :, 2] = A[1, 7, :, 1]
    A[2, 3] = 0.0
    A[2, 4] *= 1e-30
    A[0, 5] = spectrum([1.0, 1e-2, 1e-4, 1e-6], 12, 4)
    weights, (x, residuals, rank, s) = min_norm(A, b), lstsq(A, b)
    assert (rank[1, 7], rank[2, 3], rank[0, 0]) == (3 + (dtype == np.float32 and rank[1, 7] == 4), 0, 4)
    for place in [(0, 0), (0, 5), (1, 7), (2, 3), (2, 4), (2, 49)]:
        assert np.array_equal(weights[place], min_norm(A[place], b[place]))
        alone = lstsq(A[place], b[place])
        assert np.array_equal(x[place], alone[0])
        assert np.array_equal(s[place], alone[3])
        assert rank[place] == alone[2]
        assert np.array_equal(residuals[place], alone[1] if alone[1].size else [np.nan], equal_nan=True)


def test_stacks_are_broadcast_and_cut_each_by_its_own(rng):
    A, b = rng.standard_normal((12, 4)), rng.standard_normal((40, 12))
    x, residuals, _, s = lstsq(np.broadcast_to(A, (40, 12, 4)), b)
    assert x.T == pytest.approx(np.linalg.lstsq(A, b.T, rcond=None)[0], rel=1e-12)
    assert residuals[:, 0] == pytest.approx(np.linalg.lstsq(A, b.T, rcond=None)[1], rel=1e-12)
    assert np.array_equal(s, np.broadcast_to(s[0], s.shape))
    cuts = np.array([-1.0, 1e-3, 0.999, 2.0])
    rank = lstsq(np.broadcast_to(A, (4, 12, 4)), b[:4], cuts)[2]
    assert rank.tolist() == [int(np.linalg.lstsq(A, b[0], cut)[2]) for cut in cuts] == [4, 4, 1, 4]


def test_labels_that_are_wrong_are_told_by_the_general_way(rng):
    X, y = rng.standard_normal((24, 5)), rng.standard_normal(24)
    y[7] = np.nan
    for solve in (min_norm, lstsq):
        with pytest.raises(ValueError, match=r"[bY] holds 1 NaN or infinite value\(s\), the first at index \(7,\)"):
            solve(X, y)
        with pytest.raises(ValueError, match="Incompatible dimensions"):
            solve(X, np.ones(23))
    assert few.min_norm(X, y * 1e150) is None
    assert few.min_norm(X, np.zeros(24)).tolist() == [0.0] * 5
    X.flags.writeable = False
    assert few.min_norm(X, np.zeros(24)) is None


def test_few_rows_are_added_as_many_are(rng):
    X, y = rng.standard_normal((70, 5)), rng.standard_normal(70)
    gram, joint = Gram().update(X[:10], y[:10]), np.column_stack((X, y))
    handed_out = gram.xtx
    for start in range(10, 70, 20):
        gram.update(X[start : start + 20], y[start : start + 20])
    assert gram._joint == pytest.approx(joint.T @ joint, rel=1e-12, abs=1e-12)
    assert (gram.n_rows, gram.weight) == (70, 70.0)
    assert handed_out == pytest.approx(X[:10].T @ X[:10], rel=1e-13, abs=1e-13)
    with pytest.raises(ValueError, match="read-only"):
        gram.xtx[0, 0] = 1.0
    assert np.array_equal(gram._peak, np.diagonal(gram._joint))
    peak = gram._peak
    gram.downdate(Gram().update(X[:10], y[:10])).update(X[:10], y[:10])
    assert np.all(gram._peak >= peak)


def test_sums_over_few_rows_that_are_not_surely_right_are_not_made(rng):
    X, y = rng.standard_normal((20, 5)), rng.standard_normal(20)
    sums = Gram().update(X, y)._sums
    assert isinstance(sums.with_few(X, y), Sums)
    for other in (
        X * 1e-140,
        X * 1e140,
        np.where(X == X[3, 2], np.nan, X),
        X * [1.0, 0.0, 1.0, 1.0, 1.0],
        X[:, :4].copy(),
    ):
        assert sums.with_few(other, y) is None
    with pytest.raises(ValueError, match="X has 4 columns, the rows before have 5"):
        Gram().update(X, y).update(X[:, :4].copy(), y)
    centred = Gram(centred=True).update(X, y).update(X, y)
    assert centred.xtx == pytest.approx(2 * (len(X) - 1) * np.cov(X.T), rel=1e-12)


class Subclass(np.ndarray):
    """Arrays that may do anything else with what is asked of them."""


KINDS = "Fortran", "strided", "of another byte order", "integers", "with NaN", "with infinity"
UNPLAIN = {kind: ODD[kind] for kind in KINDS} | {
    "a list": lambda X: X.tolist(),
    "of a subclass": lambda X: X.view(Subclass),
    "masked": np.ma.masked_array,
    "read-only": lambda X: np.broadcast_to(X, X.shape),
    "no rows": lambda X: X[:0],
    "overflowing": lambda X: X * 1e160,
}
ACCUMULATED = {  # each with its own plain rows, and how it is told to take the general way, which changes nothing else
    "Moments": (Moments, {"finite": False}),
    "CoMoments": (CoMoments, {"skip_nan": np.False_}),
    "Gram": (Gram, {"skip_nan": np.False_}),
    "centred Gram": (partial(Gram, centred=True), {"skip_nan": np.False_}),
}


def rows_for(kind, X, y):
    return (X,) if kind in (Moments, CoMoments) else (X, y)


def bits(accumulator):
    """All that it holds."""
    slots = [name for kind in type(accumulator).__mro__ for name in getattr(kind, "__slots__", ())]
    values = {name: getattr(accumulator, name) for name in slots}
    return {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in values.items()}


@pytest.fixture
def compiled(monkeypatch):
    monkeypatch.setattr(few_rows, "CALLS_WITHOUT", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 2), (2, 5), (3, 15), (20, 5), (63, 7), (60, 15)])
@pytest.mark.parametrize("name", ACCUMULATED)
@pytest.mark.usefixtures("compiled")
def test_plain_rows_are_accumulated_in_one_call_to_the_same_bits(rng, name, shape, dtype):
    kind, general = ACCUMULATED[name]
    first, offset = rng.standard_normal((2, *shape))
    first, offset = (first + 1e3).astype(dtype), (1e3 * offset).astype(dtype)
    labels = [rng.standard_normal(len(first)).astype(dtype) for _ in range(2)]
    short, long = kind(), kind()
    for X, y in zip((first, offset), labels, strict=True):
        is_alone = kind is Moments and len(X) == 1 and short.count == 0  # one number has no variance
        assert short._is_updated(*rows_for(kind, X, y)) is not is_alone
        if is_alone:
            short.update(X)
        if kind is not Gram or long.n_rows == 0:  # later rows of Gram have sums of their own
            long.update(*rows_for(kind, X, y), **general)
            assert bits(short) == bits(long)


@pytest.mark.parametrize("unplain", UNPLAIN)
@pytest.mark.parametrize("name", ACCUMULATED)
@pytest.mark.usefixtures("compiled")
def test_other_rows_are_accumulated_the_general_way(rng, name, unplain):
    kind, _ = ACCUMULATED[name]
    good = rng.standard_normal((24, 5))
    X = UNPLAIN[unplain](good * 10)
    y = np.ones(len(X))
    for before in (kind(), kind().update(*rows_for(kind, good, np.ones(24)))):
        held = bits(before)
        assert not before._is_updated(*rows_for(kind, X, y))
        assert bits(before) == held
        if "NaN" in unplain or "infinity" in unplain:
            with pytest.raises(ValueError, match=r"holds 1 NaN or infinite value\(s\), the first at index \(3, 2\)"):
                before.update(*rows_for(kind, X, y))
            assert bits(before) == held


@pytest.mark.parametrize("name", ACCUMULATED)
@pytest.mark.usefixtures("compiled")
def test_one_call_leaves_what_vanishes_to_the_general_way(rng, name):
    kind, _ = ACCUMULATED[name]
    X, y = rng.standard_normal((24, 5)), np.ones(24)
    for tiny in (X * 1e-160, X * [1.0, 1.0, 1e-160, 1.0, 1.0]):
        assert not kind()._is_updated(*rows_for(kind, tiny, y))
        with pytest.raises(ValueError, match="vanish in float64"):
            kind().update(*rows_for(kind, tiny, y))


@pytest.mark.parametrize("name", ACCUMULATED)
@pytest.mark.usefixtures("compiled")
def test_one_call_asks_for_the_shape_before_and_for_the_place_of_counts(rng, name):
    kind, _ = ACCUMULATED[name]
    X, y = rng.standard_normal((6, 4)), rng.standard_normal(6)
    some = kind().update(*rows_for(kind, X, y))
    other = np.ascontiguousarray(X[:, :3])
    assert not some._is_updated(*rows_for(kind, other, y))
    with pytest.raises(ValueError, match=r"columns|shape"):
        some.update(*rows_for(kind, other, y))
    for options in ({"workers": 2}, {"skip_nan": 0}, {"weights": [1.0]}):
        with pytest.raises((TypeError, ValueError), match=next(iter(options))):
            some.update(*rows_for(kind, X, y), **options)
    if kind in (Moments, CoMoments):
        some.count = 2**53 - 5
        with pytest.raises(OverflowError, match=r"2\*\*53"):
            some.update(X)


def test_numbers_and_whole_arrays_are_samples_too(rng):
    for shape in ((10,), (10, 3, 2)):
        samples = rng.standard_normal(shape)
        short, long = Moments(), Moments().update(samples, finite=False)
        assert short._is_updated(samples)
        assert bits(short) == bits(long)
        assert short.variance(1).shape == shape[1:] == short.mean.shape
    weighted = Moments().update(samples, weights=np.ones(10))
    assert not weighted._is_updated(samples)


def test_numba_is_loaded_where_calls_are_many(rng, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "numba")
    monkeypatch.setattr(few_rows, "_calls", iter(range(10**6)))
    monkeypatch.setattr(few_rows, "CALLS_WITHOUT", 3)
    X = rng.standard_normal((6, 4))
    assert [CoMoments()._is_updated(X) for _ in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize(("features", "labels"), [(1e-16, 1e-297), (1e-90, 1e-230), (1.0, 1e-300)])
def test_labels_whose_squares_vanish_are_no_zeros(rng, features, labels):
    X, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    assert few.min_norm(X * features, y * labels) is None
    assert few.lstsq(X * features, y * labels) is None
    for solve in (min_norm, lambda *problem: lstsq(*problem)[0]):
        found = solve(X * features, y * labels) * (features / labels)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not few.min_norm(X, np.zeros(8)).any()
