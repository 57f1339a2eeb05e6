"""Moments and CoMoments: partial results form an algebra, whatever the split, order and grouping."""

import copy
import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests import naive
from w2s_fast import CoMoments, Gram, Moments
from w2s_fast.kernels.moments import TILE_COLUMNS, TILE_ROWS

EPS = np.finfo(float).eps
KINDS = pytest.mark.parametrize("kind", [Moments, CoMoments])


def second(moments, ddof=0):
    """Variance or covariance."""
    return moments.variance(ddof) if isinstance(moments, Moments) else moments.covariance(ddof)


def assert_moments(moments, X):
    """The moments are those of the rows of X, up to the rounding of a mean: eps times the largest entry."""
    X = np.asarray(X, np.float64)
    oracle = naive.variance if isinstance(moments, Moments) else naive.covariance
    rounding = 50 * EPS * np.abs(X).max(initial=0.0)
    assert moments.count == len(X)
    np.testing.assert_allclose(moments.mean, naive.mean(X), rtol=0, atol=rounding)
    spread = np.ptp(X, axis=0).max(initial=0.0)
    np.testing.assert_allclose(second(moments), oracle(X), rtol=0, atol=rounding * (spread + rounding) + 1e-300)


def unequal(rows, columns, seed=0, offset=0.0):
    """Rows whose mean drifts, so that the parts of any split have unequal means."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, columns)) + 0.3 * np.arange(rows)[:, None] + offset


@st.composite
def samples(draw, min_rows=1):
    """Rows with a common offset up to 1e8."""
    shape = draw(st.integers(min_rows, 10)), draw(st.integers(1, 3))
    rows = draw(arrays(np.float64, shape, elements=st.floats(-4, 4, width=16)))
    return rows + draw(st.sampled_from([0.0, 1.0, -1e4, 1e8]))


@st.composite
def splits(draw):
    """Blocks of rows, some of them empty, and the rows."""
    X = draw(samples())
    cuts = sorted(draw(st.lists(st.integers(0, len(X)), max_size=5)))
    return X, [X[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(X)], strict=True)]


@KINDS
@given(splits())
def test_blocks_may_be_split_anywhere(kind, split):
    X, blocks = split
    moments = kind()
    for block in blocks:
        assert moments.update(block) is moments
    assert_moments(moments, X)


@KINDS
@given(splits(), st.data())
def test_parts_merge_in_any_order_and_grouping(kind, split, data):
    X, blocks = split
    parts = [kind().update(block) for block in blocks]
    while len(parts) > 1:
        part = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        into = parts[data.draw(st.integers(0, len(parts) - 1))]
        assert into.merge(part) is into
    assert_moments(parts[0], X)


@KINDS
@given(samples(), samples())
def test_merging_leaves_the_other_as_it_is(kind, X, Y):
    width = min(X.shape[1], Y.shape[1])
    one, other = kind().update(X[:, :width]), kind().update(Y[:, :width])
    before = other.count, other.mean, second(other)
    one.merge(other)
    assert other.count == before[0]
    assert np.array_equal(other.mean, before[1])
    assert np.array_equal(second(other), before[2])


@KINDS
@given(samples())
def test_nothing_merged_or_added_changes_nothing(kind, X):
    moments = kind().update(X)
    before = moments.mean, second(moments)
    moments.merge(kind()).merge(kind().update(X[:0])).update(X[:0])
    fresh = kind().merge(moments)
    for same in (moments, fresh):
        assert same.count == len(X)
        assert np.array_equal(same.mean, before[0])
        assert np.array_equal(second(same), before[1])


@KINDS
def test_unequal_means_far_from_zero_keep_their_digits(kind):
    X = unequal(30, 3, offset=1e8)
    moments = kind().update(X[:1]).merge(kind().update(X[1:7])).update(X[7:])
    assert_moments(moments, X)
    np.testing.assert_allclose(second(moments), second(kind().update(X - 1e8)), rtol=1e-6)


@KINDS
def test_merging_with_itself_doubles_the_count_alone(kind):
    X = unequal(3, 2)
    moments = kind().update(X)
    for _ in range(40):
        moments.merge(copy.deepcopy(moments))
    moments.merge(moments)
    assert moments.count == 3 * 2**41
    np.testing.assert_allclose(moments.mean, naive.mean(X), rtol=1e-12)
    np.testing.assert_allclose(second(moments), second(kind().update(X)), rtol=1e-12)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(TILE_ROWS, 1), (TILE_ROWS + 1, 1), (3 * TILE_ROWS - 1, 2), (1, TILE_COLUMNS + 1), (2, 2 * TILE_COLUMNS + 3)],
)
def test_tiles_leave_no_seam(rows, columns):
    X = unequal(rows, columns, offset=1e4)
    moments = Moments().update(X)
    np.testing.assert_allclose(moments.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.variance(), X.var(axis=0), rtol=1e-9, atol=1e-20)


@pytest.mark.compiled
def test_tiles_leave_no_seam_both_ways():
    X = unequal(2 * TILE_ROWS + 5, TILE_COLUMNS + 7)
    moments = Moments().update(X)
    np.testing.assert_allclose(moments.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.variance(), X.var(axis=0), rtol=1e-12)


def test_rounding_of_a_tiles_mean_is_mended():
    moments = Moments().update(np.full((TILE_ROWS - 4, 1), 0.1))  # whose sum is not 6
    assert moments.mean == 0.1
    assert 0 <= moments.variance() < 1e-40


def test_comoments_take_more_rows_than_one_block(monkeypatch):
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.BLOCK_WORK", 1)
    monkeypatch.setattr("w2s_fast.linalg.rows.cutting.GRAM_ROWS", 4)
    X = unequal(11, 3)
    assert_moments(CoMoments().update(X), X)


@KINDS
def test_every_layout_gives_the_same_and_is_left_alone(kind):
    X = unequal(6, 4)
    expected = kind().update(X)
    for name, same in naive.layouts(X):
        moments = kind().update(same)
        np.testing.assert_allclose(moments.mean, expected.mean, rtol=1e-15, err_msg=name)
        np.testing.assert_allclose(second(moments), second(expected), rtol=1e-13, err_msg=name)
        assert np.array_equal(same, X), name


@KINDS
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint16, np.bool_])
def test_every_dtype_is_accumulated_in_float64(kind, dtype):
    X = (4 * np.random.default_rng(1).random((7, 3))).astype(dtype)
    moments = kind().update(X)
    assert moments.mean.dtype == second(moments).dtype == np.float64
    assert_moments(moments, X)


@KINDS
def test_float32_far_from_zero_keeps_its_digits(kind):
    X = np.array([[1e8], [1e8 + 8.0]], np.float32)
    assert second(kind().update(X)) == pytest.approx(16.0, rel=1e-15)


def test_samples_may_have_any_shape():
    X = np.random.default_rng(2).standard_normal((5, 2, 3))
    moments = Moments().update(X[:2]).merge(Moments().update(X[2:]))
    np.testing.assert_allclose(moments.mean, X.mean(axis=0))
    np.testing.assert_allclose(moments.variance(ddof=1), X.var(axis=0, ddof=1))
    scalars = Moments().update([1.0, 2.0]).update([6.0])
    assert scalars.mean.shape == scalars.variance().shape == ()
    assert (scalars.mean, scalars.variance(ddof=1)) == (3.0, 7.0)


@KINDS
def test_samples_without_columns_have_empty_moments(kind):
    moments = kind().update(np.zeros((3, 0)))
    assert moments.count == 3
    assert moments.mean.size == second(moments).size == 0


@KINDS
def test_divisor_is_the_count_less_ddof(kind):
    X = unequal(4, 2)
    oracle = naive.variance if kind is Moments else naive.covariance
    moments = kind().update(X)
    for ddof in range(4):
        np.testing.assert_allclose(second(moments, ddof), oracle(X, ddof), rtol=1e-13)
    assert np.isnan(second(moments, 4)).all()
    assert np.isnan(second(moments, 5)).all()
    with pytest.raises(ValueError, match="ddof must be at least 0, got -1"):
        second(moments, -1)
    with pytest.raises(TypeError, match="ddof must be a whole number"):
        second(moments, 0.5)


@KINDS
def test_no_sample_has_no_mean_and_one_no_spread(kind):
    assert np.isnan(kind().update(np.zeros((0, 2))).mean).all()
    assert np.isnan(second(kind().update(np.zeros((0, 2))))).all()
    one = kind().update([[3.0, 4.0]])
    assert one.mean.tolist() == [3.0, 4.0]
    assert not second(one).any()
    assert np.isnan(second(one, ddof=1)).all()


@KINDS
def test_results_are_copies(kind):
    moments = kind().update([[1.0, 2.0], [3.0, 4.0]])
    for result in (moments.mean, second(moments)):
        result[...] = 99.0
    assert_moments(moments, np.array([[1.0, 2.0], [3.0, 4.0]]))


@KINDS
def test_counts_that_float64_cannot_hold_are_refused(kind):
    moments = kind().update([[1.0], [2.0]])
    moments.count = 2**53 - 1
    before = moments.mean
    with pytest.raises(OverflowError, match=r"2 more pass 2\*\*53"):
        moments.update([[5.0], [6.0]])
    with pytest.raises(OverflowError, match=r"2 more pass 2\*\*53"):
        moments.merge(kind().update([[5.0], [6.0]]))
    assert moments.count == 2**53 - 1
    assert np.array_equal(moments.mean, before)
    assert moments.update([[5.0]]).count == 2**53


@KINDS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_before_it_is_added(kind, bad):
    moments = kind().update([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(ValueError, match=r"block holds 1 NaN or infinite value\(s\), the first at index \(1, 0\)"):
        moments.update([[1.0, 2.0], [bad, 4.0]])
    assert_moments(moments, np.array([[1.0, 2.0], [3.0, 4.0]]))


def test_what_is_not_finite_stays_in_its_column_when_let_through():
    moments = Moments().update([[1.0, np.nan], [3.0, 4.0]], finite=False)
    assert moments.mean[0] == 2.0
    assert moments.variance()[0] == 1.0
    assert np.isnan(moments.mean[1])


@KINDS
def test_misfits_are_refused_by_name(kind):
    moments = kind().update(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"block has samples of shape \(2,\), the ones before have shape \(3,\)"):
        moments.update(np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"other has samples of shape \(2,\), the ones before have shape \(3,\)"):
        moments.merge(kind().update(np.ones((4, 2))))
    with pytest.raises(TypeError, match=f"other must be {kind.__name__}, got ndarray"):
        moments.merge(np.ones((2, 3)))
    with pytest.raises(TypeError, match=f"other must be {kind.__name__}, got"):
        moments.merge(CoMoments() if kind is Moments else Moments())
    with pytest.raises(ValueError, match=r"block must have|block must hold samples along its first axis"):
        moments.update(1.0)
    assert moments.count == 2


def test_squares_that_overflow_are_refused_and_leave_what_was_there():
    moments = Moments().update([1.0, 3.0])
    with pytest.raises(ValueError, match="the squares of block overflow float64"):
        moments.update([1e200, -1e200])
    assert (moments.count, float(moments.mean), float(moments.variance())) == (2, 2.0, 1.0)


@pytest.mark.compiled
@pytest.mark.parametrize("shape", [(70_000, 40), (3, 1_000_000), (2_000, 2_000), (4_000_000,)])
def test_blocks_of_many_tiles_leave_no_seam(shape):
    block = np.random.default_rng(0).standard_normal(shape) + 5.0
    moments = Moments().update(block[:1]).update(block[1:])
    np.testing.assert_allclose(moments.mean, block.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance(), block.var(axis=0), rtol=1e-10)
    again = Moments().update(block[:1]).update(block[1:])
    assert np.array_equal(again.mean, moments.mean)
    assert np.array_equal(again.m2, moments.m2)


def test_a_failed_first_block_leaves_the_shape_open():
    for kind in (Moments, CoMoments):
        moments = kind()
        with pytest.raises(ValueError, match="NaN"):
            moments.update([[np.nan, 1.0]])
        assert moments.update([[1.0], [2.0]]).count == 2


def test_the_error_of_a_ratio_is_its_spread_over_samples():
    rng = np.random.default_rng(0)
    truth, errors, values = 2.0 / 5.0, [], []
    for _ in range(400):
        noise = rng.standard_normal((50, 3))
        rows = np.column_stack((2.0 + noise[:, 0] + noise[:, 2], 5.0 + noise[:, 1] + noise[:, 2], noise[:, 0]))
        value, stderr = CoMoments().update(rows).ratio([1, 0, 0], [0, 1, 0])
        values.append(value)
        errors.append(stderr)
    z = (np.array(values) - truth) / np.array(errors)
    assert abs(z.mean()) < 4 / np.sqrt(400) + 0.05  # the bias of a ratio is of second order
    assert 0.9 < z.std() < 1.1


def test_a_ratio_of_contrasts_is_that_of_the_means():
    trials = np.random.default_rng(1).standard_normal((20, 4)) + np.array([4, 3, 1, 2])
    value, stderr = CoMoments().update(trials).ratio([1, 0, 0, -1], [1, 0, -1, 0])
    weak, _, ceiling, w2s = trials.mean(axis=0)
    np.testing.assert_allclose(value, (weak - w2s) / (weak - ceiling), rtol=1e-12)
    assert stderr > 0
    assert np.isnan(CoMoments().update(trials[:1]).ratio([1, 0, 0, 0], [0, 1, 0, 0])[1])
    assert np.isnan(CoMoments().update(np.zeros((3, 1))).ratio([1], [1])[0])


def test_weights_of_a_ratio_must_fit():
    with pytest.raises(ValueError, match="denominator must have one weight for each of"):
        CoMoments().update(np.eye(3)).ratio([1, 0, 0], [1, 0])


def test_comoments_that_overflow_together_are_refused():
    seen = CoMoments().update([[1e160]])
    with pytest.raises(ValueError, match="overflow float64"):
        seen.update([[-1e160]])


# Any offset


def exact_moments(x):
    """Mean and variance in whole fractions, rounded once."""
    fractions = [Fraction(float(value)) for value in x]
    mean = sum(fractions) / len(fractions)
    return float(mean), float(sum((value - mean) ** 2 for value in fractions) / len(fractions))


WAYS = {
    "one block": lambda kind, X: kind().update(X),
    "row by row": lambda kind, X: fold(kind, X, len(X), lambda total, part: total.update(part)),
    "blocks": lambda kind, X: fold(kind, X, 37, lambda total, part: total.update(part)),
    "merges": lambda kind, X: fold(kind, X, 37, lambda total, part: total.merge(kind().update(part))),
    "a tree": lambda kind, X: tree([kind().update(part) for part in np.array_split(X, 32)]),
    "backwards": lambda kind, X: fold(kind, X[::-1], 11, lambda total, part: kind().update(part).merge(total)),
}


def fold(kind, X, parts, join):
    total = kind()
    for part in np.array_split(X, parts):
        total = join(total, part)
    return total


def tree(parts):
    return parts[0] if len(parts) == 1 else tree([a.merge(b) for a, b in zip(parts[::2], parts[1::2], strict=True)])


KINDS_OF_VARIANCE = {
    "Moments": (Moments, lambda moments: (moments.mean, moments.variance())),
    "CoMoments": (CoMoments, lambda moments: (moments.mean, moments.covariance())),
    "Gram": (functools.partial(Gram, centred=True), lambda gram: (gram.x_mean, gram.xtx / gram.n_rows)),
}


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e9, 1e12, 3e15])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS_OF_VARIANCE)
def test_no_offset_costs_digits_whatever_the_blocks_and_merges(kind, way, offset):
    """A sum of n squares in any order is right to n eps, and that of its parts to a few: no offset is in that."""
    make, read = KINDS_OF_VARIANCE[kind]
    rng = np.random.default_rng(1)
    x = offset + rng.standard_normal(1_500)
    mean, variance = exact_moments(x)
    found_mean, found = (float(np.ravel(part)[0]) for part in read(WAYS[way](make, x[:, None])))
    assert abs(found_mean - mean) <= EPS * (abs(mean) + variance**0.5)
    assert abs(found / variance - 1) <= (20 if kind == "Moments" else 200) * EPS


@pytest.mark.parametrize("how", [{"weights": 1.0}, {"skip_nan": True}])
@pytest.mark.parametrize("kind", KINDS_OF_VARIANCE)
def test_no_offset_costs_digits_of_weighted_or_skipped_numbers(kind, how):
    make, read = KINDS_OF_VARIANCE[kind]
    rng = np.random.default_rng(1)
    x = 1e9 + rng.standard_normal(300)
    mean, variance = exact_moments(x)
    total = make()
    for part in np.array_split(x, 7):
        given = {"weights": np.ones(len(part))} if "weights" in how else how
        total = total.update(part[:, None], **given) if len(part) % 2 else make().update(part[:, None]).merge(total)
    found_mean, found = (float(np.ravel(part)[0]) for part in read(total))
    assert abs(found_mean - mean) <= EPS * (abs(mean) + variance**0.5)
    assert abs(found / variance - 1) <= 200 * EPS


def test_an_offset_that_changes_costs_no_digits():
    x = np.concatenate([10.0**power + np.random.default_rng(power).standard_normal(300) for power in (9, 3, 12, 0)])
    mean, variance = exact_moments(x)
    for way in WAYS.values():
        moments = way(Moments, x)
        assert abs(moments.mean / mean - 1) <= 4 * EPS
        assert abs(moments.variance() / variance - 1) <= 20 * EPS


@pytest.mark.compiled
def test_a_million_rows_of_float32_at_an_offset_are_those_of_float64():
    X = (1e4 + np.random.default_rng(0).standard_normal((1_000_000, 3))).astype(np.float32)
    mean = [math.fsum(map(float, column)) / len(X) for column in X.T]
    variance = [math.fsum((float(x) - m) ** 2 for x in column) / len(X) for column, m in zip(X.T, mean, strict=True)]
    for moments in (Moments().update(X), fold(Moments, X, 10_000, lambda total, part: total.update(part))):
        np.testing.assert_allclose(moments.mean, mean, rtol=2 * EPS)
        np.testing.assert_allclose(moments.variance(), variance, rtol=1e-12)  # fsum's own terms hold a rounded mean


@pytest.mark.parametrize("scale", [1e-160, 1e-200, 1e-310])
@pytest.mark.parametrize("kind", [Moments, CoMoments, Gram, functools.partial(Gram, centred=True)])
def test_squares_that_vanish_are_refused_by_name(kind, scale):
    X = unequal(6, 3)
    tiny = X.copy()
    tiny[:, 1] *= scale
    for block in (tiny, X * scale):
        with pytest.raises(ValueError, match=r"the squares of (block|X) vanish in float64: scale it up first"):
            kind().update(block)


def test_equal_samples_have_no_variance_at_any_scale():
    for value in (0.0, 0.1, 1e-200, 5e-324, 1e100):
        moments = Moments().update(np.full((70, 1), value)).update([[value]])
        assert moments.mean == value
        assert moments.variance() <= (1e-16 * value) ** 2
    with pytest.raises(ValueError, match="the squares of block vanish"):
        Moments().update([1e-200]).update([3e-200])


@pytest.mark.parametrize("scale", [1e-144, 1e-120, 1e120, 1e150])
@pytest.mark.parametrize("settings", [{}, {"rcond": 1e-6}, {"ridge": 0.5}, {"ridge": [0.5, 2.0]}], ids=str)
def test_gram_solves_follow_the_scale_of_features_and_labels(scale, settings):
    X, y = unequal(40, 6), unequal(40, 2, seed=1)
    expected = Gram().update(X, y).solve(**settings)
    ridge = {"ridge": np.multiply(settings["ridge"], scale**2)} if "ridge" in settings else {}
    found = Gram().update(X * scale, y / scale**0.5).solve(**(settings | ridge))
    np.testing.assert_allclose(found * scale * scale**0.5, expected, rtol=1e-10, atol=1e-12)
