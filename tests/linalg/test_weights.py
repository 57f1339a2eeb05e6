"""Rows that count as several or as a part of one, and rows and numbers that are missing."""

import re
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from w2s_fast import CoMoments, Gram, Moments, randomized_svd
from w2s_fast.linalg.rows import cutting
from w2s_fast.linalg.rows.base import Rows
from w2s_fast.linalg.rows.sources import StreamRows

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 4)) * [1.0, 5.0, 1e-3, 1e4] + [0.0, 1.0, 7.0, 1e8]
Y = rng.standard_normal((60, 2))
TIMES = rng.integers(0, 4, 60)
WEIGHTS = rng.random(60) * (rng.random(60) > 0.1)
HOLES = np.where(rng.random(X.shape) < 0.2, np.nan, X)
CUTS = [np.array_split(np.arange(60), 7), np.array_split(np.arange(60), 4)]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_weight_counts_as_so_many_rows():
    again = np.repeat(X, TIMES, axis=0), np.repeat(Y, TIMES, axis=0)
    for kind in (Moments, CoMoments):
        found, expected = kind().update(X, weights=TIMES), kind().update(again[0])
        close(found.mean, expected.mean)
        spread = (lambda sums: sums.variance(ddof=1)) if kind is Moments else (lambda sums: sums.covariance(ddof=1))
        close(spread(found), spread(expected))
    pairs, twice = CoMoments().update(X, weights=TIMES), CoMoments().update(again[0])
    close(pairs.ratio([1, 1, 0, 0], [0, 1, 1, 0]), twice.ratio([1, 1, 0, 0], [0, 1, 1, 0]))
    assert (pairs.count, pairs.weight) == (np.count_nonzero(TIMES), TIMES.sum())
    for centred in (False, True):
        found, expected = Gram(centred=centred).update(X, Y, weights=TIMES), Gram(centred=centred).update(*again)
        for name in ("xtx", "xty", "yty", "x_mean", "y_mean"):
            scale = np.abs(getattr(expected, name)).max()
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-9 * scale)
        assert (found.n_rows, found.weight) == (np.count_nonzero(TIMES), TIMES.sum())


def test_fractions_as_numpy_has_them():
    close(Moments().update(X, weights=WEIGHTS).mean, np.average(X, axis=0, weights=WEIGHTS))
    close(CoMoments().update(X, weights=WEIGHTS).covariance(), np.cov(X.T, aweights=WEIGHTS, ddof=0))
    solved = Gram(centred=True).update(X[:, :3], Y, weights=WEIGHTS).solve()
    with_ones = np.column_stack((X[:, :3], np.ones(60))) * np.sqrt(WEIGHTS)[:, None]
    close(solved, np.linalg.lstsq(with_ones, Y * np.sqrt(WEIGHTS)[:, None], rcond=None)[0][:3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scalers_of_scikit_learn(dtype):
    StandardScaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
    tame = (HOLES - [0, 0, 0, 1e8]).astype(dtype)
    for weights in (None, WEIGHTS):
        scaler, moments = StandardScaler(), Moments()
        for part in np.array_split(np.arange(60), 3):
            own = None if weights is None else weights[part]
            scaler.partial_fit(tame[part], sample_weight=own)
            moments.update(tame[part], weights=own, skip_nan=True)
        np.testing.assert_allclose(moments.mean, scaler.mean_, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(moments.variance(), scaler.var_, rtol=1e-5)
        np.testing.assert_allclose(moments.weights, scaler.n_samples_seen_, rtol=1e-6)  # it sums them in float32


def test_numbers_that_are_missing_are_left_out_each_for_itself():
    found = Moments().update(HOLES, skip_nan=True)
    close(found.mean, np.nanmean(HOLES, axis=0))
    close(found.variance(ddof=1), np.nanvar(HOLES, axis=0, ddof=1))
    assert np.array_equal(found.weights, np.sum(~np.isnan(HOLES), axis=0))
    assert found.count == 60
    empty = Moments().update(np.full((3, 2), [[1.0, np.nan]]), skip_nan=True)
    assert np.array_equal(empty.mean, [1.0, np.nan], equal_nan=True)
    assert np.array_equal(empty.variance(), [0.0, np.nan], equal_nan=True)
    cube = Moments().update(HOLES.reshape(15, 4, 4), skip_nan=True)
    assert cube.weights.shape == (4, 4)
    close(cube.mean, np.nanmean(HOLES.reshape(15, 4, 4), axis=0))


def test_rows_with_a_hole_are_left_out_of_products():
    whole = ~np.isnan(HOLES).any(axis=1)
    holes = np.where(np.arange(60)[:, None] == 7, np.nan, Y)
    both = whole & (np.arange(60) != 7)
    close(CoMoments().update(HOLES, skip_nan=True).covariance(), np.cov(X[whole].T, ddof=0))
    for centred in (False, True):
        found = Gram(centred=centred).update(HOLES, holes, weights=WEIGHTS, skip_nan=True)
        expected = Gram(centred=centred).update(X[both], Y[both], weights=WEIGHTS[both])
        assert np.array_equal(found.xty, expected.xty)
        assert found.n_rows == expected.n_rows == np.count_nonzero(WEIGHTS[both])


@pytest.mark.parametrize("gathered", [8, 1 << 20])
def test_blocks_and_merges_are_as_one(gathered, monkeypatch):
    monkeypatch.setattr(cutting, "GATHERED", gathered)
    parts = np.array_split(np.arange(60), [0, 1, 30])
    calls = {
        "moments": (Moments, lambda sums: (sums.mean, sums.variance(), sums.weights)),
        "pairs": (CoMoments, lambda sums: (sums.mean, sums.covariance())),
        "gram": (lambda: Gram(centred=True), lambda sums: (sums.x_mean, sums.xtx)),
    }
    for make, results in calls.values():
        whole, summed, streamed = make().update(X, weights=WEIGHTS), make(), make()
        for part in parts:
            summed.merge(make().update(X[part], weights=WEIGHTS[part]))
        streamed.update(StreamRows([X[:20], X[20:]], "X"), weights=WEIGHTS)
        mixed, expected = make().update(X).update(X, weights=WEIGHTS), make().update(X, weights=WEIGHTS + 1.0)
        for mine, theirs in ((summed, whole), (streamed, whole), (mixed, expected)):
            for a, b in zip(results(mine), results(theirs), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())
        after = make().update(X, weights=WEIGHTS).update(X)
        for a, b in zip(results(after), results(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


def test_weighted_rows_are_taken_away_and_saved(tmp_path):
    for centred in (False, True):
        whole = Gram(centred=centred).update(X[:, :3], Y, weights=WEIGHTS)
        part = Gram(centred=centred).update(X[:30, :3], Y[:30], weights=WEIGHTS[:30])
        rest = Gram(centred=centred).update(X[30:, :3], Y[30:], weights=WEIGHTS[30:])
        left = Gram(centred=centred).merge(whole).downdate(part)
        np.testing.assert_allclose(left.xtx, rest.xtx, atol=1e-9 * whole.xtx.max())
        np.testing.assert_allclose(left.x_mean, rest.x_mean, atol=1e-9)
        assert left.n_rows == rest.n_rows
        whole.save(tmp_path / "gram.npz")
        again = Gram.load(tmp_path / "gram.npz")
        assert (again.n_rows, again.weight) == (whole.n_rows, whole.weight)
        assert np.array_equal(again.merge(part).x_mean, whole.merge(part).x_mean)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_rows_with_holes_are_those_of_arrays(kind):
    some = np.where(rng.random(X.shape) < 0.5, 0.0, HOLES)
    sparse = scipy.sparse.csr_array(some).asformat(kind)
    for how in ({"skip_nan": True}, {"skip_nan": True, "weights": WEIGHTS}):
        for make in (Moments, CoMoments, Gram):
            found, expected = make().update(sparse, **how), make().update(some, **how)
            np.testing.assert_array_equal(*(sums.xtx if make is Gram else sums.mean for sums in (found, expected)))
    first = tuple(np.argwhere(np.isnan(some))[0].tolist())
    for call in (lambda: Gram().update(sparse), lambda: randomized_svd(sparse, 2)):
        with pytest.raises(ValueError, match=re.escape(f"the first at index {first}")):
            call()


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_equal_numbers_have_no_variance_whatever_their_weights(offset):
    """Their weighted mean is one of them to rounding alone, and squares of what rounding left may come out below 0."""
    rng = np.random.default_rng(2)
    for count in (1, 2, 7, 30):
        rows = np.repeat(offset + rng.standard_normal((1, 3)), count, axis=0)
        weights = 3.0 * rng.random(count)
        gram = Gram(centred=True).update(rows, rows, weights=weights)
        assert not gram._joint.any()
        assert np.array_equal(gram.x_mean, rows[0])
        assert not CoMoments().update(rows, weights=weights).covariance().any()
        rows[1:, 0], weights[-1:] = np.nan, 0.0
        if weights.any():
            moments = Moments().update(rows, weights=weights, skip_nan=True)
            assert not moments.variance().any()
            assert np.array_equal(moments.mean, rows[0])
        rows[:, 0] = rng.standard_normal(count)  # beside one that is none of these
        moments = Moments().update(rows, weights=np.ones(count))
        assert np.array_equal(moments.variance() > 0.0, [count > 1, False, False])


@pytest.mark.parametrize("centred", [False, True])
def test_nothing_is_left_of_weighted_rows_that_were_all_taken_away(centred, tmp_path):
    make = partial(Gram, centred=centred)
    part, whole = ([make().update(X[at], Y[at], weights=WEIGHTS[at]) for at in cut] for cut in CUTS)
    left = make()
    for each in part:
        left.merge(each)
    for each in whole:
        left.downdate(each)
    assert (left.n_rows, left.weight) == (0, 0.0)
    left.save(tmp_path / "gram.npz")  # whose reader refuses a weight of no rows
    again, new = (sums.update(X, Y, weights=WEIGHTS) for sums in (Gram.load(tmp_path / "gram.npz"), make()))
    np.testing.assert_allclose(again.xtx, new.xtx, atol=1e-14 * new.xtx.max())
    np.testing.assert_allclose(again.xty[:3], new.xty[:3], atol=1e-9)


@pytest.mark.parametrize("weight", [1e15, 1e20])
def test_weights_that_drown_what_is_left_are_refused(weight):
    light = Gram(centred=True).update(X[:20, :3] + 1.0, Y[:20], weights=np.full(20, 0.7))
    heavy = Gram(centred=True).update(1e-9 * X[20:40, :3], 1e-9 * Y[20:40], weights=np.full(20, weight))
    with pytest.raises(np.linalg.LinAlgError, match="rounding drowns" if weight > 1e17 else "ill-conditioned"):
        Gram(centred=True).merge(light).merge(heavy).downdate(heavy).solve()


class Blocks(Rows):
    shape = HOLES.shape

    def read(self, step):
        return iter(np.split(HOLES, [25, 50]))


def test_sums_of_arrays_in_a_cluster():
    da = pytest.importorskip("dask.array")
    lazy, weights = da.from_array(HOLES, (25, -1)), da.from_array(WEIGHTS, 25)
    for kind in (Moments, CoMoments, Gram):
        found = kind().update(lazy, weights=weights, skip_nan=True)
        expected = kind().update(Blocks(), weights=WEIGHTS, skip_nan=True)
        mine, theirs = ((sums.xtx if kind is Gram else sums.mean) for sums in (found, expected))
        assert np.array_equal(mine, theirs)


@settings(max_examples=30)
@given(
    of_numpy.arrays(np.float64, (7, 2), elements=st.floats(-1e3, 1e3)),
    of_numpy.arrays(np.float64, 7, elements=st.floats(0.0, 1e3).filter(lambda w: w == 0.0 or w > 1e-3)),
)
def test_any_weights(rows, weights):
    found = Moments().update(rows, weights=weights)
    if not weights.any():
        assert np.isnan(found.mean).all()
        return
    mean = np.average(rows, axis=0, weights=weights)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    expected = np.average((rows - mean) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(found.variance(), expected, rtol=1e-6, atol=1e-6)
    assert CoMoments().update(rows, weights=weights).count == np.count_nonzero(weights)


@pytest.mark.parametrize("kind", [Moments, CoMoments, Gram])
def test_what_cannot_be_is_refused(kind):
    for weights, words in (
        ([1.0], "weights must have one number a row, got 1 for 60 rows"),
        (-np.ones(60), "weights must not be negative, got -1 at index 0"),
        (np.full(60, np.nan), "weights holds 60 NaN"),
        (np.ones((60, 1)), "weights must have 1 dimension"),
    ):
        with pytest.raises(ValueError, match=words):
            kind().update(X, weights=weights)
    with pytest.raises(ValueError, match="holds 1 NaN or infinite"):
        kind().update(np.where(np.arange(60)[:, None] * 4 + np.arange(4) == 9, np.inf, X), skip_nan=True)
    with pytest.raises(ValueError, match="NaN"):
        kind().update(HOLES, weights=WEIGHTS)
    with pytest.raises(TypeError, match="skip_nan must be True or False"):
        kind().update(X, skip_nan=1)
    nothing = kind().update(X, weights=np.zeros(60))
    assert (nothing.n_rows if kind is Gram else nothing.count) in (0, 60)
